/// Reductions of strided operands over some of their axes, which are given in increasing order.
///
/// y is row-major over the axes that are kept.
enum Reduction {
  /// y = Σ x
  static func sum<T: LoopScalar>(_ x: StridedView<T>, axes: [Int], into y: UnsafeMutablePointer<T>) {
    ReductionLoop.run(.sum, x, x, axes: axes, into: y)
  }

  /// y = the largest entry of x, NaN if there is one, -∞ of no entries.
  static func maximum<T: LoopScalar>(_ x: StridedView<T>, axes: [Int], into y: UnsafeMutablePointer<T>) {
    ReductionLoop.run(.maximum, x, x, axes: axes, into: y)
  }

  /// y = the smallest entry of x, NaN if there is one, +∞ of no entries.
  static func minimum<T: LoopScalar>(_ x: StridedView<T>, axes: [Int], into y: UnsafeMutablePointer<T>) {
    ReductionLoop.run(.minimum, x, x, axes: axes, into: y)
  }

  /// y = Σ x²
  static func sumOfSquares<T: LoopScalar>(_ x: StridedView<T>, axes: [Int], into y: UnsafeMutablePointer<T>) {
    ReductionLoop.run(.dot, x, x, axes: axes, into: y)
  }

  /// y = Σ a b
  static func dot<T: LoopScalar>(
    _ a: StridedView<T>, _ b: StridedView<T>, axes: [Int], into y: UnsafeMutablePointer<T>
  ) {
    ReductionLoop.run(.dot, a, b, axes: axes, into: y)
  }
}
