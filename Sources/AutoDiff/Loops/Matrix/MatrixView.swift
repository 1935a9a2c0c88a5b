/// A strided matrix in memory that someone else keeps alive.
struct MatrixView<T: LoopScalar> {
  var base: UnsafePointer<T>
  var rows: Int
  var columns: Int
  /// The distance between vertically adjacent entries, in entries; 0 where one row stands for all.
  var rowStride: Int
  /// The distance between horizontally adjacent entries, in entries.
  var columnStride: Int

  /// The same memory read with rows and columns exchanged.
  @inline(__always) var transposed: Self {
    .init(base: base, rows: columns, columns: rows, rowStride: columnStride, columnStride: rowStride)
  }

  /// A part of the matrix, in the same memory.
  @inline(__always) func block(rows: Range<Int>, columns: Range<Int>) -> Self {
    .init(
      base: base + rows.lowerBound * rowStride + columns.lowerBound * columnStride, rows: rows.count,
      columns: columns.count, rowStride: rowStride, columnStride: columnStride)
  }
}
