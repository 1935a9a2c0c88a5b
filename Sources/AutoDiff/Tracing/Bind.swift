/// Applies a primitive: the single point through which every tensor operation passes.
///
/// The highest-ranked trace among the inputs takes the operation, unwraps its own values and dispatches again one level
/// down; without traced inputs the primitive is evaluated. Inner transforms have higher ranks, so a value of an outer one
/// is a constant to an inner one, and perturbations cannot be confused.
func bind<P: Primitive>(_ primitive: P, _ inputs: Operands) -> Tensor {
  switch inputs {
  case .one(let a):
    if a.node.level == 0 { return primitive.evaluate(inputs) }
  case .two(let a, let b):
    if a.node.scalarType != b.node.scalarType { stopAtMixedTypes(primitive.name, inputs) }
    if a.node.level == 0, b.node.level == 0 { return primitive.evaluate(inputs) }
  case .many(let all):
    for input in all where input.node.scalarType != all[0].node.scalarType {
      stopAtMixedTypes(primitive.name, inputs)
    }
  }
  // Checked here, where the shapes are those that the caller sees; further down they may carry hidden axes.
  _ = primitive.shape(of: inputs)
  if case .one(let a) = inputs { return unsafeDowncast(a.node, to: TracedNode.self).trace.process(primitive, inputs) }
  return dispatch(primitive, inputs)
}

/// Applies a primitive to any number of inputs.
public func bind(_ primitive: some Primitive, _ inputs: [Tensor]) -> Tensor { bind(primitive, Operands(inputs)) }

/// Applies a primitive to one input.
public func bind(_ primitive: some Primitive, _ a: Tensor) -> Tensor { bind(primitive, .one(a)) }

/// Applies a primitive to two inputs.
public func bind(_ primitive: some Primitive, _ a: Tensor, _ b: Tensor) -> Tensor { bind(primitive, .two(a, b)) }

/// Hands a primitive to the highest-ranked trace among its inputs, or evaluates it.
func dispatch(_ primitive: any Primitive, _ inputs: Operands) -> Tensor {
  guard let trace = inputs.highestTrace else { return primitive.evaluate(inputs) }
  return trace.process(primitive, inputs)
}

extension Operands {
  /// The trace of the highest rank among these tensors, or nil if none is traced.
  var highestTrace: Trace? {
    var top: Node?
    switch self {
    case .one(let a): top = a.node
    case .two(let a, let b): top = a.node.level >= b.node.level ? a.node : b.node
    case .many(let all):
      for input in all where input.node.level >= (top?.level ?? 0) { top = input.node }
    }
    guard let top, top.level > 0 else { return nil }
    return unsafeDowncast(top, to: TracedNode.self).trace
  }
}

@inline(never)
private func stopAtMixedTypes(_ name: String, _ inputs: Operands) -> Never {
  stop(
    name, "all inputs must have one scalar type",
    got: inputs.map { $0.scalarType.rawValue }.joined(separator: " and "),
    hint: "Convert with .as(.float32) or .as(.float64).")
}
