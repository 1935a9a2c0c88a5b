import AutoDiff

/// How ``estimateDiagonal(of:by:products:using:)`` goes about it.
public enum DiagonalMethod: Sendable, CaseIterable {
  /// The mean of v ∘ A v over m vectors of random signs. The variance of entry i is Σ_{j≠i} aᵢⱼ² / m.
  case hutchinson
  /// Exactly on a basis Q of what A makes of m/3 random vectors, and for the rest of A, off that basis on both sides, the
  /// mean over m/3 others: for eigenvalues that decay. With Z = A Q and H = Qᵀ Z the exact part has the diagonal of
  /// Q Zᵀ + Z Qᵀ − Q H Qᵀ.
  case hutchPlusPlus
}

/// A diagonal that was estimated from random vectors.
public struct DiagonalEstimate: Sendable {
  /// The diagonal: [n], in double precision.
  public let values: Tensor
  /// One standard deviation of every entry, as the samples show it: [n]; infinite if there is only one. Rounding is not
  /// included.
  public let standardErrors: Tensor
  /// How it was made.
  public let method: EstimationMethod
  /// The samples that the standard errors rest on; 0 without randomness.
  public let samples: Int
  /// Products of the operator with single vectors.
  public let products: Int
}

/// The diagonal of a symmetric operator from few products with random vectors.
///
/// The estimate has no bias. If n products are allowed, n being the dimension, all unit vectors are multiplied instead,
/// which is exact.
///
/// - Parameters:
///   - a: the operator A.
///   - method: by default the mean of v ∘ A v.
///   - products: how many vectors may be multiplied: at least 1, and 3 for the basis; fewer stop.
///   - generator: makes the vectors; the result is a function of its state.
/// - Returns: the estimate with the standard error of every entry.
/// - Throws: what the products throw; ``SymmetricMatrixError/productNotFinite(row:column:value:)``.
/// - Complexity: the products; the basis adds about 2 n m² flops and the memory of 2 m vectors in double precision.
/// - Source: C. Bekas, E. Kokiopoulou, Y. Saad, *An estimator for the diagonal of a matrix*, Appl. Numer. Math. 57 (2007),
///   (2); the basis after R. Baston, Y. Nakatsukasa, *Stochastic diagonal estimation: probabilistic bounds and an improved
///   algorithm*, arXiv:2201.10684 (2022), who take it off one side.
public func estimateDiagonal<A: SymmetricOperator>(
  of a: A, by method: DiagonalMethod = .hutchinson, products: Int, using generator: inout RandomGenerator
) throws -> DiagonalEstimate {
  let (n, least) = (a.dimension, method == .hutchPlusPlus ? 3 : 1)
  guard products >= least else { stop("estimateDiagonal", "needs at least \(least) products", got: "\(products)") }
  guard products < n else {
    return DiagonalEstimate(
      values: try a.exactDiagonal(for: "estimateDiagonal"), standardErrors: .zeros([n]), method: .unitVectors,
      samples: 0, products: n)
  }
  var known = Tensor.zeros([n])
  var project = { (v: Tensor) in v }
  var probes = products
  if method == .hutchPlusPlus {
    // Normal vectors, because few signs may be linearly dependent on a range along coordinates.
    let sketch = ProbeLaw.gaussian.vectors(products / 3, n, as: a.scalarType, using: &generator)
    let q = try a.range(of: sketch, for: "estimateDiagonal").q
    let z = try a.doubleProduct(with: q, for: "estimateDiagonal")
    known = (q * (2 * z - matmul(q, matmul(q.transposed, z)))).sum(axes: [1])
    project = { $0 - matmul(q, matmul(q.transposed, $0)) }
    probes -= 2 * (products / 3)
  }
  var moments = SampleMoments(shape: [n])
  while moments.count < probes {
    let extent = min(largestColumnBlock, probes - moments.count)
    let v = ProbeLaw.rademacher.vectors(extent, n, as: a.scalarType, using: &generator).as(.float64)
    let samples = v * project(try a.doubleProduct(with: project(v), for: "estimateDiagonal"))
    for k in 0..<extent { moments.add(samples[TensorIndex.all, k]) }
  }
  return DiagonalEstimate(
    values: known + moments.mean, standardErrors: moments.standardError,
    method: method == .hutchinson ? .hutchinson : .hutchPlusPlus, samples: probes, products: products)
}
