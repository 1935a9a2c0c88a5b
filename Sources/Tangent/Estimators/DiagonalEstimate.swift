import AutoDiff

/// How ``estimateDiagonal(of:by:products:using:)`` goes about it.
public enum DiagonalMethod: Sendable, CaseIterable {
  /// The mean of v ∘ A v over m vectors of random signs. The variance of entry i is Σ_{j≠i} aᵢⱼ² / m.
  case hutchinson
  /// Each of m/2 vectors of signs serves for a basis of the others, on which the diagonal is exact, and is tested against
  /// theirs: for eigenvalues that decay.
  case xDiag
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
///   - products: how many vectors may be multiplied: at least 1, and 2 for XDiag; fewer stop.
///   - generator: makes the vectors; the result is a function of its state.
/// - Returns: the estimate with the standard error of every entry. For XDiag it comes from samples that are exchangeable, not
///   independent.
/// - Throws: what the products throw; ``SymmetricMatrixError/productNotFinite(row:column:value:)``.
/// - Complexity: the products; XDiag adds about 2 n m² flops and the memory of 4 m vectors in double precision.
/// - Source: C. Bekas, E. Kokiopoulou, Y. Saad, *An estimator for the diagonal of a matrix*, Appl. Numer. Math. 57 (2007),
///   (2); E. Epperly, J. Tropp, R. Webber, SIAM J. Matrix Anal. Appl. 45 (2024), section 2.4.
public func estimateDiagonal<A: SymmetricOperator>(
  of a: A, by method: DiagonalMethod = .hutchinson, products: Int, using generator: inout RandomGenerator
) throws -> DiagonalEstimate {
  let (n, least) = (a.dimension, method == .xDiag ? 2 : 1)
  guard products >= least else { stop("estimateDiagonal", "needs at least \(least) products", got: "\(products)") }
  guard products < n else {
    return DiagonalEstimate(
      values: try a.exactDiagonal(for: "estimateDiagonal"), standardErrors: .zeros([n]), method: .unitVectors,
      samples: 0, products: n)
  }
  var moments = SampleMoments(shape: [n])
  func add(_ columns: Tensor) { for k in 0..<columns.shape[1] { moments.add(columns[TensorIndex.all, k]) } }
  switch method {
  case .hutchinson:
    while moments.count < products {
      let extent = min(largestColumnBlock, products - moments.count)
      let v = ProbeLaw.rademacher.vectors(extent, n, as: a.scalarType, using: &generator)
      add(v.as(.float64) * (try a.doubleProduct(with: v, for: "estimateDiagonal")))
    }
    return DiagonalEstimate(
      values: moments.mean, standardErrors: moments.standardError, method: .hutchinson, samples: moments.count,
      products: products)
  case .xDiag:
    let v = ProbeLaw.rademacher.vectors(products / 2, n, as: a.scalarType, using: &generator)
    add(try LeaveOneOutBasis(of: a, v, for: "estimateDiagonal").diagonals)
    return DiagonalEstimate(
      values: moments.mean, standardErrors: moments.standardError, method: .xDiag, samples: moments.count,
      products: 2 * moments.count)
  }
}
