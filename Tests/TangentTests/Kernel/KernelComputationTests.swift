import AutoDiff
import Foundation
import Layers
import Tangent
import Testing

/// Kernels by tiles, within budgets.
@Suite struct KernelComputationTests {
  @Test(arguments: Model.catalogue) func tilesGiveTheSameKernel(_ model: Model) throws {
    for outputs in KernelOutputs.allCases {
      for others in outputs == .exampleDiagonal ? [nil] : [nil, model.others] {
        let whole = tangentKernel(
          of: model.f, at: model.parameters, on: model.examples, and: others, outputs: outputs)
        let plan = try KernelComputation(
          of: model.f, at: model.parameters, on: model.examples, and: others, outputs: outputs)
        for (rows, columns) in [(1, 1), (3, 2), (2, 3), (4, 4), (9, 9)] {
          let kernel = try plan.withTiles(rows: rows, columns: columns).compute()
          #expect(kernel.shape == whole.shape)
          expectClose(kernel, whole, tolerance: 1e-12)
        }
      }
    }
  }

  @Test(arguments: Model.catalogue) func outputsInPartsGiveTheSameKernel(_ model: Model) throws {
    // Two outputs, or more, one at a time.
    let f = { (x: Tensor, p: [Tensor]) in
      let y = model.f(x, p).flattened
      return concatenate([y, y * y, sin(y)])
    }
    for outputs in KernelOutputs.allCases {
      for others in outputs == .exampleDiagonal ? [nil] : [nil, model.others] {
        let whole = tangentKernel(of: f, at: model.parameters, on: model.examples, and: others, outputs: outputs)
        let computation = try KernelComputation(
          of: f, at: model.parameters, on: model.examples, and: others, outputs: outputs)
        for chunk in [1, 2] {
          let kernel = try computation.withTiles(rows: 2, columns: 3).withOutputChunk(chunk).compute()
          expectClose(kernel, whole, tolerance: 1e-12)
        }
      }
    }
  }

  /// A network whose kernel takes some memory.
  private static func network(
    examples n: Int, outputs: Int = 4, as type: ScalarType = .float64
  ) -> (net: Sequential, p: Parameters, x: Tensor) {
    var random = RandomGenerator(seed: 12)
    let net = Sequential {
      Dense(96)
      Tanh()
      Dense(96)
      Tanh()
      Dense(outputs)
    }
    let x = Tensor.normal([n, 20], using: &random).as(type)
    return (net, net.initialized(like: x[0], seed: 0), x)
  }

  @Test func aBudgetIsKept() throws {
    let (net, p, x) = Self.network(examples: 300)
    let whole = tangentKernel(of: net, at: p, on: x, outputs: .traceMean)
    let folder = try TemporaryFolder()
    var tiles: [Int] = []
    for budget in [4 << 20, 8 << 20, 64 << 20] {
      let computation = try KernelComputation(of: net, at: p, on: x, outputs: .traceMean, budget: budget)
      #expect(computation.plan.estimatedPeak <= budget)
      tiles.append(computation.plan.tiles.count)
      let path = folder.path("kernel\(budget).npy")
      // What other tests hold at the same time counts as well, so that here only the plan is compared.
      try computation.write(to: path)
      expectClose(try Tensor(contentsOf: path), whole, tolerance: 1e-12)
      expectClose(try computation.compute(), whole, tolerance: 1e-12)
    }
    #expect(tiles[0] > tiles[1] && tiles[1] > 1 && tiles[2] == 1)
  }

  @Test func aPlanNamesTilesMethodsAndBytes() throws {
    let (net, p, x) = Self.network(examples: 300)
    let plan = try KernelComputation(of: net, at: p, on: x, outputs: .full, budget: 32 << 20).plan
    let text = "\(plan)"
    #expect(text.contains("kernel [300, 300, 4, 4] (full), float64, 11.0 MiB, symmetric"))
    #expect(text.contains("budget 32.0 MiB"))
    #expect(text.contains("0.weight"))
    #expect(text.contains("factored, 1 position"))
    #expect(plan.parameters.map(\.name) == p.named.map(\.path))
    #expect(plan.explanation.contains("0.weight: factored, because of factored"))
    for parameter in plan.parameters {
      for (method, costs) in zip(parameter.methods, parameter.costs) { #expect(costs[method] == costs.values.min()) }
    }
    // Every pair of examples once, or on the other side of the diagonal.
    var seen = [Int](repeating: 0, count: 300 * 300)
    for tile in plan.tiles {
      for row in tile.rows {
        for column in tile.columns {
          seen[row * 300 + column] += 1
          if tile.rows != tile.columns { seen[column * 300 + row] += 1 }
        }
      }
    }
    #expect(seen.allSatisfy { $0 == 1 })
  }

  @Test func tooSmallABudgetIsAnError() throws {
    let (net, p, x) = Self.network(examples: 30)
    #expect {
      _ = try KernelComputation(of: net, at: p, on: x, budget: 100_000)
    } throws: { error in
      guard case KernelError.tooLittleMemory(let needed, budget: 100_000) = error else { return false }
      return needed > 100_000 && "\(error)".contains("\(needed) bytes")
    }
    // The tiles fit, but not the whole.
    let (wide, q, z) = Self.network(examples: 400, outputs: 10)
    let computation = try KernelComputation(of: wide, at: q, on: z, budget: 24 << 20)
    #expect(throws: KernelError.self) { _ = try computation.compute() }
  }

  @Test func progressIsReportedAndCanCancel() throws {
    struct Enough: Error {}
    let model = Model.catalogue[2]
    let computation = try KernelComputation(of: model.f, at: model.parameters, on: model.examples)
      .withTiles(rows: 1, columns: 1)
    var reports: [KernelProgress] = []
    _ = try computation.compute { reports.append($0) }
    #expect(reports.map(\.doneTiles) == Array(1...10))
    #expect(reports.allSatisfy { $0.tileCount == 10 && $0.remaining >= 0 && $0.elapsed >= 0 })
    #expect(zip(reports, reports.dropFirst()).allSatisfy { $0.fraction < $1.fraction })
    #expect(reports.last!.fraction == 1 && reports.last!.remaining == 0)
    var count = 0
    #expect(throws: Enough.self) {
      _ = try computation.compute { _ in
        count += 1
        if count == 3 { throw Enough() }
      }
    }
    #expect(count == 3)
  }

  @Test func aCancelledTaskEnds() async throws {
    let model = Model.catalogue[2]
    let task = Task {
      try await Task.sleep(for: .seconds(0))
      withUnsafeCurrentTask { $0?.cancel() }
      return try KernelComputation(of: model.f, at: model.parameters, on: model.examples).compute()
    }
    await #expect(throws: CancellationError.self) { _ = try await task.value }
  }

  @Test func bitsDoNotDependOnThreads() throws {
    let (net, p, x) = Self.network(examples: 60)
    let computation = try KernelComputation(of: net, at: p, on: x).withTiles(rows: 25, columns: 10)
    let one = try withThreadLimit(1) { try computation.compute() }
    let two = try withThreadLimit(2) { try computation.compute() }
    #expect(one == two)
  }

  @Test func noExamplesMakeNoKernel() throws {
    let model = Model.catalogue[2]
    let none = model.examples[0..<0]
    #expect(
      try KernelComputation(of: model.f, at: model.parameters, on: none, and: model.others, outputs: .traceSum)
        .compute().shape == [0, 3])
  }

  @Test func whatTheModelThrowsIsThrown() {
    struct Refused: Error {}
    #expect(throws: Refused.self) {
      _ = try KernelComputation(
        of: { (_: Tensor, _: Tensor) -> Tensor in throw Refused() }, at: Tensor(1), on: Tensor([1, 2]))
    }
  }
}
