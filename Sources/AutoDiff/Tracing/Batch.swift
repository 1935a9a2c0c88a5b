/// Batching: every value carries the same number of examples along a hidden leading axis.
package final class Batch: Trace, @unchecked Sendable {
  /// The number of examples.
  package let size: Int

  package init(size: Int) { self.size = size }

  /// The tensor of one example that stands for all examples along the leading axis of `values`.
  package func hide(_ values: Tensor) -> Tensor { Tensor(node: BatchNode(self, values)) }

  /// All examples of a tensor along a leading axis; a constant is repeated.
  package func reveal(_ tensor: Tensor) -> Tensor {
    if let node = node(tensor, BatchNode.self) { return node.primal }
    return tensor.broadcast(to: [size] + tensor.shape)
  }

  /// Whether the examples may differ in a tensor, which must not be followed by a trace of a higher level. Of a value
  /// that was not kept it is known as well.
  package func follows(_ tensor: Tensor) -> Bool {
    if tensor.node.level == ShapeNode.level {
      return unsafeDowncast(tensor.node, to: ShapeNode.self).formerLevel == level
    }
    return tensor.node.level == level
  }

  package override func process(_ primitive: any Primitive, _ inputs: Inputs) -> Tensor {
    let values = inputs.map { node($0, BatchNode.self)?.primal ?? $0 }
    let isBatched = inputs.map { $0.node.level == level }
    return hide(primitive.batch(values, isBatched: isBatched, size: size))
  }

  package override func replaceSlice(
    _ primitive: ReplaceSlice, with piece: Tensor, in base: consuming Tensor
  ) -> Tensor {
    let (piece, whole) = (reveal(piece), reveal(base))
    _ = consume base
    return hide(AutoDiff.replaceSlice(primitive.batched, with: piece, in: consume whole))
  }
}

/// A value of ``Batch``.
final class BatchNode: TracedNode, @unchecked Sendable {
  private let values: Tensor
  override var primal: Tensor { values }

  override func replacingPrimal(_ replace: (Tensor) -> Tensor) -> Tensor {
    unsafeDowncast(trace, to: Batch.self).hide(replace(values))
  }

  init(_ trace: Batch, _ values: Tensor) {
    self.values = values
    super.init(
      trace: trace, shape: Array(values.shape.dropFirst()), scalarType: values.scalarType,
      holdsMuchMemory: values.node.holdsMuchMemory)
  }
}
