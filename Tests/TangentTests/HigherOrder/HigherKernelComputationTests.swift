import AutoDiff
import Layers
import Synchronization
import Testing

@testable import Tangent

/// Higher-order kernels tile by tile.
@Suite struct HigherKernelComputationTests {
  /// More examples than a unit has, and not a multiple.
  static let many: Tensor = {
    var random = RandomGenerator(seed: 77)
    return .normal([21, 3], using: &random)
  }()
  private static let model = Model.catalogue[2]

  private static func computation(
    _ order: Int, _ count: Int, newPoints: Tensor? = nil, budget: Int? = nil
  ) throws -> HigherKernelComputation<Tensor, [Tensor]> {
    try HigherKernelComputation(
      order: order, of: model.single, at: model.parameters, on: many[0..<count], newPoints: newPoints, budget: budget)
  }

  @Test(arguments: [(2, 21), (3, 18), (4, 6), (5, 3)]) func areThoseThatAreComputedAtOnce(order: Int, count: Int) throws
  {
    for newPoints in [nil, Self.many[3..<(order == 3 ? 20 : 5)]] {
      let kernel = try Self.computation(order, count, newPoints: newPoints).compute()
      expectClose(
        kernel,
        higherKernel(
          order: order, of: Self.model.single, at: Self.model.parameters, on: Self.many[0..<count], newPoints: newPoints
        ))
    }
  }

  @Test(arguments: Model.ofHigherOrder) func ofAnyModel(model: Model) throws {
    let computation = try HigherKernelComputation(
      order: 3, of: model.single, at: model.parameters, on: model.examples, newPoints: model.others)
    expectClose(
      try computation.compute(),
      higherKernel(
        order: 3, of: model.single, at: model.parameters, on: model.examples, newPoints: model.others))
  }

  @Test(arguments: [(3, 21), (4, 9)]) func anyTilesAndBudgetGiveTheSameBits(order: Int, count: Int) throws {
    for newPoints in [nil, Self.many[0..<18]] {
      let whole = try Self.computation(order, count, newPoints: newPoints)
      let kernel = try whole.compute()
      #expect(whole.plan.tiles.count == 1)
      var counts: Set<Int> = []
      for extents in [[1, 1, 1, 1], [17, 3, 5, 6], [1, 100, 1, 100], [100, 1, 17, 1]] {
        let tiled = whole.withTiles(Array(extents.prefix(order)))
        counts.insert(tiled.plan.tiles.count)
        #expect(try tiled.compute() == kernel)
      }
      #expect(counts.count > 1, "\(counts)")
      let small = try Self.computation(
        order, count, newPoints: newPoints, budget: whole.plan.unitBytes + whole.plan.kernelBytes - 1)
      #expect(small.plan.tiles.count > 1 && small.plan.unit == whole.plan.unit)
      func part(_ ranges: [Range<Int>]) -> Tensor {
        let some = kernel[ranges[0], ranges[1], ranges[2]]
        return order == 3 ? some : some[TensorIndex.all, TensorIndex.all, TensorIndex.all, ranges[3]]
      }
      try small.forEachTile { tile, value in
        #expect(value == part(tile.ranges))
      }
    }
  }

  @Test func tilesComeWithTheirPlaces() throws {
    let computation = try Self.computation(3, 21).withTiles([1, 1, 1])
    let kernel = try computation.compute()
    var (tiles, fractions): ([HigherKernelTile], [Double]) = ([], [])
    try computation.forEachTile(progress: { fractions.append($0.fraction) }) { tile, value in
      tiles.append(tile)
      let ranges = tile.ranges
      #expect(value == kernel[ranges[0], ranges[1], ranges[2]])
      #expect(value.permuted([1, 0, 2]) == kernel[ranges[1], ranges[0], ranges[2]])
    }
    #expect(tiles == computation.plan.tiles)
    // Rows and columns of 16 and 5, without those below the diagonal, times directions of 16 and 5.
    #expect(tiles.count == 6 && tiles[1].ranges == [0..<16, 0..<16, 16..<21])
    #expect(fractions == fractions.sorted() && fractions.last == 1 && fractions.count == 6)
  }

  /// In a process of its own, where nothing else allocates.
  @Test func staysWithinItsBudget() async {
    await #expect(processExitsWith: .success) {
      // Wide enough that what is on the way counts.
      let examples = HigherKernelComputationTests.many
      let net = HierarchyNetwork(depth: 2, width: 128) { tanh($0) }
      let p = net.initialized(like: examples[0], seed: 1)
      for order in 3...4 {
        let computation = try HigherKernelComputation(order: order, of: net, at: p, on: examples[0..<18])
        releasePooledMemory()
        let peak = try withPooledMemoryLimit(.max) { try computation.compute() }.peak
        let planned = computation.plan.bytesInMemory
        if peak > planned || planned >= 20 * peak { fatalError("order \(order): \(peak) of \(planned)") }
      }
    }
  }

  @Test func tooSmallABudgetIsNamed() throws {
    let need = try Self.computation(3, 21).plan
    let least = need.unitBytes + need.unit.reduce(8, *)
    _ = try Self.computation(3, 21, budget: least)
    #expect(throws: KernelError.tooLittleMemory(needed: least, budget: least - 1)) {
      _ = try Self.computation(3, 21, budget: least - 1)
    }
    // A unit fits, the kernel does not.
    #expect(throws: KernelError.self) { _ = try Self.computation(3, 21, budget: least).compute() }
    var sum = 0
    try Self.computation(3, 21, budget: least).forEachTile { tile, value in sum += value.count }
    #expect(sum > 0)
  }

  @Test func canBeCancelled() async throws {
    struct Enough: Error {}
    var count = 0
    #expect(throws: Enough.self) {
      _ = try Self.computation(3, 21).compute { _ in
        count += 1
        if count == 2 { throw Enough() }
      }
    }
    #expect(count == 2)
    let done = Mutex(0)
    let task = Task {
      try Self.computation(3, 21).compute { _ in
        done.withLock { $0 += 1 }
        withUnsafeCurrentTask { $0?.cancel() }
      }
    }
    await #expect(throws: CancellationError.self) { _ = try await task.value }
    #expect(done.withLock { $0 } == 1)
  }

  @Test func ofNoneAreEmpty() throws {
    #expect(try Self.computation(3, 0).compute().shape == [0, 0, 0])
    #expect(try Self.computation(3, 2, newPoints: Self.many[0..<0]).compute().shape == [0, 2, 2])
  }

  @Test func singleNumbersStaySingle() throws {
    let p = Self.model.parameters.map { $0.as(.float32) }
    let x = Self.many.as(.float32)
    let single = try HigherKernelComputation(order: 3, of: Self.model.single, at: p, on: x)
    #expect(single.plan.scalarType == .float32 && single.plan.kernelBytes == 21 * 21 * 21 * 4)
    expectClose(try single.compute().as(.float64), try Self.computation(3, 21).compute(), tolerance: 1e-4)
    #expect(try single.withTiles([1, 1, 1]).compute() == single.compute())
  }

  @Test func wrongNumbersOfExtentsStop() async {
    let extents = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = try Self.computation(3, 21).withTiles([1, 1])
    }
    #expect(extents.message.contains("HigherKernelComputation.withTiles: needs 3 extents, but got [1, 1]."))
  }
}
