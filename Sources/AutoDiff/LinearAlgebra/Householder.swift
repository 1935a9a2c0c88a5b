/// Householder reflections H = I − τ v vᵀ with v₀ = 1, and products of them in block form.
///
/// - Source: G. H. Golub, C. F. Van Loan, *Matrix Computations*, section 5.1; the block form with a triangular solve in
///   place of the triangular factor: T. Joffrain et al., *Accumulating Householder transformations, revisited*,
///   ACM Trans. Math. Softw. 32 (2006).
enum Householder {
  /// Overwrites x with the vector v of the reflection that maps x to (β, 0, …, 0).
  ///
  /// β has the sign opposite to x₀, so nothing cancels. τ = 0, the identity, where all but x₀ is zero already.
  @inline(never)
  static func makeReflection<T: LoopScalar>(_ x: UnsafeMutablePointer<T>, count: Int) -> (beta: T, tau: T) {
    var scale: T = 1
    var tail = VectorLoops.dot(x + 1, x + 1, count - 1)
    // Where squares have underflowed, they are taken of a scaled copy; v does not depend on the scale.
    if tail + x[0] * x[0] < T.leastNormalMagnitude / (T.ulpOfOne * T.ulpOfOne) {
      let largest = (0..<count).reduce(T(0)) { max($0, abs(x[$1])) }
      if largest > 0, largest.isFinite {
        scale = T(sign: .plus, exponent: -largest.exponent, significand: 1)
        if !scale.isFinite { scale = T.greatestFiniteMagnitude.binade }
        VectorLoops.scale(x, by: scale, count)
        tail = VectorLoops.dot(x + 1, x + 1, count - 1)
      }
    }
    let first = x[0]
    x[0] = 1
    if tail == 0 { return (first / scale, 0) }
    let norm = (first * first + tail).squareRoot()
    let beta = first > 0 ? -norm : norm
    VectorLoops.scale(x + 1, by: 1 / (first - beta), count - 1)
    return (beta / scale, (beta - first) / beta)
  }

  /// Overwrites `w` with U⁻ᵀ V, so that H₀ H₁ ⋯ = I − (U⁻ᵀ V)ᵀ V and ⋯ H₁ H₀ = I − Vᵀ (U⁻ᵀ V).
  ///
  /// U is the strictly upper part of V Vᵀ with 1/τ on the diagonal. A row with τ = 0 must be zero in `v`.
  ///
  /// - Parameters:
  ///   - v: The vectors, as rows.
  ///   - tau: The factor of each.
  ///   - w: As many contiguous entries as `v` has.
  @inline(never)
  static func solveBlock<T: LoopScalar>(_ v: MatrixView<T>, tau: UnsafePointer<T>, into w: UnsafeMutablePointer<T>) {
    let k = v.rows
    withPooledScratch(T.self, k * k) { u in
      MatrixProduct.gram(v, into: u, rowStride: k)
      for i in 0..<k { u[i * k + i] = tau[i] == 0 ? 1 : 1 / tau[i] }
      for i in 0..<k { (w + i * v.columns).update(from: v.base + i * v.rowStride, count: v.columns) }
      let upper = MatrixView(base: UnsafePointer(u), rows: k, columns: k, rowStride: k, columnStride: 1)
      TriangularSolve.solveChecked(.lower, upper.transposed, .left, into: w, count: v.columns, rowStride: v.columns)
    }
  }
}
