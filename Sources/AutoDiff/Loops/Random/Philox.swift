/// The counter-based generator Philox4x32 with 7 rounds: a keyed bijection of blocks of four 32-bit words.
///
/// A block's words are a function of the key and the block's counter and of nothing else, so any of them can be computed
/// by any thread at any time, and in any number of lanes at once. Seven is the smallest number of rounds with which it
/// passes all tests of BigCrush in the source (table 2); ten, which others use, take 0.4 ns more per `Double` here.
///
/// - Source: Salmon, Moraes, Dror and Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011, section 4.3; constants
///   and known answers as published with it in the library Random123.
enum Philox {
  static var multipliers: (Int, Int) { (0xD251_1F53, 0xCD9E_8D57) }
  /// What is added to the two words of the key after each round.
  static var increments: SIMD2<UInt32> { [0x9E37_79B9, 0xBB67_AE85] }
  static var rounds: Int { 7 }

  /// The four words of one block.
  static func block(
    _ counter: SIMD4<UInt32>, key: SIMD2<UInt32>, rounds: Int = Philox.rounds
  ) -> SIMD4<UInt32> {
    var (x, key) = (counter, key)
    for _ in 0..<rounds {
      let first = UInt64(x[0]) &* UInt64(multipliers.0)
      let second = UInt64(x[2]) &* UInt64(multipliers.1)
      x = [
        UInt32(truncatingIfNeeded: second >> 32) ^ x[1] ^ key[0], UInt32(truncatingIfNeeded: second),
        UInt32(truncatingIfNeeded: first >> 32) ^ x[3] ^ key[1], UInt32(truncatingIfNeeded: first),
      ]
      key &+= increments
    }
    return x
  }

  /// The key of every round, one repeated vector for each of its two words.
  struct RoundKeys {
    typealias Words = DoubleLanes.Bits
    private typealias Round = (Words, Words)
    private var keys: (Round, Round, Round, Round, Round, Round, Round)

    init(_ key: SIMD2<UInt32>) {
      var key = key
      func next() -> Round {
        defer { key &+= increments }
        return (Words(repeating: Int(key[0])), Words(repeating: Int(key[1])))
      }
      keys = (next(), next(), next(), next(), next(), next(), next())
    }

    /// The words of blocks whose counters stand in the lanes of four vectors. Of every lane only the low 32 bits count, here
    /// and in the result.
    ///
    /// Four vectors, because fewer would wait for their multiplications.
    @inline(__always)
    func blocks(_ counters: PhiloxLanes.Four) -> PhiloxLanes.Four {
      // Written out: the optimizer would leave a loop over the tuple in memory.
      var x = counters
      x = PhiloxLanes.round(x, keys.0)
      x = PhiloxLanes.round(x, keys.1)
      x = PhiloxLanes.round(x, keys.2)
      x = PhiloxLanes.round(x, keys.3)
      x = PhiloxLanes.round(x, keys.4)
      x = PhiloxLanes.round(x, keys.5)
      return PhiloxLanes.round(x, keys.6)
    }
  }
}

/// One block of ``Philox`` in the low 32 bits of every 64-bit lane: a product of two words then fills the lane, and what
/// is left in the high halves need not be removed, because the multiplication does not see it.
struct PhiloxLanes {
  typealias Words = DoubleLanes.Bits
  var w0: Words, w1: Words, w2: Words, w3: Words

  typealias Four = (PhiloxLanes, PhiloxLanes, PhiloxLanes, PhiloxLanes)

  /// The counter of a block: its number, in two words, what it is for, and 0.
  @inline(__always)
  init(block: Words, _ c1: Words, domain: Int) {
    (w0, w1, w2, w3) = (block, c1, Words(repeating: domain), Words(repeating: 0))
  }

  @inline(__always)
  private init(w0: Words, w1: Words, w2: Words, w3: Words) { (self.w0, self.w1, self.w2, self.w3) = (w0, w1, w2, w3) }

  @inline(__always)
  static func round(_ x: Four, _ key: (Words, Words)) -> Four {
    (x.0.round(key), x.1.round(key), x.2.round(key), x.3.round(key))
  }

  @inline(__always)
  private func round(_ key: (Words, Words)) -> PhiloxLanes {
    let first = w0.productOfLowHalves(Words(repeating: Philox.multipliers.0))
    let second = w2.productOfLowHalves(Words(repeating: Philox.multipliers.1))
    return PhiloxLanes(
      w0: second.shiftedRight(32) ^ (w1 ^ key.0), w1: second, w2: first.shiftedRight(32) ^ (w3 ^ key.1), w3: first)
  }
}
