/// Copies of parts of an operand in the order in which the micro-kernel reads them.
///
/// A *panel* holds as many rows of the left operand (columns of the right one) as a full tile has, and for each step of
/// the inner index these entries side by side; what is missing in the last panel is zero. Any strides can be packed,
/// so transposed and broadcast operands need no other copy.
enum MatrixPacking {
  /// The number of entries of the panels of `count` rows or columns with inner extent `k`.
  @inline(__always) static func size(_ count: Int, width: Int, _ k: Int) -> Int {
    (count + width - 1) / width * width * k
  }

  /// Packs the rows of `a`.
  @inline(__always)
  static func packRows<T: LoopScalar>(_ a: MatrixView<T>, into panels: UnsafeMutablePointer<T>) {
    pack(a.base, a.rows, a.rowStride, a.columns, a.columnStride, width: MicroKernel.rows, into: panels)
  }

  /// Packs the columns of `b`.
  @inline(__always)
  static func packColumns<T: LoopScalar>(_ b: MatrixView<T>, into panels: UnsafeMutablePointer<T>) {
    pack(b.base, b.columns, b.columnStride, b.rows, b.rowStride, width: MicroKernel.columns(T.self), into: panels)
  }

  /// Entry (i, p) of the source is `source[i * stride + p * kStride]`.
  @inline(__always)
  private static func pack<T: LoopScalar>(
    _ source: UnsafePointer<T>, _ count: Int, _ stride: Int, _ k: Int, _ kStride: Int, width: Int,
    into panels: UnsafeMutablePointer<T>
  ) {
    var first = 0
    var panel = panels
    while first + width <= count {
      let from = source + first * stride
      if stride == 1 {
        for p in 0..<k { (panel + p * width).update(from: from + p * kStride, count: width) }
      } else {
        for p in 0..<k {
          for i in 0..<width { panel[p * width + i] = from[i * stride + p * kStride] }
        }
      }
      panel += width * k
      first += width
    }
    if first < count {
      let from = source + first * stride
      let rest = count - first
      for p in 0..<k {
        for i in 0..<rest { panel[p * width + i] = from[i * stride + p * kStride] }
        for i in rest..<width { panel[p * width + i] = 0 }
      }
    }
  }
}
