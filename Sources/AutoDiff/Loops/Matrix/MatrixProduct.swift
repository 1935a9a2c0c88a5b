/// Products of strided matrices.
///
/// Every entry is the plain sum over the inner index, in pieces whose length depends on that extent only: the same bits
/// on any number of threads, and not-a-number and infinities as in the plain sum.
enum MatrixProduct {
  /// From this number of multiplications on, the products of a short batch are computed one after the other, each by all
  /// threads.
  private static let workForAllThreads = 1 << 21
  /// The number of multiplications that is worth a task of a batch.
  private static let workPerTask = 1 << 16

  /// c = [c +] scale a b, where c is row-major with the given distance between rows.
  @specialized(where T == Double)
  @specialized(where T == Float)
  @inline(never)
  static func multiply<T: LoopScalar>(
    _ a: MatrixView<T>, _ b: MatrixView<T>, into c: UnsafeMutablePointer<T>, rowStride: Int, scale: T = 1,
    accumulate: Bool = false
  ) {
    let (m, k, n) = (a.rows, a.columns, b.columns)
    let target = ProductTarget(base: c, rowStride: rowStride, scale: scale, accumulate: accumulate)
    if m == 0 || n == 0 { return }
    if k == 0 {
      if !accumulate { target.fill(with: 0, rows: m, columns: n) }
    } else if k == 1 {
      MatrixVector.outerProduct(
        .init(base: a.base, stride: a.rowStride), .init(base: b.base, stride: b.columnStride), into: target, rows: m,
        columns: n)
    } else if n == 1 {
      MatrixVector.multiply(
        a, .init(base: b.base, stride: b.rowStride), into: c, stride: rowStride, scale: scale, accumulate: accumulate)
    } else if m == 1 {
      MatrixVector.multiply(
        b.transposed, .init(base: a.base, stride: a.columnStride), into: c, stride: 1, scale: scale,
        accumulate: accumulate)
    } else if MatrixLongSum.suits(m, k, n) {
      MatrixLongSum.multiply(a, b, into: target, .whole)
    } else if MatrixDirect.suits(a, b) {
      MatrixDirect.multiply(a, b, into: target)
    } else {
      MatrixBlocks.multiply(a, b, into: target)
    }
  }

  /// `count` products; entry i of each operand starts at its base plus its offset, the results are contiguous.
  @specialized(where T == Double)
  @specialized(where T == Float)
  static func multiplyBatch<T: LoopScalar>(
    _ count: Int, _ a: MatrixView<T>, offset aOffset: (Int) -> Int, _ b: MatrixView<T>, offset bOffset: (Int) -> Int,
    into c: UnsafeMutablePointer<T>
  ) {
    let (m, k, n) = (a.rows, a.columns, b.columns)
    let work = m * max(1, k) * n
    func multiplyEntries(_ entries: Range<Int>) {
      for index in entries {
        var (left, right) = (a, b)
        left.base += aOffset(index)
        right.base += bOffset(index)
        multiply(left, right, into: c + index * m * n, rowStride: n)
      }
    }
    if work >= workForAllThreads && count < 4 * ThreadTeam.threadCount { return multiplyEntries(0..<count) }
    let tasks = Cut(count, length: max(1, workPerTask / max(1, work)))
    ThreadTeam.run(tasks.count) { multiplyEntries(tasks[$0]) }
  }

  /// c = scale a aᵀ, both halves written.
  @specialized(where T == Double)
  @specialized(where T == Float)
  static func gram<T: LoopScalar>(
    _ a: MatrixView<T>, into c: UnsafeMutablePointer<T>, rowStride: Int, scale: T = 1
  ) {
    let (m, k) = (a.rows, a.columns)
    if k <= 1 || m <= 1 || m * m * k <= MatrixDirect.leastWork {
      multiply(a, a.transposed, into: c, rowStride: rowStride, scale: scale)
    } else {
      MatrixGram.multiply(a, into: ProductTarget(base: c, rowStride: rowStride, scale: scale, accumulate: false))
    }
  }
}
