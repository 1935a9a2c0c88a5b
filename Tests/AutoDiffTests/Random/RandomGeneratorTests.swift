import TestSupport
import Testing

@testable import AutoDiff

@Suite struct RandomGeneratorTests {
  @Test func sameSeedSameNumbers() {
    var (a, b, c) = (RandomGenerator(seed: 1), RandomGenerator(seed: 1), RandomGenerator(seed: 2))
    let numbers = (0..<100).map { _ in a.next() }
    #expect(numbers == (0..<100).map { _ in b.next() })
    #expect(numbers != (0..<100).map { _ in c.next() })
    #expect(Set(numbers).count == 100)
  }

  /// Seeds are part of results that people publish: the numbers must not change between versions. The first word has the
  /// first words of two blocks of Philox4x32-7 with the key 7, whose counters are 0 but for a third word of 0 and of 1.
  @Test func numbersStay() {
    var random = RandomGenerator(seed: 7)
    let halves = [0, 1].map { Philox.block([0, 0, $0, 0], key: [7, 0])[0] }
    #expect(random.next() == UInt64(halves[0]) << 32 | UInt64(halves[1]))
    #expect(random.next() == 0x5a84_4b3b_61ab_a8b6)
    #expect(random.uniform() == 0.3933741969081961)
    #expect(Swift.abs(random.normal() - 1.2247179679544287) < 1e-14)
  }

  /// Drawing one by one, in parts or all at once makes no difference.
  @Test func partsMakeTheWhole() {
    var (a, b, c) = (RandomGenerator(seed: 13), RandomGenerator(seed: 13), RandomGenerator(seed: 13))
    let whole = Tensor.normal([300], using: &a)
    let parts = [7, 0, 1, 200, 92].map { Tensor.normal([$0], using: &b) }
    #expect(concatenate(parts) == whole)
    #expect((0..<300).map { _ in c.normal() } == whole.scalars)
    #expect(Tensor.uniform([5], using: &a).scalars == (0..<5).map { _ in b.uniform() })
  }

  @Test func aCopyRepeats() {
    var original = RandomGenerator(seed: 7)
    _ = original.next()
    var copy = original
    #expect(Tensor.normal([5], using: &original) == Tensor.normal([5], using: &copy))
    #expect(Tensor.permutation(9, using: &original) == Tensor.permutation(9, using: &copy))
  }

  @Test func uniformMoments() {
    var generator = RandomGenerator(seed: 3)
    let x = Tensor.uniform([100_000], in: -1..<3, using: &generator)
    #expect(x.allSatisfy { $0 >= -1 && $0 < 3 })
    #expect(Swift.abs(x.mean().scalar - 1) < 0.02)
    #expect(Swift.abs(square(x - 1).mean().scalar - 16.0 / 12) < 0.02)
    // Every tenth of the interval gets its share.
    for k in 0..<10 {
      let low = -1 + 0.4 * Double(k)
      let share = x.scalars.filter { $0 >= low && $0 < low + 0.4 }.count
      #expect(Swift.abs(share - 10_000) < 500, "tenth \(k): \(share)")
    }
  }

  @Test func normalMoments() {
    var generator = RandomGenerator(seed: 4)
    let x = Tensor.normal([100_001], using: &generator)
    #expect(x.shape == [100_001] && x.isFinite)
    #expect(Swift.abs(x.mean().scalar) < 0.015)
    #expect(Swift.abs(square(x).mean().scalar - 1) < 0.03)
    #expect(Swift.abs((x * x * x).mean().scalar) < 0.06)
    #expect(Swift.abs(square(square(x)).mean().scalar - 3) < 0.2)
    let within = Double(x.scalars.filter { Swift.abs($0) < 1 }.count) / 100_001
    #expect(Swift.abs(within - 0.6827) < 0.01)
    // Neighbors, which come from one pair, are not correlated.
    let neighbors = (x[0..<100_000] * x[1..<100_001]).mean().scalar
    #expect(Swift.abs(neighbors) < 0.015)
  }

  @Test func rademacher() {
    var generator = RandomGenerator(seed: 5)
    let x = Tensor.rademacher([10_000], using: &generator)
    #expect(x.allSatisfy { $0 == 1 || $0 == -1 } && Swift.abs(x.mean().scalar) < 0.05)
  }

  @Test func permutations() {
    var generator = RandomGenerator(seed: 6)
    let x = Tensor.permutation(100, using: &generator)
    #expect(x.scalars.sorted() == (0..<100).map(Double.init) && x.scalars != x.scalars.sorted())
    #expect(Tensor.permutation(0, using: &generator).shape == [0])
    // Each place gets each number about equally often.
    var counts = [Int](repeating: 0, count: 9)
    for _ in 0..<9000 {
      let p = Tensor.permutation(3, using: &generator).scalars
      for place in 0..<3 { counts[3 * place + Int(p[place])] += 1 }
    }
    #expect(counts.allSatisfy { Swift.abs($0 - 3000) < 250 }, "\(counts)")
  }

  @Test func splitGeneratorsAreIndependent() {
    var parent = RandomGenerator(seed: 8)
    var (first, second) = (parent.split(), parent.split())
    let count = 20_000
    let draws = [
      Tensor.normal([count], using: &first), Tensor.normal([count], using: &second),
      Tensor.normal([count], using: &parent),
    ]
    for a in 0..<3 {
      for b in 0..<a {
        let correlation = (draws[a] * draws[b]).mean().scalar
        #expect(Swift.abs(correlation) < 0.03, "\(a) and \(b)")
      }
    }
    // Neighboring seeds are as independent as any others.
    var (zero, one) = (RandomGenerator(seed: 0), RandomGenerator(seed: 1))
    let correlation = (Tensor.normal([count], using: &zero) * Tensor.normal([count], using: &one)).mean().scalar
    #expect(Swift.abs(correlation) < 0.03)
  }

  @Test func bitsAreBalanced() {
    var generator = RandomGenerator(seed: 9)
    var counts = [Int](repeating: 0, count: 64)
    for _ in 0..<10_000 {
      let bits = generator.next()
      for k in 0..<64 { counts[k] += Int(bits >> UInt64(k) & 1) }
    }
    #expect(counts.allSatisfy { Swift.abs($0 - 5000) < 300 })
  }

  @Test func typesAndShapes() {
    var generator = RandomGenerator(seed: 10)
    for type in ScalarType.allCases {
      #expect(Tensor.normal([2, 0], as: type, using: &generator).shape == [2, 0])
      #expect(Tensor.normal([], as: type, using: &generator).scalarType == type)
      #expect(Tensor.uniform([3, 2], as: type, using: &generator).shape == [3, 2])
      #expect(Tensor.rademacher([3], as: type, using: &generator).scalarType == type)
      #expect(Tensor.permutation(3, as: type, using: &generator).scalarType == type)
    }
    // Single precision has the numbers of double precision with fewer digits.
    var (a, b) = (RandomGenerator(seed: 11), RandomGenerator(seed: 11))
    expectClose(
      Tensor.normal([100], as: .float32, using: &a).as(.float64), Tensor.normal([100], using: &b), tolerance: 1e-6)
    #expect(a.next() == b.next())
  }

  @Test func standardLibraryUsesIt() {
    var (a, b) = (RandomGenerator(seed: 12), RandomGenerator(seed: 12))
    #expect(Int.random(in: 0..<1000, using: &a) == Int.random(in: 0..<1000, using: &b))
  }
}
