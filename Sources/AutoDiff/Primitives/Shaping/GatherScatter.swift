/// Picks entries of a table along an axis by indices: the output has the indices' axes in place of that axis.
///
/// Inputs: the table and the indices, which are whole numbers held in a tensor, so that they can differ between the
/// examples of a batch. The indices may be of either scalar type, whatever that of the table; see
/// ``Tensor/withIndices(_:_:)``. The first `batchRank` axes of both inputs run in parallel.
struct Gather: IndexingPrimitive, Hashable {
  let axis: Int, batchRank: Int
  /// What the user called, for messages.
  var name = "gathered"

  func shape(of inputs: Inputs) -> [Int] {
    let (table, indices) = (inputs[0].shape, inputs[1].shape)
    guard axis >= batchRank, axis < table.count, indices.count >= batchRank,
      table.prefix(batchRank) == indices.prefix(batchRank)
    else { stop("the axis must exist in the table", got: "axis \(axis), table \(table), indices \(indices)") }
    let shape = Array(table[..<axis] + indices[batchRank...] + table[(axis + 1)...])
    _ = shape.entryCount(name)
    return shape
  }

  func plan(_ table: [Int], _ indices: [Int], output: [Int]) -> IndexingPlan {
    IndexingPlan(name, isScatter: false, axis, batchRank, table: table, indices)
  }

  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    tangents[0].map { dispatch(self, .two($0, inputs[1])) }
  }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    guard argument == 0 else { return nil }
    return dispatch(
      ScatterAdd(axis: axis, extent: inputs[0].shape[axis], batchRank: batchRank), .two(cotangent, inputs[1]))
  }
  /// A position for every index, with the cotangent of what was picked there.
  func outerProducts(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> OuterProducts? {
    guard argument == 0, batchRank == 0 else { return nil }
    let (table, indices) = (inputs[0].shape, inputs[1])
    let picked = Array(axis..<axis + indices.rank)
    let others = (0..<cotangent.rank).filter { !picked.contains($0) }
    let right = cotangent.permuted(picked + others).reshaped(to: [indices.count] + table.dropping([axis]))
    return OuterProducts(rows: indices.flattened, axis: axis, right: right, shape: table)
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    let (table, indices) = (inputs[0], inputs[1])
    if batchRank == 0, !isBatched[1] {
      return dispatch(Gather(axis: axis + 1, batchRank: 0, name: name), inputs)
    }
    if batchRank == 0, !isBatched[0] {
      return dispatch(self, .two(table, indices)).movingAxis(axis, to: 0)
    }
    return dispatch(Gather(axis: axis + 1, batchRank: batchRank + 1, name: name), inputs.aligned(isBatched, size: size))
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let (table, indices) = (inputs[0], inputs[1])
    let picked = try indices.fixedIndices(name)
    let adjoint = ScatterAdd(axis: axis, extent: table.shape[axis], batchRank: batchRank)
    let ones = Tensor.ones(shape(of: .two(table.initial.lower, picked)))
    return table.mapped(terms: 1, columnSums: dispatch(adjoint, .two(ones, picked))) {
      dispatch(self, .two($0, picked))
    }
  }
}

/// Adds entries into zeros at the places that indices name along an axis: the adjoint of ``Gather`` in its table.
struct ScatterAdd: IndexingPrimitive, Hashable {
  let axis: Int, extent: Int, batchRank: Int
  var name: String { "scatterAdded" }

  func shape(of inputs: Inputs) -> [Int] {
    let (x, indices) = (inputs[0].shape, inputs[1].shape)
    let picked = indices.count - batchRank
    guard picked >= 0, axis >= batchRank, axis + picked <= x.count,
      x.prefix(batchRank) == indices.prefix(batchRank), x[axis..<axis + picked] == indices[batchRank...]
    else {
      stop("values must have the indices' shape at the axis", got: "axis \(axis), values \(x), indices \(indices)")
    }
    let shape = Array(x[..<axis] + [extent] + x[(axis + picked)...])
    _ = shape.entryCount(name)
    return shape
  }

  func plan(_ values: [Int], _ indices: [Int], output: [Int]) -> IndexingPlan {
    IndexingPlan(name, isScatter: true, axis, batchRank, table: output, indices)
  }

  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    tangents[0].map { dispatch(self, .two($0, inputs[1])) }
  }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    guard argument == 0 else { return nil }
    return dispatch(Gather(axis: axis, batchRank: batchRank), .two(cotangent, inputs[1]))
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    if batchRank == 0, !isBatched[1] {
      return dispatch(ScatterAdd(axis: axis + 1, extent: extent, batchRank: 0), inputs)
    }
    return dispatch(
      ScatterAdd(axis: axis + 1, extent: extent, batchRank: batchRank + 1), inputs.aligned(isBatched, size: size))
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let (values, indices) = (inputs[0], inputs[1])
    let places = try indices.fixedIndices(name)
    return values.mapped(terms: places.count, columnSums: .ones(values.shape)) { dispatch(self, .two($0, places)) }
  }
}

extension ValueBounds {
  /// The indices that do not move in the ball, of which the ends may have been rounded.
  fileprivate func fixedIndices(_ name: String) throws(BoundError) -> Tensor {
    let nearest = initial.lower.mapped { $0.rounded() }
    let distance = 1e-9
    guard slopes.isEmpty, zip(initial.lower.scalars, nearest.scalars).allSatisfy({ abs($0 - $1) <= distance }),
      zip(initial.upper.scalars, nearest.scalars).allSatisfy({ abs($0 - $1) <= distance })
    else { throw .notStated(primitive: "\(name) at moving indices") }
    return nearest
  }
}

/// A primitive whose inputs are values and the indices that say where they come from or go to.
protocol IndexingPrimitive: LoweredPrimitive, IndexedLinearPrimitive {
  func plan(_ values: [Int], _ indices: [Int], output: [Int]) -> IndexingPlan
}

extension IndexingPrimitive {
  var takesMixedTypes: Bool { true }

  func evaluate(_ inputs: Inputs) -> Tensor {
    let (values, indices) = (inputs[0], inputs[1])
    let shape = shape(of: inputs)
    let plan = plan(values.shape, indices.shape, output: shape)
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      make(shape, T.self) { y in
        values.withEntries(T.self) { x in indices.withIndices(name) { plan.run(x, indices: $0, into: y) } }
      }
    }
    return perType(values.scalarType, double: run(Double.self), float: run(Float.self))
  }

  func lowering(of inputs: [Layout], output: [Int]) -> Lowering? {
    guard inputs.allSatisfy(\.isRowMajor) else { return nil }
    let plan = plan(inputs[0].shape, inputs[1].shape, output: output)
    return .step { inputs, result, _ in IndexingStep(plan, inputs[0], inputs[1], result: result) }
  }
}

/// How an indexed access walks through memory.
struct IndexingPlan {
  let name: String
  let isScatter: Bool
  let batches: Int, outer: Int, extent: Int, inner: Int, indexCount: Int

  init(_ name: String, isScatter: Bool, _ axis: Int, _ batchRank: Int, table: [Int], _ indices: [Int]) {
    (self.name, self.isScatter) = (name, isScatter)
    batches = Array(table[..<batchRank]).product
    outer = Array(table[batchRank..<axis]).product
    extent = table[axis]
    inner = Array(table[(axis + 1)...]).product
    indexCount = Array(indices[batchRank...]).product
  }

  func run<T: LoopScalar>(
    _ x: UnsafePointer<T>, indices: UnsafePointer<Double>, into y: UnsafeMutablePointer<T>
  ) {
    if let bad = Indexing.firstInvalidIndex(indices, count: batches * indexCount, extent: extent) {
      stop(name, "indices must be whole numbers in 0..<\(extent)", got: "\(indices[bad]) at position \(bad)")
    }
    let (tableCount, pickedCount) = (outer * extent * inner, outer * indexCount * inner)
    for b in 0..<batches {
      let indices = indices + b * indexCount
      if isScatter {
        Indexing.scatterAdd(
          x + b * pickedCount, outer: outer, extent: extent, inner: inner, indices: indices, count: indexCount,
          into: y + b * tableCount)
      } else {
        Indexing.gather(
          x + b * tableCount, outer: outer, extent: extent, inner: inner, indices: indices, count: indexCount,
          into: y + b * pickedCount)
      }
    }
  }
}

/// An indexed access in a program.
private final class IndexingStep: ProgramStep, @unchecked Sendable {
  private let plan: IndexingPlan
  private let values: Place, indices: Place
  private let result: Int

  init(_ plan: IndexingPlan, _ values: Place, _ indices: Place, result: Int) {
    (self.plan, self.values, self.indices, self.result) = (plan, values, indices, result)
  }

  override var listing: [String] { ["\(plan.name) of \(values.shape) and \(indices.shape)"] }

  override func run(_ frame: ProgramFrame) {
    func run<T: LoopScalar>(_: T.Type) {
      let (x, y) = (frame.pointer(values, T.self), frame.addresses[result].assumingMemoryBound(to: T.self))
      switch indices.scalarType {
      case .float64: plan.run(x, indices: frame.pointer(indices, Double.self), into: y)
      case .float32: frame.tensor(indices).withIndices(plan.name) { plan.run(x, indices: $0, into: y) }
      }
    }
    perType(values.scalarType, double: run(Double.self), float: run(Float.self))
  }
}

extension Tensor {
  /// Calls `body` with the entries of an untraced tensor of indices.
  ///
  /// Indices are always looked at as `Double`, which holds every whole number up to 2⁵³. Those of `.float32` are converted;
  /// from 2²⁴ on they stop, because there they may already have been rounded to a neighbor.
  func withIndices(_ operation: String, _ body: (UnsafePointer<Double>) -> Void) {
    perType(
      scalarType, double: withEntries(Double.self, body),
      float: exactIndices(operation).withEntries(Double.self, body))
  }

  /// Indices of `.float32` in `.float64`.
  private func exactIndices(_ operation: String) -> Tensor {
    let limit = Float(scalarType.largestExactInteger)
    return withEntries(Float.self) { entries in
      .make(shape, Double.self, for: operation) { exact in
        for k in 0..<count {
          if entries[k] >= limit {
            stop(
              operation, "indices of float32 must be less than \(scalarType.largestExactInteger), where it rounds",
              got: "\(Int(exactly: entries[k]).map(String.init) ?? "\(entries[k])") at position \(k)",
              hint: "Hold them in a tensor of float64.")
          }
          exact[k] = Double(entries[k])
        }
      }
    }
  }

  /// The entries at the given indices of an axis; the indices' axes take that axis's place.
  ///
  /// - Parameters:
  ///   - indices: whole numbers from 0 to the extent. They may be of either scalar type, whatever this tensor's; in
  ///     `.float32`, which rounds whole numbers from 2²⁴ on, larger ones stop.
  ///   - axis: the axis along which is looked up.
  public func gathered(at indices: Tensor, axis: Int = 0) -> Tensor {
    gathered(at: indices, axis: axis, for: "gathered")
  }

  /// - Parameter operation: what the user called, for messages.
  package func gathered(at indices: Tensor, axis: Int = 0, for operation: String) -> Tensor {
    bind(Gather(axis: normalizedAxis(axis, rank: rank, operation), batchRank: 0, name: operation), .two(self, indices))
  }

  /// The entries at the given indices of an axis, in that order. (No axis is longer than 2⁵³, up to which `Double` is exact.)
  public func gathered(at indices: [Int], axis: Int = 0) -> Tensor {
    gathered(at: Tensor(indices.map(Double.init)), axis: axis)
  }

  /// Zeros with `extent` entries along `axis`, to which this tensor's entries are added at the given indices; entries
  /// with the same index add up.
  ///
  /// - Parameters:
  ///   - indices: whole numbers from 0 to `extent`, of either scalar type as those of ``gathered(at:axis:)-(Tensor,_)``.
  ///   - axis: the first of the axes of this tensor that have the shape of the indices; in the result it is the axis of
  ///     `extent` entries.
  ///   - extent: the number of entries along that axis.
  public func scatterAdded(at indices: Tensor, axis: Int = 0, extent: Int) -> Tensor {
    guard indices.rank <= rank else {
      stop("scatterAdd", "values must have the axes of the indices", got: "values \(shape), indices \(indices.shape)")
    }
    let rank = rank - indices.rank + 1
    return bind(
      ScatterAdd(axis: normalizedAxis(axis, rank: rank, "scatterAdded"), extent: extent, batchRank: 0),
      .two(self, indices))
  }
}
