/// The order in which the entries along an axis grow or fall.
///
/// The operand is seen as [outer, extent, inner], row-major, and so is the result.
enum SortingOrder {
  /// The number of entries that are worth a task of their own.
  private static let entriesPerTask = 1 << 12

  /// y = where the least entry of its row stands, then the next one, and so on. Equal ones keep their order, and what is not
  /// a number comes last.
  static func find<T: LoopScalar>(
    _ x: UnsafePointer<T>, outer: Int, extent: Int, inner: Int, isDescending: Bool, into y: UnsafeMutablePointer<T>
  ) {
    guard outer * extent * inner > 0 else { return }
    let perTask = max(1, entriesPerTask / extent)
    let rows = outer * inner
    ThreadTeam.run((rows + perTask - 1) / perTask) { task in
      withUnsafeTemporaryAllocation(of: Entry<T>.self, capacity: extent) { entries in
        for row in task * perTask..<min(rows, (task + 1) * perTask) {
          let origin = row / inner * extent * inner + row % inner
          sort(x + origin, stride: inner, isDescending, entries, into: y + origin)
        }
      }
    }
  }

  private struct Entry<T: LoopScalar> {
    let value: T
    let place: Int
  }

  private static func sort<T: LoopScalar>(
    _ x: UnsafePointer<T>, stride: Int, _ isDescending: Bool, _ entries: UnsafeMutableBufferPointer<Entry<T>>,
    into y: UnsafeMutablePointer<T>
  ) {
    var (numbers, others) = (0, entries.count)
    for place in entries.indices {
      let value = x[place * stride]
      if value.isNaN { continue }
      entries.initializeElement(at: numbers, to: Entry(value: isDescending ? -value : value, place: place))
      numbers += 1
    }
    for place in entries.indices.reversed() where x[place * stride].isNaN {
      others -= 1
      entries.initializeElement(at: others, to: Entry(value: .nan, place: place))
    }
    var sortable = UnsafeMutableBufferPointer(rebasing: entries[..<numbers])
    sortable.sort { $0.value < $1.value || $0.value == $1.value && $0.place < $1.place }
    for (rank, entry) in entries.enumerated() { y[rank * stride] = T(entry.place) }
  }
}
