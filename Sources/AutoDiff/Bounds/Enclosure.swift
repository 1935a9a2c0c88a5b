/// An interval for every entry of a tensor: lower ≤ z ≤ upper.
///
/// Arithmetic rounds outward. A result that has been rounded is moved by more than its rounding error, so that the interval
/// holds the values of real arithmetic; what is exact (rearranging, changing signs, choosing) is left as it is.
public struct Enclosure: Sendable {
  /// The lower ends, in double precision.
  public let lower: Tensor
  /// The upper ends, in double precision.
  public let upper: Tensor

  /// Takes the ends; they are in double precision and have one shape.
  public init(lower: Tensor, upper: Tensor) {
    guard lower.shape == upper.shape else {
      stop("Enclosure", "the ends must have one shape", got: "\(lower.shape) and \(upper.shape)")
    }
    requireOneScalarType("Enclosure", lower, upper)
    (self.lower, self.upper) = (lower, upper)
  }

  /// The intervals that hold nothing but the entries of a tensor.
  public init(_ tensor: Tensor) {
    let exact = tensor.as(.float64)
    self.init(lower: exact, upper: exact)
  }

  /// The shape of the tensor.
  public var shape: [Int] { lower.shape }

  /// The largest |z|.
  public var magnitude: Tensor { maximum(abs(lower), abs(upper)) }

  /// The smallest |z|: 0 where the interval holds 0.
  public var leastMagnitude: Tensor { maximum(maximum(lower, -upper), 0) }

  /// A point of the interval near its middle.
  public var midpoint: Tensor { lower * 0.5 + upper * 0.5 }

  /// How far the interval reaches from its ``midpoint``.
  public var radius: Tensor {
    let middle = midpoint
    return maximum(upper - middle, middle - lower) * Rounding.up
  }

  /// Whether every interval is a single number.
  var isExact: Bool { (upper - lower).max().scalar <= 0 }

  var isFinite: Bool { lower.isFinite && upper.isFinite }

  /// Whether all entries of a tensor lie in their intervals.
  public func contains(_ tensor: Tensor) -> Bool {
    let x = tensor.as(.float64)
    return ((lower .<= x) * (x .<= upper)).min().scalar > 0
  }

  // MARK: Arithmetic

  /// The ends after an exact rearrangement of entries.
  func rearranged(_ f: (Tensor) -> Tensor) -> Enclosure { Enclosure(lower: f(lower), upper: f(upper)) }

  /// The ends, moved outward by a share of their own magnitude and by the least positive normal number.
  func widened(_ share: Double = Rounding.unit) -> Enclosure {
    Enclosure(
      lower: lower - (abs(lower) * share + Double.leastNormalMagnitude),
      upper: upper + (abs(upper) * share + Double.leastNormalMagnitude))
  }

  /// The ends, moved outward by distances of at least 0.
  func widened(by distance: Tensor) -> Enclosure {
    Enclosure(lower: lower - distance, upper: upper + distance).widened()
  }

  /// What lies in both; where rounding leaves nothing, the first.
  func intersected(with other: Enclosure) -> Enclosure {
    let (low, high) = (maximum(lower, other.lower), minimum(upper, other.upper))
    let isEmpty = high .< low
    return Enclosure(lower: select(isEmpty, lower, low), upper: select(isEmpty, upper, high))
  }

  static prefix func - (a: Enclosure) -> Enclosure { Enclosure(lower: -a.upper, upper: -a.lower) }

  static func + (a: Enclosure, b: Enclosure) -> Enclosure {
    Enclosure(lower: a.lower + b.lower, upper: a.upper + b.upper).widened()
  }

  static func * (a: Enclosure, b: Enclosure) -> Enclosure {
    let (p, q, r, s) = (a.lower * b.lower, a.lower * b.upper, a.upper * b.lower, a.upper * b.upper)
    return Enclosure(lower: minimum(minimum(p, q), minimum(r, s)), upper: maximum(maximum(p, q), maximum(r, s)))
      .widened()
  }

  static func * (a: Enclosure, factor: Double) -> Enclosure {
    let (p, q) = (a.lower * factor, a.upper * factor)
    return (factor < 0 ? Enclosure(lower: q, upper: p) : Enclosure(lower: p, upper: q)).widened()
  }

  /// The image under a map whose coefficients are at least 0, each output being a sum of at most so many terms.
  func image(terms: Int, _ f: (Tensor) -> Tensor) -> Enclosure {
    let slack = f(magnitude) * (Double(terms + 4) * Rounding.unit)
    return Enclosure(lower: f(lower), upper: f(upper)).widened(by: slack)
  }

  /// The image under a bilinear map whose coefficients are 0 or 1, each output being a sum of at most so many terms.
  ///
  /// - Source: S. Rump, *Fast and parallel interval arithmetic*, BIT 39 (1999): the midpoints are multiplied, and the
  ///   radii are bounded.
  static func product(
    _ a: Enclosure, _ b: Enclosure, terms: Int, _ multiply: (Tensor, Tensor) -> Tensor
  ) -> Enclosure {
    let (x, y) = (a.midpoint, b.midpoint)
    let (sizeX, sizeY) = (abs(x), abs(y))
    let middle = multiply(x, y)
    var distance = multiply(sizeX, sizeY) * (Double(terms + 4) * Rounding.unit)
    if !b.isExact { distance += multiply(sizeX, b.radius) }
    if !a.isExact { distance += multiply(a.radius, sizeY + b.radius) }
    let slack = distance * (1 + Double(terms + 8) * Rounding.unit) + Double(terms) * Double.leastNormalMagnitude
    return Enclosure(lower: middle, upper: middle).widened(by: slack)
  }
}

/// By how much bounds are moved outward.
enum Rounding {
  /// A share larger than the error of one operation, relative to its result: four times the distance of 1 from the next
  /// number.
  static let unit = 4 * Double.ulpOfOne
  /// What a bound that took a few operations is multiplied by.
  static let up = 1 + 4 * unit

  /// The same after sums of so many terms of one sign.
  static func up(terms: Int) -> Double { 1 + Double(terms + 8) * unit }
}
