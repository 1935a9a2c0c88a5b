import Foundation

/// A seeded source of random numbers that is passed as a value.
///
/// The k-th number is a hash of seed and k (the finaliser of SplitMix64 over a Weyl sequence), so a copy repeats the same
/// numbers and a fill can be split among threads without changing its result.
///
/// - Source: Steele, Lea and Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
public struct RandomGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64
  private static let increment: UInt64 = 0x9E37_79B9_7F4A_7C15

  /// A generator whose numbers are determined by the seed.
  public init(seed: UInt64) { state = Self.mix(seed &+ 0x5851_F42D_4C95_7F2D) }

  /// The next 64 random bits.
  public mutating func next() -> UInt64 {
    state &+= Self.increment
    return Self.mix(state)
  }

  /// A generator whose numbers are independent of the ones that this one still gives.
  public mutating func split() -> RandomGenerator { RandomGenerator(seed: next()) }

  private static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// A uniform number in [0, 1), a multiple of 2⁻⁵³.
  public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// A number of the standard normal law.
  public mutating func normal() -> Double { normalPair().0 }

  /// Two independent numbers of the standard normal law (Box and Muller 1958).
  private mutating func normalPair() -> (Double, Double) {
    let radius = (-2 * Foundation.log(1 - uniform())).squareRoot()
    let angle = 2 * Double.pi * uniform()
    return (radius * Foundation.cos(angle), radius * Foundation.sin(angle))
  }

  fileprivate mutating func normals(_ count: Int) -> [Double] {
    var result: [Double] = []
    result.reserveCapacity(count + 1)
    while result.count < count {
      let (a, b) = normalPair()
      result.append(a)
      result.append(b)
    }
    return count % 2 == 0 ? result : result.dropLast()
  }
}

extension Tensor {
  /// Independent numbers of the standard normal law.
  public static func normal(
    _ shape: [Int], as scalarType: ScalarType = .float64, using generator: inout RandomGenerator
  ) -> Tensor {
    Tensor(generator.normals(shape.product), shape: shape, as: scalarType)
  }

  /// Independent numbers, uniform in a range (its upper bound excluded but for rounding).
  public static func uniform(
    _ shape: [Int], in range: Range<Double> = 0..<1, as scalarType: ScalarType = .float64,
    using generator: inout RandomGenerator
  ) -> Tensor {
    let width = range.upperBound - range.lowerBound
    return Tensor(
      (0..<shape.product).map { _ in range.lowerBound + width * generator.uniform() }, shape: shape, as: scalarType)
  }

  /// Independent signs: 1 or −1 with probability 1/2 each.
  public static func rademacher(
    _ shape: [Int], as scalarType: ScalarType = .float64, using generator: inout RandomGenerator
  ) -> Tensor {
    Tensor((0..<shape.product).map { _ in generator.next() & 1 == 0 ? 1 : -1 }, shape: shape, as: scalarType)
  }

  /// The numbers 0..<count in random order.
  public static func permutation(
    _ count: Int, as scalarType: ScalarType = .float64, using generator: inout RandomGenerator
  ) -> Tensor {
    Tensor((0..<count).shuffled(using: &generator).map(Double.init), as: scalarType)
  }
}
