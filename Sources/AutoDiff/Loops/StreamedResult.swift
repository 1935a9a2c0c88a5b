import Synchronization

/// Writing past the caches, for results that are too large to stay in them.
///
/// A plain store reads the line that it is about to overwrite, a third of the traffic of an elementwise function.
enum StreamedResult {
  /// From how many bytes on a result is streamed: more than the second-level caches of most machines hold together.
  private static let smallest = 16 << 20
  /// The entries that are computed in the first-level cache before they go out.
  private static let blockEntries = 1024

  /// Whether a result should be streamed.
  static func suits<T>(_ result: UnsafeMutablePointer<T>, count: Int) -> Bool {
    #if arch(x86_64) && (AUTODIFF_LANES_512 || AUTODIFF_LANES_256)
      count * MemoryLayout<T>.stride >= smallest && isAligned(result)
    #else
      false
    #endif
  }

  /// Whether vectors may be streamed to an address.
  @inline(__always) static func isAligned<T>(_ address: UnsafeMutablePointer<T>) -> Bool {
    UInt(bitPattern: address) % 64 == 0
  }

  /// Computes whole vectors block by block and streams them; `compute` is given where a block starts, where it is to be
  /// put, and its length.
  @inline(__always)
  static func write<T: LoopScalar>(
    _ result: UnsafeMutablePointer<T>, count: Int,
    _ compute: (_ start: Int, _ block: UnsafeMutablePointer<T>, _ count: Int) -> Void
  ) {
    withUnsafeTemporaryAllocation(of: T.self, capacity: blockEntries) { memory in
      let block = memory.baseAddress!
      for start in stride(from: 0, to: count, by: blockEntries) {
        let size = min(blockEntries, count - start)
        compute(start, block, size)
        stream(block, to: result + start, count: size)
      }
    }
    finish()
  }

  @inline(never)
  private static func stream<T: LoopScalar>(
    _ block: UnsafePointer<T>, to result: UnsafeMutablePointer<T>, count: Int
  ) {
    for i in stride(from: 0, to: count, by: T.Lanes.count) { T.Lanes(block + i).stream(result + i) }
  }

  /// Makes what this thread has streamed visible before whatever it stores next.
  static func finish() { atomicMemoryFence(ordering: .sequentiallyConsistent) }
}
