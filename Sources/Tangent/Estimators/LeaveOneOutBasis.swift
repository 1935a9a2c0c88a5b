import AutoDiff

/// What A makes of k random vectors, and for each of them the basis of what it makes of the others.
///
/// With A Ω = Q R, the columns of A Ω without the i-th span the range of Q minus one direction Q sᵢ, and sᵢ is the i-th
/// column of R⁻ᵀ at length 1. So k factorizations are had for one, and all that is asked of them is told by matrices of
/// extent k, here in double precision.
///
/// - Source: E. Epperly, J. Tropp, R. Webber, SIAM J. Matrix Anal. Appl. 45 (2024), sections 2.2 and 3.
struct LeaveOneOutBasis {
  /// The extent of A.
  private let n: Int
  /// R.
  private let r: Tensor
  /// Qᵀ A Q.
  private let h: Tensor
  /// Qᵀ Ω.
  private let along: Tensor
  /// The squared lengths of the vectors: [k].
  private let squaredLengths: Tensor

  private var k: Int { r.shape[1] }

  /// Multiplies k ≥ 1 vectors and as many of the basis: 2 k products.
  init<A: SymmetricOperator>(of a: A, _ vectors: Tensor, for operation: String) throws {
    let (q, r) = try a.range(of: vectors, for: operation)
    let omega = vectors.as(.float64)
    n = a.dimension
    self.r = r
    h = matmul(q.transposed, try a.doubleProduct(with: q, for: operation))
    along = matmul(q.transposed, omega)
    squaredLengths = square(omega).sum(axes: [0])
  }

  /// The same for all vectors but one.
  private init(_ whole: LeaveOneOutBasis, without place: Int) throws {
    func rest(_ matrix: Tensor) -> Tensor {
      concatenate([matrix[..., 0..<place], matrix[..., (place + 1)...]], axis: -1)
    }
    let (q, r) = try qr(rest(whole.r))
    n = whole.n
    self.r = r
    h = matmul(q.transposed, matmul(whole.h, q))
    along = matmul(q.transposed, rest(whole.along))
    squaredLengths = rest(whole.squaredLengths)
  }

  /// For each vector ω the trace on the others' basis and, for what is left of A, ωᵀ A ω with ω projected off that basis and
  /// brought to the length of a normal vector there. Without bias each, for normal vectors.
  func traces() throws -> Tensor {
    let identity = Tensor.eye(k)
    let missing = try missingDirections(identity)
    // The part of ω in the others' basis, as coefficients of Q.
    let inside = along - missing * (missing * along).sum(axes: [0])
    let known = (h * identity).sum() - (missing * matmul(h, missing)).sum(axes: [0])
    let image = (inside * matmul(h, inside)).sum(axes: [0])
    let forms = (along * r).sum(axes: [0]) - 2 * (r * inside).sum(axes: [0]) + image
    return known + forms * Double(n - k + 1) / (squaredLengths - square(inside).sum(axes: [0]))
  }

  /// s, as columns.
  private func missingDirections(_ identity: Tensor) throws -> Tensor {
    // Where the rank of A is below k, what is left on the diagonal of R is rounding, or zero. Then any direction outside the
    // range may be missing, and R⁻ᵀ finds one, if only it can be formed.
    // The directions do not depend on the size of R, of which the inverse might be no number.
    let largest = (r * identity).sum(axes: [0]).max().scalar
    let unit = largest > 0 ? r / largest : identity
    let diagonal = (unit * identity).sum(axes: [0])
    let lifted = unit + identity * select(diagonal .< Double.ulpOfOne, Double.ulpOfOne - diagonal, 0)
    let inverse = try triangularSolve(lifted.transposed, identity, .lower)
    // First by the largest entry, because squares might overflow.
    let scaled = inverse / abs(inverse).max(axes: [0], keepingAxes: true)
    return scaled / scaled.norm(axes: [0], keepingAxes: true)
  }

  /// The mean of the traces, and the jackknife's estimate of its standard deviation: what it would be without each of the
  /// vectors, though of at most 64 of them.
  ///
  /// The traces themselves are correlated, so that their spread says too little. The jackknife's variance is on average not
  /// below that of the mean from one vector less.
  ///
  /// - Complexity: about 10 k³ flops for each vector that is left out.
  /// - Source: B. Efron, C. Stein, *The jackknife estimate of variance*, Annals of Statistics 9 (1981), (1.6).
  func meanTrace() throws -> (value: Double, standardError: Double) {
    let value = try traces().mean().scalar
    guard k > 1 else { return (value, .infinity) }
    let count = min(k, 64)
    let others = try (0..<count).map { try LeaveOneOutBasis(self, without: $0).traces().mean().scalar }
    let mean = others.reduce(0, +) / Double(count)
    let spread = (Tensor(others) - mean).norm().scalar
    return (value, spread * (Double(k - 1) / Double(count - 1)).squareRoot())
  }
}
