/// Elementwise functions of strided operands, into contiguous memory.
///
/// The output may be the memory of an operand if that operand is contiguous and starts where the output does.
enum StridedMap {
  /// y = f(a, b).
  static func binary<T: LoopScalar>(
    _ a: StridedView<T>, _ b: StridedView<T>, into y: UnsafeMutablePointer<T>, _ f: any BinaryLaneFunction
  ) {
    MapTile.forEach(a, b, b, into: y, .binary(f))
  }

  /// y = f(a, b) for operands of one shape, given by the address of their first entry and their strides.
  static func binary<T: LoopScalar>(
    _ shape: [Int], _ a: (base: UnsafeRawPointer, strides: [Int]), _ b: (base: UnsafeRawPointer, strides: [Int]),
    into y: UnsafeMutablePointer<T>, _ f: any BinaryLaneFunction
  ) {
    binary(
      StridedView(base: a.base.assumingMemoryBound(to: T.self), shape: shape, strides: a.strides),
      StridedView(base: b.base.assumingMemoryBound(to: T.self), shape: shape, strides: b.strides), into: y, f)
  }

  /// y = f(a, b, c).
  static func ternary<T: LoopScalar>(
    _ a: StridedView<T>, _ b: StridedView<T>, _ c: StridedView<T>, into y: UnsafeMutablePointer<T>,
    _ f: any TernaryLaneFunction
  ) {
    MapTile.forEach(a, b, c, into: y, .ternary(f))
  }
}
