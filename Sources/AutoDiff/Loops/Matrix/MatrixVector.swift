/// Matrix times vector, inner and outer products of vectors: as fast as memory, without packing.
enum MatrixVector {
  /// The most inner indices that one task sums; the sums of several tasks are added in order afterwards.
  private static let longestPiece = 1 << 15
  /// The entries of the matrix that a task should read, so that its start does not show.
  private static let entriesPerTask = 1 << 15
  /// From how many bytes on an outer product, which one thread may write alone, does not stay in its second-level cache.
  private static let streamedBytes = 2 << 20
  /// Rows that are summed together where the columns are contiguous: their sums stay in the first-level cache.
  private static let mostRows = 512

  /// A column (or any strided sequence) in memory.
  struct Entries<T: LoopScalar> {
    let base: UnsafePointer<T>
    let stride: Int

    @inline(__always) subscript(_ index: Int) -> T { base[index * stride] }
  }

  /// `y[i * stride] = [y +] scale Σ_p a[i, p] x[p]`.
  @inline(never)
  static func multiply<T: LoopScalar>(
    _ a: MatrixView<T>, _ x: Entries<T>, into y: UnsafeMutablePointer<T>, stride: Int, scale: T, accumulate: Bool
  ) {
    let (m, k) = (a.rows, a.columns)
    let steps = Cut(k, length: longestPiece)
    let rows = Cut(m, length: min(mostRows, max(8, (entriesPerTask / min(k, longestPiece) + 7) / 8 * 8)))
    let copiesX = x.stride != 1
    // Nothing to share, scale or add: small products need no memory between.
    if rows.count * steps.count == 1, !copiesX, !accumulate, stride == 1, scale == 1 {
      return partialSums(a, x.base, into: y)
    }
    withStackScratch(T.self, steps.count * m + (copiesX ? k : 0)) { sums in
      let contiguousX = copiesX ? UnsafePointer(sums + steps.count * m) : x.base
      if copiesX {
        for p in 0..<k { sums[steps.count * m + p] = x[p] }
      }
      ThreadTeam.run(rows.count * steps.count) { task in
        let (rows, piece) = (rows[task % rows.count], task / rows.count)
        let steps = steps[piece]
        partialSums(
          a.block(rows: rows, columns: steps), contiguousX + steps.lowerBound,
          into: sums + (piece * m + rows.lowerBound))
      }
      for i in 0..<m {
        var sum = sums[i]
        for piece in 1..<max(1, steps.count) { sum += sums[piece * m + i] }
        y[i * stride] = accumulate ? y[i * stride] + scale * sum : scale * sum
      }
    }
  }

  @inline(never)
  private static func partialSums<T: LoopScalar>(
    _ a: MatrixView<T>, _ x: UnsafePointer<T>, into sums: UnsafeMutablePointer<T>
  ) {
    if a.columnStride == 1 {
      var i = 0
      while i < a.rows {
        let row = a.base + i * a.rowStride
        if i + 4 <= a.rows {
          dotFour(row, a.rowStride, x, a.columns, into: sums + i)
          i += 4
        } else {
          sums[i] = dot(row, x, a.columns)
          i += 1
        }
      }
    } else if a.rowStride == 1 {
      addColumns(a, x, into: sums)
    } else {
      for i in 0..<a.rows {
        let row = a.base + i * a.rowStride
        var sum: T = 0
        for p in 0..<a.columns { sum += row[p * a.columnStride] * x[p] }
        sums[i] = sum
      }
    }
  }

  private static func dot<T: LoopScalar>(_ a: UnsafePointer<T>, _ x: UnsafePointer<T>, _ count: Int) -> T {
    let lanes = T.Lanes.count
    let zero = T.Lanes(repeating: 0)
    var (s0, s1, s2, s3) = (zero, zero, zero, zero)
    var p = 0
    while p + 4 * lanes <= count {
      s0 = s0.adding(T.Lanes(a + p), times: T.Lanes(x + p))
      s1 = s1.adding(T.Lanes(a + p + lanes), times: T.Lanes(x + p + lanes))
      s2 = s2.adding(T.Lanes(a + p + 2 * lanes), times: T.Lanes(x + p + 2 * lanes))
      s3 = s3.adding(T.Lanes(a + p + 3 * lanes), times: T.Lanes(x + p + 3 * lanes))
      p += 4 * lanes
    }
    while p + lanes <= count {
      s0 = s0.adding(T.Lanes(a + p), times: T.Lanes(x + p))
      p += lanes
    }
    var result = ((s0 + s1) + (s2 + s3)).sum()
    while p < count {
      result += a[p] * x[p]
      p += 1
    }
    return result
  }

  /// Four rows at once, so that x is read once for them.
  private static func dotFour<T: LoopScalar>(
    _ a: UnsafePointer<T>, _ rowStride: Int, _ x: UnsafePointer<T>, _ count: Int, into sums: UnsafeMutablePointer<T>
  ) {
    let lanes = T.Lanes.count
    let zero = T.Lanes(repeating: 0)
    let (a1, a2, a3) = (a + rowStride, a + 2 * rowStride, a + 3 * rowStride)
    var (s0, s1, s2, s3) = (zero, zero, zero, zero)
    var (t0, t1, t2, t3) = (zero, zero, zero, zero)
    var p = 0
    while p + 2 * lanes <= count {
      let v = T.Lanes(x + p)
      let w = T.Lanes(x + p + lanes)
      s0 = s0.adding(T.Lanes(a + p), times: v)
      s1 = s1.adding(T.Lanes(a1 + p), times: v)
      s2 = s2.adding(T.Lanes(a2 + p), times: v)
      s3 = s3.adding(T.Lanes(a3 + p), times: v)
      t0 = t0.adding(T.Lanes(a + p + lanes), times: w)
      t1 = t1.adding(T.Lanes(a1 + p + lanes), times: w)
      t2 = t2.adding(T.Lanes(a2 + p + lanes), times: w)
      t3 = t3.adding(T.Lanes(a3 + p + lanes), times: w)
      p += 2 * lanes
    }
    sums[0] = (s0 + t0).sum()
    sums[1] = (s1 + t1).sum()
    sums[2] = (s2 + t2).sum()
    sums[3] = (s3 + t3).sum()
    while p < count {
      sums[0] += a[p] * x[p]
      sums[1] += a1[p] * x[p]
      sums[2] += a2[p] * x[p]
      sums[3] += a3[p] * x[p]
      p += 1
    }
  }

  /// Columns times entries of x, four columns at a time, added to the sums.
  private static func addColumns<T: LoopScalar>(
    _ a: MatrixView<T>, _ x: UnsafePointer<T>, into sums: UnsafeMutablePointer<T>
  ) {
    let lanes = T.Lanes.count
    sums.update(repeating: 0, count: a.rows)
    var p = 0
    while p < a.columns {
      let count = min(4, a.columns - p)
      let column = a.base + p * a.columnStride
      if count == 4 {
        let (x0, x1, x2, x3) = (x[p], x[p + 1], x[p + 2], x[p + 3])
        let (c1, c2, c3) = (column + a.columnStride, column + 2 * a.columnStride, column + 3 * a.columnStride)
        let (v0, v1, v2, v3) = (
          T.Lanes(repeating: x0), T.Lanes(repeating: x1), T.Lanes(repeating: x2), T.Lanes(repeating: x3)
        )
        var i = 0
        while i + lanes <= a.rows {
          T.Lanes(sums + i).adding(T.Lanes(column + i), times: v0).adding(T.Lanes(c1 + i), times: v1)
            .adding(T.Lanes(c2 + i), times: v2).adding(T.Lanes(c3 + i), times: v3).store(sums + i)
          i += lanes
        }
        while i < a.rows {
          sums[i] = (((sums[i] + column[i] * x0) + c1[i] * x1) + c2[i] * x2) + c3[i] * x3
          i += 1
        }
      } else {
        for q in 0..<count {
          for i in 0..<a.rows { sums[i] += column[q * a.columnStride + i] * x[p + q] }
        }
      }
      p += count
    }
  }

  /// `c[i, j] = [c +] scale x[i] y[j]`.
  @inline(never)
  static func outerProduct<T: LoopScalar>(
    _ x: Entries<T>, _ y: Entries<T>, into c: ProductTarget<T>, rows m: Int, columns n: Int
  ) {
    let lanes = T.Lanes.count
    let columns = Cut(n, length: entriesPerTask)
    let rows = Cut(m, length: max(1, entriesPerTask / n))
    let copiesY = y.stride != 1
    withPooledScratch(T.self, copiesY ? n : 0) { copy in
      if copiesY {
        for j in 0..<n { copy[j] = y[j] }
      }
      let right = copiesY ? UnsafePointer(copy) : y.base
      let isStreamed =
        !c.accumulate && m * n * MemoryLayout<T>.stride >= streamedBytes
        && StreamedResult.isAligned(c.base) && StreamedResult.isAligned(c.base + c.rowStride)
      ThreadTeam.run(rows.count * columns.count) { task in
        let columns = columns[task / rows.count]
        for i in rows[task % rows.count] {
          let factor = c.scale * x[i]
          let v = T.Lanes(repeating: factor)
          let row = c.base + i * c.rowStride
          var j = columns.lowerBound
          if c.accumulate {
            while j + lanes <= columns.upperBound {
              T.Lanes(row + j).adding(v, times: T.Lanes(right + j)).store(row + j)
              j += lanes
            }
          } else if isStreamed {
            while j + lanes <= columns.upperBound {
              (v * T.Lanes(right + j)).stream(row + j)
              j += lanes
            }
          } else {
            while j + lanes <= columns.upperBound {
              (v * T.Lanes(right + j)).store(row + j)
              j += lanes
            }
          }
          while j < columns.upperBound {
            row[j] = c.accumulate ? row[j] + factor * right[j] : factor * right[j]
            j += 1
          }
        }
        if isStreamed { StreamedResult.finish() }
      }
    }
  }
}
