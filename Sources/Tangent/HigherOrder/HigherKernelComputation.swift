import AutoDiff
import Layers

/// A higher-order tangent kernel that is computed tile by tile within a budget of memory.
///
///     let kernel = try HigherKernelComputation(order: 3, of: net, at: p, on: x, budget: 2 << 30)
///     print(kernel.plan)
///     let third = try kernel.compute { print($0.fraction) }
///
/// All bits of an entry are the same for any tiles, any budget and any number of threads, because every entry is computed
/// with the same others; see ``HigherKernelPlan``. They differ by rounding from those of
/// ``higherKernel(order:of:at:on:newPoints:)``, which computes all at once.
///
/// - Source: Huang and Yau, ICML 2020, equations (9), (10).
public struct HigherKernelComputation<Example: TensorTree, P: TensorTree> {
  /// How the work is divided.
  public let plan: HigherKernelPlan
  private let parameters: P
  private let fields: GradientFields<Example, P>

  /// Plans the kernel of any model with one output.
  ///
  /// - Parameters:
  ///   - r: the order, at least 2.
  ///   - f: the model: one example and the parameters to a single number.
  ///   - p: the parameters.
  ///   - examples: a tree whose leaves have the shape [n, example leaf shape...].
  ///   - newPoints: m points for the first argument; by default the examples, which costs half.
  ///   - budget: the bytes that tensors may take, the kernel included where it is kept in memory; by default half of the
  ///     machine's memory.
  /// - Throws: ``KernelError/tooLittleMemory(needed:budget:)`` where a single unit does not fit.
  /// - Complexity: one run of the model on a single example.
  public init(
    order r: Int, of f: @escaping (Example, P) -> Tensor, at p: P, on examples: Example, newPoints: Example? = nil,
    budget: Int? = nil
  ) throws(KernelError) {
    let operation = "HigherKernelComputation"
    guard r >= 2 else { stop(operation, "the order must be at least 2", got: "\(r)") }
    if p.leaves.isEmpty { stop(operation, "the parameters must have at least one leaf", got: "none") }
    fields = GradientFields(operation, f, on: examples, newPoints: newPoints)
    parameters = p
    let run = ModelRun(of: fields.f, at: p, on: examples.mapTensors { $0[0..<min(1, $0.shape[0])] }, operation)
    let need = UnitNeed(run)
    plan = try HigherKernelPlan(
      order: r, shape: fields.whole(r).map(\.count), scalarType: run.outputs.scalarType, isSymmetric: newPoints == nil,
      budget: budget ?? defaultKernelBudget, unitBytes: { need.bytes(ofUnit: $0) })
  }

  private init(_ other: Self, _ plan: HigherKernelPlan) {
    (self.plan, parameters, fields) = (plan, other.parameters, other.fields)
  }

  /// The same computation with tiles of at least so many examples in each argument, whatever the plan says; they are
  /// rounded up to whole units, and the first two arguments get the same where they are alike.
  ///
  /// - Parameter extents: one for each argument; another number stops.
  public func withTiles(_ extents: [Int]) -> HigherKernelComputation {
    guard extents.count == plan.order else {
      stop("HigherKernelComputation.withTiles", "needs \(plan.order) extents", got: "\(extents)")
    }
    return HigherKernelComputation(self, plan.with(tile: extents))
  }

  /// Computes the kernel in memory.
  ///
  /// - Parameter progress: called after every unit. If it throws, or the task is cancelled, the computation ends.
  /// - Returns: [n, n, …, n], or [m, n, …, n], with r axes.
  /// - Throws: ``KernelError/tooLittleMemory(needed:budget:)`` where the kernel itself leaves no room in the budget, and
  ///   `CancellationError`.
  public func compute(progress: (KernelProgress) throws -> Void = { _ in }) throws -> Tensor {
    guard plan.bytesInMemory <= plan.budget else {
      throw KernelError.tooLittleMemory(needed: plan.bytesInMemory, budget: plan.budget)
    }
    if plan.tiles.isEmpty { return .zeros(plan.shape, as: plan.scalarType) }
    var kernel: Tensor?
    try forEachTile(progress: progress) { tile, value in
      if plan.tiles.count == 1 {
        kernel = value
        return
      }
      var whole = kernel.take() ?? .zeros(plan.shape, as: plan.scalarType)
      let origin = [Int](repeating: 0, count: plan.order)
      whole.replacePart(tile.place(from: origin), with: value)
      if plan.isSymmetric, !tile.isOnDiagonal {
        whole.replacePart(tile.mirrored.place(from: origin), with: value.mirroredInFirstTwo)
      }
      kernel = whole
    }
    return kernel ?? .zeros(plan.shape, as: plan.scalarType)
  }

  /// Computes the tiles of ``plan`` in their order, and hands each one on.
  ///
  /// Of a kernel that is symmetric in its first two arguments only the tiles on and above their diagonal come; the others
  /// are ``HigherKernelTile/mirrored``, with the first two axes exchanged.
  ///
  /// - Parameters:
  ///   - progress: called after every unit. If it throws, or the task is cancelled, the computation ends.
  ///   - body: receives a tile and its part of the kernel, a tensor of the extents of its ranges. What it throws is passed
  ///     on.
  /// - Throws: `CancellationError`.
  /// - Complexity: for every unit the runs of the model that all of its arguments need, so small tiles cost no more.
  public func forEachTile(
    progress: (KernelProgress) throws -> Void = { _ in }, _ body: (HigherKernelTile, Tensor) throws -> Void
  ) throws {
    let tiles = plan.tiles
    let units = tiles.map { plan.units(of: $0) }
    var clock = KernelProgress.Clock(
      work: units.reduce(0) { $0 + $1.reduce(0) { $0 + $1.work } }, tileCount: tiles.count)
    _ = try withPooledMemoryLimit(plan.budget) {
      for (tile, units) in zip(tiles, units) {
        let start = tile.ranges.map(\.lowerBound)
        var whole = Tensor.zeros(tile.ranges.map(\.count), as: plan.scalarType)
        for (index, unit) in units.enumerated() {
          try Task.checkCancellation()
          let value = fields.kernel(unit.ranges)(parameters)
          whole.replacePart(unit.place(from: start), with: value)
          if plan.isSymmetric, tile.isOnDiagonal, !unit.isOnDiagonal {
            whole.replacePart(unit.mirrored.place(from: start), with: value.mirroredInFirstTwo)
          }
          let isLast = index == units.count - 1
          if isLast { try body(tile, whole) }
          try progress(clock.advance(by: unit.work, tiles: isLast ? 1 : 0))
        }
      }
    }
  }
}

extension HigherKernelComputation where P == Parameters {
  /// Plans the kernel of a layer; see ``init(order:of:at:on:newPoints:budget:)``.
  public init<Model: Layer>(
    order r: Int, of model: Model, at p: Parameters, on examples: Example, newPoints: Example? = nil, budget: Int? = nil
  ) throws(KernelError) where Model.Input == Example, Model.Output == Tensor {
    try self.init(
      order: r, of: { (x: Example, p: Parameters) in model(x, p) }, at: p, on: examples, newPoints: newPoints,
      budget: budget)
  }
}

/// What a unit takes on its way, by the values of one example.
private struct UnitNeed {
  /// The values of a run, and the gradients as they are kept.
  let example: Int
  /// The values made from parameters alone.
  let shared: Int
  /// What is formed of a direction.
  let direction: Int

  init<P>(_ run: ModelRun<P>) {
    let jacobian = run.jacobian(ofOutputs: 0..<run.outputCount)
    example = run.exampleBytes + jacobian.byteCount + 2 * run.largestValueBytes
    (shared, direction) = (run.sharedBytes, jacobian.bytesFormedAsDirection)
  }

  /// Each direction has a tangent of everything that is there before it.
  func bytes(ofUnit unit: [Int]) -> Int {
    let runs = Double(unit.reduce(0, +))
    let tangents = unit.dropFirst(2).reduce(1.0) { $0 * Double(1 + $1) }
    let formed = unit.dropFirst(2).reduce(0) { $0 + min(max(direction, mostFormedBytes), saturating($1, direction)) }
    let bytes = 2 * (runs * tangents * Double(example) + Double(shared) + Double(formed))
    return bytes >= 1e18 ? 1_000_000_000_000_000_000 : Int(bytes)
  }
}

extension Tensor {
  /// The tensor with its first two axes exchanged.
  fileprivate var mirroredInFirstTwo: Tensor { permuted([1, 0] + Array(2..<rank)) }
}
