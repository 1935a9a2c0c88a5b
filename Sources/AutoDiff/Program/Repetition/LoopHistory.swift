/// The states that a loop of a program has kept, one at the beginning of each step.
struct LoopHistory {
  /// One recorded number: where the history is in memory.
  let token: Tensor

  init(_ token: Tensor) { self.token = token }

  private var node: HistoryNode { unsafeDowncast(token.node, to: HistoryNode.self) }

  /// The transforms above what has been kept.
  var levels: LoopLevels { node.levels }

  /// What is kept in every step.
  var kinds: [ProgramGraph.ValueType] { node.kinds }

  /// A number with room for an address.
  static var tokenKind: ProgramGraph.ValueType { ([], .float64) }
}

/// A history that a loop reads, one entry per step.
struct LoopReading {
  let history: LoopHistory
  /// Whether it begins with the last entry.
  let isBackward: Bool
}

/// The value of a ``Recorder`` that stands for a history.
final class HistoryNode: RecordedNode, @unchecked Sendable {
  let levels: LoopLevels
  let kinds: [ProgramGraph.ValueType]

  init(_ trace: Recorder, _ value: Int, _ levels: LoopLevels, kinds: [ProgramGraph.ValueType]) {
    (self.levels, self.kinds) = (levels, kinds)
    let (shape, type) = LoopHistory.tokenKind
    super.init(trace, value, shape, type)
  }
}

/// The memory of a history, in blocks of which each has room for twice as many entries as the one before.
final class HistoryMemory {
  /// Where the parts of an entry stand, in bytes from its beginning.
  private let offsets: [Int]
  private let entryBytes: Int
  private let firstCapacity: Int
  private var blocks: [UnsafeMutableRawPointer] = []
  private(set) var count = 0
  var partCount: Int { offsets.count }

  /// - Parameters:
  ///   - byteCounts: those of the parts of an entry.
  ///   - expected: how many entries there will be, if that is known.
  init(_ byteCounts: [Int], expected: Int?) {
    var offsets: [Int] = []
    var total = 0
    for bytes in byteCounts {
      offsets.append(total)
      total += Program.padded(bytes)
    }
    (self.offsets, entryBytes) = (offsets, total)
    firstCapacity = max(1, expected ?? 16)
  }

  deinit { for (number, block) in blocks.enumerated() { BufferPool.give(block, byteCount(ofBlock: number)) } }

  private func byteCount(ofBlock number: Int) -> Int {
    let (bytes, overflow) = (firstCapacity << number).multipliedReportingOverflow(by: entryBytes)
    return overflow ? .max : bytes
  }

  /// Forgets the entries.
  func removeAll() { count = 0 }

  /// Makes room for one entry more, and returns its number.
  func append() -> Int {
    defer { count += 1 }
    if entryBytes > 0, position(of: count).block == blocks.count {
      blocks.append(BufferPool.takeOrStop(byteCount(ofBlock: blocks.count)))
    }
    return count
  }

  /// Where a part of an entry stands.
  func address(_ entry: Int, part: Int) -> UnsafeMutableRawPointer {
    let (block, place) = position(of: entry)
    return blocks[block] + place * entryBytes + offsets[part]
  }

  /// Block k begins with entry (2ᵏ − 1) · firstCapacity.
  private func position(of entry: Int) -> (block: Int, place: Int) {
    let multiple = entry / firstCapacity + 1
    let block = Int.bitWidth - 1 - multiple.leadingZeroBitCount
    return (block, entry - ((1 << block) - 1) * firstCapacity)
  }

  // MARK: As a token

  /// Writes where this is.
  func store(in token: UnsafeMutableRawPointer) {
    token.storeBytes(of: Unmanaged.passUnretained(self).toOpaque(), as: UnsafeMutableRawPointer.self)
  }

  /// The memory to which a token leads. It belongs to the frame of the loop that has kept it.
  static func stored(in token: UnsafeMutableRawPointer) -> HistoryMemory {
    Unmanaged.fromOpaque(token.load(as: UnsafeMutableRawPointer.self)).takeUnretainedValue()
  }
}
