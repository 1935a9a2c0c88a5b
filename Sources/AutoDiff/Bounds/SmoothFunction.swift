import Foundation

/// A function of one number with the ranges of its values and of its first three derivatives over any interval.
///
/// Each derivative is given by a formula and by the points where it turns, that is where the next one is 0. Over an interval
/// its extreme values stand at the ends or at a turning point inside, so the ranges are as narrow as can be.
public struct SmoothFunction: Sendable {
  /// Where a derivative turns.
  public enum Turns: Sendable {
    /// At these points.
    case points([Double])
    /// At this point and in all multiples of π from it.
    case everyPi(from: Double)
  }

  /// A function or one of its derivatives.
  public struct Order: Sendable {
    let value: @Sendable (Double) -> Double
    let turns: Turns

    /// Takes a formula, which must be right to a few units in the last place of its value or of the function's accuracy, and
    /// the points where it turns.
    public init(turns: Turns = .points([]), _ value: @escaping @Sendable (Double) -> Double) {
      (self.value, self.turns) = (value, turns)
    }
  }

  /// Where a function and its derivatives are finite.
  public enum Domain: Sendable {
    /// Everywhere.
    case all
    /// Where the input is positive.
    case positive
    /// Where the input is not 0.
    case nonzero

    var requirement: String? {
      switch self {
      case .all: nil
      case .positive: "needs a positive input"
      case .nonzero: "needs an input that is not 0"
      }
    }

    func includes(_ lower: Double, _ upper: Double) -> Bool {
      switch self {
      case .all: true
      case .positive: lower > 0
      case .nonzero: lower > 0 || upper < 0
      }
    }
  }

  let orders: [Order]
  let domain: Domain
  let accuracy: Double

  /// Takes the function and its derivatives.
  ///
  /// - Parameters:
  ///   - orders: the function, its first, its second, its third derivative.
  ///   - domain: where they are finite; by default everywhere.
  ///   - accuracy: the magnitude whose rounding the formulas are right to; 0 where they are right relative to their value.
  public init(_ orders: [Order], domain: Domain = .all, accuracy: Double = 4) {
    guard orders.count == 4 else { stop("SmoothFunction", "needs four orders, from 0 to 3", got: "\(orders.count)") }
    (self.orders, self.domain, self.accuracy) = (orders, domain, accuracy)
  }

  /// Where the derivative of an order lies over an interval.
  ///
  /// - Parameters:
  ///   - order: 0 for the function itself, at most 3.
  ///   - lower: where the interval begins.
  ///   - upper: where it ends, not below.
  public func range(ofOrder order: Int, from lower: Double, to upper: Double) -> (lower: Double, upper: Double) {
    let function = orders[order]
    let (a, b) = (function.value(lower), function.value(upper))
    var (least, most) = (Swift.min(a, b), Swift.max(a, b))
    if a.isNaN || b.isNaN { return (.nan, .nan) }
    func include(_ point: Double) {
      let value = function.value(point)
      (least, most) = (Swift.min(least, value), Swift.max(most, value))
    }
    switch function.turns {
    case .points(let points):
      // A turning point is known to the last digits only, and so is whether the interval holds it.
      for point in points where lower <= point + 1e-9 && point - 1e-9 <= upper { include(point) }
    case .everyPi(let start):
      // Of a function of period 2π two of them in a row are enough, and all that matters of their numbers is which is even.
      // Far from 0 the numbers are known to the rounding of the ends only.
      let slack = 1e-9 + Swift.max(abs(lower), abs(upper)) * Rounding.unit
      let first = ((lower - start) / .pi - slack).rounded(.up)
      let last = ((upper - start) / .pi + slack).rounded(.down)
      let parity = abs(first.truncatingRemainder(dividingBy: 2))
      if first <= last { include(start + parity * .pi) }
      if first < last { include(start + (1 - parity) * .pi) }
    }
    let slack = 4 * Rounding.unit * accuracy + Double.leastNormalMagnitude
    return (least - slack - 4 * Rounding.unit * abs(least), most + slack + 4 * Rounding.unit * abs(most))
  }

  /// Where the derivative of an order lies, entry by entry.
  func range(ofOrder order: Int, over x: Enclosure) -> Enclosure {
    let (lower, upper) = (x.lower.scalars, x.upper.scalars)
    var (low, high) = (lower, upper)
    for k in lower.indices { (low[k], high[k]) = range(ofOrder: order, from: lower[k], to: upper[k]) }
    return Enclosure(lower: Tensor(low).reshaped(to: x.shape), upper: Tensor(high).reshaped(to: x.shape))
  }
}

extension ValueBounds {
  /// The bounds of a function's derivative of an order, entry by entry.
  ///
  /// - Parameters:
  ///   - function: the function.
  ///   - order: 0 for the function itself, at most 2.
  ///   - primitive: the name for messages.
  /// - Throws: ``BoundError/outsideDomain(primitive:requirement:index:lower:upper:)``.
  public func applying(
    _ function: SmoothFunction, order: Int = 0, for primitive: String
  ) throws(BoundError) -> ValueBounds {
    if let requirement = function.domain.requirement {
      try require(primitive, requirement) { function.domain.includes($0, $1) }
    }
    let values = function.range(ofOrder: order, over: range)
    let steepness = slopes.isEmpty ? nil : function.range(ofOrder: order + 1, over: range).magnitude
    return ValueBounds(
      initial: function.range(ofOrder: order, over: initial), range: values,
      slopes: slopes.mapValues { $0.times(steepness!) })
  }

  /// Throws unless a condition holds for the ends of every entry's interval.
  func require(
    _ primitive: String, _ requirement: String, _ condition: (_ lower: Double, _ upper: Double) -> Bool
  ) throws(BoundError) {
    let (lower, upper) = (range.lower.scalars, range.upper.scalars)
    guard let bad = lower.indices.first(where: { !condition(lower[$0], upper[$0]) }) else { return }
    throw .outsideDomain(
      primitive: primitive, requirement: requirement, index: shape.index(ofFlat: bad), lower: lower[bad],
      upper: upper[bad])
  }
}

extension [Int] {
  /// The index of the entry at a place in row-major order.
  fileprivate func index(ofFlat place: Int) -> [Int] {
    var rest = place
    return reversed().map { extent in
      defer { rest /= extent }
      return rest % extent
    }.reversed()
  }
}
