/// The thin factors of every matrix of a stack with at least as many rows as columns: [..., m, n] → [..., m + n, n].
///
/// A primitive has one output, so Q [m, n] and R [n, n] come stacked, Q first.
///
/// - Source: S. F. Walter, L. Lehmann, *Algorithmic differentiation of linear algebra functions with application in
///   optimum experimental design*, arXiv:1001.1654 (2010).
struct QRFactors: MatrixFactorization {
  var name: String { "qr" }

  func resultShape(rows: Int, columns: Int) -> [Int] {
    guard rows >= columns else { stop("needs at least as many rows as columns", got: "[\(rows), \(columns)]") }
    return [rows + columns, columns]
  }

  func factor<T: LoopScalar>(
    _ a: UnsafePointer<T>, rows: Int, columns: Int, into result: UnsafeMutablePointer<T>
  ) throws(LinearAlgebraError) {
    try QR.decompose(a, rows: rows, columns: columns, q: result, r: result + rows * columns)
  }

  /// With X = Ȧ R⁻¹ and U = the upper half of QᵀX plus the transposed rest: Q̇ = X − Q U and Ṙ = U R.
  ///
  /// U is what makes Qᵀ Q̇ antisymmetric and Ṙ upper triangular.
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    guard let tangent = tangents[0] else { return nil }
    let (q, r) = Self.split(output)
    let x = dispatch(TriangularSystem(half: .lower), .two(r.transposed, tangent.transposed)).transposed
    let product = matmul(q.transposed, x)
    let u = product * mask(r, .upper, diagonal: 1) + (product * mask(r, .lower, diagonal: 0)).transposed
    return concatenate([x - matmul(q, u), matmul(u, r)], axis: -2)
  }

  /// The adjoint of the above, step by step backward: Ū = R̄ Rᵀ − Qᵀ Q̄, X̄ = Q̄ + Q · Ū folded back, Ā = X̄ R⁻ᵀ.
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    let (q, r) = Self.split(output)
    let (qBar, rBar) = Self.split(cotangent)
    let uBar = matmul(rBar, r.transposed) - matmul(q.transposed, qBar)
    let folded = uBar * mask(r, .upper, diagonal: 1) + (uBar * mask(r, .upper, diagonal: 0)).transposed
    let xBar = qBar + matmul(q, folded)
    return dispatch(TriangularSystem(half: .upper), .two(r, xBar.transposed)).transposed
  }

  private func mask(_ r: Tensor, _ half: Triangle, diagonal: Double) -> Tensor {
    half.mask(r.shape[r.rank - 1], diagonal: diagonal, as: r.scalarType)
  }

  /// Q and R of the stacked factors.
  static func split(_ factors: Tensor) -> (q: Tensor, r: Tensor) {
    let rows = factors.shape[factors.rank - 2] - factors.shape[factors.rank - 1]
    return (factors[..., 0..<rows, TensorIndex.all], factors[..., rows..., TensorIndex.all])
  }
}

/// The thin factorization A = Q R with orthonormal columns Q and upper triangular R.
///
/// The diagonal of R is not negative, which makes the factors unique where A has full rank. There they are
/// differentiable; the derivative contains R⁻¹ (for a wide matrix that of the leading square part) and is infinite or
/// not a number where that does not exist.
///
/// - Shapes: [..., m, n] → Q [..., m, k] and R [..., k, n] with k = min(m, n)
/// - Parameter a: the matrix, or a stack of them.
/// - Returns: both factors.
/// - Throws: `LinearAlgebraError.notFinite` for an entry that is infinite or not a number. Also under transforms; inside
///   ``vmap(_:axis:outputAxis:)`` if it happens for any example.
/// - Complexity: about 4 m k n flops; derivatives a few products of that size.
/// - Source: derivatives by Walter and Lehmann, arXiv:1001.1654.
public func qr(_ a: Tensor) throws(LinearAlgebraError) -> (q: Tensor, r: Tensor) {
  guard a.rank >= 2 else { stop("qr", "needs a matrix [m, n] or a stack of them", got: "\(a.shape)") }
  let (m, n) = (a.shape[a.rank - 2], a.shape[a.rank - 1])
  if m >= n { return QRFactors.split(try QRFactors().factors(of: a)) }
  // The leading columns determine Q; the others are then Q times theirs of R.
  let (q, r) = QRFactors.split(try QRFactors().factors(of: a[..., TensorIndex.all, 0..<m]))
  let rest = matmul(q.transposed, a[..., TensorIndex.all, m...])
  // The later columns could not make the factorization fail, but their entries must be numbers as well.
  try checkFinite(a, from: m)
  return (q, concatenate([r, rest], axis: -1))
}

/// Throws at the first entry, in the columns from one on, that is infinite or not a number.
private func checkFinite(_ a: Tensor, from column: Int) throws(LinearAlgebraError) {
  if a.isBounded { return }
  let a = a.beneathTraces(for: "qr")
  let (m, n) = (a.shape[a.rank - 2], a.shape[a.rank - 1])
  if let bad = a.scalars.enumerated().first(where: { !$1.isFinite && $0 % n >= column }) {
    throw .notFinite(row: bad.offset / n % m, column: bad.offset % n, value: bad.element)
  }
}

/// The solution X of A X = B for any invertible matrix.
///
/// By A = Q R, X = R⁻¹ Qᵀ B. For a symmetric positive definite matrix ``choleskySolve(_:_:)`` is faster; for more
/// equations than unknowns take the factors of ``qr(_:)`` themselves.
///
/// - Shapes: A [..., n, n]; B [..., n, k] with leading axes that broadcast with those of A, or one vector [n].
/// - Parameters:
///   - a: the matrix, or a stack of them.
///   - b: the right-hand sides.
/// - Returns: X, of the shape of B (broadcast). A matrix that is singular but for rounding has huge solutions.
/// - Throws: `LinearAlgebraError.singular` with the first zero on the diagonal of R, and `LinearAlgebraError.notFinite`
///   for an entry of the matrix. Also under transforms; inside ``vmap(_:axis:outputAxis:)`` if it happens for any
///   example.
/// - Complexity: 4/3 n³ flops for R and as many for Q, and 3 n² k; derivatives a few products of that size.
public func solve(_ a: Tensor, _ b: Tensor) throws(LinearAlgebraError) -> Tensor {
  requireOneScalarType("solve", a, b)
  let system = LinearSystem("solve", a, b)
  let (q, r) = try qr(a)
  let rotated = matmul(q.transposed, system.columns)
  return system.restored(try triangularSolve(r, rotated, .upper))
}
