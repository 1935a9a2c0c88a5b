/// sin x.
struct Sin: UnaryElementwise, TranscendentalFunction {
  var name: String { "sin" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { VectorFunctions.sin(x) }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { dispatch(SinSlope(), .two(v, x)) }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    try inputs[0].applying(.sin, for: name)
  }
}

/// v · cos x: a cotangent times the derivative of sin at x, in one pass over memory.
struct SinSlope: BinaryElementwise, SlopePrimitive, TranscendentalFunction {
  var name: String { "sinSlope" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ v: V, _ x: V) -> V {
    timesBounded(v, VectorFunctions.cos(x), at: x)
  }
  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    argument == 0
      ? dispatch(SinSlope(), .two(v, inputs[1])) : dispatch(CosSlope(), .two(bilinearProduct(v, inputs[0]), inputs[1]))
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    .product(inputs[0], try inputs[1].applying(.sin, order: 1, for: name))
  }
}

/// v · slope, and 0 where v is 0 and the slope at x = ±∞ is not a number. What is asked of x here, sin and cos have asked
/// before, so that it costs nothing.
@inline(__always)
private func timesBounded<V: LaneVector>(_ v: V, _ slope: V, at x: V) -> V {
  let product = v * slope
  return (!VectorFunctions.isReduced(x)).isAnyTrue ? product.vanishing(with: v) : product
}

/// cos x.
struct Cos: UnaryElementwise, TranscendentalFunction {
  var name: String { "cos" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { VectorFunctions.cos(x) }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { dispatch(CosSlope(), .two(v, x)) }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    try inputs[0].applying(.cos, for: name)
  }
}

/// −v · sin x: a cotangent times the derivative of cos at x, in one pass over memory.
struct CosSlope: BinaryElementwise, SlopePrimitive, TranscendentalFunction {
  var name: String { "cosSlope" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ v: V, _ x: V) -> V {
    timesBounded(-v, VectorFunctions.sin(x), at: x)
  }
  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    argument == 0
      ? dispatch(CosSlope(), .two(v, inputs[1])) : dispatch(SinSlope(), .two(-bilinearProduct(v, inputs[0]), inputs[1]))
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    .product(inputs[0], try inputs[1].applying(.cos, order: 1, for: name))
  }
}

/// tan x.
struct Tan: UnaryElementwise, TranscendentalFunction {
  var name: String { "tan" }
  var residuals: Residuals { .output }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { VectorFunctions.tan(x) }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { chainProduct(v, square(y) + 1) }
}

/// arctan x.
struct Arctan: UnaryElementwise, TranscendentalFunction {
  var name: String { "arctan" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { VectorFunctions.arctan(x) }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? {
    dispatch(ArctanSlope(order: 1), .two(v, x))
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    try inputs[0].applying(.arctan, for: name)
  }
}

/// v times the derivative of arctan of any order at x, in one pass over memory: (n − 1)! (−1)ⁿ Im (x + i)⁻ⁿ.
///
/// Both parts of 1 / (x + i) are found without squaring what is large, so that nothing overflows.
struct ArctanSlope: BinaryElementwise, TranscendentalFunction {
  let order: Int
  var name: String { "arctanSlope" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ v: V, _ x: V) -> V {
    let one = V(constant: 1)
    let isSmall = V.isLessOrEqual(x.magnitude, one)
    let r = V.select(isSmall, x, one / x)
    let share = one / one.adding(r, times: r)
    let a = r * share
    let b = V.select(isSmall, share, r * a)
    // The powers of a − ib.
    var (real, imaginary) = (a, -b)
    var factor = -1.0
    for n in 1..<order {
      (real, imaginary) = ((real * a).adding(imaginary, times: b), (imaginary * a).adding(-real, times: b))
      factor *= -Double(n)
    }
    return (v * (imaginary * V(constant: factor))).vanishing(with: v)
  }
  func timesDerivative(_ u: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    if argument == 0 { return dispatch(self, .two(u, inputs[1])) }
    return dispatch(ArctanSlope(order: order + 1), .two(bilinearProduct(u, inputs[0]), inputs[1]))
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    guard order <= 2 else { throw .notStated(primitive: name) }
    return .product(inputs[0], try inputs[1].applying(.arctan, order: order, for: name))
  }
}

/// The sine of every entry (radians).
public func sin(_ x: Tensor) -> Tensor { bind(Sin(), .one(x)) }
/// The cosine of every entry (radians).
public func cos(_ x: Tensor) -> Tensor { bind(Cos(), .one(x)) }
/// The tangent of every entry (radians).
public func tan(_ x: Tensor) -> Tensor { bind(Tan(), .one(x)) }
/// The arc tangent of every entry, in (−π/2, π/2).
public func arctan(_ x: Tensor) -> Tensor { bind(Arctan(), .one(x)) }
