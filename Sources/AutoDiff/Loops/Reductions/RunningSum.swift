/// The sums of the entries up to each one along an axis.
///
/// The operand is seen as [outer, extent, inner], row-major, and so is the result. Sums are carried in `Double`, so that
/// the last one of a long row of `Float` is as good as the first.
enum RunningSum {
  /// Columns that are summed side by side.
  private static let width = 64
  /// The number of entries that are worth a task of their own.
  private static let entriesPerTask = 1 << 14

  /// - Parameter isReversed: whether the sums begin at the last entry.
  static func write<T: LoopScalar>(
    _ x: UnsafePointer<T>, outer: Int, extent: Int, inner: Int, isReversed: Bool, into y: UnsafeMutablePointer<T>
  ) {
    guard outer * extent * inner > 0 else { return }
    let pieces = (inner + width - 1) / width
    let perTask = max(1, entriesPerTask / (extent * min(width, inner)))
    let (first, step) = isReversed ? ((extent - 1) * inner, -inner) : (0, inner)
    ThreadTeam.run((outer * pieces + perTask - 1) / perTask) { task in
      for index in task * perTask..<min(outer * pieces, (task + 1) * perTask) {
        let (o, start) = (index / pieces, index % pieces * width)
        let origin = o * extent * inner + first + start
        if inner == 1 {
          row(x + origin, extent, step, into: y + origin)
        } else {
          columns(x + origin, extent, step, count: min(width, inner - start), into: y + origin)
        }
      }
    }
  }

  private static func row<T: LoopScalar>(
    _ x: UnsafePointer<T>, _ extent: Int, _ step: Int, into y: UnsafeMutablePointer<T>
  ) {
    var sum = 0.0
    for k in 0..<extent {
      sum += Double(x[k * step])
      y[k * step] = T(sum)
    }
  }

  private static func columns<T: LoopScalar>(
    _ x: UnsafePointer<T>, _ extent: Int, _ step: Int, count: Int, into y: UnsafeMutablePointer<T>
  ) {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: width) { sums in
      sums.initialize(repeating: 0)
      let sums = sums.baseAddress!
      for k in 0..<extent {
        let (x, y) = (x + k * step, y + k * step)
        for column in 0..<count {
          sums[column] += Double(x[column])
          y[column] = T(sums[column])
        }
      }
    }
  }
}
