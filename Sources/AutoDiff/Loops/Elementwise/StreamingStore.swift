import Synchronization

/// Writing past the caches, for results that are too large to stay in them.
///
/// A plain store reads the line that it is about to overwrite, a third of the traffic of an elementwise function.
enum StreamedResult {
  /// From how many bytes on a result is streamed: more than the second-level caches of most machines hold together.
  private static let smallest = 16 << 20

  /// Whether a result should be streamed.
  static func suits(_ result: UnsafeMutableRawPointer, byteCount: Int) -> Bool {
    InstructionSet.canStream && byteCount >= smallest && isAligned(result)
  }

  /// Whether vectors may be streamed to an address.
  @inline(__always) static func isAligned(_ address: UnsafeMutableRawPointer) -> Bool {
    UInt(bitPattern: address) % 64 == 0
  }

  /// Makes what this thread has streamed visible before whatever it stores next.
  static func finish() { atomicMemoryFence(ordering: .sequentiallyConsistent) }
}
