/// One operand of a product, and copies of its parts in the order in which the micro-kernel reads them.
///
/// A *panel* holds as many rows of the left operand (or columns of the right one) as a full tile has: for each step of
/// the inner index these entries side by side, and zeros for those that the last panel lacks. Any strides can be packed,
/// so transposed and broadcast operands need no other copy.
struct PanelSource<T: LoopScalar> {
  enum Side { case left, right }

  let side: Side
  /// The operand, turned so that its columns are the inner index.
  let matrix: MatrixView<T>

  @inline(__always) init(left: MatrixView<T>) { (side, matrix) = (.left, left) }
  @inline(__always) init(right: MatrixView<T>) { (side, matrix) = (.right, right.transposed) }

  /// The number of rows of a panel.
  @inline(__always) var width: Int { side == .left ? MatrixTile.rows : MatrixTile.columns(T.self) }

  /// The number of rows, rounded up to full panels.
  @inline(__always) var paddedRows: Int { (matrix.rows + width - 1) / width * width }

  /// Where the panels of `rows` and `steps` begin when the whole operand is packed: for each piece of the inner index all
  /// panels one after the other.
  @inline(__always) func offset(_ rows: Range<Int>, _ steps: Range<Int>) -> Int {
    paddedRows * steps.lowerBound + rows.lowerBound * steps.count
  }

  /// Packs the panels of `rows`, which begin with a panel, for the inner indices `steps`.
  @inline(never)
  func pack(rows: Range<Int>, steps: Range<Int>, into panels: UnsafeMutablePointer<T>) {
    let part = matrix.block(rows: rows, columns: steps)
    switch side {
    case .left: Self.pack(part, width: MatrixTile.rows, into: panels)
    case .right: Self.pack(part, width: MatrixTile.columns(T.self), into: panels)
    }
  }

  @inline(__always)
  private static func pack(_ part: MatrixView<T>, width: Int, into panels: UnsafeMutablePointer<T>) {
    let k = part.columns
    let full = part.rows / width
    let rest = part.rows % width
    let panel = panels + full * width * k
    let last = part.base + full * width * part.rowStride
    if rest > 0 { panel.update(repeating: 0, count: width * k) }
    if part.rowStride == 1 {
      copyRows(part, width: width, panelCount: full, into: panels)
      for p in 0..<k { copy(last + p * part.columnStride, rest, into: panel + p * width) }
    } else if part.columnStride == 1 {
      for index in 0..<full {
        let source = part.base + index * width * part.rowStride
        transpose(source, part.rowStride, k, rows: width, width: width, into: panels + index * width * k)
      }
      transpose(last, part.rowStride, k, rows: rest, width: width, into: panel)
    } else {
      for i in 0..<part.rows {
        let source = part.base + i * part.rowStride
        let to = panels + (i / width * width * k + i % width)
        for p in 0..<k { to[p * width] = source[p * part.columnStride] }
      }
    }
  }

  /// Full panels of a matrix whose columns are contiguous.
  ///
  /// Four panels at a time: longer runs of reading let the hardware fetch ahead, more targets would evict each other.
  @inline(__always)
  private static func copyRows(
    _ part: MatrixView<T>, width: Int, panelCount: Int, into panels: UnsafeMutablePointer<T>
  ) {
    let k = part.columns
    let lanes = T.Lanes.count
    for first in stride(from: 0, to: panelCount, by: 4) {
      let last = min(first + 4, panelCount)
      for p in 0..<k {
        for panel in first..<last {
          let from = part.base + (p * part.columnStride + panel * width)
          let to = panels + (panel * k + p) * width
          if width == 2 * lanes {
            T.Lanes(from).store(to)
            T.Lanes(from + lanes).store(to + lanes)
          } else {
            copy(from, width, into: to)
          }
        }
      }
    }
  }

  @inline(__always)
  private static func copy(_ source: UnsafePointer<T>, _ count: Int, into target: UnsafeMutablePointer<T>) {
    let vectorized = count / 4 * 4
    for i in stride(from: 0, to: vectorized, by: 4) {
      UnsafeMutableRawPointer(target + i).storeBytes(
        of: UnsafeRawPointer(source + i).loadUnaligned(as: SIMD4<T>.self), as: SIMD4<T>.self)
    }
    for i in vectorized..<count { target[i] = source[i] }
  }

  /// A panel of a matrix whose rows are contiguous.
  ///
  /// Reads a cache line of each row at a time: where the rows lie a power of two apart, their lines compete for the same
  /// places of the cache and do not stay. The lines that come next are fetched meanwhile, and those that are written,
  /// which other threads have read.
  @inline(__always)
  private static func transpose(
    _ source: UnsafePointer<T>, _ rowStride: Int, _ k: Int, rows: Int, width: Int, into panel: UnsafeMutablePointer<T>
  ) {
    let line = 64 / MemoryLayout<T>.stride
    let vectorizedSteps = k / line * line
    let vectorizedRows = rows / 4 * 4
    for p in stride(from: 0, to: vectorizedSteps, by: line) {
      for i in 0..<rows {
        Prefetch.forReading(source + (i * rowStride + p + 4 * line))
        Prefetch.forWriting(panel + ((p + 2 * line) * width + i * line))
      }
      for i in stride(from: 0, to: vectorizedRows, by: 4) {
        for q in stride(from: p, to: p + line, by: 4) {
          transposeFour(source + (i * rowStride + q), rowStride, into: panel + (q * width + i), width)
        }
      }
      for i in vectorizedRows..<rows {
        for q in p..<p + line { panel[q * width + i] = source[i * rowStride + q] }
      }
    }
    for p in vectorizedSteps..<k {
      for i in 0..<rows { panel[p * width + i] = source[i * rowStride + p] }
    }
  }

  /// Four rows by four columns, in two rounds of exchanges as the hardware has them.
  @inline(__always)
  static func transposeFour(
    _ source: UnsafePointer<T>, _ rowStride: Int, into panel: UnsafeMutablePointer<T>, _ width: Int
  ) {
    @inline(__always) func row(_ i: Int) -> SIMD4<T> {
      UnsafeRawPointer(source + i * rowStride).loadUnaligned(as: SIMD4<T>.self)
    }
    @inline(__always) func put(_ column: SIMD4<T>, _ p: Int) {
      UnsafeMutableRawPointer(panel + p * width).storeBytes(of: column, as: SIMD4<T>.self)
    }
    let (a, b, c, d) = (row(0), row(1), row(2), row(3))
    let evenTop = SIMD4(a[0], b[0], a[2], b[2])
    let oddTop = SIMD4(a[1], b[1], a[3], b[3])
    let evenBottom = SIMD4(c[0], d[0], c[2], d[2])
    let oddBottom = SIMD4(c[1], d[1], c[3], d[3])
    put(SIMD4(evenTop[0], evenTop[1], evenBottom[0], evenBottom[1]), 0)
    put(SIMD4(oddTop[0], oddTop[1], oddBottom[0], oddBottom[1]), 1)
    put(SIMD4(evenTop[2], evenTop[3], evenBottom[2], evenBottom[3]), 2)
    put(SIMD4(oddTop[2], oddTop[3], oddBottom[2], oddBottom[3]), 3)
  }
}
