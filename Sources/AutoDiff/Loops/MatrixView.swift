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
  var transposed: Self {
    .init(base: base, rows: columns, columns: rows, rowStride: columnStride, columnStride: rowStride)
  }
}
