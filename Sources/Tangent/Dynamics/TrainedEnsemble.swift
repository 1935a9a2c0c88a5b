import AutoDiff
import Foundation

/// The ensemble of wide networks after training, one for every draw of the initial parameters.
///
/// Outputs at initialization are a Gaussian process of mean 0 and covariance 𝒦 (NNGP), and gradient flow of ½ Σ r² moves them by
/// the tangent kernel Θ, ṙ = −Θ r. So at time t they are again a Gaussian process, with B = Θ(x, X) Θ⁻¹(I − e^(−Θ t)):
///
///     mean(x) = B y
///     cov(x, x′) = 𝒦(x, x′) + B 𝒦(X, X) B′ᵀ − (B 𝒦(X, x′) + 𝒦(x, X) B′ᵀ)
///
/// Directions in which Θ is zero are not trained: at t = ∞, Θ⁻¹ becomes the pseudo-inverse. Eigenvalues up to a cut-off c
/// count as zero from the time 1/c on, when their size would matter.
///
/// The clock is that of ½ Σ r² at learning rate 1: for the loss Σ r² take 2 t, for (1/2n) Σ r² take t / n, and for a rate η, η t.
///
/// The result is differentiable in y, in 𝒦 and in the kernels of new points, but not in Θ(X, X).
///
/// - Source: J. Lee et al., *Wide neural networks of any depth evolve as linear models*, NeurIPS 2019, equations (14) and (15).
public struct TrainedEnsemble: Sendable {
  /// The spectrum of Θ(X, X).
  public let spectrum: KernelSpectrum
  private let initialCovariance: Tensor
  private let labels: Tensor
  private let outputShape: [Int]
  private let scalarType: ScalarType
  private let cutoff: Double

  /// Takes kernels and labels of the training points.
  ///
  /// - Shapes: both kernels [n, n], labels [n] or [n, outputs...].
  /// - Parameters:
  ///   - tangentKernel: Θ(X, X), the same for every output, symmetric but for rounding. A traced one stops.
  ///   - initialCovariance: 𝒦(X, X), of the outputs at initialization.
  ///   - labels: y. All are of one scalar type; others stop.
  ///   - cutoff: eigenvalues of Θ of at most this share of the largest count as zero at late times; by default n ε.
  /// - Throws: ``KernelMatrixError/indefinite(smallestEigenvalue:count:cutoff:)`` if Θ has an eigenvalue below minus that,
  ///   because the flow would diverge; ``SymmetricMatrixError`` and
  ///   ``KernelMatrixError/labelNotFinite(example:output:value:)`` for the entries.
  /// - Complexity: 21 n³ flops.
  public init(tangentKernel: Tensor, initialCovariance: Tensor, labels: Tensor, cutoff: Double? = nil) throws {
    let types = [tangentKernel.scalarType, initialCovariance.scalarType, labels.scalarType]
    guard Set(types).count == 1, tangentKernel.shape == initialCovariance.shape else {
      stop(
        "TrainedEnsemble", "needs two kernels of one shape, and labels, of one type",
        got: "\(tangentKernel.shape) and \(initialCovariance.shape) of \(types.map(\.rawValue))")
    }
    guard !tangentKernel.isTraced else {
      stop(
        "TrainedEnsemble", "has no derivative with respect to the tangent kernel", hint: "Pass stopGradient(kernel).")
    }
    spectrum = try KernelSpectrum(of: tangentKernel, for: "TrainedEnsemble")
    try spectrum.requirePositiveSemidefinite(cutoff: cutoff)
    self.cutoff = spectrum.threshold(cutoff)
    self.initialCovariance = try symmetricPart(of: initialCovariance, for: "TrainedEnsemble")
    self.labels = try labelColumns(labels, count: spectrum.count, for: "TrainedEnsemble")
    (outputShape, scalarType) = (Array(labels.shape.dropFirst()), labels.scalarType)
  }

  /// The ensemble's mean at new points: [m, n] → [m, outputs...].
  ///
  /// - Parameters:
  ///   - crossTangentKernel: Θ(x, X), new points in rows; another shape stops.
  ///   - time: t ≥ 0; by default infinity. Others stop.
  /// - Complexity: 2 m n² flops.
  public func mean(_ crossTangentKernel: Tensor, at time: Double = .infinity) -> Tensor {
    let smoother = smoother(crossTangentKernel, time, "TrainedEnsemble.mean")
    return matmul(smoother, labels).reshaped(to: [crossTangentKernel.shape[0]] + outputShape)
  }

  /// The ensemble's covariance at new points, the same for every output: [m, m].
  ///
  /// - Parameters:
  ///   - crossTangentKernel: Θ(x, X), [m, n].
  ///   - crossCovariance: 𝒦(x, X), [m, n].
  ///   - prior: 𝒦(x, x), [m, m].
  ///   - time: t ≥ 0; by default infinity. Others stop.
  /// - Returns: the covariance. Rounding may leave eigenvalues slightly below 0.
  /// - Complexity: 4 m n (n + m) flops.
  public func covariance(
    _ crossTangentKernel: Tensor, crossCovariance: Tensor, prior: Tensor, at time: Double = .infinity
  ) -> Tensor {
    let operation = "TrainedEnsemble.covariance"
    let smoother = smoother(crossTangentKernel, time, operation)
    let m = crossTangentKernel.shape[0]
    checkCrossKernel(crossCovariance, count: spectrum.count, scalarType, operation)
    guard crossCovariance.shape[0] == m, prior.shape == [m, m] else {
      stop(
        operation, "needs 𝒦(x, X) [\(m), \(spectrum.count)] and 𝒦(x, x) [\(m), \(m)]",
        got: "\(crossCovariance.shape) and \(prior.shape)")
    }
    let mixed = matmul(smoother, crossCovariance.transposed)
    let trained = matmul(matmul(smoother, initialCovariance), smoother.transposed)
    return prior + trained - (mixed + mixed.transposed)
  }

  /// B = Θ(x, X) Θ⁻¹(I − e^(−Θ t)), in the type of the kernels.
  private func smoother(_ crossTangentKernel: Tensor, _ time: Double, _ operation: String) -> Tensor {
    guard time >= 0 else { stop(operation, "the time must be at least 0", got: "\(time)") }
    checkCrossKernel(crossTangentKernel, count: spectrum.count, scalarType, operation)
    let factors = spectrum.eigenvalues.map { value -> Double in
      // An eigenvalue that cannot be told from 0 is not trained, at times when that would show.
      if value <= cutoff, time * cutoff >= 1 { return 0 }
      // (1 − e^(−λ t)) / λ, which is t at λ = 0; where that is no number, the eigenvalue counts as 0 without any cut-off.
      let factor = value <= 0 ? time : -Foundation.expm1(-value * time) / value
      return factor.isFinite ? factor : 0
    }
    let v = spectrum.eigenvectors
    let along = matmul(crossTangentKernel.as(.float64), v) * Tensor(factors)
    return matmul(along, v.transposed).as(scalarType)
  }
}
