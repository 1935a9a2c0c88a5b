/// The random words of a key, numbered from 0, and numbers made of them.
///
/// Word number i is a function of the key and of i only, whatever is drawn together with it, by how many threads, in
/// vectors of which width. Words come in *groups* of 128, made of 32 blocks of ``Philox`` with four words each, so that
/// vectors of up to 16 lanes hold one block per lane and store what they made without a shuffle: word 32 w + j of a group
/// is word w of its block j. The high and the low half of a 64-bit word come from different blocks, told apart by the third
/// word of the counter: single precision needs the high halves only, and gets the same numbers with fewer digits.
struct RandomStream {
  let key: SIMD2<UInt32>

  init(seed: UInt64) { key = [UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)] }

  /// Blocks per group, each with four words.
  private static var blocks: Int { 32 }
  /// Words per group.
  static var group: Int { 4 * blocks }
  /// The third word of a counter.
  private static var highHalves: Int { 0 }
  private static var lowHalves: Int { 1 }

  /// A word by its number.
  func word(_ index: UInt64) -> UInt64 {
    let block = index / UInt64(Self.group) * UInt64(Self.blocks) + index % UInt64(Self.blocks)
    let place = Int(index % UInt64(Self.group)) / Self.blocks
    func half(_ domain: Int) -> UInt64 {
      let counter = SIMD4(
        UInt32(truncatingIfNeeded: block), UInt32(truncatingIfNeeded: block >> 32), UInt32(domain), 0)
      return UInt64(Philox.block(counter, key: key)[place])
    }
    return half(Self.highHalves) << 32 | half(Self.lowHalves)
  }

  /// The words from `position` on.
  func fillWords(_ y: UnsafeMutablePointer<UInt64>, count: Int, from position: UInt64) {
    y.withMemoryRebound(to: Double.self, capacity: count) { fill($0, count: count, from: position, BitsLaw()) }
  }

  /// Numbers of a law, made of the words from `position` on.
  func fill<T: LoopScalar>(
    _ y: UnsafeMutablePointer<T>, count: Int, from position: UInt64, _ law: some RandomLaw
  ) {
    // Pieces of whole groups; a piece lasts some ten microseconds.
    let length = 128 * Self.group
    if count <= length { return fillPiece(y, 0..<count, from: position, law) }
    let first = Int(position % UInt64(Self.group))
    let pieces = (first + count + length - 1) / length
    ThreadTeam.run(pieces) { piece in
      let range = max(0, piece * length - first)..<min(count, (piece + 1) * length - first)
      fillPiece(y, range, from: position, law)
    }
  }

  /// The part `range` of y, on one thread.
  @inline(never)
  private func fillPiece<T: LoopScalar, L: RandomLaw>(
    _ y: UnsafeMutablePointer<T>, _ range: Range<Int>, from position: UInt64, _ law: L
  ) {
    let keys = Philox.RoundKeys(key)
    let size = Self.group
    var done = range.lowerBound
    withUnsafeTemporaryAllocation(of: T.self, capacity: 3 * size) { memory in
      let part = memory.baseAddress!
      let words = RandomWords(high: part + size, low: part + 2 * size)
      while done < range.upperBound {
        let index = position &+ UInt64(done)
        let (group, start) = (index / UInt64(size), Int(index % UInt64(size)))
        let end = min(size, start + range.upperBound - done)
        let block = group &* UInt64(Self.blocks)
        if end - start == size {
          makeWords(words, block: block, 0..<Self.blocks, keys, bothHalves: L.needsLowHalf)
          law.fill(y + done, words, count: Self.blocks)
          law.fill(y + (done + size / 2), words + size / 2, count: Self.blocks)
        } else {
          for j in stride(from: 0, to: Self.blocks, by: 2 * T.Lanes.count)
          where Self.isWanted(start..<end, j..<j + 2 * T.Lanes.count) {
            makeWords(words, block: block, j..<j + 2 * T.Lanes.count, keys, bothHalves: L.needsLowHalf)
            law.fill(part + j, words + j, count: 2 * T.Lanes.count)
            law.fill(part + (j + size / 2), words + (j + size / 2), count: 2 * T.Lanes.count)
          }
          (y + done).update(from: part + start, count: end - start)
        }
        done += end - start
      }
    }
  }

  /// Whether a range of a group has words of the given blocks.
  private static func isWanted(_ wanted: Range<Int>, _ blocks: Range<Int>) -> Bool {
    (0..<4).contains { w in
      wanted.overlaps(blocks.lowerBound + w * Self.blocks..<blocks.upperBound + w * Self.blocks)
    }
  }

  /// The words of some blocks of a group that starts at a block, the words of equal number in a row.
  ///
  /// Compiled once for all laws, which would otherwise take long.
  @inline(never)
  private func makeWords<T: LoopScalar>(
    _ words: RandomWords<T>, block: UInt64, _ blocks: Range<Int>, _ keys: Philox.RoundKeys, bothHalves: Bool
  ) {
    var j = blocks.lowerBound
    if T.Lanes.isDouble && bothHalves {
      while j < blocks.upperBound {
        makeVectors(words + j, block: block &+ UInt64(j), keys, bothHalves: true)
        j &+= 2 &* T.Lanes.count
      }
    }
    while j < blocks.upperBound {
      makeVectors(words + j, block: block &+ UInt64(j), keys, bothHalves: false)
      j &+= 2 &* T.Lanes.count
    }
  }

  /// The words of twice as many blocks as a vector has entries. The low halves are only for `Double`.
  @inline(__always)
  private func makeVectors<T: LoopScalar>(
    _ words: RandomWords<T>, block: UInt64, _ keys: Philox.RoundKeys, bothHalves: Bool
  ) {
    typealias Words = DoubleLanes.Bits
    let c1 = Words(repeating: Int(block >> 32))
    let start = Words(repeating: Int(truncatingIfNeeded: block))
    let lanes = T.Lanes.count
    @inline(__always) func counter(_ block: Words, _ domain: Int) -> PhiloxLanes {
      PhiloxLanes(block: block, c1, domain: domain)
    }
    @inline(__always) func put(_ bits: Words, _ y: UnsafeMutablePointer<T>) {
      T.Lanes(bits: unsafeBitCast(bits, to: T.Lanes.Bits.self)).store(y)
    }
    if T.Lanes.isDouble {
      let a = start &+ Words.laneNumbers
      let b = a &+ Words(repeating: lanes)
      let x = keys.blocks(
        (
          counter(a, Self.highHalves), counter(b, Self.highHalves), counter(a, Self.lowHalves),
          counter(b, Self.lowHalves)
        ))
      @inline(__always) func store(_ x: PhiloxLanes, _ y: UnsafeMutablePointer<T>) {
        put(x.w0, y)
        put(x.w1, y + Self.blocks)
        put(x.w2, y + 2 * Self.blocks)
        put(x.w3, y + 3 * Self.blocks)
      }
      store(x.0, words.high)
      store(x.1, words.high + lanes)
      if !bothHalves { return }
      store(x.2, words.low)
      store(x.3, words.low + lanes)
    } else {
      // Of the 64-bit lanes, one vector has the blocks with even numbers, the next those with odd ones.
      let a = start &+ (Words.laneNumbers &<< 1)
      let (one, next) = (Words(repeating: 1), Words(repeating: lanes))
      let x = keys.blocks(
        (
          counter(a, Self.highHalves), counter(a &+ one, Self.highHalves),
          counter(a &+ next, Self.highHalves), counter(a &+ next &+ one, Self.highHalves)
        ))
      @inline(__always) func store(_ even: PhiloxLanes, _ odd: PhiloxLanes, _ y: UnsafeMutablePointer<T>) {
        put(even.w0.lowHalves(under: odd.w0 &<< 32), y)
        put(even.w1.lowHalves(under: odd.w1 &<< 32), y + Self.blocks)
        put(even.w2.lowHalves(under: odd.w2 &<< 32), y + 2 * Self.blocks)
        put(even.w3.lowHalves(under: odd.w3 &<< 32), y + 3 * Self.blocks)
      }
      store(x.0, x.1, words.high)
      store(x.2, x.3, words.high + lanes)
    }
  }
}
