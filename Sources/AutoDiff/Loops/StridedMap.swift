/// Elementwise functions of strided operands, into contiguous memory.
///
/// The output may be the memory of an operand if that operand is contiguous and starts where the output does.
enum StridedMap {
  /// y = f(x).
  @inline(__always)
  static func unary<T: LoopScalar>(
    _ x: StridedView<T>, into y: UnsafeMutablePointer<T>, _ f: (T.Lanes) -> T.Lanes
  ) {
    MapTile.forEach(x, x, x, operands: 1, into: y) { tile in
      for row in 0..<tile.rows {
        let y = tile.outputRow(row)
        let x = tile.row(row, of: tile.a, slot: 0)
        tile.forEachLanes { i, n in f(x.lanes(i, n)).store(y + i, upTo: n) }
      }
    }
  }

  /// y = f(a, b).
  @inline(__always)
  static func binary<T: LoopScalar>(
    _ a: StridedView<T>, _ b: StridedView<T>, into y: UnsafeMutablePointer<T>,
    _ f: (T.Lanes, T.Lanes) -> T.Lanes
  ) {
    MapTile.forEach(a, b, b, operands: 2, into: y) { tile in
      for row in 0..<tile.rows {
        let y = tile.outputRow(row)
        let a = tile.row(row, of: tile.a, slot: 0)
        let b = tile.row(row, of: tile.b, slot: 1)
        tile.forEachLanes { i, n in f(a.lanes(i, n), b.lanes(i, n)).store(y + i, upTo: n) }
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
