import Foundation
import Synchronization

/// Uninitialized memory for the entries of a tensor, given back with the last reference.
final class Storage: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  let byteCount: Int
  /// Whether several nodes have ever seen this memory. (A flag, because a node's reference can be asked whether it is the
  /// only one only where it is a variable, and a class with variable references is slower to free.)
  private let shared = Atomic(false)

  var isShared: Bool { shared.load(ordering: .relaxed) }

  func markShared() { shared.store(true, ordering: .relaxed) }

  private init(base: UnsafeMutableRawPointer, byteCount: Int) {
    self.base = base
    self.byteCount = byteCount
  }

  /// Memory that is aligned to 16 bytes, and to 64 bytes from `BufferPool.smallestBlock` on; nil where there is none.
  ///
  /// A small block is a plain `malloc`: tensors of a few entries are made by the million, and this, with the object,
  /// takes 40 ns (measured; a block in the tail of the object took longer).
  static func allocate(byteCount: Int) -> Storage? {
    let isSmall = byteCount < BufferPool.smallestBlock
    guard let base = isSmall ? BufferPool.allocateSmall(byteCount) : BufferPool.take(byteCount) else { return nil }
    return Storage(base: base, byteCount: byteCount)
  }

  deinit {
    if byteCount < BufferPool.smallestBlock { free(base) } else { BufferPool.give(base, byteCount) }
  }
}
