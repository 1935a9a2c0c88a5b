/// Elementwise functions of strided operands, into contiguous memory.
///
/// The output may be the memory of an operand if that operand is contiguous and starts where the output does. A function
/// that captures something must be given as a type, for the reason that ``UnaryLaneFunction`` states.
enum StridedMap {
  /// y = f(x).
  @inline(__always)
  static func unary<T: LoopScalar, F: UnaryLaneFunction>(
    _ x: StridedView<T>, into y: UnsafeMutablePointer<T>, _ f: F
  ) {
    MapTile.forEach(x, x, x, operands: 1, into: y) { tile in apply(f, to: tile) }
  }

  /// y = f(a, b).
  @inline(__always)
  static func binary<T: LoopScalar, F: BinaryLaneFunction>(
    _ a: StridedView<T>, _ b: StridedView<T>, into y: UnsafeMutablePointer<T>, _ f: F
  ) {
    MapTile.forEach(a, b, b, operands: 2, into: y) { tile in apply(f, to: tile) }
  }

  /// y = f(a, b, c).
  @inline(__always)
  static func ternary<T: LoopScalar, F: TernaryLaneFunction>(
    _ a: StridedView<T>, _ b: StridedView<T>, _ c: StridedView<T>, into y: UnsafeMutablePointer<T>, _ f: F
  ) {
    MapTile.forEach(a, b, c, operands: 3, into: y) { tile in apply(f, to: tile) }
  }

  /// y = f(x).
  @inline(__always)
  static func unary<T: LoopScalar>(
    _ x: StridedView<T>, into y: UnsafeMutablePointer<T>, _ f: (T.Lanes) -> T.Lanes
  ) {
    MapTile.forEach(x, x, x, operands: 1, into: y) { tile in tile.unary(f) }
  }

  /// y = f(a, b).
  @inline(__always)
  static func binary<T: LoopScalar>(
    _ a: StridedView<T>, _ b: StridedView<T>, into y: UnsafeMutablePointer<T>,
    _ f: (T.Lanes, T.Lanes) -> T.Lanes
  ) {
    MapTile.forEach(a, b, b, operands: 2, into: y) { tile in tile.binary(f) }
  }

  /// y = f(a, b, c).
  @inline(__always)
  static func ternary<T: LoopScalar>(
    _ a: StridedView<T>, _ b: StridedView<T>, _ c: StridedView<T>, into y: UnsafeMutablePointer<T>,
    _ f: (T.Lanes, T.Lanes, T.Lanes) -> T.Lanes
  ) {
    MapTile.forEach(a, b, c, operands: 3, into: y) { tile in tile.ternary(f) }
  }

  // Functions of their own, because closures that capture a generic value become thunks, into which nothing is inlined.

  @inline(never)
  private static func apply<T: LoopScalar, F: UnaryLaneFunction>(_ f: F, to tile: MapTile<T>) {
    tile.unary { f.value($0) }
  }

  @inline(never)
  private static func apply<T: LoopScalar, F: BinaryLaneFunction>(_ f: F, to tile: MapTile<T>) {
    tile.binary { f.value($0, $1) }
  }

  @inline(never)
  private static func apply<T: LoopScalar, F: TernaryLaneFunction>(_ f: F, to tile: MapTile<T>) {
    tile.ternary { f.value($0, $1, $2) }
  }
}
