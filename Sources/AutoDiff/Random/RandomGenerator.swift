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

  /// Numbers of the standard normal law. An odd one takes as many random bits as two.
  fileprivate mutating func fillNormal<T: LoopScalar>(_ entries: UnsafeMutablePointer<T>, count: Int) {
    for k in stride(from: 0, to: count, by: 2) {
      let (a, b) = normalPair()
      entries[k] = T(a)
      if k + 1 < count { entries[k + 1] = T(b) }
    }
  }
}

extension Tensor {
  /// Independent numbers of the standard normal law.
  public static func normal(
    _ shape: [Int], as scalarType: ScalarType = .float64, using generator: inout RandomGenerator
  ) -> Tensor {
    let count = shape.entryCount("normal")
    return perType(
      scalarType, double: make(shape, Double.self, for: "normal") { generator.fillNormal($0, count: count) },
      float: make(shape, Float.self, for: "normal") { generator.fillNormal($0, count: count) })
  }

  /// Independent numbers, uniform in a range (its upper bound excluded but for rounding).
  public static func uniform(
    _ shape: [Int], in range: Range<Double> = 0..<1, as scalarType: ScalarType = .float64,
    using generator: inout RandomGenerator
  ) -> Tensor {
    let width = range.upperBound - range.lowerBound
    return computed(shape.entryCount("uniform"), as: scalarType, for: "uniform") { _ in
      range.lowerBound + width * generator.uniform()
    }.reshaped(to: shape)
  }

  /// Independent signs: 1 or −1 with probability 1/2 each.
  public static func rademacher(
    _ shape: [Int], as scalarType: ScalarType = .float64, using generator: inout RandomGenerator
  ) -> Tensor {
    computed(shape.entryCount("rademacher"), as: scalarType, for: "rademacher") { _ in
      generator.next() & 1 == 0 ? 1 : -1
    }.reshaped(to: shape)
  }

  /// The numbers 0..<count in random order. Stops where the scalar type does not hold all of them: beyond 2²⁴ in `.float32`.
  public static func permutation(
    _ count: Int, as scalarType: ScalarType = .float64, using generator: inout RandomGenerator
  ) -> Tensor {
    let largest = scalarType.largestExactInteger
    guard (0...largest).contains(count) else {
      stop(
        "permutation", "the count must lie in 0...\(largest), where \(scalarType.rawValue) is exact", got: "\(count)")
    }
    func fill<T: LoopScalar>(_ entries: UnsafeMutablePointer<T>) {
      for k in 0..<count { entries[k] = T(k) }
      var all = UnsafeMutableBufferPointer(start: entries, count: count)
      all.shuffle(using: &generator)
    }
    return perType(
      scalarType, double: make([count], Double.self, for: "permutation") { fill($0) },
      float: make([count], Float.self, for: "permutation") { fill($0) })
  }
}
