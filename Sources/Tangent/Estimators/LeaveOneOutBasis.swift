import AutoDiff

/// What A makes of k random vectors, and for each of them the basis of what it makes of the others.
///
/// With A Ω = Q R, the columns of A Ω without the i-th span the range of Q minus one direction Q sᵢ, and sᵢ is the i-th
/// column of R⁻ᵀ at length 1. So k factorizations are had for one.
///
/// - Source: E. Epperly, J. Tropp, R. Webber, SIAM J. Matrix Anal. Appl. 45 (2024), sections 2.2 and 3.
struct LeaveOneOutBasis {
  /// Ω: [n, k], and everything else in double precision.
  private let vectors: Tensor
  /// Orthonormal columns: [n, k].
  private let q: Tensor
  /// [k, k].
  private let r: Tensor
  /// A Q: [n, k].
  private let product: Tensor
  /// The directions sᵢ, as columns: [k, k].
  private let missing: Tensor

  /// Multiplies k vectors and as many of the basis: 2 k products.
  init<A: SymmetricOperator>(of a: A, _ vectors: Tensor, for operation: String) throws {
    self.vectors = vectors.as(.float64)
    (q, r) = try a.range(of: vectors, for: operation)
    product = try a.doubleProduct(with: q, for: operation)
    // Where the rank of A is below k, what is left on the diagonal of R is rounding, or zero. Then any direction outside the
    // range may be missing, and R⁻ᵀ finds one, if only it can be formed.
    let k = vectors.shape[1]
    let identity = Tensor.eye(k)
    let diagonal = (r * identity).sum(axes: [0])
    let largest = k == 0 ? 0 : diagonal.max().scalar
    let floor = largest > 0 ? largest * Double.ulpOfOne : 1
    let lifted = r + identity * select(diagonal .< floor, floor - diagonal, 0)
    let inverse = try triangularSolve(lifted.transposed, identity, .lower)
    // First by the largest entry, because squares might overflow.
    let scaled = inverse / abs(inverse).max(axes: [0], keepingAxes: true)
    missing = scaled / scaled.norm(axes: [0], keepingAxes: true)
  }

  /// For each vector ω the trace on the others' basis and, for what is left of A, ωᵀ A ω with ω projected off that basis and
  /// brought to the length of a normal vector there. Without bias each, for normal vectors.
  var traces: [Double] {
    let (n, k) = (vectors.shape[0], vectors.shape[1])
    let h = matmul(q.transposed, product)
    let along = matmul(q.transposed, vectors)
    // The part of ω in the others' basis, as coefficients of Q.
    let inside = along - missing * (missing * along).sum(axes: [0])
    let known = (h * Tensor.eye(k)).sum() - (missing * matmul(h, missing)).sum(axes: [0])
    let forms =
      (along * r).sum(axes: [0]) - 2 * (r * inside).sum(axes: [0]) + (inside * matmul(h, inside)).sum(axes: [0])
    let lengths = square(vectors).sum(axes: [0]) - square(inside).sum(axes: [0])
    return (known + forms * Double(n - k + 1) / lengths).scalars
  }

  /// For each vector ω the diagonal on the others' basis and, for what is left of A, ω ∘ A ω; as columns: [n, k]. Without
  /// bias each, for signs.
  var diagonals: Tensor {
    let (direction, image) = (matmul(q, missing), matmul(product, missing))
    let known = (q * product).sum(axes: [1], keepingAxes: true) - direction * image
    return known + vectors * direction * (missing * r).sum(axes: [0])
  }
}
