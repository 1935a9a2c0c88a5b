/// Applies a primitive: the single point through which every tensor operation passes.
///
/// The trace of the highest level among the inputs takes the operation, unwraps its own values and dispatches again one level
/// down; without traced inputs the primitive is evaluated. Inner transforms have higher levels, so a value of an outer one
/// is a constant to an inner one, and perturbations cannot be confused.
func bind<P: Primitive>(_ primitive: P, _ inputs: Inputs) -> Tensor {
  switch inputs {
  case .one(let a):
    if a.node.level == 0 { return primitive.evaluate(inputs) }
  case .two(let a, let b):
    if a.node.scalarType != b.node.scalarType, !primitive.takesMixedTypes { stopAtMixedTypes(primitive.name, inputs) }
    if a.node.level == 0, b.node.level == 0 { return primitive.evaluate(inputs) }
  case .many(let all):
    for input in all where input.node.scalarType != all[0].node.scalarType && !primitive.takesMixedTypes {
      stopAtMixedTypes(primitive.name, inputs)
    }
  }
  // Checked here, where the shapes are those that the caller sees; further down they may carry hidden axes.
  _ = primitive.shape(of: inputs)
  return dispatch(primitive, inputs)
}

/// Applies a primitive to any number of inputs.
public func bind(_ primitive: some Primitive, _ inputs: [Tensor]) -> Tensor { bind(primitive, Inputs(inputs)) }

/// Applies a primitive to one input.
public func bind(_ primitive: some Primitive, _ a: Tensor) -> Tensor { bind(primitive, .one(a)) }

/// Applies a primitive to two inputs.
public func bind(_ primitive: some Primitive, _ a: Tensor, _ b: Tensor) -> Tensor { bind(primitive, .two(a, b)) }

/// Hands a primitive to the trace of the highest level among its inputs, or evaluates it.
func dispatch(_ primitive: any Primitive, _ inputs: Inputs) -> Tensor {
  let level = inputs.level
  if level <= 0 { return primitive.evaluate(inputs) }
  // The inputs keep their trace alive, which the compiler does not know and would pay for with a counted reference.
  let trace = Unmanaged.passUnretained(inputs.trace(ofLevel: level))
  if !trace._withUnsafeGuaranteedRef({ $0.acceptsOperations }) {
    trace.takeUnretainedValue().stopAtMisplacedOperation(primitive.name)
  }
  return trace._withUnsafeGuaranteedRef { $0.process(primitive, inputs) }
}

extension Inputs {
  /// The highest level among these tensors.
  @inline(__always)
  fileprivate var level: Int {
    switch self {
    case .one(let a): a.node.level
    case .two(let a, let b): Swift.max(a.node.level, b.node.level)
    case .many(let all): all.reduce(0) { Swift.max($0, $1.node.level) }
    }
  }

  /// The trace of a level that one of these tensors has.
  @inline(__always)
  fileprivate func trace(ofLevel level: Int) -> Trace {
    let node: Node =
      switch self {
      case .one(let a): a.node
      case .two(let a, let b): a.node.level == level ? a.node : b.node
      case .many(let all): all.first { $0.node.level == level }!.node
      }
    return unsafeDowncast(node, to: TracedNode.self).trace
  }
}

/// Stops, naming what the user called, unless two tensors have one scalar type. For functions that apply primitives of other
/// names.
package func requireOneScalarType(_ operation: String, _ a: Tensor, _ b: Tensor) {
  if a.node.scalarType != b.node.scalarType { stopAtMixedTypes(operation, .two(a, b)) }
}

@inline(never)
private func stopAtMixedTypes(_ name: String, _ inputs: Inputs) -> Never {
  stop(
    name, "all inputs must have one scalar type",
    got: inputs.map { $0.scalarType.rawValue }.joined(separator: " and "),
    hint: "Convert with .as(.float32) or .as(.float64).")
}
