/// sin x.
struct Sin: UnaryElementwise {
  var name: String { "sin" }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { VectorFunctions.sin(x) }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { v * cos(x) }
}

/// cos x.
struct Cos: UnaryElementwise {
  var name: String { "cos" }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { VectorFunctions.cos(x) }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { -(v * sin(x)) }
}

/// tan x.
struct Tan: UnaryElementwise {
  var name: String { "tan" }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { VectorFunctions.tan(x) }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { v * (square(y) + 1) }
}

/// arctan x.
struct Arctan: UnaryElementwise {
  var name: String { "arctan" }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { VectorFunctions.arctan(x) }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { v / (square(x) + 1) }
}

/// The sine of every entry (radians).
public func sin(_ x: Tensor) -> Tensor { bind(Sin(), .one(x)) }
/// The cosine of every entry (radians).
public func cos(_ x: Tensor) -> Tensor { bind(Cos(), .one(x)) }
/// The tangent of every entry (radians).
public func tan(_ x: Tensor) -> Tensor { bind(Tan(), .one(x)) }
/// The arc tangent of every entry, in (−π/2, π/2).
public func arctan(_ x: Tensor) -> Tensor { bind(Arctan(), .one(x)) }
