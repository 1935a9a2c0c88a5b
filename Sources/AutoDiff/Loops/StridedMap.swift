/// Elementwise functions of strided operands, into contiguous memory.
///
/// The output may be the memory of an operand if that operand is contiguous and starts where the output does.
enum StridedMap {
  /// y = f(a, b).
  static func binary<T: LoopScalar, F: BinaryLaneFunction>(
    _ a: StridedView<T>, _ b: StridedView<T>, into y: UnsafeMutablePointer<T>, _ f: F
  ) {
    MapTile.forEach(a, b, b, operands: 2, into: y) { tile in
      for row in 0..<tile.rows {
        let a = tile.row(row, of: tile.a, slot: 0)
        let b = tile.row(row, of: tile.b, slot: 1)
        VectorMap.row(a.base, step: a.step, b.base, step: b.step, tile.outputRow(row), count: tile.columns, f)
      }
    }
  }

  /// y = f(a, b, c).
  @inline(__always)
  static func ternary<T: LoopScalar>(
    _ a: StridedView<T>, _ b: StridedView<T>, _ c: StridedView<T>, into y: UnsafeMutablePointer<T>,
    _ f: (T.Lanes, T.Lanes, T.Lanes) -> T.Lanes
  ) {
    MapTile.forEach(a, b, c, operands: 3, into: y) { tile in
      for row in 0..<tile.rows {
        let y = tile.outputRow(row)
        let a = tile.row(row, of: tile.a, slot: 0)
        let b = tile.row(row, of: tile.b, slot: 1)
        let c = tile.row(row, of: tile.c, slot: 2)
        tile.forEachLanes { i, n in f(a.lanes(i, n), b.lanes(i, n), c.lanes(i, n)).store(y + i, upTo: n) }
      }
    }
  }
}
