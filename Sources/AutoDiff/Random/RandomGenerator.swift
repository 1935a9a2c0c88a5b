/// A seeded source of random numbers that is passed as a value.
///
/// Number k is a function of the seed and of k only (the counter-based generator Philox), and every number takes one
/// place, whatever its law. So a copy repeats the same numbers; drawing 100 numbers and then 50 gives the same as drawing
/// 150; and neither the number of threads nor the processor makes a difference: random bits and what is computed from them
/// exactly (uniform numbers, signs, permutations) are the same everywhere, normal numbers up to rounding. `.float32` gets
/// the numbers of `.float64` with fewer digits.
///
/// Different seeds give streams without common blocks, neighboring seeds included.
public struct RandomGenerator: RandomNumberGenerator, Sendable {
  /// What it was made of.
  let seed: UInt64
  /// How many numbers it has given.
  private(set) var position: UInt64

  /// A generator whose numbers are determined by the seed.
  public init(seed: UInt64) { self.init(seed: seed, position: 0) }

  /// The generator of a seed that has given a number of numbers already.
  init(seed: UInt64, position: UInt64) { (self.seed, self.position) = (seed, position) }

  /// The next 64 random bits.
  ///
  /// - Complexity: some 20 ns; a tensor of numbers takes far less per number.
  public mutating func next() -> UInt64 {
    defer { position &+= 1 }
    return RandomStream(seed: seed).word(position)
  }

  /// A generator whose numbers are independent of the ones that this one still gives.
  public mutating func split() -> RandomGenerator { RandomGenerator(seed: next()) }

  /// A uniform number in [0, 1), a multiple of 2⁻⁵³.
  public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// A number of the standard normal law.
  public mutating func normal() -> Double {
    var number = 0.0
    fill(&number, count: 1, NormalLaw())
    return number
  }

  /// Puts entries into random order, one of all orders with equal probability (but for 2⁻⁶⁴ · count), by exchanges with an
  /// entry further down (Fisher and Yates; Durstenfeld, Algorithm 235, CACM 1964).
  mutating func shuffle<T: LoopScalar>(_ entries: UnsafeMutablePointer<T>, count: Int) {
    let chunk = 1024
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: chunk) { words in
      for start in stride(from: 0, to: count, by: chunk) {
        let length = min(chunk, count - start)
        RandomStream(seed: seed).fillWords(words.baseAddress!, count: length, from: position)
        position &+= UInt64(length)
        for k in 0..<length {
          let last = count - 1 - start - k
          let other = Int(words[k].multipliedFullWidth(by: UInt64(last + 1)).high)
          (entries[last], entries[other]) = (entries[other], entries[last])
        }
      }
    }
  }

  /// The next numbers of a law.
  mutating func fill<T: LoopScalar>(_ entries: UnsafeMutablePointer<T>, count: Int, _ law: some RandomLaw) {
    RandomStream(seed: seed).fill(entries, count: count, from: position, law)
    position &+= UInt64(count)
  }
}

extension Tensor {
  /// Independent numbers of the standard normal law, by the method of Box and Muller.
  ///
  /// They lie within ±9.5, within ±6.8 for `.float32`, and none is 0.
  ///
  /// - Complexity: O(count), about 2 ns per number on one core with 256-bit vectors, 1 ns for `.float32`; on several
  ///   threads from some 16 000 numbers on.
  /// - Source: Box and Muller, A note on the generation of random normal deviates, Ann. Math. Statist. 29, 1958.
  public static func normal(
    _ shape: [Int], as scalarType: ScalarType = .float64, using generator: inout RandomGenerator
  ) -> Tensor { drawn(shape, NormalLaw(), as: scalarType, for: "normal", using: &generator) }

  /// Independent numbers, uniform in a range: lower + width · u, where u is a multiple of 2⁻⁵³ (2⁻²⁴ for `.float32`) in
  /// [0, 1). The upper bound is excluded but for rounding.
  public static func uniform(
    _ shape: [Int], in range: Range<Double> = 0..<1, as scalarType: ScalarType = .float64,
    using generator: inout RandomGenerator
  ) -> Tensor { drawn(shape, UniformLaw(range), as: scalarType, for: "uniform", using: &generator) }

  /// Independent signs: 1 or −1 with probability 1/2 each.
  public static func rademacher(
    _ shape: [Int], as scalarType: ScalarType = .float64, using generator: inout RandomGenerator
  ) -> Tensor { drawn(shape, SignLaw(), as: scalarType, for: "rademacher", using: &generator) }

  /// The next numbers of a law.
  private static func drawn(
    _ shape: [Int], _ law: some RandomLaw, as scalarType: ScalarType, for operation: String,
    using generator: inout RandomGenerator
  ) -> Tensor {
    let count = shape.entryCount(operation)
    return perType(
      scalarType, double: make(shape, Double.self, for: operation) { generator.fill($0, count: count, law) },
      float: make(shape, Float.self, for: operation) { generator.fill($0, count: count, law) })
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
      generator.shuffle(entries, count: count)
    }
    return perType(
      scalarType, double: make([count], Double.self, for: "permutation") { fill($0) },
      float: make([count], Float.self, for: "permutation") { fill($0) })
  }
}
