/// How random words become numbers, in lanes.
///
/// A law is given runs of words, and works on a run in short loops rather than in one long one: a processor looks ahead some
/// hundred operations, and so finds independent work only in what is short.
protocol RandomLaw: Sendable {
  /// Whether `Double` needs more than the high half of a word.
  static var needsLowHalf: Bool { get }
  /// Makes `count` numbers of the words from the given addresses on and as many of the words one run later.
  func fill<T: LoopScalar>(_ y: UnsafeMutablePointer<T>, _ words: RandomWords<T>, count: Int)
}

/// Random words of the width of a number.
struct RandomWords<T: LoopScalar> {
  typealias V = T.Lanes
  /// How many words lie in a row; normal numbers take the radius from one run and the angle from the next.
  static var run: Int { 32 }

  /// For `Double` words of 64 bits of which the low 32 are the high half of a random word; for `Float` the random words.
  var high: UnsafeMutablePointer<T>
  /// For `Double` words of 64 bits of which the low 32 are the low half of a random word.
  var low: UnsafeMutablePointer<T>

  @inline(__always)
  static func + (words: RandomWords, offset: Int) -> RandomWords {
    RandomWords(high: words.high + offset, low: words.low + offset)
  }

  @inline(__always)
  func halves(_ i: Int) -> (high: V.Bits, low: V.Bits) {
    let high = V(self.high + i).bits
    return V.isDouble ? (high, V(low + i).bits) : (high.shiftedRight(16), high)
  }

  /// The word's highest bit is the highest here; the low half is missing.
  @inline(__always)
  func top(_ i: Int) -> V.Bits {
    let high = V(self.high + i).bits
    return V.isDouble ? high &<< 32 : high
  }

  /// The vector of words w at `i` as numbers: 2w + 1 - offset, rounded once.
  ///
  /// The halves are put into the low places of numbers whose last place is 2 and 2 · 2³² (2 · 2¹⁶ for `Float`), from which
  /// the numbers are then subtracted.
  @inline(__always)
  func twicePlusOne(_ i: Int, minus offset: Double = 0, droppingTop dropped: Int = 0) -> V {
    let (one, scale) = V.isDouble ? (0x1p53, 0x1p85) : (0x1p24, 0x1p40)
    let (high, low) = halves(i)
    let kept = dropped == 0 ? high : high & V.Bits(repeating: (1 << ((V.isDouble ? 32 : 16) - dropped)) - 1)
    let upper = V(bits: kept.lowHalves(under: V(constant: scale).bits)) - V(constant: scale + offset)
    let lower = V(bits: low.lowHalves(under: V(constant: one).bits)) - V(constant: one - 1)
    return upper + lower
  }

  /// The highest bits of the words at `i`, as many as a number has, as numbers in [0, 1). Exact.
  @inline(__always)
  func fraction(_ i: Int) -> V {
    let (one, scale) = V.isDouble ? (0x1p52, 0x1p84) : (0x1p23, 0x1p39)
    let (high, low) = halves(i)
    let upper = V(bits: high.lowHalves(under: V(constant: scale).bits)) - V(constant: scale)
    let kept = low.lowHalves(under: V(constant: one).bits) & V.Bits(repeating: -1 << (V.isDouble ? 11 : 8))
    return (upper + (V(bits: kept) - V(constant: one))) * V(constant: V.isDouble ? 0x1p-64 : 0x1p-32)
  }
}

/// The standard normal law, by the method of Box and Muller (A note on the generation of random normal deviates, Ann. Math.
/// Statist. 29, 1958): √(-2 log u) (cos θ, sin θ), where u in (0, 1] comes from the first word and the angle from the second.
///
/// The largest number is √(2 · 65 log 2) = 9.49 for `Double` and √(2 · 33 log 2) = 6.76 for `Float`. None is 0.
struct NormalLaw: RandomLaw {
  static var needsLowHalf: Bool { true }

  func fill<T: LoopScalar>(_ y: UnsafeMutablePointer<T>, _ words: RandomWords<T>, count: Int) {
    let lanes = T.Lanes.count
    let z = y + RandomWords<T>.run
    var i = 0
    while i < count {
      let (s, k) = logarithmInParts(words, i)
      s.store(y + i)
      k.store(z + i)
      i &+= lanes
    }
    i = 0
    while i < count {
      squaredRadius(T.Lanes(y + i), T.Lanes(z + i)).store(y + i)
      i &+= lanes
    }
    // Two at a time, which halves the loads of constants. The square root's long wait falls into this loop as well.
    let angles = words + RandomWords<T>.run
    i = 0
    while i < count {
      let j = i &+ lanes
      let first = point(T.Lanes(y + i).squareRoot(), angles, i)
      let second = point(T.Lanes(y + j).squareRoot(), angles, j)
      first.0.store(y + i)
      first.1.store(z + i)
      second.0.store(y + j)
      second.1.store(z + j)
      i &+= 2 &* lanes
    }
  }

  /// With u = (word + ½) / 2ʷ = 2ᵏ m, where √½ ≤ m < √2: (m - 1) / (m + 1) and -2 k log 2.
  @inline(__always)
  private func logarithmInParts<T: LoopScalar>(_ words: RandomWords<T>, _ i: Int) -> (T.Lanes, T.Lanes) {
    typealias V = T.Lanes
    let width = V.isDouble ? 64 : 32
    // 2ʷ⁺¹ u is at least 1, so that its exponent is found by a shift without sign.
    let scaled = words.twicePlusOne(i)
    let fromRoot = scaled.bits &- V(constant: 0.7071067811865476).bits
    let shift = V.isDouble ? 52 : 23
    let integers = V.isDouble ? 0x1.8p52 : 0x1.8p23
    let k =
      V(bits: fromRoot.shiftedRight(shift) &+ V(constant: integers).bits) - V(constant: integers + Double(width + 1))
    let m = V(bits: scaled.bits &- (fromRoot & V.Bits(repeating: -1 << shift)))
    return ((m - V(constant: 1)) / (m + V(constant: 1)), k * V(constant: -2 * 0.6931471805599453))
  }

  /// -2 log u from its parts.
  @inline(__always)
  private func squaredRadius<V: LaneVector>(_ s: V, _ k: V) -> V {
    // log m = 2 artanh s = 2s + s R(s²), and nothing is lost in the sum with k log 2, because u is at most 1.
    let square = k.adding(s, times: V(constant: -4).adding(VectorFunctions.logSeries(s * s), times: V(constant: -2)))
    // Where u is rounded to 1, the true number is about this.
    return square.limited(from: V.isDouble ? 0x1p-64 : 0x1p-32)
  }

  /// The point at a radius: the low bits of the word give an angle in [-π/4, π/4], the two highest reflect and turn.
  @inline(__always)
  private func point<T: LoopScalar>(_ radius: T.Lanes, _ words: RandomWords<T>, _ i: Int) -> (T.Lanes, T.Lanes) {
    typealias V = T.Lanes
    let sector = words.twicePlusOne(i, minus: V.isDouble ? 0x1p62 : 0x1p30, droppingTop: 2)
    let (sine, cosine) = VectorFunctions.sinAndCosOfEighth(
      sector * V(constant: V.isDouble ? 0x1.921fb54442d18p-63 : 0x1.921fb54442d18p-31))
    let top = words.top(i)
    let signed = V(bits: radius.bits ^ (top & V(repeating: -0.0).bits))
    let swap = top &<< 1
    return (
      signed * V.select(whereNegative: swap, sine, cosine), signed * V.select(whereNegative: swap, cosine, sine)
    )
  }
}

/// A law that makes every number of its own word.
protocol SingleWordLaw: RandomLaw {
  @inline(__always) func value<T: LoopScalar>(_ words: RandomWords<T>, _ i: Int) -> T.Lanes
}

extension SingleWordLaw {
  @inline(__always)
  func fill<T: LoopScalar>(_ y: UnsafeMutablePointer<T>, _ words: RandomWords<T>, count: Int) {
    var i = 0
    while i < count {
      value(words, i).store(y + i)
      value(words, i + RandomWords<T>.run).store(y + (i + RandomWords<T>.run))
      i &+= T.Lanes.count
    }
  }
}

/// lower + width · u with u uniform in [0, 1): the highest 53 bits of a word, 24 for `Float`.
struct UniformLaw: SingleWordLaw {
  static var needsLowHalf: Bool { true }
  let lower: Double, width: Double

  init(_ range: Range<Double>) { (lower, width) = (range.lowerBound, range.upperBound - range.lowerBound) }

  @inline(__always)
  func value<T: LoopScalar>(_ words: RandomWords<T>, _ i: Int) -> T.Lanes {
    // Two roundings on every host, so that the bits are the same.
    T.Lanes(constant: lower) + T.Lanes(constant: width) * words.fraction(i)
  }
}

/// 1 or -1: the sign is the highest bit of the word.
struct SignLaw: SingleWordLaw {
  static var needsLowHalf: Bool { false }

  @inline(__always)
  func value<T: LoopScalar>(_ words: RandomWords<T>, _ i: Int) -> T.Lanes {
    T.Lanes(bits: (words.top(i) & T.Lanes(repeating: -0.0).bits) | T.Lanes(constant: 1).bits)
  }
}

/// The words themselves, as the bit patterns of `Double`.
struct BitsLaw: SingleWordLaw {
  static var needsLowHalf: Bool { true }

  @inline(__always)
  func value<T: LoopScalar>(_ words: RandomWords<T>, _ i: Int) -> T.Lanes {
    let (high, low) = words.halves(i)
    return T.Lanes(bits: low.lowHalves(under: high &<< (T.Lanes.isDouble ? 32 : 16)))
  }
}
