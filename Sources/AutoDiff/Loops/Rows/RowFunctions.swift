/// Functions of whole rows of a row-major matrix. The output may be the memory of the input.
///
/// All of them rest on the weights exp(x - m), m being the largest entry of the row. An entry that equals m has the weight
/// 1, be it finite or not: the entries +∞ of a row share 1 among them, and so do all where there is only -∞.
enum RowFunctions {
  /// y = eˣ / Σ eˣ in every row.
  static func softmax<T: LoopScalar>(
    _ x: UnsafePointer<T>, rows: Int, columns: Int, into y: UnsafeMutablePointer<T>
  ) {
    if ShortRows<T>.areSuitable(rows, columns) {
      return ShortRows.forEach(x, rows, columns, into: y) { row in
        let largest = row.maximum()
        row.replaceEntries { weight($0, largest) }
        let factor = T.Lanes(repeating: 1) / row.sum()
        row.replaceEntries { $0 * factor }
      }
    }
    forEachRow(rows, columns) { (row, _: UnsafeMutablePointer<T>) in
      let y = y + row * columns
      let factor = T.Lanes(repeating: 1 / weights(x + row * columns, columns, into: y).sum)
      map(y, columns, into: y) { $0 * factor }
    }
  }

  /// y = x - log Σ eˣ in every row.
  static func logSoftmax<T: LoopScalar>(
    _ x: UnsafePointer<T>, rows: Int, columns: Int, into y: UnsafeMutablePointer<T>
  ) {
    if ShortRows<T>.areSuitable(rows, columns) {
      return ShortRows.forEach(x, rows, columns, into: y) { row in
        let largest = row.maximum()
        let logarithm = VectorFunctions.log(row.sum { weight($0, largest) })
        row.replaceEntries { difference($0, largest) - logarithm }
      }
    }
    forEachRow(rows, columns) { row, scratch in
      let x = x + row * columns
      let (largest, sum) = weights(x, columns, into: scratch)
      let largestLanes = T.Lanes(repeating: largest)
      let logarithm = VectorFunctions.log(T.Lanes(repeating: sum))
      map(x, columns, into: y + row * columns) { difference($0, largestLanes) - logarithm }
    }
  }

  /// y = log Σ eˣ of every row, y being a vector.
  static func logSumExp<T: LoopScalar>(
    _ x: UnsafePointer<T>, rows: Int, columns: Int, into y: UnsafeMutablePointer<T>
  ) {
    if ShortRows<T>.areSuitable(rows, columns) {
      return ShortRows.forEach(x, rows, columns) { row in
        let largest = row.maximum()
        let result = largest + VectorFunctions.log(row.sum { weight($0, largest) })
        result.store(y + row.start, upTo: row.count)
      }
    }
    forEachRow(rows, columns) { row, scratch in
      let (largest, sum) = weights(x + row * columns, columns, into: scratch)
      y[row] = largest + VectorFunctions.log(T.Lanes(repeating: sum)).first
    }
  }

  /// y = exp(x - the largest x); returns the largest x and the sum of y.
  @inline(__always)
  static func weights<T: LoopScalar>(
    _ x: UnsafePointer<T>, _ count: Int, into y: UnsafeMutablePointer<T>
  ) -> (largest: T, sum: T) {
    let largest = largest(x, count)
    let largestLanes = T.Lanes(repeating: largest)
    map(x, count, into: y) { weight($0, largestLanes) }
    return (largest, sum(y, count))
  }

  @inline(__always)
  static func weight<V: LaneVector>(_ x: V, _ largest: V) -> V { VectorFunctions.exp(difference(x, largest)) }

  /// x - largest, 0 where they are equal infinities too.
  @inline(__always)
  static func difference<V: LaneVector>(_ x: V, _ largest: V) -> V {
    V.select(V.isEqual(x, largest), V(repeating: 0), x - largest)
  }

  @inline(__always)
  static func map<T: LoopScalar>(
    _ x: UnsafePointer<T>, _ count: Int, into y: UnsafeMutablePointer<T>, _ f: (T.Lanes) -> T.Lanes
  ) {
    var i = 0
    while i < count {
      let n = min(T.Lanes.count, count - i)
      f(T.Lanes(x + i, upTo: n)).store(y + i, upTo: n)
      i += T.Lanes.count
    }
  }

  /// The most vectors of a row that are summed one after the other; the sums of longer rows are those of pairs of parts.
  private static var mostVectors: Int { 64 }

  /// The sum of a row.
  @inline(__always)
  static func sum<T: LoopScalar>(_ x: UnsafePointer<T>, _ count: Int) -> T {
    let lanes = T.Lanes.count
    if count > mostVectors * lanes { return ReductionLoop.reduceRun(.sum, x, x, count) }
    var (even, odd) = (T.Lanes(repeating: 0), T.Lanes(repeating: 0))
    var i = 0
    while i + 2 * lanes <= count {
      even = even + T.Lanes(x + i)
      odd = odd + T.Lanes(x + (i + lanes))
      i += 2 * lanes
    }
    while i < count {
      even = even + T.Lanes(x + i, upTo: min(lanes, count - i))
      i += lanes
    }
    return (even + odd).sum()
  }

  /// The inner product of two rows.
  @inline(__always)
  static func dot<T: LoopScalar>(_ x: UnsafePointer<T>, _ y: UnsafePointer<T>, _ count: Int) -> T {
    let lanes = T.Lanes.count
    if count > mostVectors * lanes { return ReductionLoop.reduceRun(.dot, x, y, count) }
    var (even, odd) = (T.Lanes(repeating: 0), T.Lanes(repeating: 0))
    var i = 0
    while i + 2 * lanes <= count {
      even = even.adding(T.Lanes(x + i), times: T.Lanes(y + i))
      odd = odd.adding(T.Lanes(x + (i + lanes)), times: T.Lanes(y + (i + lanes)))
      i += 2 * lanes
    }
    while i < count {
      let n = min(lanes, count - i)
      even = even.adding(T.Lanes(x + i, upTo: n), times: T.Lanes(y + i, upTo: n))
      i += lanes
    }
    return (even + odd).sum()
  }

  /// The largest entry of a row; not-a-number if there is one.
  @inline(__always)
  static func largest<T: LoopScalar>(_ x: UnsafePointer<T>, _ count: Int) -> T {
    let lanes = T.Lanes.count
    var result = T.Lanes(repeating: -.infinity)
    for i in stride(from: 0, to: count, by: lanes) {
      result = T.Lanes.maximum(result, T.Lanes(x + i, upTo: min(lanes, count - i), padding: -.infinity))
    }
    return result.largest()
  }

  /// Calls `body` with every row and with room for one, on several threads where there are many entries.
  @inline(never)
  static func forEachRow<T: LoopScalar>(
    _ rows: Int, _ columns: Int, _ body: (_ row: Int, _ scratch: UnsafeMutablePointer<T>) -> Void
  ) {
    let block = max(1, 4096 / max(1, columns))
    ThreadTeam.run((rows + block - 1) / block) { task in
      withPooledScratch(T.self, columns) { scratch in
        for row in task * block..<min(rows, (task + 1) * block) { body(row, scratch) }
      }
    }
  }
}
