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

  /// One set of lists, which fills cache lines of its own. Threads share it, so nothing changes it but through its lock.
  private struct Lists: ~Copyable {
    private let lock = SpinLock()
    private let byClass: UnsafeMutablePointer<FreeBlocks>
    private let padding = (SIMD8<UInt64>.zero, SIMD8<UInt64>.zero)

    init() {
      byClass = .allocate(capacity: SmallBlocks.classCount)
      byClass.initialize(repeating: FreeBlocks(), count: SmallBlocks.classCount)
    }

    func pop(_ index: Int) -> UnsafeMutableRawPointer? {
      let list = byClass + index
      return lock.withLock { list.pointee.pop() }
    }

    /// Takes a block unless there are as many as there may be; returns whether it is taken.
    func push(_ block: UnsafeMutableRawPointer, onto index: Int, atMost most: Int) -> Bool {
      let list = byClass + index
      return lock.withLock {
        if list.pointee.count >= most { return false }
        list.pointee.push(block)
        return true
      }
    }

    var retainedBytes: Int {
      let byClass = byClass
      return lock.withLock {
        (0..<SmallBlocks.classCount).reduce(0) { $0 + byClass[$1].count * BufferPool.blockBytes(ofClass: $1) }
      }
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
    // Descriptors of threads, numbers or addresses, differ in some bits in the middle.
    let descriptor = withUnsafeBytes(of: pthread_self()) { $0.load(as: UInt.self) }
    let hash = UInt64(descriptor) &* 0x9e37_79b9_7f4a_7c15
    return sets + Int(hash >> 60)
  }

  /// Uninitialized memory for `byteCount` bytes, 64-byte aligned; nil where there is none.
  static func take(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    let index = BufferPool.sizeClass(of: byteCount)
    return own.pointee.pop(index) ?? BufferPool.allocate(BufferPool.blockBytes(ofClass: index), alignment: 64)
  }

  /// Takes back what ``take(_:)`` gave for the same number of bytes.
  static func give(_ block: UnsafeMutableRawPointer, _ byteCount: Int) {
    let index = BufferPool.sizeClass(of: byteCount)
    let most = capacity / BufferPool.blockBytes(ofClass: index)
    if !own.pointee.push(block, onto: index, atMost: most) { free(block) }
  }

  /// The bytes that are kept at present.
  static var retainedBytes: Int { (0..<setCount).reduce(0) { $0 + sets[$1].retainedBytes } }

  /// Gives all kept blocks back to the system's allocator.
  static func release() {
    for k in 0..<setCount {
      for index in 0..<classCount {
        while let block = sets[k].pop(index) { free(block) }
      }
    }
  }
}
