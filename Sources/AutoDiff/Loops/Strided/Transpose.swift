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
    for block in stride(from: 0, to: wholeColumns, by: 128) {
      for row in wholeRows..<rows {
        for column in block..<min(block + 128, wholeColumns) { y[row * yStride + column] = x[column * xStride + row] }
      }
    }
    for block in stride(from: 0, to: rows, by: 128) {
      for column in wholeColumns..<columns {
        for row in block..<min(block + 128, rows) { y[row * yStride + column] = x[column * xStride + row] }
      }
    }
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
}
