/// Where along an axis the largest or the smallest entry stands; the axis disappears. The derivative is 0.
struct ExtremumPlace: Primitive {
  let axis: Int, isMaximum: Bool
  var name: String { isMaximum ? "argmax" : "argmin" }
  var residuals: Residuals { [] }

  func shape(of inputs: Inputs) -> [Int] {
    let x = inputs[0]
    let shape = reducedShape(name, x.shape, [axis])
    let extent = x.shape[axis]
    guard extent > 0, extent <= x.scalarType.largestExactInteger else {
      stop(
        "the axis must have an entry, and no more than \(x.scalarType.rawValue) can count",
        got: "axis \(axis) of \(x.shape)")
    }
    return shape
  }
  func evaluate(_ inputs: Inputs) -> Tensor {
    let shape = shape(of: inputs)
    let x = inputs[0]
    let (outer, extent, inner) = x.shape.split(at: axis)
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      make(shape, T.self) { y in
        x.withEntries(T.self) {
          ExtremumIndex.find($0, outer: outer, extent: extent, inner: inner, isMaximum: isMaximum, into: y)
        }
      }
    }
    return perType(x.scalarType, double: run(Double.self), float: run(Float.self))
  }
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? { nil }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? { nil }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    dispatch(ExtremumPlace(axis: axis + 1, isMaximum: isMaximum), inputs)
  }
}

extension Tensor {
  /// Where along an axis the largest entry stands.
  ///
  /// The first one if there are several; the first that is not a number if there is one. The result holds whole numbers, as
  /// ``gathered(at:axis:)-(Tensor,_)`` takes them. Its derivative is 0.
  ///
  /// - Shapes: [..., extent, ...] → [..., ...], without the axis.
  /// - Parameter axis: by default the last one; negative counts from the end. It stops if the axis has no entry, or more
  ///   than the scalar type can count (2²⁴ in float32).
  /// - Complexity: one comparison per entry.
  public func argmax(axis: Int = -1) -> Tensor {
    bind(ExtremumPlace(axis: normalizedAxis(axis, rank: rank, "argmax"), isMaximum: true), .one(self))
  }

  /// Where along an axis the smallest entry stands; see ``argmax(axis:)``.
  public func argmin(axis: Int = -1) -> Tensor {
    bind(ExtremumPlace(axis: normalizedAxis(axis, rank: rank, "argmin"), isMaximum: false), .one(self))
  }
}
