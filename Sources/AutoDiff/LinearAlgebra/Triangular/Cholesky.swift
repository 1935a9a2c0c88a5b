/// The factorization A = L Lᵀ of a symmetric positive definite matrix.
enum Cholesky {
  /// The largest block that is factored without matrix products.
  private static let blockExtent = 32
  /// The columns that are finished together.
  private static let panelExtent = 64
  /// The columns after which the rest of the matrix is brought up to date: the more, the less often it is read.
  private static let updateExtent = 128

  /// Overwrites a symmetric matrix with its lower Cholesky factor, and the upper half with zeros.
  ///
  /// Only the lower half is read.
  ///
  /// - Parameters:
  ///   - a: n × n entries; row-major and contiguous.
  ///   - n: The extent; 0 is allowed.
  /// - Throws: `LinearAlgebraError.notPositiveDefinite` for the first pivot that is not a positive finite number. The
  ///   entries of `a` are then unspecified.
  @specialized(where T == Double)
  @specialized(where T == Float)
  @inline(never)
  static func factor<T: LoopScalar>(_ a: UnsafeMutablePointer<T>, n: Int) throws(LinearAlgebraError) {
    for start in stride(from: 0, to: n, by: updateExtent) {
      let end = min(n, start + updateExtent)
      let failure = factorPanel(
        a + start * (n + 1), rows: n - start, columns: end - start, rowStride: n, width: panelExtent, first: start)
      if let failure { throw failure }
      update(a + end * n + start, rows: n - end, width: end - start, columns: n - end, rowStride: n)
    }
    ThreadTeam.run((n + 63) / 64) { task in
      for i in 64 * task..<min(n, 64 * task + 64) { (a + i * n + i + 1).update(repeating: 0, count: n - i - 1) }
    }
  }

  /// Factors the leading columns of a block, `width` at a time, and updates those of them that follow.
  ///
  /// For each part: A₁₁ = L₁₁ L₁₁ᵀ, L₂₁ L₁₁ᵀ = A₂₁, and A₂₂ − L₂₁ L₂₁ᵀ.
  ///
  /// - Parameter first: The number of the first pivot in the whole matrix.
  /// - Returns: What stopped it.
  private static func factorPanel<T: LoopScalar>(
    _ a: UnsafeMutablePointer<T>, rows: Int, columns: Int, rowStride: Int, width: Int, first: Int
  ) -> LinearAlgebraError? {
    for start in stride(from: 0, to: columns, by: width) {
      let corner = a + start * (rowStride + 1)
      let extent = min(width, columns - start)
      let failure =
        extent > blockExtent
        ? factorPanel(
          corner, rows: extent, columns: extent, rowStride: rowStride, width: blockExtent, first: first + start)
        : factorBlock(corner, n: extent, rowStride: rowStride, first: first + start)
      if let failure { return failure }
      let factor = MatrixView(
        base: UnsafePointer(corner), rows: extent, columns: extent, rowStride: rowStride, columnStride: 1)
      let below = corner + extent * rowStride
      let rest = rows - start - extent
      TriangularSolve.substitute(factor, into: below, count: rest, rowStride: 1, columnStride: rowStride)
      update(below, rows: rest, width: extent, columns: columns - start - extent, rowStride: rowStride)
    }
    return nil
  }

  /// Subtracts L Lᵀ from the lower half of the leading columns of the block to the right of L.
  @inline(never)
  private static func update<T: LoopScalar>(
    _ l: UnsafeMutablePointer<T>, rows: Int, width: Int, columns: Int, rowStride: Int
  ) {
    let panel = MatrixView(base: UnsafePointer(l), rows: rows, columns: width, rowStride: rowStride, columnStride: 1)
    TriangleProduct.add(
      .lower, panel, panel.block(rows: 0..<columns, columns: 0..<width).transposed, scale: -1, to: l + width,
      rowStride: rowStride)
  }

  /// Factors a small block as Uᵀ U in memory of its own, where the rows of U = Lᵀ are vectors.
  @inline(never)
  private static func factorBlock<T: LoopScalar>(
    _ a: UnsafeMutablePointer<T>, n: Int, rowStride: Int, first: Int
  ) -> LinearAlgebraError? {
    let lanes = T.Lanes.count
    let stride = (n + lanes - 1) / lanes * lanes
    return withPooledScratch(T.self, stride * max(n, 1)) { u in
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
