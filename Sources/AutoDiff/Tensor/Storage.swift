import Foundation
import Synchronization

/// Uninitialized memory for the entries of a tensor, given back with the last reference.
final class Storage: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  let byteCount: Int
  /// How many views see this memory beside the node that it was made for. (A number of its own, because a node's
  /// reference can be asked whether it is the only one only where it is a variable, and a class with variable references
  /// is slower to free.)
  private let views = Atomic(0)

  /// Whether others than the node that it was made for may see this memory. What a view reads of it, it has read before
  /// this is false.
  var isShared: Bool { views.load(ordering: .acquiring) > 0 }

  /// Notes one more view.
  func addView() { views.add(1, ordering: .relaxed) }

  /// Notes that a view is gone.
  func removeView() { views.subtract(1, ordering: .releasing) }

  /// Whether the memory belongs to somebody else.
  let isBorrowed: Bool

  private init(base: UnsafeMutableRawPointer, byteCount: Int) {
    self.base = base
    self.byteCount = byteCount
    isBorrowed = false
  }

  /// Memory of somebody else, who keeps it for as long as this is used. It counts as shared, so nobody writes to it.
  init(borrowing base: UnsafeMutableRawPointer, byteCount: Int) {
    self.base = base
    self.byteCount = byteCount
    isBorrowed = true
    addView()
  }

  /// Memory that is aligned to 16 bytes, and to 64 bytes from ``SmallBlocks/smallest`` on; nil where there is none.
  ///
  /// A small block is a plain `malloc`: tensors of a few entries are made by the million, and this, with the object,
  /// takes 40 ns (measured; a block in the tail of the object took longer).
  static func allocate(byteCount: Int) -> Storage? {
    let isSmall = byteCount < SmallBlocks.smallest
    guard let base = isSmall ? BufferPool.allocateSmall(byteCount) : BufferPool.take(byteCount) else { return nil }
    return Storage(base: base, byteCount: byteCount)
  }

  deinit {
    if isBorrowed { return }
    if byteCount < SmallBlocks.smallest { free(base) } else { BufferPool.give(base, byteCount) }
  }
}
