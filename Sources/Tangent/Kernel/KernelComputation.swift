import AutoDiff
import Foundation
import Layers

/// A tangent kernel that is computed tile by tile within a budget of memory, in memory or into a file.
///
///     let kernel = try KernelComputation(of: net, at: p, on: x, outputs: .traceMean, budget: 2 << 30)
///     print(kernel.plan)
///     try kernel.write(to: "kernel.npy") { print($0.fraction) }
///
/// Tiles change the order in which sums are formed, so that entries agree with those of other tilings to rounding:
/// |δK[i, j]| ≤ c ε √(K[i, i] K[j, j]) with c of the order of the number of layers. With the same tiles all bits are the
/// same, for any number of threads, and for an interrupted computation as well.
public struct KernelComputation<Example: TensorTree, P: TensorTree> {
  /// How the work is divided.
  public let plan: KernelPlan
  private let parameters: P
  private let examples: Example
  private let others: Example?
  private let method: KernelMethod
  private let run: (Example) throws -> ModelRun<P>
  /// The model's outputs for the first example.
  private let firstOutputs: Tensor?

  /// Plans the kernel of any model.
  ///
  /// - Parameters:
  ///   - f: the model: one example and the parameters to one output, each any tree of tensors.
  ///   - p: the parameters.
  ///   - examples: a tree whose leaves have the shape [n, example leaf shape...].
  ///   - others: m other examples; by default the same ones, which costs half.
  ///   - outputs: which part of the kernel is computed.
  ///   - method: how the inner products are computed; by default what is least work for every parameter.
  ///   - budget: the bytes that tensors may take, the kernel included where it is kept in memory; by default half of the
  ///     machine's memory. The program itself takes some tens of MiB beside them.
  /// - Throws: ``KernelError/tooLittleMemory(needed:budget:)`` where one example and output do not fit, and what `f`
  ///   throws.
  /// - Complexity: one run of the model on a single example.
  public init<Output: TensorTree>(
    of f: @escaping (Example, P) throws -> Output, at p: P, on examples: Example, and others: Example? = nil,
    outputs: KernelOutputs = .full, method: KernelMethod = .automatic, budget: Int? = nil
  ) throws {
    let operation = "KernelComputation"
    let n = exampleCount(of: examples, operation)
    if outputs == .exampleDiagonal, others != nil {
      stop(operation, "the diagonal in examples has one set of examples", got: "two")
    }
    if p.leaves.isEmpty { stop(operation, "the parameters must have at least one leaf", got: "none") }
    let m = others.map { exampleCount(of: $0, operation) } ?? n
    (parameters, self.examples, self.others, self.method) = (p, examples, others, method)
    run = { try ModelRun(of: f, at: p, on: $0, operation) }
    let budget = budget ?? defaultKernelBudget
    let probe = try run(examples.mapTensors { $0[0..<min(1, n)] })
    firstOutputs = n > 0 ? probe.outputs : nil
    plan = try KernelPlan(
      probing: probe, names: leafNames(of: p), rowCount: n, columnCount: m, isSymmetric: others == nil,
      outputs: outputs, method: method, budget: budget)
  }

  private init(_ other: Self, _ plan: KernelPlan) {
    self.plan = plan
    (parameters, examples, others) = (other.parameters, other.examples, other.others)
    (method, run, firstOutputs) = (other.method, other.run, other.firstOutputs)
  }

  /// The same computation with tiles of so many examples, whatever the plan says.
  public func withTiles(rows: Int, columns: Int) -> KernelComputation {
    KernelComputation(self, plan.with(rowTile: rows, columnTile: columns))
  }

  /// The same computation with so many outputs traced back at a time, whatever the plan says.
  public func withOutputChunk(_ count: Int) -> KernelComputation {
    KernelComputation(self, plan.with(outputChunk: count))
  }

  // MARK: In memory

  /// Computes the kernel in memory.
  ///
  /// - Parameter progress: called after every tile. If it throws, or the task is cancelled, the computation ends.
  /// - Throws: ``KernelError/tooLittleMemory(needed:budget:)`` where the kernel itself leaves no room in the budget.
  public func compute(progress: (KernelProgress) throws -> Void = { _ in }) throws -> Tensor {
    let outputs = plan.outputs
    let (needed, overflows) = plan.estimatedPeak.addingReportingOverflow(plan.kernelBytes)
    guard !overflows, needed <= plan.budget else {
      throw KernelError.tooLittleMemory(needed: overflows ? .max : needed, budget: plan.budget)
    }
    return try withPooledMemoryLimit(plan.budget) {
      var kernel: Tensor?
      try forEachTile(plan.tiles, progress) { tile, value in
        if plan.tiles.count == 1 {
          kernel = value
          return
        }
        var whole = kernel.take() ?? .zeros(plan.shape, as: plan.scalarType)
        whole.replacePart(tile.place(outputs, plan.outputCount), with: value)
        if plan.isSymmetric, tile.rows != tile.columns {
          whole.replacePart(tile.mirrored.place(outputs, plan.outputCount), with: outputs.mirrored(value))
        }
        kernel = whole
      }
      return kernel ?? .zeros(plan.shape, as: plan.scalarType)
    }.result
  }

  // MARK: Tile by tile

  /// Computes tiles, in order, and hands each one on.
  func forEachTile(
    _ tiles: [KernelTile], after earlier: [KernelTile] = [], _ progress: (KernelProgress) throws -> Void,
    _ body: (KernelTile, Tensor) throws -> Void
  ) throws {
    var clock = KernelProgress.Clock(
      tiles: tiles, earlierTiles: earlier.count, earlier: earlier.reduce(0) { $0 + $1.work })
    var band: (rows: Range<Int>, run: ModelRun<P>)?
    let request = plan.request(method)
    for tile in tiles {
      try Task.checkCancellation()
      if band?.rows != tile.rows {
        band = nil
        band = (tile.rows, try run(examples.mapTensors { $0[tile.rows] }))
      }
      let isSame = others == nil && tile.rows == tile.columns
      let columns = isSame ? nil : try run((others ?? examples).mapTensors { $0[tile.columns] })
      let parts = tileGrams(band!.run, columns, chunks: plan.chunks, request)
      let sum = parts.compactMap { $0 }.sum
      let shape = request.shape(tile.rows.count, tile.columns.count, plan.outputCount, plan.outputCount)
      try body(
        tile, plan.outputs.finished(sum ?? .zeros(shape, as: plan.scalarType), outputCount: plan.outputCount))
      try progress(clock.advance(tile))
    }
  }

  /// What tells this computation from others, for a file that it is continued from.
  var identity: [(field: String, value: String)] {
    [
      ("kernel", plan.outputs.rawValue), ("shape", plan.shape.map(String.init).joined(separator: " ")),
      ("type", plan.scalarType.rawValue), ("method", method.rawValue),
      ("examples", "\(plan.rowCount) \(plan.columnCount)\(plan.isSymmetric ? " symmetric" : "")"),
      ("outputs", "\(plan.outputCount)"),
      // What decides in which order sums are formed. Tiles do as well, but those of the file are gone on with.
      ("chunk", "\(plan.outputChunk)"), ("pieces", "\(plan.request(method).temporaryBytes)"),
      ("parameters", digest(parameters.leaves)), ("inputs", digest(examples.leaves)),
      ("others", others.map { digest($0.leaves) } ?? "none"),
      // To four digits: another machine may round otherwise.
      (
        "model",
        firstOutputs.map { String(format: "%.4e", $0.as(.float64).scalars.reduce(0) { $0 + $1.magnitude }) } ?? "none"
      ),
    ]
  }
}

extension KernelComputation where P == Parameters {
  /// Plans the kernel of a layer; see ``init(of:at:on:and:outputs:method:budget:)``.
  public init<Model: Layer>(
    of model: Model, at p: Parameters, on examples: Example, and others: Example? = nil,
    outputs: KernelOutputs = .full, method: KernelMethod = .automatic, budget: Int? = nil
  ) throws where Model.Input == Example {
    try self.init(
      of: { (x: Example, p: Parameters) in model(x, p) }, at: p, on: examples, and: others, outputs: outputs,
      method: method, budget: budget)
  }
}

/// Half of the machine's memory.
let defaultKernelBudget = Int(clamping: ProcessInfo.processInfo.physicalMemory) / 2

/// The inner products of the gradients of two runs, leaf by leaf, with the outputs traced back in parts; nil for a leaf
/// that the outputs do not depend on.
///
/// - Parameter there: the run on the other examples; nil for the same one.
func tileGrams<P>(
  _ here: ModelRun<P>, _ there: ModelRun<P>?, chunks: [Range<Int>], _ request: GramRequest
) -> [Tensor?] {
  guard chunks.count > 1 else {
    return here.wholeJacobian.grams(there?.wholeJacobian, request)
  }
  var sums = [Tensor?](repeating: nil, count: here.leafShapes.count)
  let (n, m) = (here.exampleCount, (there ?? here).exampleCount)
  let (o, q) = (here.outputCount, (there ?? here).outputCount)
  /// Puts a part into its place along the last axes.
  func put(_ part: Tensor, into leaf: Int, _ range: [TensorIndex]) {
    var whole = sums[leaf].take() ?? .zeros(request.shape(n, m, o, q), as: part.scalarType)
    whole.replacePart(range, with: part)
    sums[leaf] = whole
  }
  for (k, chunk) in chunks.enumerated() {
    let mine = here.jacobian(ofOutputs: chunk)
    let rows = TensorIndex.range(chunk.lowerBound, chunk.upperBound, step: 1)
    guard request.outputs.keepsAllPairs else {
      for (leaf, gram) in mine.grams(there?.jacobian(ofOutputs: chunk), request).enumerated() {
        guard let gram else { continue }
        if request.outputs.keepsDiagonal {
          put(gram, into: leaf, [.all, .all, rows])
        } else {
          accumulate(&sums[leaf], gram)
        }
      }
      continue
    }
    // Among the same examples one half is the other's mirror image.
    for (l, other) in chunks.enumerated() where there != nil || l >= k {
      let theirs = there?.jacobian(ofOutputs: other) ?? (l == k ? nil : here.jacobian(ofOutputs: other))
      let columns = TensorIndex.range(other.lowerBound, other.upperBound, step: 1)
      let grams =
        request.outputs == .exampleDiagonal
        ? mine.exampleGrams(theirs ?? mine, request) : mine.grams(theirs, request)
      for (leaf, gram) in grams.enumerated() {
        guard let gram else { continue }
        let examples = [TensorIndex](repeating: .all, count: request.outputs == .exampleDiagonal ? 1 : 2)
        put(gram, into: leaf, examples + [rows, columns])
        if there == nil, l != k {
          put(
            gram.permuted(request.outputs == .exampleDiagonal ? [0, 2, 1] : [1, 0, 3, 2]), into: leaf,
            examples + [columns, rows])
        }
      }
    }
  }
  return sums
}

/// What the leaves are called: parameters by their paths, others by their numbers.
func leafNames<P: TensorTree>(of p: P) -> [String] {
  (p as? Parameters)?.named.map(\.path) ?? p.leaves.indices.map { "leaf \($0)" }
}

extension KernelTile {
  var mirrored: KernelTile { KernelTile(rows: columns, columns: rows) }

  /// Where the tile lies in a kernel.
  func place(_ outputs: KernelOutputs, _ count: Int) -> [TensorIndex] {
    func range(_ examples: Range<Int>, _ scale: Int) -> TensorIndex {
      .range(examples.lowerBound * scale, examples.upperBound * scale, step: 1)
    }
    switch outputs {
    case .exampleDiagonal: return [range(rows, 1)]
    case .flattened: return [range(rows, count), range(columns, count)]
    default: return [range(rows, 1), range(columns, 1)]
    }
  }
}

extension KernelOutputs {
  /// The tile of a symmetric kernel on the other side of the diagonal, in its layout.
  func mirrored(_ tile: Tensor) -> Tensor { self == .flattened ? tile.transposed : exchanged(tile) }
}

/// A fingerprint of tensors: their types, shapes and bits.
func digest(_ tensors: [Tensor]) -> String {
  // FNV-1a over words of eight bytes, in two lanes of different bases.
  var (a, b): (UInt64, UInt64) = (0xCBF2_9CE4_8422_2325, 0x8422_2325_CBF2_9CE4)
  func take(_ word: UInt64) {
    a = (a ^ word) &* 0x100_0000_01B3
    b = (b ^ (word.byteSwapped &+ a)) &* 0x100_0000_01B3
    b ^= b >> 29
  }
  for tensor in tensors {
    for extent in [tensor.scalarType.byteCount, tensor.rank] + tensor.shape { take(UInt64(extent)) }
    for value in tensor.as(.float64).scalars { take(value.bitPattern) }
  }
  return String(a, radix: 16) + "-" + String(b, radix: 16)
}
