/// Products with the derivative of log softmax.
///
/// They set one of the largest entries of a row apart. Where its weight is nearly all there is, everything that counts
/// comes from the others, and is summed over the others only.
extension RowFunctions {
  /// y = v - ⟨softmax x, v⟩ in every row; 0 where a row of v is 0, whatever x is.
  static func softmaxDeviation<T: LoopScalar>(
    _ x: UnsafePointer<T>, _ v: UnsafePointer<T>, rows: Int, columns: Int, into y: UnsafeMutablePointer<T>
  ) {
    if columns == 0 { return }
    if ShortRows<T>.areSuitable(rows, columns) {
      return ShortRows.forEach(x, rows, columns, with: v, into: y) { row in
        let largest = row.maximum()
        let reference = row.atFirst(largest)
        let total = row.sum { x, _ in weight(x, largest) }
        let share = row.sum { x, v in weight(x, largest) * (v - reference) } / total
        row.replaceEntries { _, v in v - reference - share }
        row.clearWhereOthersVanish(share.isNaN)
      }
    }
    forEachRow(rows, columns) { row, scratch in
      let (x, v, y) = (x + row * columns, v + row * columns, y + row * columns)
      let (largest, sum) = weights(x, columns, into: scratch)
      let reference = T.Lanes(repeating: largest.isNaN ? v[0] : self.largest(of: v, where: largest, in: x, columns))
      map(v, columns, into: y) { $0 - reference }
      let share = dot(scratch, y, columns) / sum
      if share.isNaN, (0..<columns).allSatisfy({ v[$0] == 0 }) { return y.update(repeating: 0, count: columns) }
      let shareLanes = T.Lanes(repeating: share)
      map(y, columns, into: y) { $0 - shareLanes }
    }
  }

  /// y = v - softmax x · Σ v in every row; 0 where a row of v is 0, whatever x is.
  static func softmaxDeviationTransposed<T: LoopScalar>(
    _ x: UnsafePointer<T>, _ v: UnsafePointer<T>, rows: Int, columns: Int, into y: UnsafeMutablePointer<T>
  ) {
    if columns == 0 { return }
    if ShortRows<T>.areSuitable(rows, columns) {
      return ShortRows.forEach(x, rows, columns, with: v, into: y) { row in
        let largest = row.maximum()
        // The sums over all entries but the first of the largest.
        let others = row.sumBesidesFirst(largest) { x, _ in weight(x, largest) }
        let rest = row.sumBesidesFirst(largest) { _, v in v }
        let total = others + T.Lanes(repeating: 1)
        let factor = (rest + row.atFirst(largest)) / total
        row.replaceEntries(first: largest, by: factor * others - rest) { x, v in v - weight(x, largest) * factor }
        row.clearWhereOthersVanish(factor.isNaN)
      }
    }
    forEachRow(rows, columns) { row, scratch in
      let (x, v, y) = (x + row * columns, v + row * columns, y + row * columns)
      let (largest, total) = weights(x, columns, into: scratch)
      let place = place(of: largest, in: x, columns)
      func sumOfOthers(_ a: UnsafePointer<T>) -> T {
        sum(a, place) + sum(a + place + 1, columns - place - 1)
      }
      let (others, rest) = (sumOfOthers(scratch), sumOfOthers(v))
      let factor = (rest + v[place]) / (total.isNaN ? total : others + 1)
      if factor.isNaN, (0..<columns).allSatisfy({ v[$0] == 0 }) { return y.update(repeating: 0, count: columns) }
      let minusFactor = T.Lanes(repeating: -factor)
      var i = 0
      while i < columns {
        let n = min(T.Lanes.count, columns - i)
        T.Lanes(v + i, upTo: n).adding(T.Lanes(scratch + i, upTo: n), times: minusFactor).store(y + i, upTo: n)
        i += T.Lanes.count
      }
      y[place] = factor * others - rest
    }
  }

  /// The largest entry of v among those where x has its largest one: so it does not depend on their order.
  @inline(__always)
  private static func largest<T: LoopScalar>(
    of v: UnsafePointer<T>, where largest: T, in x: UnsafePointer<T>, _ columns: Int
  ) -> T {
    let (largest, none) = (T.Lanes(repeating: largest), T.Lanes(repeating: -.infinity))
    var result = none
    for i in stride(from: 0, to: columns, by: T.Lanes.count) {
      let n = min(T.Lanes.count, columns - i)
      let isHere = T.Lanes.isEqual(T.Lanes(x + i, upTo: n, padding: .nan), largest)
      result = T.Lanes.maximum(result, T.Lanes.select(isHere, T.Lanes(v + i, upTo: n), none))
    }
    return result.largest()
  }

  /// Where the first of the largest entries is; 0 if there is none, which is so where an entry is not a number.
  private static func place<T: LoopScalar>(of largest: T, in x: UnsafePointer<T>, _ columns: Int) -> Int {
    var place = 0
    while place < columns, x[place] != largest { place += 1 }
    return place < columns ? place : 0
  }
}
