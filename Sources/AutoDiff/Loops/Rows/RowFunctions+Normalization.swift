/// Rows of a row-major matrix with their mean and variance taken out.
///
/// Both are computed in two sweeps over a row, which stays in the cache: the deviations from the mean are squared, so
/// nothing cancels however far the mean lies from zero. Where squares leave the range of the type, the row is first scaled
/// by a power of two.
extension RowFunctions {
  /// y = (x - mean) / √(variance + ε) in every row.
  static func normalize<T: LoopScalar>(
    _ x: UnsafePointer<T>, rows: Int, columns: Int, epsilon: T, into y: UnsafeMutablePointer<T>
  ) {
    if ShortRows<T>.areSuitable(rows, columns) {
      return ShortRows.forEach(x, rows, columns, into: y) { row in
        let (mean, factor, _) = moments(row, columns, epsilon)
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
        let (_, factor, scale) = moments(row, columns, epsilon)
        (factor * scale).store(y + row.start, upTo: row.count)
      }
    }
    forEachRow(rows, columns) { row, scratch in
      y[row] = normalizeRow(x + row * columns, columns, epsilon, into: scratch)
    }
  }

  /// y = the derivative of ``normalize(_:rows:columns:epsilon:into:)`` at x times v, which is also its transpose times v:
  /// r · (v - mean(v) - n · mean(n · v)) in every row, n being the normalized x and r the factor of it; 0 where a row of v
  /// is 0, whatever x is.
  static func normalizationProduct<T: LoopScalar>(
    _ x: UnsafePointer<T>, _ v: UnsafePointer<T>, rows: Int, columns: Int, epsilon: T, into y: UnsafeMutablePointer<T>
  ) {
    if ShortRows<T>.areSuitable(rows, columns) {
      return ShortRows.forEach(x, rows, columns, with: v, into: y) { row in
        let (center, factor, scale) = moments(row, columns, epsilon)
        let count = T.Lanes(repeating: T(columns))
        let mean = row.sum { _, v in v } / count
        let share = row.sum { x, v in (x - center) * factor * v } / count
        row.replaceEntries { x, v in (v - mean - (x - center) * factor * share) * factor * scale }
        row.clearWhereOthersVanish(factor.isNaN)
      }
    }
    forEachRow(rows, columns) { row, scratch in
      let (v, y) = (v + row * columns, y + row * columns)
      let factor = T.Lanes(repeating: normalizeRow(x + row * columns, columns, epsilon, into: scratch))
      if factor.isNaN.isAnyTrue, (0..<columns).allSatisfy({ v[$0] == 0 }) {
        return y.update(repeating: 0, count: columns)
      }
      let count = T(columns)
      let mean = T.Lanes(repeating: sum(v, columns) / count)
      let share = T.Lanes(repeating: -dot(v, scratch, columns) / count)
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
    func subtractMean(_ x: UnsafePointer<T>) {
      let mean = T.Lanes(repeating: sum(x, columns) / count)
      map(x, columns, into: y) { $0 - mean }
    }
    subtractMean(x)
    var variance = dot(y, y, columns) / count
    var (scale, epsilon) = (T(1), epsilon)
    if needsScale(T.Lanes(repeating: variance), epsilon).isAnyTrue {
      var largest: T = 0
      for j in 0..<columns { largest = T.maximum(largest, x[j].magnitude) }
      let scaleLanes = scaleToUnity(T.Lanes(repeating: largest))
      scale = scaleLanes.first
      map(x, columns, into: y) { $0 * scaleLanes }
      subtractMean(y)
      variance = dot(y, y, columns) / count
      epsilon = epsilon * scale * scale
    }
    let factor = 1 / (variance + epsilon).squareRoot()
    let factorLanes = T.Lanes(repeating: factor)
    map(y, columns, into: y) { $0 * factorLanes }
    return factor * scale
  }

  /// The mean and the factor of rows that lie in the lanes, after these have been multiplied by the scale if need be.
  @inline(__always)
  private static func moments<T: LoopScalar>(
    _ row: ShortRows<T>, _ columns: Int, _ epsilon: T
  ) -> (mean: T.Lanes, factor: T.Lanes, scale: T.Lanes) {
    let one = T.Lanes(repeating: 1)
    let (mean, variance) = plainMoments(row, columns)
    let isScaled = needsScale(variance, epsilon)
    if !isScaled.isAnyTrue {
      return (mean, one / (variance + T.Lanes(repeating: epsilon)).squareRoot(), one)
    }
    let scale = T.Lanes.select(isScaled, scaleToUnity(row.largestMagnitude()), one)
    row.replaceEntries { $0 * scale }
    let (scaledMean, scaledVariance) = plainMoments(row, columns)
    let scaledEpsilon = T.Lanes(repeating: epsilon) * scale * scale
    return (scaledMean, one / (scaledVariance + scaledEpsilon).squareRoot(), scale)
  }

  @inline(__always)
  private static func plainMoments<T: LoopScalar>(
    _ row: ShortRows<T>, _ columns: Int
  ) -> (mean: T.Lanes, variance: T.Lanes) {
    let count = T.Lanes(repeating: T(columns))
    let mean = row.sum() / count
    let variance =
      row.sum {
        let deviation = $0 - mean
        return deviation * deviation
      } / count
    return (mean, variance)
  }

  /// Where squares have left the range of the type: overflowed, or too small while ε is too.
  @inline(__always)
  private static func needsScale<V: LaneVector>(_ variance: V, _ epsilon: V.Element) -> V.Mask {
    let tiny = V(double: 1e-280, float: 1e-30)
    let isModerate = V.isLess(variance, V(repeating: .infinity))
    return !(isModerate & V.isLessOrEqual(tiny, variance + V(repeating: epsilon)))
  }

  /// A power of two that brings a number ≥ 0 into [1, 2), if the type has it.
  @inline(__always)
  private static func scaleToUnity<V: LaneVector>(_ x: V) -> V {
    let power = x.bits & V(repeating: .infinity).bits
    // Zeros and subnormal numbers have no power of their own.
    return V(constant: 1) / V.maximum(V(bits: power), V(repeating: .leastNormalMagnitude))
  }
}
