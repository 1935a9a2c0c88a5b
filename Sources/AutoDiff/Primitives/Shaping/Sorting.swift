/// Where along an axis the entries stand in increasing or decreasing order. The derivative is 0.
struct Argsort: Primitive, Hashable {
  let axis: Int, isDescending: Bool
  var name: String { "argsort" }
  var residuals: Residuals { [] }

  func shape(of inputs: Inputs) -> [Int] {
    let x = inputs[0]
    guard axis < x.shape.count, x.shape[axis] <= x.scalarType.largestExactInteger else {
      stop(
        "the axis must exist and have no more entries than \(x.scalarType.rawValue) can count",
        got: "axis \(axis) of \(x.shape)")
    }
    return x.shape
  }
  func evaluate(_ inputs: Inputs) -> Tensor {
    let x = inputs[0]
    let shape = shape(of: inputs)
    let (outer, extent, inner) = shape.split(at: axis)
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      make(shape, T.self) { y in
        x.withEntries(T.self) {
          SortingOrder.find($0, outer: outer, extent: extent, inner: inner, isDescending: isDescending, into: y)
        }
      }
    }
    return perType(x.scalarType, double: run(Double.self), float: run(Float.self))
  }
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? { nil }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? { nil }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    dispatch(Argsort(axis: axis + 1, isDescending: isDescending), inputs)
  }
}

extension Tensor {
  /// Where along an axis the least entry stands, then the next one, and so on.
  ///
  /// Equal entries keep their order, and what is not a number comes last, also in decreasing order. The result holds whole
  /// numbers, as ``gatheredAlong(axis:at:)`` takes them. Its derivative is 0.
  ///
  /// - Parameters:
  ///   - axis: by default the last one; negative counts from the end. It stops if the axis has more entries than the
  ///     scalar type can count (2²⁴ in float32).
  ///   - descending: whether the largest comes first.
  /// - Returns: a tensor of this shape.
  public func argsort(axis: Int = -1, descending: Bool = false) -> Tensor {
    bind(Argsort(axis: normalizedAxis(axis, rank: rank, "argsort"), isDescending: descending), .one(self))
  }

  /// The entries along an axis in increasing or decreasing order; see ``argsort(axis:descending:)``.
  ///
  /// The k largest are `x.sorted(descending: true)[..., 0..<k]`. The derivative of an entry goes to where it stood.
  public func sorted(axis: Int = -1, descending: Bool = false) -> Tensor {
    let axis = normalizedAxis(axis, rank: rank, "sorted")
    return gatheredAlong(axis: axis, at: argsort(axis: axis, descending: descending))
  }

  /// The entries at the given indices along an axis, which are others in every row.
  ///
  /// ``gathered(at:axis:)-(Tensor,_)`` takes the same indices everywhere.
  ///
  /// - Parameters:
  ///   - axis: negative counts from the end.
  ///   - indices: whole numbers from 0 to the extent, of either scalar type; a tensor of this shape, but for that axis.
  /// - Returns: a tensor of the indices' shape.
  public func gatheredAlong(axis: Int, at indices: Tensor) -> Tensor {
    let axis = normalizedAxis(axis, rank: rank, "gatheredAlong")
    guard indices.rank == rank, shape.dropping([axis]) == indices.shape.dropping([axis]) else {
      stop(
        "gatheredAlong", "indices must have the extents of the tensor but for the axis",
        got: "\(indices.shape) for axis \(axis) of \(shape)")
    }
    let gather = Gather(axis: rank - 1, batchRank: rank - 1, name: "gatheredAlong")
    return bind(gather, .two(movingAxis(axis, to: -1), indices.movingAxis(axis, to: -1))).movingAxis(-1, to: axis)
  }
}
