import AutoDiff

/// Kernel least squares: the function ⟨φ(x), w⟩ that fits labels best, known by the kernel alone.
///
///     minimize Σᵢ (⟨φ(xᵢ), w⟩ − yᵢ)² + λ ‖w‖²,      w* = Σⱼ αⱼ φ(xⱼ),      f(x) = Σⱼ αⱼ K(x, xⱼ)
///
/// By the representer theorem the minimizer of least norm lies in the span of the features. Without a ridge α is any minimizer
/// of ‖K α − y‖²: they all give the same function, and this is the one of least norm, α = K⁺ y. With a ridge λ, α = (K + λ I)⁻¹ y.
///
/// Any kernel matrix will do: tangent kernels of finite and infinite networks, or ``rbfKernel(_:_:rate:)`` and its like.
///
/// - Source: the textbook chapter *Wide neural networks*, theorem 11.7, proposition 11.9 and (11.2.10).
public struct KernelRegression: Sendable {
  /// α, of the shape of the labels.
  public let coefficients: Tensor
  /// What the solution was computed with: the rank and the cut-off, and for the pseudo-inverse the spectrum.
  public let factorization: KernelFactorization
  /// λ.
  public let ridge: Double
  /// ‖K α − y‖ for every output. Without a ridge, what no function of the kernel's space can fit.
  public let residuals: [Double]
  /// ‖w*‖² = αᵀ K α for every output.
  public let squaredNorms: [Double]
  /// α as [n, outputs].
  private let columns: Tensor

  /// Fits labels.
  ///
  /// - Shapes: kernel [n, n], labels [n] or [n, outputs...].
  /// - Parameters:
  ///   - kernel: K(X, X), symmetric but for rounding.
  ///   - labels: Y, of the kernel's scalar type; another one stops, as does another number of examples.
  ///   - ridge: λ ≥ 0 in the units of the kernel, not divided by n; by default 0.
  ///   - solver: the method. By default the pseudo-inverse, which takes singular kernels, and indefinite ones, for which α
  ///     still minimizes ‖K α − y‖ but there is no feature space; ask `factorization.requirePositiveSemidefinite()`.
  /// - Throws: ``SymmetricMatrixError`` for entries of the kernel, ``KernelMatrixError`` for labels, for coefficients that
  ///   leave the range of the type and, by `.cholesky`, for a kernel that is not positive definite.
  /// - Complexity: n³/3 flops by Cholesky, 21 n³ by the pseudo-inverse.
  public init(
    kernel: Tensor, labels: Tensor, ridge: Double = 0, solver: KernelSolver = .pseudoInverse()
  ) throws {
    guard labels.scalarType == kernel.scalarType else {
      stop(
        "KernelRegression", "kernel and labels must be of one type",
        got: "\(kernel.scalarType.rawValue) and \(labels.scalarType.rawValue)")
    }
    factorization = try KernelFactorization(
      kernel, ridge: ridge == 0 ? nil : Tensor(ridge, as: kernel.scalarType), solver: solver,
      for: "KernelRegression")
    let targets = try labelColumns(labels, count: kernel.shape[0], for: "KernelRegression")
    columns = factorization.solve(targets)
    try requireFiniteSolution(columns)
    (self.ridge, coefficients) = (ridge, columns.reshaped(to: labels.shape))
    let fitted = stopGradient(matmul(kernel, columns))
    residuals = (fitted - stopGradient(targets)).norm(axes: [0]).scalars
    squaredNorms = (fitted * stopGradient(columns)).sum(axes: [0]).scalars
  }

  /// f at new points, Σⱼ K(x, xⱼ) αⱼ.
  ///
  /// - Shapes: [m, n] → [m, outputs...]
  /// - Parameter crossKernel: K(x, X), new points in rows, training points in columns; another shape stops.
  /// - Returns: the predictions, differentiable in the kernel and, by the coefficients, in what they came from.
  /// - Complexity: 2 m n flops for every output.
  public func predictions(_ crossKernel: Tensor) -> Tensor {
    checkCrossKernel(crossKernel, count: factorization.count, factorization.scalarType, "KernelRegression.predictions")
    return matmul(crossKernel, columns).reshaped(to: [crossKernel.shape[0]] + coefficients.shape.dropFirst())
  }

  /// w* = Σⱼ αⱼ φ(xⱼ): the representer theorem, where the features are known.
  ///
  /// - Shapes: [n, d] → [d, outputs...]
  /// - Parameter features: φ(xⱼ) in rows.
  public func weights(features: Tensor) -> Tensor {
    guard features.rank == 2, features.shape[0] == factorization.count else {
      stop("KernelRegression.weights", "needs features [\(factorization.count), d]", got: "\(features.shape)")
    }
    return tensordot(features, coefficients, axes: ([0], [0]))
  }

  /// An orthonormal basis of the directions in which α can be changed without changing the function, K c ≈ 0: [n, n − rank].
  ///
  /// α + N c is for every c another minimizer of ‖K α − y‖². It is empty with a positive definite kernel or a ridge; by
  /// `.cholesky` always.
  public var minimizerDirections: Tensor {
    let n = factorization.count
    guard let spectrum = factorization.spectrum else { return .zeros([n, 0], as: factorization.scalarType) }
    let null = spectrum.eigenvalues.indices.filter { spectrum.eigenvalues[$0].magnitude <= factorization.cutoff }
    return spectrum.eigenvectors.gathered(at: null, axis: 1).as(factorization.scalarType)
  }
}

/// Stops unless a kernel between new and training points is [m, n] of the right type.
func checkCrossKernel(_ kernel: Tensor, count n: Int, _ scalarType: ScalarType, _ operation: String) {
  guard kernel.rank == 2, kernel.shape[1] == n, kernel.scalarType == scalarType else {
    stop(
      operation, "needs K(x, X), [new points, \(n)], of \(scalarType.rawValue)",
      got: "\(kernel.shape) of \(kernel.scalarType.rawValue)", hint: "Transposed?")
  }
}
