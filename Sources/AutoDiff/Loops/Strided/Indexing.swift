/// Selection and accumulation by index.
///
/// A table is seen as [outer, extent, inner], row-major. The indices are whole numbers in 0..<extent, which is for the
/// caller to check, and select along the middle axis. They are held as `Double` whatever the table's type, because `Float`
/// rounds positions from 2²⁴ on.
enum Indexing {
  /// The number of entries that are worth a task of their own.
  private static let entriesPerTask = 1 << 14

  /// The position of the first index that is not a whole number in 0..<extent.
  static func firstInvalidIndex(_ indices: UnsafePointer<Double>, count: Int, extent: Int) -> Int? {
    let tasks = (count + entriesPerTask - 1) / entriesPerTask
    if tasks <= 2 { return firstInvalidIndex(indices, in: 0..<count, extent) }
    return withPooledScratch(Int.self, tasks) { found in
      ThreadTeam.run(tasks) { task in
        let range = task * entriesPerTask..<min(count, (task + 1) * entriesPerTask)
        found[task] = firstInvalidIndex(indices, in: range, extent) ?? count
      }
      return (0..<tasks).first { found[$0] < count }.map { found[$0] }
    }
  }

  private static func firstInvalidIndex(
    _ indices: UnsafePointer<Double>, in range: Range<Int>, _ extent: Int
  ) -> Int? {
    typealias Lanes = Double.Lanes
    let largest = Double(extent - 1)
    func isValid(_ index: Double) -> Bool { index >= 0 && index <= largest && index.rounded(.towardZero) == index }
    for start in stride(from: range.lowerBound, to: range.upperBound, by: Lanes.count) {
      let n = min(Lanes.count, range.upperBound - start)
      let x = Lanes(indices + start, upTo: n)
      let isNotNegative = Lanes.isLessOrEqual(.init(repeating: 0), x)
      let isNotTooLarge = Lanes.isLessOrEqual(x, .init(repeating: largest))
      let isWhole = Lanes.isEqual(x, x.rounded(.towardZero))
      if (!(isNotNegative & isNotTooLarge & isWhole)).isAnyTrue {
        return (start..<start + n).first { !isValid(indices[$0]) }
      }
    }
    return nil
  }

  /// y[o, i, :] = table[o, indices[i], :], with y of shape [outer, count, inner].
  static func gather<T: LoopScalar>(
    _ table: UnsafePointer<T>, outer: Int, extent: Int, inner: Int, indices: UnsafePointer<Double>, count: Int,
    into y: UnsafeMutablePointer<T>
  ) {
    forEachPiece(outer, count, inner) { o, range in
      let table = table + o * extent * inner
      var y = y + (o * count + range.lowerBound) * inner
      if inner == 1 {
        for i in range {
          y.pointee = table[Int(indices[i])]
          y += 1
        }
      } else {
        for i in range {
          StridedCopy.copyRun(table + Int(indices[i]) * inner, to: y, count: inner)
          y += inner
        }
      }
    }
  }

  /// y[o, indices[i], :] = the sum of x[o, i, :] over the positions i with that index, 0 where there is none. Terms are
  /// added in the order of their positions; where there are many more of them than entries, in the order of parts.
  static func scatterAdd<T: LoopScalar>(
    _ x: UnsafePointer<T>, outer: Int, extent: Int, inner: Int, indices: UnsafePointer<Double>, count: Int,
    into y: UnsafeMutablePointer<T>
  ) {
    let parts = min(16, outer > 8 ? 1 : count / max(4 * extent, 1), count * inner / (2 * entriesPerTask))
    if parts > 1 {
      return scatterAddParts(parts, x, outer, extent, inner, indices, count, into: y)
    }
    // Every task has its own rows of y. It looks at all indices, which pays where a row is much longer than an index.
    let rows = inner >= 16 ? max(1, (extent + 7) / 8) : max(1, extent)
    forEachPiece(outer, extent, inner, length: rows, entries: outer * (extent + count) * inner) { o, range in
      let (x, y) = (x + o * count * inner, y + o * extent * inner)
      (y + range.lowerBound * inner).update(repeating: 0, count: range.count * inner)
      if range.count == extent { return addAll(x, inner, at: indices, 0..<count, to: y) }
      for i in 0..<count {
        let index = Int(indices[i])
        if range.contains(index) { add(x + i * inner, to: y + index * inner, count: inner) }
      }
    }
  }

  /// Every task has its own part of x, and all entries of y for itself; the results are then joined.
  private static func scatterAddParts<T: LoopScalar>(
    _ parts: Int, _ x: UnsafePointer<T>, _ outer: Int, _ extent: Int, _ inner: Int, _ indices: UnsafePointer<Double>,
    _ count: Int, into y: UnsafeMutablePointer<T>
  ) {
    let size = extent * inner
    withPooledScratch(T.self, parts * size) { sums in
      for o in 0..<outer {
        ThreadTeam.run(parts) { part in
          let sum = sums + part * size
          sum.update(repeating: 0, count: size)
          let range = part * count / parts..<(part + 1) * count / parts
          addAll(x + o * count * inner, inner, at: indices, range, to: sum)
        }
        let results = StridedView(base: sums, shape: [parts, size], strides: [size, 1])
        Reduction.sum(results, axes: [0], into: y + o * size)
      }
    }
  }

  private static func addAll<T: LoopScalar>(
    _ x: UnsafePointer<T>, _ inner: Int, at indices: UnsafePointer<Double>, _ range: Range<Int>,
    to y: UnsafeMutablePointer<T>
  ) {
    if inner == 1 {
      for i in range { y[Int(indices[i])] += x[i] }
    } else {
      for i in range { add(x + i * inner, to: y + Int(indices[i]) * inner, count: inner) }
    }
  }

  @inline(__always)
  private static func add<T: LoopScalar>(_ x: UnsafePointer<T>, to y: UnsafeMutablePointer<T>, count: Int) {
    var j = 0
    while j + T.Lanes.count <= count {
      (T.Lanes(y + j) + T.Lanes(x + j)).store(y + j)
      j += T.Lanes.count
    }
    while j < count {
      y[j] += x[j]
      j += 1
    }
  }

  /// Calls `body` for pieces of the middle axis, shared out among the threads where there is enough work.
  private static func forEachPiece(
    _ outer: Int, _ middle: Int, _ inner: Int, length: Int? = nil, entries: Int? = nil,
    _ body: (_ outer: Int, _ range: Range<Int>) -> Void
  ) {
    let length = length ?? max(1, min(middle, entriesPerTask / max(1, inner)))
    let pieces = (middle + length - 1) / length
    func run(_ task: Int) {
      let start = task % pieces * length
      body(task / pieces, start..<min(start + length, middle))
    }
    if entries ?? outer * middle * inner > 2 * entriesPerTask {
      ThreadTeam.run(outer * pieces, run)
    } else {
      for task in 0..<outer * pieces { run(task) }
    }
  }
}
