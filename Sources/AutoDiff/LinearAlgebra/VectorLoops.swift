/// Loops over contiguous entries that the factorizations share.
enum VectorLoops {
  /// Σ xᵢ yᵢ.
  @inline(never)
  static func dot<T: LoopScalar>(_ x: UnsafePointer<T>, _ y: UnsafePointer<T>, _ count: Int) -> T {
    typealias Four = FourLanes<T.Lanes>
    var four = Four(repeating: 0)
    var i = 0
    while i + Four.count <= count {
      four.add(Four(x + i), times: Four(y + i))
      i += Four.count
    }
    var one = (four.a + four.b) + (four.c + four.d)
    while i + T.Lanes.count <= count {
      one = one.adding(T.Lanes(x + i), times: T.Lanes(y + i))
      i += T.Lanes.count
    }
    var sum = one.sum()
    while i < count {
      sum += x[i] * y[i]
      i += 1
    }
    return sum
  }

  /// x = factor · x.
  @inline(never)
  static func scale<T: LoopScalar>(_ x: UnsafeMutablePointer<T>, by factor: T, _ count: Int) {
    let lanes = T.Lanes.count
    let f = T.Lanes(repeating: factor)
    var i = 0
    while i + lanes <= count {
      (T.Lanes(x + i) * f).store(x + i)
      i += lanes
    }
    while i < count {
      x[i] *= factor
      i += 1
    }
  }

  /// max |xᵢ|, or 0 where there are no entries. The entries must be numbers.
  @inline(never)
  static func largestMagnitude<T: LoopScalar>(_ x: UnsafePointer<T>, _ count: Int) -> T {
    typealias V = T.Lanes
    var largest = V(repeating: 0)
    var i = 0
    while i + V.count <= count {
      let magnitude = V(x + i).magnitude
      largest = V.select(V.isLess(largest, magnitude), magnitude, largest)
      i += V.count
    }
    return withUnsafeTemporaryAllocation(of: T.self, capacity: V.count) { entries in
      largest.store(entries.baseAddress!)
      var result: T = 0
      for entry in entries { result = max(result, entry) }
      while i < count {
        result = max(result, abs(x[i]))
        i += 1
      }
      return result
    }
  }

  /// y = y + factor · x.
  @inline(never)
  static func add<T: LoopScalar>(_ x: UnsafePointer<T>, times factor: T, to y: UnsafeMutablePointer<T>, _ count: Int) {
    let lanes = T.Lanes.count
    let f = T.Lanes(repeating: factor)
    var i = 0
    while i + lanes <= count {
      T.Lanes(y + i).adding(f, times: T.Lanes(x + i)).store(y + i)
      i += lanes
    }
    while i < count {
      y[i] += factor * x[i]
      i += 1
    }
  }

  /// Replaces (x, y) by (c x + s y, c y − s x).
  @inline(never)
  static func rotate<T: LoopScalar>(
    _ x: UnsafeMutablePointer<T>, _ y: UnsafeMutablePointer<T>, cosine c: T, sine s: T, _ count: Int
  ) {
    let lanes = T.Lanes.count
    let (cs, sn, negative) = (T.Lanes(repeating: c), T.Lanes(repeating: s), T.Lanes(repeating: -s))
    var i = 0
    while i + lanes <= count {
      let (u, v) = (T.Lanes(x + i), T.Lanes(y + i))
      (u * cs).adding(sn, times: v).store(x + i)
      (v * cs).adding(negative, times: u).store(y + i)
      i += lanes
    }
    while i < count {
      (x[i], y[i]) = (c * x[i] + s * y[i], c * y[i] - s * x[i])
      i += 1
    }
  }

  /// Copies a row-major matrix so that its columns become rows, by all threads.
  static func transpose<T: LoopScalar>(
    _ source: UnsafePointer<T>, rows: Int, columns: Int, into target: UnsafeMutablePointer<T>
  ) {
    let band = 64
    ThreadTeam.run((rows + band - 1) / band) { task in
      let first = task * band
      Transpose.copy(
        source + first * columns, stride: columns, to: target + first, stride: rows, rows: columns,
        columns: min(band, rows - first))
    }
  }
}
