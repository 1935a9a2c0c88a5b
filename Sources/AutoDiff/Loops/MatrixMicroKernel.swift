/// Six vectors of accumulators, one below the other: the unit from which register tiles are built.
///
/// Separate variables, not an array, because only these are certain to live in registers.
struct SixRows<V: LaneVector> {
  private var r0: V
  private var r1: V
  private var r2: V
  private var r3: V
  private var r4: V
  private var r5: V

  @inline(__always) init(repeating value: V.Element) {
    let v = V(repeating: value)
    (r0, r1, r2, r3, r4, r5) = (v, v, v, v, v, v)
  }

  /// Adds the outer product of six entries at `a`, `rowStride` apart, and `b`.
  @inline(__always) mutating func addOuterProduct(_ a: UnsafePointer<V.Element>, _ rowStride: Int, _ b: V) {
    r0 = r0.adding(V(repeating: a[0]), times: b)
    r1 = r1.adding(V(repeating: a[rowStride]), times: b)
    r2 = r2.adding(V(repeating: a[2 * rowStride]), times: b)
    r3 = r3.adding(V(repeating: a[3 * rowStride]), times: b)
    r4 = r4.adding(V(repeating: a[4 * rowStride]), times: b)
    r5 = r5.adding(V(repeating: a[5 * rowStride]), times: b)
  }

  /// Writes `scale * self` to six rows at `c`, or adds it to what is there.
  @inline(__always) func write(_ c: UnsafeMutablePointer<V.Element>, _ rowStride: Int, _ scale: V, _ accumulate: Bool) {
    if accumulate {
      (V(c) + r0 * scale).store(c)
      (V(c + rowStride) + r1 * scale).store(c + rowStride)
      (V(c + 2 * rowStride) + r2 * scale).store(c + 2 * rowStride)
      (V(c + 3 * rowStride) + r3 * scale).store(c + 3 * rowStride)
      (V(c + 4 * rowStride) + r4 * scale).store(c + 4 * rowStride)
      (V(c + 5 * rowStride) + r5 * scale).store(c + 5 * rowStride)
    } else {
      (r0 * scale).store(c)
      (r1 * scale).store(c + rowStride)
      (r2 * scale).store(c + 2 * rowStride)
      (r3 * scale).store(c + 3 * rowStride)
      (r4 * scale).store(c + 4 * rowStride)
      (r5 * scale).store(c + 5 * rowStride)
    }
  }
}

/// How a tile of the product is put into the result.
struct TileOutput<T: LoopScalar> {
  var rowStride: Int
  var scale: T
  /// Whether the product is added to what is there.
  var accumulate: Bool
}

/// The innermost loops of the matrix product: one tile of the result in registers.
///
/// A full tile has ``rows`` rows and two vectors of columns, which leaves registers for two vectors of b and the
/// broadcast entry of a: 24 of 32 registers hold the tile with AVX-512 and on arm64, 12 of 16 elsewhere.
enum MicroKernel {
  #if AUTODIFF_LANES_512 || arch(arm64)
    static let rows = 12
  #else
    static let rows = 6
  #endif

  /// The columns of a full tile.
  @inline(__always) static func columns<T: LoopScalar>(_: T.Type) -> Int { 2 * T.Lanes.count }

  /// c[i, j] = [c +] scale Σ_p a[i, p] b[p, j] for one tile of `rows` x `columns` entries, at most a full one.
  ///
  /// Rows and columns beyond those are computed and thrown away: a must be readable for the next multiple of six rows
  /// and b for the next multiple of a vector of columns.
  @inline(__always)
  static func tile<T: LoopScalar>(
    _ k: Int, _ a: UnsafePointer<T>, rowStride aRow: Int, columnStride aColumn: Int,
    _ b: UnsafePointer<T>, rowStride bRow: Int,
    _ c: UnsafeMutablePointer<T>, rows: Int, columns: Int, _ output: TileOutput<T>
  ) {
    let lanes = T.Lanes.count
    let full = rows % 6 == 0 && columns % lanes == 0
    if full {
      compute(k, a, aRow, aColumn, b, bRow, c, isTall: rows > 6, isWide: columns > lanes, output)
    } else {
      withUnsafeTemporaryAllocation(of: T.self, capacity: Self.rows * 2 * lanes) { edge in
        let edge = edge.baseAddress!
        let plain = TileOutput<T>(rowStride: 2 * lanes, scale: output.scale, accumulate: false)
        compute(k, a, aRow, aColumn, b, bRow, edge, isTall: rows > 6, isWide: columns > lanes, plain)
        for i in 0..<rows {
          let from = edge + i * 2 * lanes
          let to = c + i * output.rowStride
          if output.accumulate {
            for j in 0..<columns { to[j] += from[j] }
          } else {
            for j in 0..<columns { to[j] = from[j] }
          }
        }
      }
    }
  }

  @inline(__always)
  private static func compute<T: LoopScalar>(
    _ k: Int, _ a: UnsafePointer<T>, _ aRow: Int, _ aColumn: Int, _ b: UnsafePointer<T>, _ bRow: Int,
    _ c: UnsafeMutablePointer<T>, isTall: Bool, isWide: Bool, _ output: TileOutput<T>
  ) {
    let lanes = T.Lanes.count
    let scale = T.Lanes(repeating: output.scale)
    var a = a
    var b = b
    if isWide {
      var left = SixRows<T.Lanes>(repeating: 0)
      var right = SixRows<T.Lanes>(repeating: 0)
      if isTall {
        var bottomLeft = SixRows<T.Lanes>(repeating: 0)
        var bottomRight = SixRows<T.Lanes>(repeating: 0)
        for _ in 0..<k {
          let b0 = T.Lanes(b)
          let b1 = T.Lanes(b + lanes)
          left.addOuterProduct(a, aRow, b0)
          right.addOuterProduct(a, aRow, b1)
          bottomLeft.addOuterProduct(a + 6 * aRow, aRow, b0)
          bottomRight.addOuterProduct(a + 6 * aRow, aRow, b1)
          a += aColumn
          b += bRow
        }
        bottomLeft.write(c + 6 * output.rowStride, output.rowStride, scale, output.accumulate)
        bottomRight.write(c + 6 * output.rowStride + lanes, output.rowStride, scale, output.accumulate)
      } else {
        for _ in 0..<k {
          left.addOuterProduct(a, aRow, T.Lanes(b))
          right.addOuterProduct(a, aRow, T.Lanes(b + lanes))
          a += aColumn
          b += bRow
        }
      }
      left.write(c, output.rowStride, scale, output.accumulate)
      right.write(c + lanes, output.rowStride, scale, output.accumulate)
    } else {
      var top = SixRows<T.Lanes>(repeating: 0)
      if isTall {
        var bottom = SixRows<T.Lanes>(repeating: 0)
        for _ in 0..<k {
          let b0 = T.Lanes(b)
          top.addOuterProduct(a, aRow, b0)
          bottom.addOuterProduct(a + 6 * aRow, aRow, b0)
          a += aColumn
          b += bRow
        }
        bottom.write(c + 6 * output.rowStride, output.rowStride, scale, output.accumulate)
      } else {
        for _ in 0..<k {
          top.addOuterProduct(a, aRow, T.Lanes(b))
          a += aColumn
          b += bRow
        }
      }
      top.write(c, output.rowStride, scale, output.accumulate)
    }
  }
}
