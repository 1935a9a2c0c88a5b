/// eˣ.
struct Exp: UnaryElementwise {
  var name: String { "exp" }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { VectorFunctions.exp(x) }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { v * y }
}

/// eˣ − 1, exact near 0.
struct Expm1: UnaryElementwise {
  var name: String { "expm1" }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { VectorFunctions.expm1(x) }
  // exp(x) rather than y + 1, which would lose everything for large negative x.
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { v * exp(x) }
}

/// The natural logarithm.
struct Log: UnaryElementwise {
  var name: String { "log" }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { VectorFunctions.log(x) }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { v / x }
}

/// log(1 + x), exact near 0.
struct Log1p: UnaryElementwise {
  var name: String { "log1p" }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { VectorFunctions.log1p(x) }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { v / (x + 1) }
}

/// √x.
struct Sqrt: UnaryElementwise {
  var name: String { "sqrt" }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { x.squareRoot() }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { v / (y * 2) }
}

/// x to a constant power.
struct Power: UnaryElementwise {
  let exponent: Double
  var name: String { "power" }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { VectorFunctions.pow(x, V(constant: exponent)) }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? {
    exponent == 0 ? nil : v * (pow(x, exponent - 1) * exponent)
  }
}

/// a to the power b, entry by entry.
struct PowerOfTensors: BinaryElementwise {
  var name: String { "pow" }
  @inline(__always) func value<V: LaneVector>(_ a: V, _ b: V) -> V { VectorFunctions.pow(a, b) }
  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    let (a, b) = (inputs[0], inputs[1])
    if argument == 0 {
      // b a^(b−1) is 0 for b = 0, also at a = 0, where the power alone is infinite.
      let factor = select(b .== 0, Tensor.ones(like: b), pow(a, b - 1))
      return v * (b * factor)
    }
    // The limit of aᵇ log a at a = 0 is 0 for b > 0.
    return v * (output * log(select(a .== 0, Tensor.ones(like: a), a)))
  }
}

/// eˣ, entry by entry.
public func exp(_ x: Tensor) -> Tensor { bind(Exp(), .one(x)) }
/// eˣ − 1, entry by entry, without cancellation near 0.
public func expm1(_ x: Tensor) -> Tensor { bind(Expm1(), .one(x)) }
/// The natural logarithm of every entry: −∞ at 0, not a number below.
public func log(_ x: Tensor) -> Tensor { bind(Log(), .one(x)) }
/// log(1 + x), entry by entry, exact near 0.
public func log1p(_ x: Tensor) -> Tensor { bind(Log1p(), .one(x)) }
/// The square root of every entry. The derivative at 0 is infinite.
public func sqrt(_ x: Tensor) -> Tensor { bind(Sqrt(), .one(x)) }

/// Every entry to a constant power.
public func pow(_ x: Tensor, _ exponent: Double) -> Tensor {
  switch exponent {
  case 1: x
  case 2: square(x)
  case -1: reciprocal(x)
  case 0.5: sqrt(x)
  default: bind(Power(exponent: exponent), .one(x))
  }
}

/// a to the power b, entry by entry, broadcast to a common shape.
///
/// The derivatives are b aᵇ⁻¹ (0 for b = 0) and aᵇ log a (0 at a = 0); for negative a the latter is not a number.
public func pow(_ a: Tensor, _ b: Tensor) -> Tensor { bindBroadcast(PowerOfTensors(), a, b) }

/// A number to the power of every entry; the number takes the tensor's scalar type. The derivative is cˣ log c.
public func pow(_ c: Double, _ x: Tensor) -> Tensor { pow(Tensor(c, as: x.scalarType), x) }
