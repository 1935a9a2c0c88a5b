import Foundation

/// Blocks of 1 to 32 KiB that were used before.
///
/// The system's allocator would search and merge such blocks, for longer than a small operation takes, and it aligns to 16
/// bytes, so that most vectors would lie across two cache lines. The ``BufferPool`` has one lock, at which threads that
/// compute with small tensors would meet; here they are spread over several sets of lists.
enum SmallBlocks {
  /// Smaller ones are at hand in the system's allocator.
  static let smallest = 1 << 10

  private static let setCount = 16
  private static let classCount = BufferPool.sizeClass(of: BufferPool.smallestBlock) + 1

  /// One set of lists, which fills cache lines of its own.
  private struct Lists: ~Copyable {
    let lock = SpinLock()
    let byClass: UnsafeMutablePointer<FreeBlocks>
    private let padding = (SIMD8<UInt64>.zero, SIMD8<UInt64>.zero)

    init() {
      byClass = .allocate(capacity: SmallBlocks.classCount)
      byClass.initialize(repeating: FreeBlocks(), count: SmallBlocks.classCount)
    }
  }

  private nonisolated(unsafe) static let sets: UnsafeMutablePointer<Lists> = {
    let sets = UnsafeMutablePointer<Lists>.allocate(capacity: setCount)
    for k in 0..<setCount { (sets + k).initialize(to: Lists()) }
    return sets
  }()

  /// The bytes that one list keeps: all lists together less than a twelfth of what the pool may keep.
  private static let capacity = min(2 << 20, BufferPool.capacity / 4096)

  /// The lists of the current thread.
  private static var own: UnsafeMutablePointer<Lists> {
    // Descriptors of threads differ in some bits in the middle.
    let hash = UInt64(pthread_self()) &* 0x9e37_79b9_7f4a_7c15
    return sets + Int(hash >> 60)
  }

  /// Uninitialized memory for `byteCount` bytes, 64-byte aligned; nil where there is none.
  static func take(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    let index = BufferPool.sizeClass(of: byteCount)
    let lists = own
    let block = lists.pointee.lock.withLock { lists.pointee.byClass[index].pop() }
    return block ?? BufferPool.allocate(BufferPool.blockBytes(ofClass: index), alignment: 64)
  }

  /// Takes back what ``take(_:)`` gave for the same number of bytes.
  static func give(_ block: UnsafeMutableRawPointer, _ byteCount: Int) {
    let index = BufferPool.sizeClass(of: byteCount)
    let most = capacity / BufferPool.blockBytes(ofClass: index)
    let lists = own
    let isKept = lists.pointee.lock.withLock {
      if lists.pointee.byClass[index].count >= most { return false }
      lists.pointee.byClass[index].push(block)
      return true
    }
    if !isKept { free(block) }
  }

  /// The bytes that are kept at present.
  static var retainedBytes: Int {
    (0..<setCount).reduce(0) { sum, k in
      sets[k].lock.withLock {
        (0..<classCount).reduce(sum) { $0 + sets[k].byClass[$1].count * BufferPool.blockBytes(ofClass: $1) }
      }
    }
  }

  /// Gives all kept blocks back to the system's allocator.
  static func release() {
    for k in 0..<setCount {
      for index in 0..<classCount {
        while let block = sets[k].lock.withLock({ sets[k].byClass[index].pop() }) { free(block) }
      }
    }
  }
}
