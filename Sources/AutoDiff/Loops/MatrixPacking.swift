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
  @inline(__always) var width: Int { side == .left ? MicroKernel.rows : MicroKernel.columns(T.self) }

  /// The number of rows, rounded up to full panels.
  @inline(__always) var paddedRows: Int { (matrix.rows + width - 1) / width * width }

  /// Packs the panels of `rows`, which begin with a panel, for the inner indices `steps`.
  @inline(__always)
  func pack(rows: Range<Int>, steps: Range<Int>, into panels: UnsafeMutablePointer<T>) {
    let part = matrix.block(rows: rows, columns: steps)
    switch side {
    case .left: Self.pack(part, width: MicroKernel.rows, into: panels)
    case .right: Self.pack(part, width: MicroKernel.columns(T.self), into: panels)
    }
  }

  @inline(__always)
  private static func pack(_ part: MatrixView<T>, width: Int, into panels: UnsafeMutablePointer<T>) {
    let k = part.columns
    let full = part.rows / width
    if part.rowStride == 1 {
      copyRows(part, width: width, panelCount: full, into: panels)
    } else {
      for panel in 0..<full {
        let from = part.base + panel * width * part.rowStride
        let to = panels + panel * width * k
        if part.columnStride == 1 {
          transpose(from, part.rowStride, k, width: width, into: to)
        } else {
          gather(from, part.rowStride, part.columnStride, k, rows: width, width: width, into: to)
        }
      }
    }
    if full * width < part.rows {
      gather(
        part.base + full * width * part.rowStride, part.rowStride, part.columnStride, k, rows: part.rows - full * width,
        width: width, into: panels + full * width * k)
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
            for i in stride(from: 0, to: width, by: 2) {
              UnsafeMutableRawPointer(to + i).storeBytes(
                of: UnsafeRawPointer(from + i).loadUnaligned(as: SIMD2<T>.self), as: SIMD2<T>.self)
            }
          }
        }
      }
    }
  }

  /// A full panel of a matrix whose rows are contiguous. Reads a cache line of each row at a time: where the rows lie a
  /// power of two apart, their lines compete for the same places of the cache and do not stay.
  @inline(__always)
  private static func transpose(
    _ source: UnsafePointer<T>, _ rowStride: Int, _ k: Int, width: Int, into panel: UnsafeMutablePointer<T>
  ) {
    let lanes = T.Lanes.count
    let vectorised = k / lanes * lanes
    for p in stride(from: 0, to: vectorised, by: lanes) {
      for i in 0..<width {
        let from = source + (i * rowStride + p)
        let to = panel + (p * width + i)
        for q in 0..<lanes { to[q * width] = from[q] }
      }
    }
    gather(
      source + vectorised, rowStride, 1, k - vectorised, rows: width, width: width, into: panel + vectorised * width)
  }

  /// A panel of any kind.
  @inline(__always)
  private static func gather(
    _ source: UnsafePointer<T>, _ rowStride: Int, _ columnStride: Int, _ k: Int, rows: Int, width: Int,
    into panel: UnsafeMutablePointer<T>
  ) {
    for p in 0..<k {
      for i in 0..<rows { panel[p * width + i] = source[i * rowStride + p * columnStride] }
      for i in rows..<width { panel[p * width + i] = 0 }
    }
  }
}
