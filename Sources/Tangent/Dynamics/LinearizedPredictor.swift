import AutoDiff

/// A linearized model's outputs on new points, at any time of its training.
///
/// f_t(x) = f₀(x) + K(x, train) V (1 − ρ)/λ Vᵀ (y − f₀). What K(x, train) has in the null space of K(train, train) is left out.
/// For a kernel that is an inner product of gradients there is nothing: a combination of training gradients that is zero has
/// zero inner product with every other. Where the blocks do not belong together exactly, as estimates or by rounding, it
/// would make predictions grow with time without bound, while no training output depends on it; ``nullSpacePart`` says how
/// much was left out, and predictions stay finite, infinity included.
public struct LinearizedPredictor: Sendable {
  /// The training whose course is followed.
  public let training: LinearizedTraining
  /// f₀ on the new points: [m, ...].
  public let initialOutputs: Tensor
  /// The Frobenius norm of K(x, train) on the null space of K(train, train), relative to that of K(x, train).
  public let nullSpacePart: Double

  /// K(x, train) V.
  private let projected: Tensor

  fileprivate init(_ training: LinearizedTraining, _ kernel: KernelAction, _ outputs: Tensor) {
    (self.training, initialOutputs) = (training, outputs)
    projected = matmul(kernel.matrix, training.eigenvectors)
    let nullSpace = training.column(training.eigenvalues.map { $0 > 0 ? 0 : 1 }).reshaped(to: [1, -1])
    let whole = projected.norm().scalar
    nullSpacePart = whole == 0 ? 0 : (projected * nullSpace).norm().scalar / whole
  }

  /// The outputs on the new points.
  ///
  /// - Returns: [m, ...].
  /// - Throws: ``TrainingError/diverged(steps:size:largestStable:)``,
  ///   ``TrainingError/notFinite(input:index:value:)`` where they leave the range of the type.
  /// - Complexity: 2 m n flops per output.
  public func outputs(at time: TrainingTime) throws(TrainingError) -> Tensor {
    let weights = training.column(try training.modes(at: time).map(\.weight)).reshaped(to: [1, -1])
    // Weights of 1/λ meet the kernel first, whose size they undo.
    let change = matmul(projected * weights, training.mismatch).reshaped(to: initialOutputs.shape)
    try KernelAction.requireFinite(change, "change of the outputs on the new points", for: "LinearizedPredictor")
    return initialOutputs + change
  }
}

extension LinearizedTraining {
  /// Prepares predictions on new points; the training itself is not done again.
  ///
  /// - Parameters:
  ///   - kernel: K(new, train): [m, n], [m, n, o, o] or [m · o, n · o], as the kernel of the training examples. Another shape
  ///     stops.
  ///   - outputs: f₀ on the new points: [m, ...] with the training outputs' shape for each point.
  /// - Throws: ``TrainingError/notFinite(input:index:value:)``.
  /// - Complexity: 2 m n² flops for a kernel of extents m and n.
  public func predictor(kernel: Tensor, outputs: Tensor) throws(TrainingError) -> LinearizedPredictor {
    requireOneScalarType("predictor", kernel, targets)
    requireOneScalarType("predictor", outputs, targets)
    let action = KernelAction(kernel, outputs.shape, targets.shape, "predictor")
    guard action.matrix.shape[1] == eigenvalues.count else {
      stop(
        "predictor", "the kernel must have \(eigenvalues.count) columns, as that of the training examples",
        got: "\(action.matrix.shape[1])")
    }
    try KernelAction.requireFinite(kernel, "kernel of the new points", for: "LinearizedPredictor")
    try KernelAction.requireFinite(outputs, "outputs on the new points", for: "LinearizedPredictor")
    return LinearizedPredictor(self, action, outputs)
  }

  /// Prepares predictions of a model's linearization on new points.
  ///
  /// - Parameters:
  ///   - jacobian: the Jacobian on the new points.
  ///   - trainingJacobian: the one on the training examples, at the same parameters.
  /// - Throws: ``TrainingError/notFinite(input:index:value:)``.
  public func predictor<P: TensorTree>(
    jacobian: FactoredJacobian<P>, trainedOn trainingJacobian: FactoredJacobian<P>
  ) throws(TrainingError) -> LinearizedPredictor {
    try predictor(kernel: jacobian.gram(with: trainingJacobian), outputs: jacobian.outputs)
  }
}
