/// The identity, with the derivative 0.
struct StopGradient: ElementwisePrimitive {
  var name: String { "stopGradient" }
  func evaluate(_ inputs: Inputs) -> Tensor { inputs[0] }
  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? { nil }
  /// The value moves with the parameters, whatever its derivative is taken to be.
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds { inputs[0] }
}

/// The same tree, treated as a constant by every derivative.
public func stopGradient<T: TensorTree>(_ x: T) -> T { x.mapTensors { bind(StopGradient(), .one($0)) } }
