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

/// Applies an elementwise function of one input, about whose shape nothing can be wrong.
@inline(__always)
func bind(_ function: some UnaryElementwise, _ input: Inputs) -> Tensor { dispatch(function, input) }

/// Applies a primitive to any number of inputs.
public func bind(_ primitive: some Primitive, _ inputs: [Tensor]) -> Tensor { bind(primitive, Inputs(inputs)) }

/// Applies a primitive to one input.
public func bind(_ primitive: some Primitive, _ a: Tensor) -> Tensor { bind(primitive, .one(a)) }

/// Applies a primitive to two inputs.
public func bind(_ primitive: some Primitive, _ a: Tensor, _ b: Tensor) -> Tensor { bind(primitive, .two(a, b)) }

/// Hands a primitive to the trace of the highest level among its inputs, or evaluates it.
///
/// Inlined, so that what is known of the primitive where it is called stays known: as a call, this would copy it into an
/// existential each time.
@inline(__always)
func dispatch(_ primitive: some Primitive, _ inputs: Inputs) -> Tensor {
  let level = inputs.level
  if level <= 0 { return primitive.evaluate(inputs) }
  let trace = inputs.trace(ofLevel: level)
  if !trace._withUnsafeGuaranteedRef({ $0.acceptsOperations }) {
    trace.takeUnretainedValue().requireRunningAgain(primitive.name)
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
    case .many(let all): Self.level(of: all)
    }
  }

  @inline(never)
  private static func level(of all: [Tensor]) -> Int { all.reduce(0) { Swift.max($0, $1.node.level) } }

  /// The trace of a level that one of these tensors has. They keep it alive, which the compiler does not know and would pay
  /// for with counted references.
  @inline(__always)
  fileprivate func trace(ofLevel level: Int) -> Unmanaged<Trace> {
    switch self {
    case .one(let a): a.unmanagedTrace
    case .two(let a, let b): a.node.level == level ? a.unmanagedTrace : b.unmanagedTrace
    case .many(let all): Self.trace(ofLevel: level, in: all)
    }
  }

  @inline(never)
  private static func trace(ofLevel level: Int, in all: [Tensor]) -> Unmanaged<Trace> {
    all[all.firstIndex { $0.node.level == level }!].unmanagedTrace
  }
}

extension Tensor {
  /// The trace that follows this tensor, which must be followed by one.
  @inline(__always)
  fileprivate var unmanagedTrace: Unmanaged<Trace> {
    .passUnretained(unsafeDowncast(node, to: TracedNode.self).trace)
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
