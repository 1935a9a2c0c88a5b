/// Transposition of matrices in memory.
enum Transpose {
  /// y[r, c] = x[c, r], where r and c run over `rows` and `columns`, and neighbors along r in x and along c in y are
  /// adjacent in memory.
  static func copy<T: LoopScalar>(
    _ x: UnsafePointer<T>, stride xStride: Int, to y: UnsafeMutablePointer<T>, stride yStride: Int, rows: Int,
    columns: Int
  ) {
    // With strides of powers of two, all lines of a column compete for the same few places in the cache. A pair of cache
    // lines each way is used up before it can be evicted.
    let pair = 128 / MemoryLayout<T>.stride
    let wholeRows = rows - rows % 8
    let wholeColumns = columns - columns % 8
    for columnBlock in stride(from: 0, to: wholeColumns, by: 128) {
      let columnEnd = min(columnBlock + 128, wholeColumns)
      for rowBlock in stride(from: 0, to: wholeRows, by: pair) {
        let rowEnd = min(rowBlock + pair, wholeRows)
        for column in stride(from: columnBlock, to: columnEnd, by: 8) {
          for row in stride(from: rowBlock, to: rowEnd, by: 8) {
            copy8x8(x + (column * xStride + row), xStride, y + (row * yStride + column), yStride)
          }
        }
      }
    }
    copyBand(x, xStride, y, yStride, rows: wholeRows..<rows, columns: 0..<wholeColumns)
    copyBand(x, xStride, y, yStride, rows: 0..<rows, columns: wholeColumns..<columns)
  }

  /// A part with fewer than eight rows or columns.
  private static func copyBand<T: LoopScalar>(
    _ x: UnsafePointer<T>, _ xStride: Int, _ y: UnsafeMutablePointer<T>, _ yStride: Int, rows: Range<Int>,
    columns: Range<Int>
  ) {
    if rows.isEmpty || columns.isEmpty { return }
    let rowEnd = rows.upperBound - rows.count % 4
    let columnEnd = columns.upperBound - columns.count % 4
    for column in stride(from: columns.lowerBound, to: columnEnd, by: 4) {
      for row in stride(from: rows.lowerBound, to: rowEnd, by: 4) {
        copy4x4(x + (column * xStride + row), xStride, y + (row * yStride + column), yStride)
      }
    }
    copyEntries(x, xStride, y, yStride, rows: rowEnd..<rows.upperBound, columns: columns.lowerBound..<columnEnd)
    copyEntries(x, xStride, y, yStride, rows: rows, columns: columnEnd..<columns.upperBound)
  }

  @inline(__always)
  private static func copyEntries<T: LoopScalar>(
    _ x: UnsafePointer<T>, _ xStride: Int, _ y: UnsafeMutablePointer<T>, _ yStride: Int, rows: Range<Int>,
    columns: Range<Int>
  ) {
    if rows.count < columns.count {
      // The longer loop inside.
      for row in rows {
        let (from, to) = (x + (columns.lowerBound &* xStride &+ row), y + (row &* yStride &+ columns.lowerBound))
        for column in 0..<columns.count { to[column] = from[column &* xStride] }
      }
      return
    }
    var column = columns.lowerBound
    while column < columns.upperBound {
      var (from, to) = (x + (column &* xStride &+ rows.lowerBound), y + (rows.lowerBound &* yStride &+ column))
      let end = from + rows.count
      while from < end {
        to.pointee = from.pointee
        from += 1
        to += yStride
      }
      column &+= 1
    }
  }

  @inline(__always)
  private static func copy4x4<T: LoopScalar>(
    _ x: UnsafePointer<T>, _ xStride: Int, _ y: UnsafeMutablePointer<T>, _ yStride: Int
  ) {
    @inline(__always) func load(_ i: Int) -> SIMD4<T> {
      UnsafeRawPointer(x + i * xStride).loadUnaligned(as: SIMD4<T>.self)
    }
    @inline(__always) func store(_ i: Int, _ v: SIMD4<T>) {
      UnsafeMutableRawPointer(y + i * yStride).storeBytes(of: v, as: SIMD4<T>.self)
    }
    let (a0, a2) = takeApart(load(0), load(1))
    let (a1, a3) = takeApart(load(2), load(3))
    let (b0, b2) = takeApart(a0, a1)
    let (b1, b3) = takeApart(a2, a3)
    store(0, b0)
    store(1, b1)
    store(2, b2)
    store(3, b3)
  }

  /// Three times, each pair of neighboring rows is taken apart into its even and its odd entries. Every time the six
  /// bits that number the 64 entries are rotated by one; by three, and rows and columns have changed places.
  @inline(__always)
  private static func copy8x8<T: LoopScalar>(
    _ x: UnsafePointer<T>, _ xStride: Int, _ y: UnsafeMutablePointer<T>, _ yStride: Int
  ) {
    @inline(__always) func load(_ i: Int) -> SIMD8<T> {
      UnsafeRawPointer(x + i * xStride).loadUnaligned(as: SIMD8<T>.self)
    }
    @inline(__always) func store(_ i: Int, _ v: SIMD8<T>) {
      UnsafeMutableRawPointer(y + i * yStride).storeBytes(of: v, as: SIMD8<T>.self)
    }
    let (a0, a4) = takeApart(load(0), load(1))
    let (a1, a5) = takeApart(load(2), load(3))
    let (a2, a6) = takeApart(load(4), load(5))
    let (a3, a7) = takeApart(load(6), load(7))
    let (b0, b4) = takeApart(a0, a1)
    let (b1, b5) = takeApart(a2, a3)
    let (b2, b6) = takeApart(a4, a5)
    let (b3, b7) = takeApart(a6, a7)
    let (c0, c4) = takeApart(b0, b1)
    let (c1, c5) = takeApart(b2, b3)
    let (c2, c6) = takeApart(b4, b5)
    let (c3, c7) = takeApart(b6, b7)
    store(0, c0)
    store(1, c1)
    store(2, c2)
    store(3, c3)
    store(4, c4)
    store(5, c5)
    store(6, c6)
    store(7, c7)
  }

  @inline(__always)
  private static func takeApart<T>(_ a: SIMD8<T>, _ b: SIMD8<T>) -> (SIMD8<T>, SIMD8<T>) {
    (SIMD8(lowHalf: a.evenHalf, highHalf: b.evenHalf), SIMD8(lowHalf: a.oddHalf, highHalf: b.oddHalf))
  }

  @inline(__always)
  private static func takeApart<T>(_ a: SIMD4<T>, _ b: SIMD4<T>) -> (SIMD4<T>, SIMD4<T>) {
    (SIMD4(lowHalf: a.evenHalf, highHalf: b.evenHalf), SIMD4(lowHalf: a.oddHalf, highHalf: b.oddHalf))
  }
}
