import Testing

@testable import AutoDiff

@Suite struct PhiloxTests {
  private static let (zero, ones): (UInt32, UInt32) = (0, 0xffff_ffff)

  /// The known answers that were published with the generator (Random123, file kat_vectors): seven rounds, and ten.
  @Test func knownAnswers() {
    let pi: (SIMD4<UInt32>, SIMD2<UInt32>) = (
      [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]
    )
    let seven: [SIMD4<UInt32>] = [
      [0x5f6f_b709, 0x0d89_3f64, 0x4f12_1f81, 0x4f73_0a48], [0x5207_ddc2, 0x4516_5e59, 0x4d8e_e751, 0x8c52_f662],
      [0x4dfc_caba, 0x190a_87f0, 0xc473_62ba, 0xb6b5_242a],
    ]
    let counters = [SIMD4(repeating: Self.zero), SIMD4(repeating: Self.ones), pi.0]
    let keys = [SIMD2(repeating: Self.zero), SIMD2(repeating: Self.ones), pi.1]
    for k in 0..<3 { #expect(Philox.block(counters[k], key: keys[k]) == seven[k]) }
    let ten: SIMD4<UInt32> = [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
    #expect(Philox.block(counters[0], key: keys[0], rounds: 10) == ten)
  }

  /// Lanes compute what the scalar function computes, where the counter needs its second word as well.
  @Test func lanesAgreeWithScalars() {
    for seed in [0, 1, 0xffff_ffff, 0x1234_5678_9abc_def0, UInt64.max] {
      let stream = RandomStream(seed: seed)
      for start: UInt64 in [0, 1, 127, 128, 1 << 34 - 70, 1 << 40 + 5, 1 << 63] {
        var words = [UInt64](repeating: 0, count: 300)
        words.withUnsafeMutableBufferPointer {
          stream.fillWords($0.baseAddress!, count: $0.count, from: start)
        }
        #expect(words == (0..<300).map { stream.word(start + $0) }, "seed \(seed), from \(start)")
      }
    }
  }

  /// All words of a stretch are different, and those of another key too.
  @Test func wordsDiffer() {
    var words: Set<UInt64> = []
    for seed: UInt64 in 0..<4 { for k: UInt64 in 0..<2000 { words.insert(RandomStream(seed: seed).word(k)) } }
    #expect(words.count == 8000)
  }
}
