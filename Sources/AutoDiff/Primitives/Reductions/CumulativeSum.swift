/// The sums of the entries up to each one along an axis, or from each one on.
struct CumulativeSum: LinearPrimitive, Hashable {
  let axis: Int, isReversed: Bool
  var name: String { "cumulativeSum" }

  func shape(of inputs: Inputs) -> [Int] {
    let shape = inputs[0].shape
    guard axis < shape.count else { stop("the axis must exist", got: "axis \(axis) of \(shape)") }
    return shape
  }
  func evaluate(_ inputs: Inputs) -> Tensor {
    let x = inputs[0]
    let (outer, extent, inner) = x.shape.split(at: axis)
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      make(x.shape, T.self) { y in
        x.withEntries(T.self) {
          RunningSum.write($0, outer: outer, extent: extent, inner: inner, isReversed: isReversed, into: y)
        }
      }
    }
    return perType(x.scalarType, double: run(Double.self), float: run(Float.self))
  }
  func transpose(_ cotangent: Tensor, inputShape: [Int]) -> Tensor {
    dispatch(CumulativeSum(axis: axis, isReversed: !isReversed), .one(cotangent))
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    dispatch(CumulativeSum(axis: axis + 1, isReversed: isReversed), inputs)
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let x = inputs[0]
    return x.mapped(terms: x.shape[axis], columnSums: transpose(.ones(x.shape), inputShape: x.shape)) {
      dispatch(self, .one($0))
    }
  }
}

extension Tensor {
  /// The sums of the entries up to each one along an axis, that one included.
  ///
  /// Sums of `.float32` are carried in double precision.
  ///
  /// - Parameters:
  ///   - axis: by default the last one; negative counts from the end.
  ///   - reversed: whether to sum from each entry on instead, to the end of the axis.
  /// - Returns: a tensor of this shape.
  public func cumulativeSum(axis: Int = -1, reversed: Bool = false) -> Tensor {
    bind(CumulativeSum(axis: normalizedAxis(axis, rank: rank, "cumulativeSum"), isReversed: reversed), .one(self))
  }
}
