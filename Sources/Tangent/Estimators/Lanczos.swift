import AutoDiff

/// Which eigenvalues are looked for.
public enum SpectrumEnd: Sendable, CaseIterable {
  /// The largest ones.
  case largest
  /// The smallest ones: negative before zero before positive.
  case smallest
  /// As many of each.
  case both
}

/// How long ``lanczos(_:count:end:using:options:)`` goes on.
public struct LanczosOptions: Sendable {
  /// The residual ‖A x − θ x‖ at which a pair is taken, relative to the largest |θ|. By default ε^(2/3) of the type, about
  /// 4e-11 in double and 2e-5 in single precision.
  public var tolerance: Double?
  /// The number of products with single vectors after which it gives up; by default 2000.
  public var productLimit: Int
  /// The vectors that are kept in memory before the iteration is restarted from the best of them; by default 128, and
  /// more where many pairs are asked for.
  public var basisLimit: Int?
  /// The vectors that are multiplied at once; by default as many as pairs are asked for at each end. So many copies of a
  /// multiple eigenvalue are found for certain (with probability 1 in the starting vectors); with fewer, some may be missed.
  public var blockExtent: Int?

  /// Options; nil stands for what the properties say.
  public init(tolerance: Double? = nil, productLimit: Int = 2000, basisLimit: Int? = nil, blockExtent: Int? = nil) {
    (self.tolerance, self.productLimit) = (tolerance, productLimit)
    (self.basisLimit, self.blockExtent) = (basisLimit, blockExtent)
  }
}

/// Approximate eigenpairs of one end of a spectrum.
public struct LanczosEigenpairs: Sendable {
  /// The Ritz values θ = xᵀ A x, from the end inward.
  public let values: [Double]
  /// The Ritz vectors x, of length 1, as columns: [n, count].
  public let vectors: Tensor
  /// ‖A x − θ x‖, from a product with the final vectors.
  public let residuals: [Double]
  /// The i-th eigenvalue from the end. The inner bound, θ, is proved by interlacing; the outer one, θ plus or minus the
  /// residual, says where an eigenvalue certainly is, but one beyond it might have been missed. Both ends include an
  /// allowance for rounding, 4 √n ε max |θ|; errors of the operator's own products beyond that are not known here.
  public let brackets: [Bracket]
}

/// What ``lanczos(_:count:end:using:options:)`` found.
public struct LanczosResult: Sendable {
  /// Why it stopped.
  public enum StoppingReason: String, Sendable {
    /// All residuals asked for are below the tolerance.
    case converged
    /// The basis spans the whole space, so that all eigenvalues are known to rounding.
    case wholeSpace
    /// The limit of products was reached. The pairs are what was known by then; their residuals say how well.
    case productLimit
  }

  /// The largest eigenvalues, descending; none if they were not asked for.
  public let largest: LanczosEigenpairs
  /// The smallest eigenvalues, ascending; none if they were not asked for.
  public let smallest: LanczosEigenpairs
  /// Why it stopped.
  public let stoppingReason: StoppingReason
  /// Blocks of vectors that were multiplied.
  public let iterations: Int
  /// Products with single vectors, those for the final residuals included.
  public let products: Int
  /// How often the basis was cut down to its best vectors.
  public let restarts: Int
  /// How often a Krylov space ended in an invariant subspace and went on from a random vector.
  public let breakdowns: Int
}

/// Eigenpairs at the ends of a symmetric operator's spectrum.
///
/// Block Lanczos iteration with full reorthogonalization (twice), restarted from the Ritz vectors nearest to the wanted ends.
/// Where a Krylov space is invariant, as always for a multiple of the identity, it goes on from a random vector orthogonal to
/// all before, so multiplicities are found and no operator makes it fail.
///
/// The results are numbers: no derivative passes. That of an eigenvalue λ with vector x along Ȧ is xᵀ Ȧ x.
///
/// - Parameters:
///   - a: the operator.
///   - count: how many pairs at each end; at most n are returned. Less than 1 stops.
///   - end: which end; by default both.
///   - generator: makes the starting vectors; the result is a function of its state.
///   - options: tolerance and limits.
/// - Returns: values, vectors, residuals, brackets and why it stopped. For n = 0 there are no pairs.
/// - Throws: what the operator's products throw; ``SymmetricMatrixError/productNotFinite(row:column:value:)``;
///   `LinearAlgebraError` of the small eigenproblem.
/// - Complexity: 4 n m flops for each product besides the operator's, with m ≤ `basisLimit` vectors of length n in memory.
/// - Source: restarts after K. Wu, H. Simon, *Thick-restart Lanczos method for large symmetric eigenvalue problems*, SIAM J.
///   Matrix Anal. Appl. 22 (2000); brackets: B. Parlett, *The Symmetric Eigenvalue Problem* (1998), 4.5 and 10.1.
public func lanczos<A: SymmetricOperator>(
  _ a: A, count: Int = 1, end: SpectrumEnd = .both, using generator: inout RandomGenerator,
  options: LanczosOptions = .init()
) throws -> LanczosResult {
  guard count >= 1 else { stop("lanczos", "the count must be positive", got: "\(count)") }
  var run = LanczosRun(a, count: min(count, a.dimension), end: end, options: options)
  return try run.result(using: &generator)
}
