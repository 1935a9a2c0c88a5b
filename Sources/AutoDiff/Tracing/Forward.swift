/// Forward mode: every value carries its tangent.
final class Forward: Trace, @unchecked Sendable {
  /// A value with a tangent.
  func dual(_ primal: Tensor, tangent: Tensor?) -> Tensor {
    guard let tangent else { return primal }
    return Tensor(node: ForwardNode(self, primal, tangent))
  }

  /// The value and the tangent behind a tensor; the tangent of a constant is nil.
  func split(_ tensor: Tensor) -> (primal: Tensor, tangent: Tensor?) {
    guard let node = node(tensor, ForwardNode.self) else { return (tensor, nil) }
    return (node.primal, node.tangent)
  }

  override func process(_ primitive: any Primitive, _ inputs: Operands) -> Tensor {
    let primals = inputs.map { split($0).primal }
    let output = dispatch(primitive, primals)
    return dual(output, tangent: primitive.jvp(primals, inputs.map { split($0).tangent }, output: output))
  }
}

/// A value of ``Forward``.
final class ForwardNode: TracedNode, @unchecked Sendable {
  let tangent: Tensor

  init(_ trace: Forward, _ primal: Tensor, _ tangent: Tensor) {
    self.tangent = tangent
    super.init(trace: trace, primal: primal, shape: primal.shape)
  }
}
