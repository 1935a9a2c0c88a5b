/// Loops over contiguous entries that the factorisations share.
enum VectorLoops {
  /// Σ xᵢ yᵢ.
  @inline(__always)
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
    var sum = one.sumOfEntries
    while i < count {
      sum += x[i] * y[i]
      i += 1
    }
    return sum
  }

  /// x = factor · x.
  @inline(__always)
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

  /// y = y + factor · x.
  @inline(__always)
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
  @inline(__always)
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

  /// Copies a matrix of any strides, in tiles, by all threads.
  static func copy<T: LoopScalar>(_ source: MatrixView<T>, into target: UnsafeMutablePointer<T>, rowStride: Int) {
    let tile = 64
    let tilesPerRow = (source.columns + tile - 1) / tile
    ThreadTeam.run((source.rows + tile - 1) / tile) { band in
      let rows = band * tile..<min(source.rows, (band + 1) * tile)
      for block in 0..<tilesPerRow {
        let columns = block * tile..<min(source.columns, (block + 1) * tile)
        for i in rows {
          let (from, to) = (source.base + i * source.rowStride, target + i * rowStride)
          for j in columns { to[j] = from[j * source.columnStride] }
        }
      }
    }
  }
}

extension LaneVector where Element: BinaryFloatingPoint {
  /// The sum of the entries, first to last.
  @inline(__always)
  var sumOfEntries: Element {
    withUnsafeTemporaryAllocation(of: Element.self, capacity: Self.count) { entries in
      let base = entries.baseAddress!
      store(base)
      var sum = base[0]
      for i in 1..<Self.count { sum += base[i] }
      return sum
    }
  }
}
