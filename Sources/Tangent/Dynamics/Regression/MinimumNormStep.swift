import AutoDiff

/// The smallest change of parameters that makes a linearized model change its outputs as asked.
///
///     minimize ‖Δ‖ among the minimizers of ‖J Δ − r‖:      Δ = Jᵀ K⁺ r,      K = J Jᵀ
///
/// Gradient descent on a model that is linear in its parameters, f = J w, ends at w₀ + Δ with r = y − J w₀: at the minimum-norm
/// solution plus the part of w₀ that is orthogonal to the gradients. On the linearization of any model about w₀ it ends at
/// w₀ + Δ with r = y − f(w₀).
///
/// - Source: the textbook chapter *Wide neural networks*, theorem 11.3 and (11.3.3).
public struct MinimumNormStep<P: TensorTree> {
  /// Δ, of the structure of the parameters.
  public let step: P
  /// K⁺ r: [n, output shape...].
  public let coefficients: Tensor
  /// ‖J Δ − r‖: what no change of the parameters can reach.
  public let residual: Double
  /// The spectrum of the kernel on all examples and outputs.
  public let spectrum: KernelSpectrum
  /// The eigenvalues that do not count as zero.
  public let rank: Int
}

extension FactoredJacobian {
  /// The smallest change of the parameters that changes the linearized outputs as asked; see ``MinimumNormStep``.
  ///
  /// - Parameters:
  ///   - change: r, [n, output shape...]; another shape stops.
  ///   - cutoff: eigenvalues of the kernel of at most this share of the largest count as zero; by default the number of
  ///     rows of the kernel times ε of its type.
  /// - Throws: ``KernelMatrixError/labelNotFinite(example:output:value:)``,
  ///   ``KernelMatrixError/solutionNotFinite(row:output:value:)``, ``SymmetricMatrixError`` for the kernel.
  /// - Complexity: the Gram matrix of n · outputs gradients, and 21 times the cube of that number in flops.
  public func minimumNormStep(changing change: Tensor, cutoff: Double? = nil) throws -> MinimumNormStep<P> {
    let shape = [exampleCount] + outputShape
    guard change.shape == shape else {
      stop("FactoredJacobian.minimumNormStep", "needs a change of shape \(shape)", got: "\(change.shape)")
    }
    let rows = exampleCount * outputCount
    let kernel = gram().permuted([0, 2, 1, 3]).reshaped(to: [rows, rows])
    let regression = try KernelRegression(
      kernel: kernel, labels: change.as(kernel.scalarType).reshaped(to: [rows]), solver: .pseudoInverse(cutoff: cutoff))
    guard let spectrum = regression.factorization.spectrum else {
      stop("FactoredJacobian.minimumNormStep", "the pseudo-inverse must keep its spectrum")
    }
    let coefficients = regression.coefficients.reshaped(to: shape)
    let step = vjp(coefficients)
    return MinimumNormStep(
      step: step, coefficients: coefficients, residual: (jvp(step) - change).norm().scalar, spectrum: spectrum,
      rank: regression.factorization.rank)
  }
}
