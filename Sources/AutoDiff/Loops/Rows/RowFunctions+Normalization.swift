/// Rows of a row-major matrix with their mean and variance taken out.
///
/// Both are computed in two sweeps over a row, which stays in the cache: the deviations from the mean are squared, so
/// nothing cancels however far the mean lies from zero.
extension RowFunctions {
  /// y = (x - mean) / √(variance + ε) in every row.
  static func normalize<T: LoopScalar>(
    _ x: UnsafePointer<T>, rows: Int, columns: Int, epsilon: T, into y: UnsafeMutablePointer<T>
  ) {
    if ShortRows<T>.areSuitable(rows, columns) {
      return ShortRows.forEach(x, rows, columns, into: y) { row in
        let (mean, factor) = moments(row, columns, epsilon)
        row.replaceEntries { ($0 - mean) * factor }
      }
    }
    forEachRow(rows, columns) { (row, _: UnsafeMutablePointer<T>) in
      normalizeRow(x + row * columns, columns, epsilon, into: y + row * columns)
    }
  }

  /// y = 1 / √(variance + ε) of every row, y being a vector.
  static func inverseDeviation<T: LoopScalar>(
    _ x: UnsafePointer<T>, rows: Int, columns: Int, epsilon: T, into y: UnsafeMutablePointer<T>
  ) {
    if ShortRows<T>.areSuitable(rows, columns) {
      return ShortRows.forEach(x, rows, columns) { row in
        moments(row, columns, epsilon).factor.store(y + row.start, upTo: row.count)
      }
    }
    forEachRow(rows, columns) { row, scratch in
      y[row] = normalizeRow(x + row * columns, columns, epsilon, into: scratch)
    }
  }

  /// y = the derivative of ``normalize(_:rows:columns:epsilon:into:)`` at x times v, which is also its transpose times v:
  /// r · (v - mean(v) - n · mean(n · v)) in every row, n being the normalized x and r the factor of it.
  static func normalizationProduct<T: LoopScalar>(
    _ x: UnsafePointer<T>, _ v: UnsafePointer<T>, rows: Int, columns: Int, epsilon: T, into y: UnsafeMutablePointer<T>
  ) {
    if ShortRows<T>.areSuitable(rows, columns) {
      return ShortRows.forEach(x, rows, columns, with: v, into: y) { row in
        let (center, factor) = moments(row, columns, epsilon)
        let count = T.Lanes(repeating: T(columns))
        let mean = row.sum { _, v in v } / count
        let share = row.sum { x, v in (x - center) * factor * v } / count
        row.replaceEntries { x, v in (v - mean - (x - center) * factor * share) * factor }
      }
    }
    forEachRow(rows, columns) { row, scratch in
      let (v, y) = (v + row * columns, y + row * columns)
      let factor = T.Lanes(repeating: normalizeRow(x + row * columns, columns, epsilon, into: scratch))
      let count = T(columns)
      let mean = T.Lanes(repeating: ReductionLoop.reduceRun(.sum, v, v, columns) / count)
      let share = T.Lanes(repeating: -ReductionLoop.reduceRun(.dot, v, scratch, columns) / count)
      var i = 0
      while i < columns {
        let n = min(T.Lanes.count, columns - i)
        let rest = (T.Lanes(v + i, upTo: n) - mean).adding(T.Lanes(scratch + i, upTo: n), times: share)
        (rest * factor).store(y + i, upTo: n)
        i += T.Lanes.count
      }
    }
  }

  /// One row of ``normalize(_:rows:columns:epsilon:into:)``; returns the factor.
  @discardableResult
  private static func normalizeRow<T: LoopScalar>(
    _ x: UnsafePointer<T>, _ columns: Int, _ epsilon: T, into y: UnsafeMutablePointer<T>
  ) -> T {
    let count = T(columns)
    let mean = T.Lanes(repeating: ReductionLoop.reduceRun(.sum, x, x, columns) / count)
    map(x, columns, into: y) { $0 - mean }
    let factor = 1 / (ReductionLoop.reduceRun(.dot, y, y, columns) / count + epsilon).squareRoot()
    let factorLanes = T.Lanes(repeating: factor)
    map(y, columns, into: y) { $0 * factorLanes }
    return factor
  }

  /// The mean and the factor of rows that lie in the lanes.
  @inline(__always)
  private static func moments<T: LoopScalar>(
    _ row: ShortRows<T>, _ columns: Int, _ epsilon: T
  ) -> (mean: T.Lanes, factor: T.Lanes) {
    let count = T.Lanes(repeating: T(columns))
    let mean = row.sum() / count
    let variance =
      row.sum {
        let deviation = $0 - mean
        return deviation * deviation
      } / count
    return (mean, T.Lanes(repeating: 1) / (variance + T.Lanes(repeating: epsilon)).squareRoot())
  }
}
