import AutoDiff
import Testing

@testable import ad_demo

@Suite struct BenchmarkInputsTests {
  /// The published SplitMix64 generator (Steele, Lea and Flood, 2014): with seed 0 its first outputs are known.
  @Test func hashIsSplitMix64() {
    let known: [UInt64] = [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4, 0x06C4_5D18_8009_454F]
    // (2 · ⌊output / 2¹¹⌋ / 2⁵³ − 1) · √3 of these, computed by hand with whole numbers.
    let values = [1.3278275898326373, -0.2371939760159737, -1.6404815367007768]
    #expect(known.indices.map { specifiedHash(seed: 0, place: $0) } == known)
    #expect(benchmarkFill(0, [3], as: .float64).isApproximatelyEqual(to: Tensor(values), tolerance: 1e-15))
  }

  @Test func entriesFollowTheDefinition() {
    for seed in [1, 3, 90] as [UInt64] {
      let values = benchmarkFill(seed, [3, 5], as: .float64)
      #expect(values.shape == [3, 5])
      #expect(values.scalars == specifiedFill(seed, 15))
      #expect(values[1, 2].scalar == specifiedFill(seed, 15)[7])
      let scaled = benchmarkFill(seed, [15], scale: 0.1, as: .float32)
      #expect(scaled.floats == specifiedFill(seed, 15, scale: 0.1).map(Float.init))
    }
  }

  @Test func meanAndVariance() {
    let values = benchmarkFill(7, [20_000], as: .float64).scalars
    let mean: Double = values.reduce(0, +) / 20_000
    let square: Double = values.reduce(0) { $0 + $1 * $1 } / 20_000
    #expect(abs(mean) < 0.03)
    #expect(abs(square - 1) < 0.03)
    #expect(values.allSatisfy { abs($0) <= 3.0.squareRoot() })
  }
}
