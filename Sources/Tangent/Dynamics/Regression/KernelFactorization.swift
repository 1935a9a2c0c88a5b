import AutoDiff

/// How systems with a kernel matrix are solved.
public enum KernelSolver: Sendable, Equatable {
  /// K⁺ from all eigenpairs: eigenvalues with |λ| ≤ cut-off · max |λ| count as zero, by default n ε with ε of the kernel's
  /// type. Never fails for want of definiteness, and gives minimum-norm solutions. Computed in double precision. The result is
  /// differentiable in the right-hand side but not in K, where the rank is a step function.
  case pseudoInverse(cutoff: Double? = nil)
  /// K = L Lᵀ, at a tenth of the cost; throws unless K is positive definite. Differentiable in everything.
  case cholesky
}

/// A factored kernel matrix K + λ I: solutions, square roots of the inverse and the determinant.
///
/// What kernel regression, Gaussian processes and trained ensembles have in common.
public struct KernelFactorization: Sendable {
  private enum Factors: Sendable {
    /// L, lower triangular.
    case cholesky(Tensor)
    /// The eigenvectors that count, [n, rank], in double precision, and their eigenvalues with the ridge.
    case spectral(vectors: Tensor, values: Tensor)
  }

  private let factors: Factors
  /// n.
  public let count: Int
  /// The type of the kernel.
  public let scalarType: ScalarType
  /// The number of eigenvalues that do not count as zero.
  public let rank: Int
  /// The eigenvalues of K + λ I up to this magnitude count as zero; with `.cholesky`, the least of the limits of the pivots.
  public let cutoff: Double
  /// The spectrum of K + λ I, where the pseudo-inverse needed it.
  public let spectrum: KernelSpectrum?

  /// Factors a kernel matrix.
  ///
  /// - Parameters:
  ///   - kernel: K, [n, n], symmetric but for rounding; another shape stops.
  ///   - ridge: λ ≥ 0, one number or one for every example, [n], of the kernel's type: what is added to the diagonal. By
  ///     default 0. Negative ones and those that are no numbers stop.
  ///   - solver: the method; by default the pseudo-inverse, which stops where a transform follows K.
  /// - Throws: ``SymmetricMatrixError`` for entries that are not finite or not symmetric. With `.cholesky`,
  ///   ``KernelMatrixError/indefinite(smallestEigenvalue:count:cutoff:)`` or
  ///   ``KernelMatrixError/singular(smallestEigenvalue:count:cutoff:)`` unless every pivot is larger than n ε times its
  ///   diagonal entry: a condition that does not change with the units of single examples, so an example whose noise is huge,
  ///   as good as not observed, does not make the others count as zero.
  /// - Complexity: n³/3 flops by Cholesky, 21 n³ by the pseudo-inverse.
  public init(_ kernel: Tensor, ridge: Tensor? = nil, solver: KernelSolver = .pseudoInverse()) throws {
    try self.init(kernel, ridge: ridge, solver: solver, for: "KernelFactorization")
  }

  /// - Parameter operation: what the user called.
  init(_ kernel: Tensor, ridge: Tensor?, solver: KernelSolver, for operation: String) throws {
    var matrix = try symmetricPart(of: kernel, for: operation)
    (count, scalarType) = (kernel.shape[0], kernel.scalarType)
    if let ridge {
      ridge.requireNumbers(for: operation)
      guard ridge.rank <= 1, ridge.rank == 0 || ridge.shape[0] == count, ridge.scalarType == scalarType,
        ridge.allSatisfy({ $0 >= 0 && $0.isFinite })
      else {
        stop(
          operation, "the ridge must be one number or [\(count)] of \(scalarType.rawValue), all at least 0",
          got: "\(ridge)")
      }
      matrix = matrix + Tensor.eye(count, as: scalarType) * ridge
    }
    switch solver {
    case .cholesky:
      let (lower, smallestPivot) = try Self.cholesky(matrix)
      factors = .cholesky(lower)
      (rank, cutoff, spectrum) = (count, smallestPivot, nil)
    case .pseudoInverse(let share):
      guard !matrix.isTraced else {
        stop(
          operation, "the pseudo-inverse has no derivative with respect to the kernel matrix",
          hint: "Choose .cholesky, or stopGradient(kernel).")
      }
      let spectrum = try KernelSpectrum(of: matrix, for: operation)
      let limit = spectrum.threshold(share)
      // Without a cut-off, what has no finite reciprocal counts as zero too.
      let least = scalarType.leastNormalMagnitude
      let kept = spectrum.eigenvalues.indices.filter {
        spectrum.eigenvalues[$0].magnitude > limit && spectrum.eigenvalues[$0].magnitude >= least
      }
      factors = .spectral(
        vectors: spectrum.eigenvectors.gathered(at: kept, axis: 1),
        values: Tensor(kept.map { spectrum.eigenvalues[$0] }))
      (rank, cutoff, self.spectrum) = (kept.count, limit, spectrum)
    }
  }

  /// The factor and the least magnitude up to which a pivot counts as zero.
  private static func cholesky(_ matrix: Tensor) throws -> (lower: Tensor, cutoff: Double) {
    let n = matrix.shape[0]
    guard n > 0 else { return (matrix, 0) }
    func failure() throws -> KernelMatrixError {
      let values = try symmetricEigenvalues(stopGradient(matrix).as(.float64)).scalars
      let limit = max(
        Double(n) * matrix.scalarType.epsilon * max(values[n - 1].magnitude, values[0].magnitude),
        matrix.scalarType.leastNormalMagnitude)
      return values[0] < -limit
        ? .indefinite(smallestEigenvalue: values[0], count: n, cutoff: limit)
        : .singular(smallestEigenvalue: values[0], count: n, cutoff: limit)
    }
    // A pivot is what is left of its diagonal entry, with the rounding of that. (Smaller ones than the least normal number have
    // no finite reciprocal.)
    let limits = stopGradient(matrix).diagonal.scalars.map {
      max(Double(n) * matrix.scalarType.epsilon * $0, matrix.scalarType.leastNormalMagnitude)
    }
    let lower: Tensor
    do {
      lower = try AutoDiff.cholesky(matrix)
    } catch LinearAlgebraError.notPositiveDefinite {
      throw try failure()
    }
    // The smallest eigenvalue is no larger than any pivot, so a small pivot shows a small one, which rounding may have made.
    let pivots = square(stopGradient(lower).diagonal).scalars
    if zip(pivots, limits).contains(where: { $0 <= $1 }) { throw try failure() }
    return (lower, limits.min()!)
  }

  /// (K + λ I)⁺ B, of the kernel's type.
  ///
  /// - Shapes: [n, k] → [n, k]
  /// - Complexity: 2 n² k flops by Cholesky, 4 n rank k by the pseudo-inverse.
  public func solve(_ b: Tensor) -> Tensor {
    check(b, "KernelFactorization.solve")
    switch factors {
    case .cholesky(let lower): return substituted(lower.transposed, substituted(lower, b, .lower), .upper)
    case .spectral(let vectors, let values):
      let parts = matmul(vectors.transposed, b.as(.float64)) / values.expanded(at: 1)
      return matmul(vectors, parts).as(scalarType)
    }
  }

  /// W with Wᵀ W = Bᵀ (K + λ I)⁺ B: the half of a solution, from which variances come without loss of symmetry.
  ///
  /// - Shapes: [n, k] → [rank, k]
  /// - Throws: ``KernelMatrixError/indefinite(smallestEigenvalue:count:cutoff:)``.
  /// - Complexity: n² k flops by Cholesky, 2 n rank k by the pseudo-inverse.
  public func halfSolve(_ b: Tensor) throws(KernelMatrixError) -> Tensor {
    check(b, "KernelFactorization.halfSolve")
    switch factors {
    case .cholesky(let lower): return substituted(lower, b, .lower)
    case .spectral(let vectors, let values):
      try requirePositiveSemidefinite()
      return (matmul(vectors.transposed, b.as(.float64)) / sqrt(values).expanded(at: 1)).as(scalarType)
    }
  }

  /// log det(K + λ I).
  ///
  /// - Throws: ``KernelMatrixError`` where the matrix is singular or indefinite.
  public func logDeterminant() throws(KernelMatrixError) -> Tensor {
    switch factors {
    case .cholesky(let lower): return count == 0 ? .zeros([], as: scalarType) : log(lower.diagonal).sum() * 2
    case .spectral(_, let values):
      try requirePositiveSemidefinite()
      if rank < count, let smallest = spectrum?.eigenvalues.min(by: { abs($0) < abs($1) }) {
        throw .singular(smallestEigenvalue: smallest, count: count, cutoff: cutoff)
      }
      return (rank == 0 ? .zeros([]) : log(values).sum()).as(scalarType)
    }
  }

  /// Throws if an eigenvalue is negative beyond the cut-off.
  public func requirePositiveSemidefinite() throws(KernelMatrixError) {
    if let smallest = spectrum?.eigenvalues.last, smallest < -cutoff {
      throw .indefinite(smallestEigenvalue: smallest, count: count, cutoff: cutoff)
    }
  }

  private func substituted(_ triangle: Tensor, _ b: Tensor, _ half: Triangle) -> Tensor {
    if b.count == 0 { return b }
    do {
      return try triangularSolve(triangle, b, half)
    } catch {
      stop("KernelFactorization", "the factor must have a positive diagonal", got: "\(error)")
    }
  }

  private func check(_ b: Tensor, _ operation: String) {
    guard b.rank == 2, b.shape[0] == count, b.scalarType == scalarType else {
      stop(
        operation, "needs right-hand sides [\(count), k] of \(scalarType.rawValue)",
        got: "\(b.shape) of \(b.scalarType.rawValue)")
    }
  }
}

extension ScalarType {
  /// The smallest positive number of full precision.
  var leastNormalMagnitude: Double {
    switch self {
    case .float64: .leastNormalMagnitude
    case .float32: Double(Float.leastNormalMagnitude)
    }
  }
}
