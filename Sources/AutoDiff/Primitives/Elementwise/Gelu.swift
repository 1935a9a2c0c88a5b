/// x Φ(x), with Φ the distribution function of the standard normal law.
struct Gelu: UnaryElementwise, TranscendentalFunction {
  var name: String { "gelu" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { VectorFunctions.gelu(x) }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { dispatch(GeluSlope(), .two(v, x)) }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    try inputs[0].applying(.gelu, for: name)
  }
}

/// v · (Φ(x) + x φ(x)): a cotangent times the derivative of gelu at x, in one pass over memory.
struct GeluSlope: BinaryElementwise, SlopePrimitive, TranscendentalFunction {
  static let rootHalf = 0.7071067811865476
  var name: String { "geluSlope" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ v: V, _ x: V) -> V {
    (v * VectorFunctions.geluSlope(x)).vanishing(with: v)
  }
  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    if argument == 0 { return dispatch(GeluSlope(), .two(v, inputs[1])) }
    // (2 − x²) φ(x), where the density is that of ``ErfSlope`` at x/√2 but for a factor. It is 0 long before |x| reaches 60;
    // bounding x keeps ∞ · 0 out, also of further derivatives.
    let x = clamp(inputs[1], min: -60, max: 60)
    let factor = (2 - square(x)) * (Self.rootHalf / 2)
    let product = bilinearProduct(v, inputs[0])
    return dispatch(ErfSlope(), .two(chainProduct(product, factor), inputs[1] * Self.rootHalf))
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    .product(inputs[0], try inputs[1].applying(.gelu, order: 1, for: name))
  }
}

/// x Φ(x), with Φ the distribution function of the standard normal law (the exact form, not the tanh approximation).
/// - Source: Hendrycks and Gimpel, Gaussian Error Linear Units, 2016.
public func gelu(_ x: Tensor) -> Tensor { bind(Gelu(), .one(x)) }
