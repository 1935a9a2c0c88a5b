import AutoDiff
import Foundation

/// A Gaussian process of mean 0, given noisy observations.
///
///     f ~ N(0, K),  y = f(X) + ε,  ε ~ N(0, σ²):
///     mean(x) = K(x, X) (K + σ²)⁻¹ y,      cov(x, x′) = K(x, x′) − K(x, X) (K + σ²)⁻¹ K(X, x′)
///
/// With the covariance of a wide network's outputs at initialization (NNGP) and no noise, this is the ensemble of networks of
/// which only the last layer is trained to the end, started at outputs 0 from hidden layers at random: equation (16) of Lee et al.
/// The covariance is one of the function f; for that of new observations add their noise. Every output is a process of its own
/// with the same covariance.
///
/// - Source: C. Rasmussen, C. Williams, *Gaussian processes for machine learning* (2006), algorithm 2.1; J. Lee et al., *Wide
///   neural networks of any depth evolve as linear models*, NeurIPS 2019.
public struct GaussianProcess: Sendable {
  /// (K + σ²)⁻¹ y: [n, outputs].
  public let coefficients: Tensor
  /// The factored covariance of the observations, K + σ².
  public let factorization: KernelFactorization
  private let labels: Tensor
  private let outputShape: [Int]

  /// Conditions the process on observations.
  ///
  /// - Shapes: covariance [n, n], labels [n] or [n, outputs...], noise [] or [n].
  /// - Parameters:
  ///   - covariance: K(X, X), of a kernel, symmetric but for rounding.
  ///   - labels: y, of the covariance's scalar type; another one stops, as does another number of examples.
  ///   - noise: σ², the variance of the noise, one number or one for every example; by default 0. Negative ones stop.
  ///   - solver: by default Cholesky, differentiable in everything, which examples with huge noise do not disturb. The
  ///     pseudo-inverse takes singular covariances: it conditions on the part of the labels that the process can have. Its
  ///     cut-off is relative to the largest eigenvalue, so that variances of the noise should be of like size there.
  /// - Throws: ``KernelMatrixError/indefinite(smallestEigenvalue:count:cutoff:)``; by Cholesky also
  ///   ``KernelMatrixError/singular(smallestEigenvalue:count:cutoff:)``. ``SymmetricMatrixError`` for entries of the covariance,
  ///   ``KernelMatrixError/labelNotFinite(example:output:value:)``,
  ///   ``KernelMatrixError/solutionNotFinite(row:output:value:)``.
  /// - Complexity: n³/3 flops by Cholesky, 21 n³ by the pseudo-inverse.
  public init(
    covariance: Tensor, labels: Tensor, noise: Tensor? = nil, solver: KernelSolver = .cholesky
  ) throws {
    guard labels.scalarType == covariance.scalarType else {
      stop(
        "GaussianProcess", "covariance and labels must be of one type",
        got: "\(covariance.scalarType.rawValue) and \(labels.scalarType.rawValue)")
    }
    factorization = try KernelFactorization(covariance, ridge: noise, solver: solver, for: "GaussianProcess")
    try factorization.requirePositiveSemidefinite()
    self.labels = try labelColumns(labels, count: covariance.shape[0], for: "GaussianProcess")
    outputShape = Array(labels.shape.dropFirst())
    coefficients = factorization.solve(self.labels)
    try requireFiniteSolution(coefficients)
  }

  /// Conditions the process on observations with one variance of the noise; see ``init(covariance:labels:noise:solver:)``.
  public init(covariance: Tensor, labels: Tensor, noise: Double, solver: KernelSolver = .cholesky) throws {
    try self.init(
      covariance: covariance, labels: labels, noise: Tensor(noise, as: covariance.scalarType), solver: solver)
  }

  /// The posterior mean at new points: [m, n] → [m, outputs...].
  ///
  /// - Parameter crossCovariance: K(x, X), new points in rows; another shape stops.
  /// - Complexity: 2 m n flops for every output.
  public func mean(_ crossCovariance: Tensor) -> Tensor {
    check(crossCovariance, "GaussianProcess.mean")
    return matmul(crossCovariance, coefficients).reshaped(to: [crossCovariance.shape[0]] + outputShape)
  }

  /// The posterior covariance at new points, which is the same for every output: [m, m].
  ///
  /// - Parameters:
  ///   - crossCovariance: K(x, X), [m, n].
  ///   - prior: K(x, x), [m, m].
  /// - Returns: K(x, x) − WᵀW with W the half of a solution: symmetric where the prior is. Rounding may leave eigenvalues down
  ///   to about −n ε max K.
  /// - Complexity: m n (n + 2 m) flops.
  public func covariance(_ crossCovariance: Tensor, prior: Tensor) throws(KernelMatrixError) -> Tensor {
    check(crossCovariance, "GaussianProcess.covariance")
    let m = crossCovariance.shape[0]
    guard prior.shape == [m, m] else {
      stop("GaussianProcess.covariance", "needs a prior covariance [\(m), \(m)]", got: "\(prior.shape)")
    }
    let half = try factorization.halfSolve(crossCovariance.transposed)
    return prior - matmul(half.transposed, half)
  }

  /// The posterior variances at new points: [m]. They are at least 0, where rounding would have left less.
  ///
  /// - Parameters:
  ///   - crossCovariance: K(x, X), [m, n].
  ///   - prior: K(x, x) of every point, [m].
  /// - Complexity: m n² flops, without the m² numbers of a covariance.
  public func variances(_ crossCovariance: Tensor, prior: Tensor) throws(KernelMatrixError) -> Tensor {
    check(crossCovariance, "GaussianProcess.variances")
    let m = crossCovariance.shape[0]
    guard prior.shape == [m] else {
      stop("GaussianProcess.variances", "needs prior variances [\(m)]", got: "\(prior.shape)")
    }
    return maximum(prior - square(try factorization.halfSolve(crossCovariance.transposed)).sum(axes: [0]), 0)
  }

  /// log p(y) = −½ yᵀ(K + σ²)⁻¹y − ½ log det(K + σ²) − (n/2) log 2π for every output: [outputs...].
  ///
  /// - Throws: ``KernelMatrixError/singular(smallestEigenvalue:count:cutoff:)`` where K + σ² has no density.
  public func logMarginalLikelihood() throws(KernelMatrixError) -> Tensor {
    let fit = (labels * coefficients).sum(axes: [0]) * 0.5
    let volume = try factorization.logDeterminant() * 0.5 + Double(factorization.count) / 2 * Foundation.log(2 * .pi)
    return -(fit + volume).reshaped(to: outputShape)
  }

  private func check(_ crossCovariance: Tensor, _ operation: String) {
    checkCrossKernel(crossCovariance, count: factorization.count, factorization.scalarType, operation)
  }
}
