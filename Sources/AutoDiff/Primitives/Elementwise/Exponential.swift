/// eˣ.
struct Exp: UnaryElementwise, TranscendentalFunction {
  var name: String { "exp" }
  var residuals: Residuals { .output }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { VectorFunctions.exp(x) }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { chainProduct(v, y) }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    try inputs[0].applying(.exp, for: name)
  }
}

/// eˣ − 1, exact near 0.
struct Expm1: UnaryElementwise, TranscendentalFunction {
  var name: String { "expm1" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { VectorFunctions.expm1(x) }
  // exp(x) rather than y + 1, which would lose everything for large negative x.
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { chainProduct(v, exp(x)) }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    try inputs[0].applying(.expm1, for: name)
  }
}

/// The natural logarithm.
struct Log: UnaryElementwise, TranscendentalFunction {
  var name: String { "log" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { VectorFunctions.log(x) }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? {
    dispatch(PowerSlope(coefficient: 1, exponent: -1, isOneSided: true), .two(v, x))
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    try inputs[0].applying(.log, for: name)
  }
}

/// log(1 + x), exact near 0.
struct Log1p: UnaryElementwise, TranscendentalFunction {
  var name: String { "log1p" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { VectorFunctions.log1p(x) }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? {
    dispatch(PowerSlope(coefficient: 1, exponent: -1, isOneSided: true), .two(v, x + 1))
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let one = ValueBounds(constant: .ones(inputs[0].shape))
    return try ValueBounds.combination(inputs[0], one).applying(.log, for: name)
  }
}

/// √x.
struct Sqrt: UnaryElementwise {
  var name: String { "sqrt" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { x.squareRoot() }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? {
    dispatch(PowerSlope(coefficient: 0.5, exponent: -0.5, isOneSided: true), .two(v, x))
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    try inputs[0].applying(.power(1, 0.5), for: name)
  }
}

/// eˣ, entry by entry.
public func exp(_ x: Tensor) -> Tensor { bind(Exp(), .one(x)) }
/// eˣ − 1, entry by entry, without cancellation near 0.
public func expm1(_ x: Tensor) -> Tensor { bind(Expm1(), .one(x)) }
/// The natural logarithm of every entry: −∞ at 0, not a number below. So are its derivatives; at ±0 they are the limits
/// from above.
public func log(_ x: Tensor) -> Tensor { bind(Log(), .one(x)) }
/// log(1 + x), entry by entry, exact near 0.
public func log1p(_ x: Tensor) -> Tensor { bind(Log1p(), .one(x)) }
/// The square root of every entry; that of −0 is −0. The derivative at ±0 is +∞, the limit from above.
public func sqrt(_ x: Tensor) -> Tensor { bind(Sqrt(), .one(x)) }
