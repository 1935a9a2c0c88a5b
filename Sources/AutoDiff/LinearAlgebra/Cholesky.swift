/// The factorisation A = L Lᵀ of a symmetric positive definite matrix.
enum Cholesky {
  /// The largest block that is factored without matrix products.
  private static let blockExtent = 64

  /// Overwrites a symmetric matrix with its lower Cholesky factor, and the upper half with zeros.
  ///
  /// Only the lower half is read. The matrix is halved recursively: A₁₁ = L₁₁ L₁₁ᵀ, L₂₁ L₁₁ᵀ = A₂₁, and then
  /// A₂₂ − L₂₁ L₂₁ᵀ, so nearly all the work is matrix products.
  ///
  /// - Parameters:
  ///   - a: n × n entries; row-major and contiguous.
  ///   - n: The extent; 0 is allowed.
  /// - Throws: `LinearAlgebraError.notPositiveDefinite` for the first pivot that is not a positive finite number. The
  ///   entries of `a` are then unspecified.
  @specialized(where T == Double)
  @specialized(where T == Float)
  static func factor<T: LoopScalar>(_ a: UnsafeMutablePointer<T>, n: Int) throws(LinearAlgebraError) {
    if let failure = factorLower(a, n: n, rowStride: n, first: 0) { throw failure }
    ThreadTeam.run((n + 63) / 64) { task in
      for i in 64 * task..<min(n, 64 * task + 64) { (a + i * n + i + 1).update(repeating: 0, count: n - i - 1) }
    }
  }

  /// Factors the block whose first pivot is number `first` of the whole matrix; returns what stopped it.
  private static func factorLower<T: LoopScalar>(
    _ a: UnsafeMutablePointer<T>, n: Int, rowStride: Int, first: Int
  ) -> LinearAlgebraError? {
    if n <= blockExtent { return factorBlock(a, n: n, rowStride: rowStride, first: first) }
    let half = (n / 2 + blockExtent - 1) / blockExtent * blockExtent
    if let failure = factorLower(a, n: half, rowStride: rowStride, first: first) { return failure }
    let corner = MatrixView(base: UnsafePointer(a), rows: half, columns: half, rowStride: rowStride, columnStride: 1)
    let below = a + half * rowStride
    TriangularSolve.solveChecked(.upper, corner.transposed, .right, into: below, count: n - half, rowStride: rowStride)
    let panel = MatrixView(
      base: UnsafePointer(below), rows: n - half, columns: half, rowStride: rowStride, columnStride: 1)
    MatrixProduct.gram(panel, into: below + half, rowStride: rowStride, scale: -1, accumulate: true)
    return factorLower(below + half, n: n - half, rowStride: rowStride, first: first + half)
  }

  /// Factors a small block as Uᵀ U in memory of its own, where the rows of U = Lᵀ are vectors.
  @inline(__always)
  private static func factorBlock<T: LoopScalar>(
    _ a: UnsafeMutablePointer<T>, n: Int, rowStride: Int, first: Int
  ) -> LinearAlgebraError? {
    let lanes = T.Lanes.count
    let stride = (n + lanes - 1) / lanes * lanes
    return withScratch(T.self, stride * max(n, 1)) { u in
      u.update(repeating: 0, count: stride * n)
      for i in 0..<n {
        for j in 0...i { u[j * stride + i] = a[i * rowStride + j] }
      }
      for k in 0..<n {
        let row = u + k * stride
        let pivot = row[k]
        guard pivot > 0, pivot.isFinite else {
          return .notPositiveDefinite(pivot: first + k, value: Double(pivot))
        }
        let root = pivot.squareRoot()
        let reciprocal = T.Lanes(repeating: 1 / root)
        // Whole vectors: entries left of the diagonal are computed too, and never read.
        let start = k / lanes * lanes
        for j in Swift.stride(from: start, to: stride, by: lanes) { (T.Lanes(row + j) * reciprocal).store(row + j) }
        row[k] = root
        for i in k + 1..<max(n, k + 1) {
          let target = u + i * stride
          let factor = T.Lanes(repeating: -row[i])
          for j in Swift.stride(from: i / lanes * lanes, to: stride, by: lanes) {
            T.Lanes(target + j).adding(factor, times: T.Lanes(row + j)).store(target + j)
          }
        }
      }
      for i in 0..<n {
        for j in 0...i { a[i * rowStride + j] = u[j * stride + i] }
      }
      return nil
    }
  }
}
