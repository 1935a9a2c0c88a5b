import Foundation
import Synchronization

/// Calls `body` with uninitialized memory for `count` values, 64-byte aligned, that is valid until it returns.
@inline(__always)
func withPooledScratch<T, R>(_ type: T.Type, _ count: Int, _ body: (UnsafeMutablePointer<T>) -> R) -> R {
  let byteCount = max(1, saturatingProduct(count, MemoryLayout<T>.stride))
  let memory = BufferPool.takeOrStop(byteCount)
  defer { BufferPool.give(memory, byteCount) }
  return body(memory.bindMemory(to: T.self, capacity: count))
}

/// Gives the memory that is kept for reuse back to the operating system.
///
/// Buffers of results are kept when they are no longer needed, because the next operation of the same size would pay a
/// page fault per 4 KiB for fresh ones. At most a quarter of the machine's memory (or of what a container is granted) is
/// kept, or the number of bytes in the environment variable `AUTODIFF_POOL_BYTES`, and a twelfth of it in blocks below
/// 32 KiB. Of the large ones, what a later phase of the program does not need goes back by itself: whenever four times the
/// kept bytes have been handed out, half of the blocks that lay unused all that time. So there is seldom a reason to call
/// this; one is a program that will do without tensors of more than a few numbers from here on.
///
/// - Complexity: one call of the system for each kept block.
public func releasePooledMemory() {
  BufferPool.shrink(to: 0)
  SmallBlocks.release()
}

/// Runs `body` so that memory is not kept for reuse where it, together with what is in use, would exceed a limit.
///
/// What is in use itself is not limited: that is for the caller to plan. Blocks below 32 KiB are not counted. The limit
/// is that of the whole process, and the lowest of those that hold at a time.
///
/// - Returns: what `body` returns, and the most bytes that were in use or kept at a time meanwhile.
package func withPooledMemoryLimit<R>(_ bytes: Int, _ body: () throws -> R) rethrows -> (result: R, peak: Int) {
  BufferPool.pushLimit(bytes)
  defer { BufferPool.popLimit(bytes) }
  let result = try body()
  return (result, BufferPool.peakBytes)
}

/// Large blocks of memory that were used before, by size.
///
/// A size is rounded up to one of four classes per octave. Lists of free blocks take no memory, so the pool itself allocates
/// nothing and holds its lock for a few instructions.
///
/// What is not needed any more is found by counting. In every round, which lasts until four times the kept bytes have been
/// handed out, each class remembers the fewest blocks that were ever left over: they have lain there unused. Half of them
/// are freed at the end of the round. So a large phase is forgotten after a few rounds, while a computation that repeats
/// itself finds its blocks; and where a phase comes back after all, the page faults are paid for an eighth of the bytes
/// that were handed out at most.
enum BufferPool {
  /// Smaller blocks are ``SmallBlocks`` or left to the system's allocator.
  static let smallestBlock = 32 << 10
  /// From this size on blocks are backed by huge pages where the system has them: fewer page faults and TLB misses.
  private static let hugePage = 2 << 20

  private struct FreeList {
    var blocks = FreeBlocks()
    /// The fewest blocks that this round has seen here.
    var leastCount = 0
    /// What the clock showed at the latest request for this class.
    var latestRequest = 0
  }

  private struct State {
    var lists = [FreeList](repeating: FreeList(), count: BufferPool.classCount)
    var retainedBytes = 0
    /// The bytes that are handed out at present, and the most of both together since a limit was set.
    var usedBytes = 0
    var peakBytes = 0
    /// The limits that hold for both together, see ``withPooledMemoryLimit(_:_:)``.
    var limits: [Int] = []
    var limit = Int.max
    /// The clock: the bytes that were ever handed out.
    var deliveredBytes = 0
    /// When the round ends.
    var roundEnd = BufferPool.shortestRound

    mutating func push(_ block: UnsafeMutableRawPointer, onto index: Int) {
      lists[index].blocks.push(block)
      retainedBytes += BufferPool.blockBytes(ofClass: index)
    }

    mutating func pop(from index: Int) -> UnsafeMutableRawPointer? {
      guard let block = lists[index].blocks.pop() else { return nil }
      lists[index].leastCount = min(lists[index].leastCount, lists[index].blocks.count)
      retainedBytes -= BufferPool.blockBytes(ofClass: index)
      return block
    }

    /// Notes that a block of the class is handed out; returns whether this ends the round, which is for the caller to do.
    mutating func advance(_ index: Int) -> Bool {
      let bytes = BufferPool.blockBytes(ofClass: index)
      deliveredBytes &+= bytes
      usedBytes += bytes
      lists[index].latestRequest = deliveredBytes
      if deliveredBytes < roundEnd { return false }
      roundEnd = .max
      return true
    }

    /// The number of blocks of a class to be freed at the end of a round: half of those that lay unused, rounded up.
    mutating func endRound(ofClass index: Int) -> Int {
      defer { lists[index].leastCount = lists[index].blocks.count }
      return (lists[index].leastCount + 1) / 2
    }

    mutating func startRound() { roundEnd = deliveredBytes &+ max(4 * retainedBytes, BufferPool.shortestRound) }

    /// A block of the class that has not been asked for the longest, and its size; nil where nothing is kept.
    mutating func popStalest() -> (block: UnsafeMutableRawPointer?, byteCount: Int) {
      var stalest: Int?
      for index in lists.indices where lists[index].blocks.count > 0 {
        if stalest == nil || lists[index].latestRequest < lists[stalest!].latestRequest { stalest = index }
      }
      return stalest.map { (pop(from: $0), BufferPool.blockBytes(ofClass: $0)) } ?? (nil, 0)
    }
  }

  private static let classCount = 4 * Int.bitWidth
  /// A round lasts for so many bytes at least; looking through the classes takes a microsecond or two.
  private static let shortestRound = 64 << 20

  private static let lock = SpinLock()
  private nonisolated(unsafe) static var lockedState = State()

  private static func withState<R>(_ body: (inout State) -> R) -> R { lock.withLock { body(&lockedState) } }

  /// The most bytes that are kept.
  static let capacity: Int = {
    do throws(EnvironmentVariables.Problem) {
      return try EnvironmentVariables.poolBytes() ?? MachineMemory.byteCount / 4
    } catch {
      error.stop()
    }
  }()

  /// The bytes that are kept at present.
  static var retainedBytes: Int { withState { $0.retainedBytes } }

  /// The class of a size. A block has 4, 5, 6 or 7 times a power of two bytes.
  static func sizeClass(of byteCount: Int) -> Int {
    let shift = Int.bitWidth - (byteCount - 1).leadingZeroBitCount - 3
    return 4 * shift + (byteCount - 1) >> shift - 3
  }

  static func blockBytes(ofClass index: Int) -> Int { (4 + index % 4) << (index / 4) }

  /// Uninitialized memory for `byteCount` bytes, 64-byte aligned; nil where there is none.
  static func take(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    if byteCount < smallestBlock {
      return byteCount < SmallBlocks.smallest ? takeSmall(byteCount) : SmallBlocks.take(byteCount)
    }
    // Before anything is counted: the largest numbers have a class of more bytes than there are numbers.
    if byteCount > MachineMemory.byteCount { return nil }
    let index = sizeClass(of: byteCount)
    let (kept, endsRound) = withState { state in
      let endsRound = state.advance(index)
      return (state.pop(from: index), endsRound)
    }
    if endsRound { freeUnused() }
    if let kept { return kept }
    let blockBytes = blockBytes(ofClass: index)
    makeRoom()
    let fresh = allocate(blockBytes, alignment: blockBytes < hugePage ? 64 : hugePage)
    #if os(Linux)
      if let fresh, blockBytes >= hugePage { madvise(fresh, blockBytes, Int32(MADV_HUGEPAGE)) }
    #endif
    if fresh == nil { withState { $0.usedBytes -= blockBytes } }
    return fresh
  }

  /// Uninitialized memory for `byteCount` bytes, 64-byte aligned.
  static func takeOrStop(_ byteCount: Int) -> UnsafeMutableRawPointer {
    guard let memory = take(byteCount) else {
      stop(
        "memory", "scratch must fit into the memory of \(MachineMemory.byteCount) bytes", got: "\(byteCount) bytes",
        hint: "Use smaller batches or tiles.")
    }
    return memory
  }

  /// Frees half of the blocks that lay unused for a whole round.
  private static func freeUnused() {
    for index in 0..<classCount {
      for _ in 0..<withState({ $0.endRound(ofClass: index) }) {
        guard let block = withState({ $0.pop(from: index) }) else { break }
        release(block, blockBytes(ofClass: index))
      }
    }
    withState { $0.startRound() }
  }

  /// Gives a block back to the operating system. Its pages first, because the system's allocator may keep what is freed.
  private static func release(_ block: UnsafeMutableRawPointer, _ blockBytes: Int) {
    #if os(Linux)
      let page = Int(sysconf(Int32(_SC_PAGESIZE)))
      let start = block.alignedUp(toMultipleOf: page)
      let end = (block + blockBytes).alignedDown(toMultipleOf: page)
      if end > start { madvise(start, end - start, Int32(MADV_DONTNEED)) }
    #endif
    free(block)
  }

  /// Takes back what ``take(_:)`` gave for the same number of bytes.
  static func give(_ block: UnsafeMutableRawPointer, _ byteCount: Int) {
    if byteCount < smallestBlock {
      return byteCount < SmallBlocks.smallest ? giveSmall(block) : SmallBlocks.give(block, byteCount)
    }
    let index = sizeClass(of: byteCount)
    if blockBytes(ofClass: index) > capacity {
      withState { $0.usedBytes -= blockBytes(ofClass: index) }
      return release(block, blockBytes(ofClass: index))
    }
    let isOverfull = withState { state in
      state.usedBytes -= blockBytes(ofClass: index)
      state.push(block, onto: index)
      return state.retainedBytes > capacity
    }
    if isOverfull { shrink(to: capacity) }
  }

  /// Where a limit holds, gives kept blocks back so that they stay within it together with what is in use.
  private static func makeRoom() {
    let room: Int? = withState { state in
      state.limit == .max ? nil : max(0, state.limit - state.usedBytes)
    }
    guard let room else { return }
    shrink(to: room)
    withState { $0.peakBytes = max($0.peakBytes, $0.usedBytes + $0.retainedBytes) }
  }

  static var peakBytes: Int { withState { $0.peakBytes } }

  static func pushLimit(_ bytes: Int) {
    withState { state in
      if state.limits.isEmpty { state.peakBytes = state.usedBytes }
      state.limits.append(bytes)
      state.limit = state.limits.min()!
    }
    makeRoom()
  }

  static func popLimit(_ bytes: Int) {
    withState { state in
      if let index = state.limits.firstIndex(of: bytes) { state.limits.remove(at: index) }
      state.limit = state.limits.min() ?? .max
    }
  }

  /// Gives kept blocks back to the operating system until at most `capacity` bytes are kept.
  static func shrink(to capacity: Int) {
    while true {
      let (block, byteCount) = withState { $0.retainedBytes > capacity ? $0.popStalest() : (nil, 0) }
      guard let block else { return }
      release(block, byteCount)
    }
  }

  static func allocateSmall(_ byteCount: Int) -> UnsafeMutableRawPointer? { malloc(max(1, byteCount)) }

  /// A small aligned block. `posix_memalign` takes several times as long as `malloc`.
  private static func takeSmall(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    guard let memory = allocateSmall(byteCount + 64) else { return nil }
    let aligned = (memory + 1).alignedUp(toMultipleOf: 64)
    // The distance back to what was allocated, in the byte before.
    (aligned - 1).storeBytes(of: UInt8(aligned - memory), as: UInt8.self)
    return aligned
  }

  private static func giveSmall(_ block: UnsafeMutableRawPointer) {
    free(block - Int((block - 1).load(as: UInt8.self)))
  }

  static func allocate(_ byteCount: Int, alignment: Int) -> UnsafeMutableRawPointer? {
    var memory: UnsafeMutableRawPointer?
    return posix_memalign(&memory, alignment, byteCount) == 0 ? memory : nil
  }
}

/// Free blocks of one size. Each holds the address of the next one in its first word.
struct FreeBlocks {
  private var first: UnsafeMutableRawPointer?
  private(set) var count = 0

  mutating func push(_ block: UnsafeMutableRawPointer) {
    block.storeBytes(of: first, as: UnsafeMutableRawPointer?.self)
    first = block
    count += 1
  }

  mutating func pop() -> UnsafeMutableRawPointer? {
    guard let block = first else { return nil }
    first = block.load(as: UnsafeMutableRawPointer?.self)
    count -= 1
    return block
  }
}
