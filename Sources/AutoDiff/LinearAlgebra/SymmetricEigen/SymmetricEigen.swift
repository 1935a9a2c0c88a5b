/// The eigendecomposition A = V diag(w) Vᵀ of a symmetric matrix.
///
/// Reduction to tridiagonal form, divide and conquer, and the reflections of the reduction applied to the result.
enum SymmetricEigen {
  /// How many reflections are applied at once.
  private static let blockExtent = 128

  /// Eigenvalues in ascending order, and the eigenvectors as columns.
  ///
  /// Each eigenvector has length 1, and its entry of largest magnitude (the first of them) is positive. Only the lower
  /// half of `a` is read.
  ///
  /// - Parameters:
  ///   - a: n × n entries, row-major and contiguous; overwritten with the eigenvectors.
  ///   - n: The extent; 0 is allowed.
  ///   - values: n entries for the eigenvalues.
  /// - Throws: `LinearAlgebraError.notFinite` or `.notConverged`. The entries of `a` are then unspecified.
  @specialized(where T == Double)
  @specialized(where T == Float)
  @inline(never)
  static func decompose<T: LoopScalar>(
    _ a: UnsafeMutablePointer<T>, n: Int, values: UnsafeMutablePointer<T>
  ) throws(LinearAlgebraError) {
    if n == 0 { return }
    let scale = try MatrixScale.divisor(a, rows: n, columns: n, half: .lower)
    let stride = TridiagonalReduction<T>.stride(for: n)
    let failure: LinearAlgebraError? = withPooledScratch(T.self, n * stride + 2 * n) { memory in
      let (e, tau) = (memory + n * stride, memory + n * stride + n)
      let reduction = reduce(a, n: n, scale: scale, into: memory, stride: stride, d: values, e: e, tau: tau)
      return withPooledScratch(T.self, n * n) { rows in
        withPooledScratch(Int.self, n) { order in
          let divisor = TridiagonalEigen.normalize(values, e, n: n)
          let failure = TridiagonalEigen.divideAndConquer(values, e, n: n, rows: rows, order: order, memory: a)
          if let failure { return failure }
          applyReflections(reduction, to: rows)
          TridiagonalEigen.sortValues(values, order, n: n, scales: divisor, scale)
          transpose(rows, order, n: n, into: a)
          return nil
        }
      }
    }
    if let failure { throw failure }
  }

  /// Eigenvalues only, in ascending order, at half the cost or less.
  ///
  /// - Parameters:
  ///   - a: n × n entries, of which the lower half is read; unchanged.
  ///   - n: The extent; 0 is allowed.
  ///   - values: n entries for the eigenvalues.
  /// - Throws: `LinearAlgebraError.notFinite` or `.notConverged`.
  @specialized(where T == Double)
  @specialized(where T == Float)
  @inline(never)
  static func values<T: LoopScalar>(
    _ a: UnsafePointer<T>, n: Int, values: UnsafeMutablePointer<T>
  ) throws(LinearAlgebraError) {
    if n == 0 { return }
    let scale = try MatrixScale.divisor(a, rows: n, columns: n, half: .lower)
    let stride = TridiagonalReduction<T>.stride(for: n)
    let result = withPooledScratch(T.self, n * stride + 2 * n) { memory in
      let (e, tau) = (memory + n * stride, memory + n * stride + n)
      _ = reduce(a, n: n, scale: scale, into: memory, stride: stride, d: values, e: e, tau: tau)
      return Result { () throws(LinearAlgebraError) in
        try TridiagonalEigen.values(diagonal: values, offDiagonal: e, n: n)
      }
    }
    try result.get()
    for i in 0..<n { values[i] *= scale }
  }

  /// Copies the lower half, transposed and scaled, and reduces the copy to tridiagonal form.
  private static func reduce<T: LoopScalar>(
    _ a: UnsafePointer<T>, n: Int, scale: T, into copy: UnsafeMutablePointer<T>, stride: Int,
    d: UnsafeMutablePointer<T>, e: UnsafeMutablePointer<T>, tau: UnsafeMutablePointer<T>
  ) -> TridiagonalReduction<T> {
    let tile = 64
    ThreadTeam.run((n + tile - 1) / tile) { band in
      let rows = band * tile..<min(n, (band + 1) * tile)
      (copy + rows.lowerBound * stride).update(repeating: 0, count: rows.count * stride)
      for block in Swift.stride(from: rows.lowerBound, to: n, by: tile) {
        for j in block..<min(n, block + tile) {
          for i in rows.lowerBound..<min(rows.upperBound, j + 1) { copy[i * stride + j] = a[j * n + i] / scale }
        }
      }
    }
    let reduction = TridiagonalReduction(n: n, a: copy, stride: stride, d: d, e: e, tau: tau)
    reduction.run()
    return reduction
  }

  /// Applies the reflections to vectors that are rows: Z Hₙ ⋯ H₁ H₀.
  private static func applyReflections<T: LoopScalar>(
    _ reduction: TridiagonalReduction<T>, to rows: UnsafeMutablePointer<T>
  ) {
    let n = reduction.n
    if n < 3 { return }
    let extent = min(blockExtent, n)
    withPooledScratch(T.self, extent * n * 3) { memory in
      let (v, w, product) = (memory, memory + extent * n, memory + 2 * extent * n)
      for start in Swift.stride(from: (n - 2) / extent * extent, through: 0, by: -extent) {
        let count = min(extent, n - 1 - start)
        let columns = n - 1 - start
        for q in 0..<count {
          let row = v + q * columns
          row.update(repeating: 0, count: q)
          if reduction.tau[start + q] == 0 {
            row.update(repeating: 0, count: columns)
          } else {
            (row + q).update(
              from: reduction.a + (start + q) * reduction.stride + start + q + 1, count: columns - q)
          }
        }
        let vectors = MatrixView(
          base: UnsafePointer(v), rows: count, columns: columns, rowStride: columns, columnStride: 1)
        Householder.solveBlock(vectors, tau: reduction.tau + start, into: w)
        let target = rows + start + 1
        MatrixProduct.multiply(
          MatrixView(base: UnsafePointer(target), rows: n, columns: columns, rowStride: n, columnStride: 1),
          vectors.transposed, into: product, rowStride: count)
        MatrixProduct.multiply(
          MatrixView(base: UnsafePointer(product), rows: n, columns: count, rowStride: count, columnStride: 1),
          MatrixView(base: UnsafePointer(w), rows: count, columns: columns, rowStride: columns, columnStride: 1),
          into: target, rowStride: n, scale: -1, accumulate: true)
      }
    }
  }

  /// Row order[j] becomes column j, with the sign that makes its largest entry positive.
  private static func transpose<T: LoopScalar>(
    _ rows: UnsafePointer<T>, _ order: UnsafePointer<Int>, n: Int, into columns: UnsafeMutablePointer<T>
  ) {
    let band = 32
    ThreadTeam.run((n + band - 1) / band) { task in
      let first = band * task
      let count = min(band, n - first)
      withPooledScratch(T.self, count * n) { sorted in
        for j in 0..<count {
          let row = sorted + j * n
          row.update(from: rows + order[first + j] * n, count: n)
          let largest = VectorLoops.largestMagnitude(row, n)
          let isNegative = (0..<n).first { abs(row[$0]) == largest }.map { row[$0] < 0 } ?? false
          if isNegative { VectorLoops.scale(row, by: -1, n) }
        }
        Transpose.copy(sorted, stride: n, to: columns + first, stride: n, rows: n, columns: count)
      }
    }
  }
}
