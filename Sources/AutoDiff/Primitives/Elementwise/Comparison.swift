/// 1 where the relation holds, else 0; the derivative is 0. A relation with not-a-number does not hold, except ≠.
struct Compare: BinaryElementwise {
  enum Relation: Sendable { case less, lessOrEqual, equal, notEqual }
  let relation: Relation
  var name: String { "compare" }
  @inline(__always) func value<V: LaneVector>(_ a: V, _ b: V) -> V {
    let (one, zero) = (V(constant: 1), V(constant: 0))
    return switch relation {
    case .less: V.select(V.isLess(a, b), one, zero)
    case .lessOrEqual: V.select(V.isLessOrEqual(a, b), one, zero)
    case .equal: V.select(V.isEqual(a, b), one, zero)
    case .notEqual: V.select(V.isEqual(a, b), zero, one)
    }
  }
  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? { nil }
  /// The same for all parameters in the ball, or none.
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let (a, b) = (inputs[0].range, inputs[1].range)
    let difference = ValueBounds(initial: b + -a, range: b + -a, slopes: [:])
    try difference.require(name, "jumps where its inputs are equal") { $0 > 0 || $1 < 0 }
    let isLess = difference.range.lower .> 0
    return switch relation {
    case .less, .lessOrEqual: ValueBounds(constant: isLess)
    case .equal: ValueBounds(constant: .zeros(isLess.shape))
    case .notEqual: ValueBounds(constant: .ones(isLess.shape))
    }
  }
}

/// max(a, b), entry by entry; not-a-number wins.
struct Maximum: BinaryElementwise {
  var name: String { "maximum" }
  @inline(__always) func value<V: LaneVector>(_ a: V, _ b: V) -> V { V.maximum(a, b) }
  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    let (mine, other) = (inputs[argument], inputs[1 - argument])
    return bilinearProduct(v, ((other .< mine) + (other .<= mine)) * 0.5)
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds { .largest(inputs[0], inputs[1]) }
}

/// min(a, b), entry by entry; not-a-number wins.
struct Minimum: BinaryElementwise {
  var name: String { "minimum" }
  @inline(__always) func value<V: LaneVector>(_ a: V, _ b: V) -> V { V.minimum(a, b) }
  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    let (mine, other) = (inputs[argument], inputs[1 - argument])
    return bilinearProduct(v, ((mine .< other) + (mine .<= other)) * 0.5)
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    ValueBounds.largest(inputs[0].negated, inputs[1].negated).negated
  }
}

extension ValueBounds {
  /// The bounds of the larger of two values: where one is larger in the whole ball, those of that one.
  fileprivate static func largest(_ a: ValueBounds, _ b: ValueBounds) -> ValueBounds {
    func value(_ x: Enclosure, _ y: Enclosure) -> Enclosure {
      Enclosure(lower: maximum(x.lower, y.lower), upper: maximum(x.upper, y.upper))
    }
    let (first, second) = (a.range.upper .>= b.range.lower, b.range.upper .>= a.range.lower)
    let parts = [a.slopes.mapValues { $0.times(first) }, b.slopes.mapValues { $0.times(second) }]
    return ValueBounds(initial: value(a.initial, b.initial), range: value(a.range, b.range), slopes: joined(parts))
  }
}

/// x limited to an interval.
struct Clamp: UnaryElementwise {
  let min: Double, max: Double
  var name: String { "clamp" }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V {
    V.minimum(V.maximum(x, V(constant: min)), V(constant: max))
  }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? {
    bilinearProduct(v, (x .>= min) * (x .<= max))
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let x = inputs[0]
    let (low, high) = (self.min, self.max)
    func value(_ x: Enclosure) -> Enclosure { x.rearranged { clamp($0, min: low, max: high) } }
    let steepness = (x.range.upper .>= low) * (x.range.lower .<= high)
    return ValueBounds(
      initial: value(x.initial), range: value(x.range), slopes: x.slopes.mapValues { $0.times(steepness) })
  }
}

/// |x|.
struct Abs: UnaryElementwise {
  var name: String { "abs" }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { x.magnitude }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { chainProduct(v, sign(x)) }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let x = inputs[0]
    func value(_ x: Enclosure) -> Enclosure { Enclosure(lower: x.leastMagnitude, upper: x.magnitude) }
    return ValueBounds(initial: value(x.initial), range: value(x.range), slopes: x.slopes)
  }
}

/// −1, 0 or 1; not-a-number stays.
struct Sign: UnaryElementwise {
  var name: String { "sign" }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V {
    let zero = V(constant: 0)
    return V.select(V.isLess(zero, x), V(constant: 1), V.select(V.isLess(x, zero), V(constant: -1), x))
  }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { nil }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    try inputs[0].require(name, "jumps at 0") { $0 > 0 || $1 < 0 || $0 == 0 && $1 == 0 }
    return ValueBounds(constant: sign(inputs[0].range.lower))
  }
}

/// `a` where the mask is not 0, else `b`.
struct Select: ElementwisePrimitive, TernaryLaneFunction {
  var name: String { "select" }
  @inline(__always) func value<V: LaneVector>(_ mask: V, _ a: V, _ b: V) -> V {
    V.select(V.isEqual(mask, V(constant: 0)), b, a)
  }

  func evaluate(_ inputs: Inputs) -> Tensor {
    let shape = shape(of: inputs)
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      make(shape, T.self) { y in
        inputs[0].withView(T.self) { mask in
          inputs[1].withView(T.self) { a in
            inputs[2].withView(T.self) { b in StridedMap.ternary(mask, a, b, into: y, self) }
          }
        }
      }
    }
    return perType(inputs[0].scalarType, double: run(Double.self), float: run(Float.self))
  }

  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    switch argument {
    case 1: select(inputs[0], v, Tensor.zeros(like: v))
    case 2: select(inputs[0], Tensor.zeros(like: v), v)
    default: nil
    }
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    try inputs[0].require(name, "jumps where its mask becomes 0") { $0 > 0 || $1 < 0 || $0 == 0 && $1 == 0 }
    let chosen = inputs[0].range.lower .!= 0
    func value(_ x: Enclosure, _ y: Enclosure) -> Enclosure {
      Enclosure(lower: AutoDiff.select(chosen, x.lower, y.lower), upper: AutoDiff.select(chosen, x.upper, y.upper))
    }
    let (a, b) = (inputs[1], inputs[2])
    let parts = [a.slopes.mapValues { $0.times(chosen) }, b.slopes.mapValues { $0.times(1 - chosen) }]
    return ValueBounds(
      initial: value(a.initial, b.initial), range: value(a.range, b.range), slopes: ValueBounds.joined(parts))
  }
}

extension Tensor {
  /// 1 where a < b, else 0.
  public static func .< (a: Tensor, b: Tensor) -> Tensor { bindBroadcast(Compare(relation: .less), a, b) }
  /// 1 where a ≤ b, else 0.
  public static func .<= (a: Tensor, b: Tensor) -> Tensor { bindBroadcast(Compare(relation: .lessOrEqual), a, b) }
  /// 1 where a > b, else 0.
  public static func .> (a: Tensor, b: Tensor) -> Tensor { b .< a }
  /// 1 where a ≥ b, else 0.
  public static func .>= (a: Tensor, b: Tensor) -> Tensor { b .<= a }
  /// 1 where a = b, else 0.
  public static func .== (a: Tensor, b: Tensor) -> Tensor { bindBroadcast(Compare(relation: .equal), a, b) }
  /// 1 where a ≠ b, else 0.
  public static func .!= (a: Tensor, b: Tensor) -> Tensor { bindBroadcast(Compare(relation: .notEqual), a, b) }
  /// 1 where an entry is less than a number, else 0.
  public static func .< (a: Tensor, b: Double) -> Tensor { a .< Tensor(b, as: a.scalarType) }
  /// 1 where an entry is at most a number, else 0.
  public static func .<= (a: Tensor, b: Double) -> Tensor { a .<= Tensor(b, as: a.scalarType) }
  /// 1 where an entry is greater than a number, else 0.
  public static func .> (a: Tensor, b: Double) -> Tensor { a .> Tensor(b, as: a.scalarType) }
  /// 1 where an entry is at least a number, else 0.
  public static func .>= (a: Tensor, b: Double) -> Tensor { a .>= Tensor(b, as: a.scalarType) }
  /// 1 where an entry equals a number, else 0.
  public static func .== (a: Tensor, b: Double) -> Tensor { a .== Tensor(b, as: a.scalarType) }
  /// 1 where an entry differs from a number, else 0.
  public static func .!= (a: Tensor, b: Double) -> Tensor { a .!= Tensor(b, as: a.scalarType) }
  /// 1 where a number is less than an entry, else 0.
  public static func .< (a: Double, b: Tensor) -> Tensor { Tensor(a, as: b.scalarType) .< b }
  /// 1 where a number is at most an entry, else 0.
  public static func .<= (a: Double, b: Tensor) -> Tensor { Tensor(a, as: b.scalarType) .<= b }
  /// 1 where a number is greater than an entry, else 0.
  public static func .> (a: Double, b: Tensor) -> Tensor { Tensor(a, as: b.scalarType) .> b }
  /// 1 where a number is at least an entry, else 0.
  public static func .>= (a: Double, b: Tensor) -> Tensor { Tensor(a, as: b.scalarType) .>= b }
  /// 1 where a number is equal to an entry, else 0.
  public static func .== (a: Double, b: Tensor) -> Tensor { Tensor(a, as: b.scalarType) .== b }
  /// 1 where a number is different from an entry, else 0.
  public static func .!= (a: Double, b: Tensor) -> Tensor { Tensor(a, as: b.scalarType) .!= b }
}

/// The larger of a and b, entry by entry, broadcast to a common shape; not-a-number wins. Where they are equal, each has
/// the derivative 1/2.
public func maximum(_ a: Tensor, _ b: Tensor) -> Tensor { bindBroadcast(Maximum(), a, b) }
/// The larger of an entry and a number; at equality the derivative is 1/2.
public func maximum(_ a: Tensor, _ b: Double) -> Tensor { maximum(a, Tensor(b, as: a.scalarType)) }
/// The larger of a number and an entry; at equality the derivative is 1/2.
public func maximum(_ a: Double, _ b: Tensor) -> Tensor { maximum(b, a) }
/// The smaller of a and b, entry by entry, broadcast to a common shape; not-a-number wins. Where they are equal, each
/// has the derivative 1/2.
public func minimum(_ a: Tensor, _ b: Tensor) -> Tensor { bindBroadcast(Minimum(), a, b) }
/// The smaller of an entry and a number; at equality the derivative is 1/2.
public func minimum(_ a: Tensor, _ b: Double) -> Tensor { minimum(a, Tensor(b, as: a.scalarType)) }
/// The smaller of a number and an entry; at equality the derivative is 1/2.
public func minimum(_ a: Double, _ b: Tensor) -> Tensor { minimum(b, a) }
/// Every entry limited to [min, max]. The derivative is 1 in the closed interval, 0 outside.
public func clamp(_ x: Tensor, min: Double, max: Double) -> Tensor {
  guard min <= max else { stop("clamp", "min must not exceed max", got: "\(min) and \(max)") }
  return bind(Clamp(min: min, max: max), .one(x))
}
/// The absolute value of every entry. The derivative at 0 is taken to be 0.
public func abs(_ x: Tensor) -> Tensor { bind(Abs(), .one(x)) }
/// −1, 0 or 1 by the sign of every entry; the derivative is 0.
public func sign(_ x: Tensor) -> Tensor { bind(Sign(), .one(x)) }

/// `a` where the mask is not 0, else `b`, entry by entry; the three broadcast to a common shape.
///
/// Derivatives of every order flow into the chosen entries only, forward and reverse: an infinite value or slope or a
/// not-a-number in the other branch does no harm, wherever that branch comes from through elementwise functions,
/// reductions and rearrangements. `select(x .> 0, log(x), x)` has the derivative 1 at x = 0.
///
/// In reverse mode this rests on ``chainProduct(_:_:)``: the other branch receives cotangents of 0, and these pass any slope
/// as 0. What is infinite or not a number in the chosen branch comes out as it is. Two limits: a product of matrices
/// multiplies plainly, so an infinite factor of it meets the 0; and a chosen value that passes a slope of exactly 0 before an
/// infinite one, as in exp(log x) at 0, has the derivative 0.
public func select(_ mask: Tensor, _ a: Tensor, _ b: Tensor) -> Tensor {
  let shape = broadcastShape(mask.shape, broadcastShape(a.shape, b.shape, "select"), "select")
  return bind(Select(), .many([mask, a, b].map { $0.broadcast(to: shape) }))
}
/// `a` where the mask is not 0, else a number, which takes the scalar type of `a`.
public func select(_ mask: Tensor, _ a: Tensor, _ b: Double) -> Tensor { select(mask, a, Tensor(b, as: a.scalarType)) }
/// A number where the mask is not 0, else `b`; the number takes the scalar type of `b`.
public func select(_ mask: Tensor, _ a: Double, _ b: Tensor) -> Tensor { select(mask, Tensor(a, as: b.scalarType), b) }
/// One number where the mask is not 0, else another one; both take the scalar type of the mask.
public func select(_ mask: Tensor, _ a: Double, _ b: Double) -> Tensor {
  select(mask, Tensor(a, as: mask.scalarType), Tensor(b, as: mask.scalarType))
}
