/// x · sigmoid(x), also called swish.
struct Silu: UnaryElementwise, TranscendentalFunction {
  var name: String { "silu" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V {
    V.select(V.isLess(x, V(constant: -1e4)), V(constant: 0), x * VectorFunctions.sigmoid(x))
  }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { dispatch(SiluSlope(), .two(v, x)) }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    try inputs[0].applying(.silu, for: name)
  }
}

/// v · (σ(x) + x σ(x) σ(−x)): a cotangent times the derivative of silu at x, in one pass over memory.
struct SiluSlope: BinaryElementwise, SlopePrimitive, TranscendentalFunction {
  var name: String { "siluSlope" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ v: V, _ x: V) -> V {
    (v * VectorFunctions.siluSlope(x)).vanishing(with: v)
  }
  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    if argument == 0 { return dispatch(SiluSlope(), .two(v, inputs[1])) }
    // σ(x) σ(−x) (2 + x (σ(−x) − σ(x))). Bounding x keeps ∞ · 0 out, also of further derivatives.
    let x = clamp(inputs[1], min: -1000, max: 1000)
    let factor = 2 - x * tanh(inputs[1] * 0.5)
    return dispatch(SigmoidSlope(), .two(chainProduct(bilinearProduct(v, inputs[0]), factor), inputs[1]))
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    .product(inputs[0], try inputs[1].applying(.silu, order: 1, for: name))
  }
}

/// x · sigmoid(x), also called swish.
public func silu(_ x: Tensor) -> Tensor { bind(Silu(), .one(x)) }
