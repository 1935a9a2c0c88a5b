/// a + b.
struct Add: BinaryElementwise {
  var name: String { "add" }
  var residuals: Residuals { [] }
  @inline(__always) func value<V: LaneVector>(_ a: V, _ b: V) -> V { a + b }
  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? { v }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    .combination(inputs[0], inputs[1])
  }
}

/// a − b.
struct Subtract: BinaryElementwise {
  var name: String { "subtract" }
  var residuals: Residuals { [] }
  @inline(__always) func value<V: LaneVector>(_ a: V, _ b: V) -> V { a - b }
  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    argument == 0 ? v : -v
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    .combination(inputs[0], inputs[1], factor: -1)
  }
}

/// a · b, entry by entry.
struct Multiply: BinaryElementwise {
  var name: String { "multiply" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ a: V, _ b: V) -> V { a * b }
  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    chainProduct(v, inputs[1 - argument])
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds { .product(inputs[0], inputs[1]) }
}

/// a / b, entry by entry.
struct Divide: BinaryElementwise {
  var name: String { "divide" }
  @inline(__always) func value<V: LaneVector>(_ a: V, _ b: V) -> V { a / b }
  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    argument == 0 ? chainQuotient(v, inputs[1]) : -chainProduct(v, output / inputs[1])
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    .product(inputs[0], try inputs[1].applying(.power(1, -1), for: name))
  }
}

/// a + c · b for a constant c, in one pass over memory.
struct AddScaled: BinaryElementwise {
  let factor: Double
  var name: String { "addScaled" }
  var residuals: Residuals { [] }
  @inline(__always) func value<V: LaneVector>(_ a: V, _ b: V) -> V { a.adding(b, times: V(constant: factor)) }
  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    argument == 0 ? v : v * factor
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    .combination(inputs[0], inputs[1], factor: factor)
  }
}

/// −x.
struct Negate: UnaryElementwise {
  var name: String { "negate" }
  var residuals: Residuals { [] }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { -x }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { -v }
  func pullback(_ gradient: OuterProducts, _ inputs: Inputs, argument: Int) -> OuterProducts? {
    gradient.scaled(by: -1)
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds { inputs[0].negated }
}

/// x · c for a constant c.
struct Scale: UnaryElementwise {
  let factor: Double
  var name: String { "multiply" }
  var residuals: Residuals { [] }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { x * V(constant: factor) }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { v * factor }
  func pullback(_ gradient: OuterProducts, _ inputs: Inputs, argument: Int) -> OuterProducts? {
    gradient.scaled(by: factor)
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds { inputs[0].times(factor) }
}

/// x / c for a constant c, correctly rounded.
struct DivideByConstant: UnaryElementwise {
  let divisor: Double
  /// 1 / c where that is exact, for powers of two: a product with it has the bits of the quotient, in a fraction of the time.
  /// Elsewhere 0, and not nil, of which not all bits are known: recordings tell primitives apart by their bits.
  let reciprocal: Double

  init(divisor: Double) {
    self.divisor = divisor
    // Exact in single precision too.
    let isPowerOfTwo = divisor.isNormal && divisor.significandBitPattern == 0 && abs(divisor.exponent) <= 126
    reciprocal = isPowerOfTwo ? 1 / divisor : 0
  }

  var name: String { "divide" }
  var residuals: Residuals { [] }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V {
    if reciprocal != 0 { return x * V(constant: reciprocal) }
    return x / V(constant: divisor)
  }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { v / divisor }
  func pullback(_ gradient: OuterProducts, _ inputs: Inputs, argument: Int) -> OuterProducts? {
    gradient.scaled(by: 1 / divisor)
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let quotient = inputs[0].times(1 / divisor)
    // The reciprocal has been rounded too.
    return ValueBounds(
      initial: quotient.initial.widened(), range: quotient.range.widened(),
      slopes: quotient.slopes.mapValues { $0.times(Tensor(Rounding.up).broadcast(to: quotient.shape)) })
  }
}

/// x + c for a constant c.
struct Offset: UnaryElementwise {
  let offset: Double
  var name: String { "add" }
  var residuals: Residuals { [] }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { x + V(constant: offset) }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { v }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    .combination(inputs[0], ValueBounds(constant: Tensor(offset).broadcast(to: inputs[0].shape)))
  }
}

/// 1 / x.
struct Reciprocal: UnaryElementwise {
  var name: String { "reciprocal" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { V(constant: 1) / x }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? {
    dispatch(PowerSlope(coefficient: -1, exponent: -2), .two(v, x))
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    try inputs[0].applying(.power(1, -1), for: name)
  }
}

/// x².
struct Square: UnaryElementwise {
  var name: String { "square" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { x * x }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? {
    dispatch(PowerSlope(coefficient: 2, exponent: 1), .two(v, x))
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    try inputs[0].applying(.power(1, 2), for: name)
  }
}

extension Tensor {
  /// The sum of two tensors that broadcast to a common shape.
  public static func + (a: Tensor, b: Tensor) -> Tensor { bindBroadcast(Add(), a, b) }
  /// The difference of two tensors that broadcast to a common shape.
  public static func - (a: Tensor, b: Tensor) -> Tensor { bindBroadcast(Subtract(), a, b) }
  /// The product, entry by entry, of two tensors that broadcast to a common shape.
  public static func * (a: Tensor, b: Tensor) -> Tensor { bindBroadcast(Multiply(), a, b) }
  /// The quotient, entry by entry, of two tensors that broadcast to a common shape.
  public static func / (a: Tensor, b: Tensor) -> Tensor { bindBroadcast(Divide(), a, b) }
  /// The tensor with all signs changed.
  public static prefix func - (x: Tensor) -> Tensor { bind(Negate(), .one(x)) }

  /// Adds a number to every entry; the number takes the tensor's scalar type.
  public static func + (x: Tensor, c: Double) -> Tensor { bind(Offset(offset: c), .one(x)) }
  /// Adds a number to every entry; the number takes the tensor's scalar type.
  public static func + (c: Double, x: Tensor) -> Tensor { bind(Offset(offset: c), .one(x)) }
  /// Subtracts a number from every entry; the number takes the tensor's scalar type.
  public static func - (x: Tensor, c: Double) -> Tensor { bind(Offset(offset: -c), .one(x)) }
  /// Subtracts every entry from a number; the number takes the tensor's scalar type.
  public static func - (c: Double, x: Tensor) -> Tensor { bind(Offset(offset: c), .one(-x)) }
  /// Multiplies every entry by a number; the number takes the tensor's scalar type.
  public static func * (x: Tensor, c: Double) -> Tensor { bind(Scale(factor: c), .one(x)) }
  /// Multiplies every entry by a number; the number takes the tensor's scalar type.
  public static func * (c: Double, x: Tensor) -> Tensor { bind(Scale(factor: c), .one(x)) }
  /// Divides every entry by a number; the number takes the tensor's scalar type.
  public static func / (x: Tensor, c: Double) -> Tensor { bind(DivideByConstant(divisor: c), .one(x)) }
  /// Divides a number by every entry; the number takes the tensor's scalar type.
  public static func / (c: Double, x: Tensor) -> Tensor { c == 1 ? reciprocal(x) : Tensor(c, as: x.scalarType) / x }
}

/// 1 / x, entry by entry.
public func reciprocal(_ x: Tensor) -> Tensor { bind(Reciprocal(), .one(x)) }

/// x², entry by entry.
public func square(_ x: Tensor) -> Tensor { bind(Square(), .one(x)) }

/// Binds an elementwise primitive of two inputs after broadcasting them to their common shape.
func bindBroadcast<P: ElementwisePrimitive>(_ primitive: P, _ a: Tensor, _ b: Tensor) -> Tensor {
  if a.node.shape == b.node.shape {
    requireOneScalarType(primitive.name, a, b)
    return dispatch(primitive, .two(a, b))
  }
  let shape = broadcastShape(a.shape, b.shape, primitive.name)
  return bind(primitive, .two(a.broadcast(to: shape), b.broadcast(to: shape)))
}
