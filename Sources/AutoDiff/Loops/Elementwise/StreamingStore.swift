import Synchronization

/// Writing past the caches, for results that are too large to stay in them.
///
/// A plain store reads the line that it is about to overwrite, a third of the traffic of an elementwise function.
enum StreamedResult {
  /// From how many bytes on a result is streamed: more than the second-level caches of most machines hold together.
  private static let smallest = 16 << 20

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

  /// Makes what this thread has streamed visible before whatever it stores next.
  static func finish() { atomicMemoryFence(ordering: .sequentiallyConsistent) }
}
