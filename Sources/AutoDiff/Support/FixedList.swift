/// A list for the inner side of a hot loop: it belongs to one owner and does not change, so that reading it counts no references.
///
/// (An array is retained and released around every loop over it, which takes longer than a few short operations.)
struct FixedList<Element>: ~Copyable, @unchecked Sendable {
  private let base: UnsafeMutablePointer<Element>
  let count: Int

  init(_ elements: [Element]) {
    count = elements.count
    base = .allocate(capacity: max(1, count))
    elements.withUnsafeBufferPointer { base.initialize(from: $0.baseAddress ?? UnsafePointer(base), count: $0.count) }
  }

  deinit {
    base.deinitialize(count: count)
    base.deallocate()
  }

  /// The element at an index, which is not checked.
  @inline(__always)
  subscript(index: Int) -> Element {
    unsafeAddress { UnsafePointer(base + index) }
  }

  /// Calls `body` with every element.
  @inline(__always)
  func forEach(_ body: (Element) -> Void) {
    for index in 0..<count { body(base[index]) }
  }
}
