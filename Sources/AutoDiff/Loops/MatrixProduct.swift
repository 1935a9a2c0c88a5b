/// Products of strided matrices.
///
/// Every entry is the plain sum over the inner index, in pieces whose length depends on that extent only: the same bits
/// on any number of threads, and not-a-number and infinities as in the plain sum.
enum MatrixProduct {
  /// c = [c +] scale a b, where c is row-major with the given distance between rows.
  @_specialize(where T == Double)
  @_specialize(where T == Float)
  static func multiply<T: LoopScalar>(
    _ a: MatrixView<T>, _ b: MatrixView<T>, into c: UnsafeMutablePointer<T>, rowStride: Int, scale: T = 1,
    accumulate: Bool = false
  ) {
    let (m, k, n) = (a.rows, a.columns, b.columns)
    if m == 0 || n == 0 { return }
    if k == 0 {
      if !accumulate {
        for i in 0..<m { (c + i * rowStride).update(repeating: 0, count: n) }
      }
      return
    }
    MatrixBlocks.multiply(
      a, b, into: ProductTarget(base: c, rowStride: rowStride, scale: scale, accumulate: accumulate))
  }

  /// `count` products; entry i of each operand starts at its base plus its offset, the results are contiguous.
  @_specialize(where T == Double)
  @_specialize(where T == Float)
  static func multiplyBatch<T: LoopScalar>(
    _ count: Int, _ a: MatrixView<T>, offset aOffset: (Int) -> Int, _ b: MatrixView<T>, offset bOffset: (Int) -> Int,
    into c: UnsafeMutablePointer<T>
  ) {
    for index in 0..<count {
      var (left, right) = (a, b)
      left.base += aOffset(index)
      right.base += bOffset(index)
      multiply(left, right, into: c + index * a.rows * b.columns, rowStride: b.columns)
    }
  }

  /// c = [c +] scale a aᵀ, both halves written.
  @_specialize(where T == Double)
  @_specialize(where T == Float)
  static func gram<T: LoopScalar>(
    _ a: MatrixView<T>, into c: UnsafeMutablePointer<T>, rowStride: Int, scale: T = 1, accumulate: Bool = false
  ) {
    multiply(a, a.transposed, into: c, rowStride: rowStride, scale: scale, accumulate: accumulate)
  }
}
