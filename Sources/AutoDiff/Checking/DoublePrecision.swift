/// Computes in double precision what a function computes in `.float32`, without its knowledge: every value shows the
/// scalar type that it would have, and is carried in `.float64` below.
///
/// So the differences of a float32 function are as sharp as those of any other, whatever float32 constants it brings
/// along; converting its inputs would stop at the first of those. Transforms inside the function rank higher, so the
/// operations of their rules pass through here too. Only primitives that round to float32 by themselves still do.
final class DoublePrecision: Trace, @unchecked Sendable {
  override package init() {}

  /// Starts to follow a value.
  ///
  /// - Parameters:
  ///   - tensor: of any type.
  ///   - type: the type that it shows.
  func follow(_ tensor: Tensor, as type: ScalarType) -> Tensor {
    Tensor(node: DoublePrecisionNode(self, tensor.as(.float64), type))
  }

  /// The double-precision value behind a tensor.
  func plain(_ tensor: Tensor) -> Tensor { node(tensor, DoublePrecisionNode.self)?.primal ?? tensor.as(.float64) }

  override func process(_ primitive: any Primitive, _ inputs: Inputs) -> Tensor {
    // A conversion changes the type that is shown and nothing else.
    if let conversion = primitive as? Convert { return follow(plain(inputs[0]), as: conversion.to) }
    return follow(dispatch(primitive, inputs.map { plain($0) }), as: inputs[0].scalarType)
  }
}

/// A value of ``DoublePrecision``.
private final class DoublePrecisionNode: TracedNode, @unchecked Sendable {
  private let value: Tensor
  override var primal: Tensor { value }

  override func replacingPrimal(_ replace: (Tensor) -> Tensor) -> Tensor {
    unsafeDowncast(trace, to: DoublePrecision.self).follow(replace(value), as: scalarType)
  }

  init(_ trace: DoublePrecision, _ value: Tensor, _ type: ScalarType) {
    self.value = value
    super.init(trace: trace, shape: value.shape, scalarType: type)
  }
}
