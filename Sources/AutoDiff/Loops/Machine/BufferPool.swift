import Foundation
import Synchronization

/// Calls `body` with uninitialized memory for `count` values, 64-byte aligned, that is valid until it returns.
@inline(__always)
func withPooledScratch<T, R>(_ type: T.Type, _ count: Int, _ body: (UnsafeMutablePointer<T>) -> R) -> R {
  let byteCount = max(1, count * MemoryLayout<T>.stride)
  let memory = BufferPool.take(byteCount)
  defer { BufferPool.give(memory, byteCount) }
  return body(memory.bindMemory(to: T.self, capacity: count))
}

/// Gives the memory that is kept for reuse back to the operating system.
///
/// Buffers of results are kept when they are no longer needed, because the next operation of the same size would pay a
/// page fault per 4 KiB for fresh ones. At most a quarter of the machine's memory is kept, or the number of bytes in the
/// environment variable `AUTODIFF_POOL_BYTES`.
public func releasePooledMemory() {
  BufferPool.shrink(to: 0)
}

/// Large blocks of memory that were used before, by size.
///
/// A size is rounded up to one of four classes per octave. A free block holds the address of the next one in its first
/// word, so the pool itself allocates nothing and holds its lock for a few instructions.
enum BufferPool {
  /// Smaller blocks are left to the system's allocator.
  static let smallestBlock = 32 << 10
  /// From this size on blocks are backed by huge pages where the system has them: fewer page faults and TLB misses.
  private static let hugePage = 2 << 20

  private struct FreeList {
    var first: UInt = 0
    /// The number of the latest request for this class.
    var latestRequest = 0
  }

  private struct State {
    var lists = [FreeList](repeating: FreeList(), count: 4 * Int.bitWidth)
    var retainedBytes = 0
    var requests = 0

    mutating func push(_ block: UInt, onto index: Int) {
      UnsafeMutableRawPointer(bitPattern: block)!.storeBytes(of: lists[index].first, as: UInt.self)
      lists[index].first = block
      retainedBytes += BufferPool.blockBytes(ofClass: index)
    }

    mutating func pop(from index: Int) -> UInt {
      let block = lists[index].first
      guard let address = UnsafeMutableRawPointer(bitPattern: block) else { return 0 }
      lists[index].first = address.load(as: UInt.self)
      retainedBytes -= BufferPool.blockBytes(ofClass: index)
      return block
    }

    /// A block of the class that has not been asked for the longest, or 0 where nothing is kept.
    mutating func popStalest() -> UInt {
      var stalest: Int?
      for index in lists.indices where lists[index].first != 0 {
        if stalest == nil || lists[index].latestRequest < lists[stalest!].latestRequest { stalest = index }
      }
      return stalest.map { pop(from: $0) } ?? 0
    }
  }

  private static let lock = SpinLock()
  private nonisolated(unsafe) static var lockedState = State()

  private static func withState<R>(_ body: (inout State) -> R) -> R { lock.withLock { body(&lockedState) } }

  /// The most bytes that are kept.
  static let capacity: Int = {
    do throws(EnvironmentVariables.Problem) {
      return try EnvironmentVariables.poolBytes() ?? Int(ProcessInfo.processInfo.physicalMemory / 4)
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

  /// Uninitialized memory for `byteCount` bytes, 64-byte aligned.
  static func take(_ byteCount: Int) -> UnsafeMutableRawPointer {
    if byteCount < smallestBlock { return takeSmall(byteCount) }
    let index = sizeClass(of: byteCount)
    let kept = withState { state in
      state.requests += 1
      state.lists[index].latestRequest = state.requests
      return state.pop(from: index)
    }
    if let block = UnsafeMutableRawPointer(bitPattern: kept) { return block }
    let blockBytes = blockBytes(ofClass: index)
    let fresh = allocate(blockBytes, alignment: blockBytes < hugePage ? 64 : hugePage)
    #if os(Linux)
      if blockBytes >= hugePage { madvise(fresh, blockBytes, Int32(MADV_HUGEPAGE)) }
    #endif
    return fresh
  }

  /// Takes back what ``take(_:)`` gave for the same number of bytes.
  static func give(_ block: UnsafeMutableRawPointer, _ byteCount: Int) {
    if byteCount < smallestBlock { return giveSmall(block) }
    let index = sizeClass(of: byteCount)
    if blockBytes(ofClass: index) > capacity { return free(block) }
    let address = UInt(bitPattern: block)
    let isOverfull = withState { state in
      state.push(address, onto: index)
      return state.retainedBytes > capacity
    }
    if isOverfull { shrink(to: capacity) }
  }

  /// Gives kept blocks back to the operating system until at most `capacity` bytes are kept.
  static func shrink(to capacity: Int) {
    while true {
      let block = withState { $0.retainedBytes > capacity ? $0.popStalest() : 0 }
      guard let block = UnsafeMutableRawPointer(bitPattern: block) else { return }
      free(block)
    }
  }

  static func allocateSmall(_ byteCount: Int) -> UnsafeMutableRawPointer {
    guard let memory = malloc(max(1, byteCount)) else { outOfMemory(byteCount) }
    return memory
  }

  /// A small aligned block. `posix_memalign` takes several times as long as `malloc`.
  private static func takeSmall(_ byteCount: Int) -> UnsafeMutableRawPointer {
    let memory = allocateSmall(byteCount + 64)
    let aligned = (memory + 1).alignedUp(toMultipleOf: 64)
    // The distance back to what was allocated, in the byte before.
    (aligned - 1).storeBytes(of: UInt8(aligned - memory), as: UInt8.self)
    return aligned
  }

  private static func giveSmall(_ block: UnsafeMutableRawPointer) {
    free(block - Int((block - 1).load(as: UInt8.self)))
  }

  private static func allocate(_ byteCount: Int, alignment: Int) -> UnsafeMutableRawPointer {
    var memory: UnsafeMutableRawPointer?
    guard posix_memalign(&memory, alignment, byteCount) == 0, let memory else { outOfMemory(byteCount) }
    return memory
  }

  private static func outOfMemory(_ byteCount: Int) -> Never {
    stop("memory", "a block of \(byteCount) bytes must be available", hint: "Use smaller batches or tiles.")
  }
}
