/// A linear map of one input.
public protocol LinearPrimitive: Primitive {
  /// The adjoint map applied to a cotangent; `shape` is the shape of the input.
  func transpose(_ cotangent: Tensor, inputShape: [Int]) -> Tensor
}

extension LinearPrimitive {
  /// The map itself, applied to the tangent.
  public func jvp(_ inputs: Operands, _ tangents: Tangents, output: Tensor) -> Tensor? {
    tangents[0].map { dispatch(self, .one($0)) }
  }

  /// The adjoint map.
  public func vjp(_ inputs: Operands, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    transpose(cotangent, inputShape: inputs[0].shape)
  }
}

/// A map of two inputs that is linear in each.
public protocol BilinearPrimitive: Primitive {}

extension BilinearPrimitive {
  /// The product rule.
  public func jvp(_ inputs: Operands, _ tangents: Tangents, output: Tensor) -> Tensor? {
    var sum: Tensor?
    if let tangent = tangents[0] { accumulate(&sum, dispatch(self, .two(tangent, inputs[1]))) }
    if let tangent = tangents[1] { accumulate(&sum, dispatch(self, .two(inputs[0], tangent))) }
    return sum
  }
}
