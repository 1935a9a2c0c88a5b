/// The lower Cholesky factor L of the symmetric part of every matrix of a stack: [..., n, n] → [..., n, n].
///
/// - Source: I. Murray, *Differentiation of the Cholesky decomposition*, arXiv:1602.07527 (2016), equations (8) and (9).
struct CholeskyFactor: MatrixFactorization {
  var name: String { "cholesky" }

  func resultShape(rows: Int, columns: Int) -> [Int] {
    let n = squareExtent(rows, columns)
    return [n, n]
  }

  func factor<T: LoopScalar>(
    _ a: UnsafePointer<T>, rows: Int, columns: Int, into result: UnsafeMutablePointer<T>
  ) throws(LinearAlgebraError) {
    SymmetricPart.writeLowerHalf(of: a, n: rows, into: result)
    try Cholesky.factor(result, n: rows)
  }

  /// L Φ(L⁻¹ Ȧ L⁻ᵀ), where Φ keeps the lower half and halves the diagonal.
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output l: Tensor) -> Tensor? {
    guard let tangent = tangents[0] else { return nil }
    let lower = TriangularSystem(half: .lower)
    let half = dispatch(lower, .two(l, tangent.symmetricPart))
    let whole = dispatch(lower, .two(l, half.transposed))
    return matmul(l, whole * phi(l))
  }

  /// The symmetric part of L⁻ᵀ Φ(Lᵀ L̄) L⁻¹.
  func vjp(_ inputs: Inputs, output l: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    let (upper, transposed) = (TriangularSystem(half: .upper), l.transposed)
    let half = dispatch(upper, .two(transposed, matmul(transposed, cotangent) * phi(l)))
    return dispatch(upper, .two(transposed, half.transposed)).symmetricPart
  }

  private func phi(_ l: Tensor) -> Tensor {
    Triangle.lower.mask(l.shape[l.rank - 1], diagonal: 0.5, as: l.scalarType)
  }
}

/// The lower triangular factor L of a symmetric positive definite matrix, A = L Lᵀ.
///
/// It is a function of the symmetric part (A + Aᵀ) / 2, so gradients are symmetric matrices.
///
/// - Shapes: [..., n, n] → [..., n, n]
/// - Parameter a: the matrix, or a stack of them.
/// - Returns: L, with a positive diagonal and zeros above it.
/// - Throws: `LinearAlgebraError.notPositiveDefinite` with the first pivot that is not a positive number. Also under
///   transforms; inside ``vmap(_:axis:outputAxis:)`` if it happens for any example.
/// - Complexity: n³/3 flops; derivatives n³ and more. Memory for the result.
/// - Source: derivatives by Murray, arXiv:1602.07527.
public func cholesky(_ a: Tensor) throws(LinearAlgebraError) -> Tensor { try CholeskyFactor().factors(of: a) }

/// The solution X of A X = B for a symmetric positive definite matrix.
///
/// - Shapes: A [..., n, n]; B [..., n, k] with leading axes that broadcast with those of A, or one vector [n].
/// - Parameters:
///   - a: the matrix; its symmetric part counts.
///   - b: the right-hand sides.
/// - Returns: X, of the shape of B (broadcast).
/// - Throws: `LinearAlgebraError.notPositiveDefinite`, as ``cholesky(_:)``.
/// - Complexity: n³/3 + 2 n² k flops.
public func choleskySolve(_ a: Tensor, _ b: Tensor) throws(LinearAlgebraError) -> Tensor {
  requireOneScalarType("choleskySolve", a, b)
  let system = LinearSystem("choleskySolve", a, b)
  let l = try cholesky(a).broadcast(to: system.matrix.shape)
  let half = bind(TriangularSystem(half: .lower), .two(l, system.columns))
  return system.restored(bind(TriangularSystem(half: .upper), .two(l.transposed, half)))
}

/// The logarithm of the determinant of a symmetric positive definite matrix, 2 Σ log Lᵢᵢ.
///
/// It neither overflows nor underflows where the determinant would. Its gradient is A⁻¹.
///
/// - Shapes: [..., n, n] → [...]
/// - Parameter a: the matrix, or a stack of them; the symmetric part counts.
/// - Returns: log det A.
/// - Throws: `LinearAlgebraError.notPositiveDefinite`, as ``cholesky(_:)``.
/// - Complexity: n³/3 flops.
public func logDeterminant(_ a: Tensor) throws(LinearAlgebraError) -> Tensor {
  guard a.rank >= 2, a.shape[a.rank - 1] == a.shape[a.rank - 2] else {
    stop("logDeterminant", "needs a square matrix [n, n] or a stack of them", got: "\(a.shape)")
  }
  return log(try cholesky(a).diagonal).sum(axes: [-1]) * 2
}
