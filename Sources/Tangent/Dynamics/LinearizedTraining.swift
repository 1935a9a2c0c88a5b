import AutoDiff
import Foundation

/// The training of a linearized model under a squared loss, in closed form.
///
/// The outputs on the training examples follow ṙ = −c K r by gradient flow, r ← (I − h c K) r by steps, with c the rate of the
/// ``SquaredLoss``. One eigendecomposition K = V diag(λ) Vᵀ takes the training apart into independent modes; after that any
/// time, infinity included, and any number of steps, however large, cost two products with V.
///
///     let training = try LinearizedTraining(kernel: k, outputs: f0, targets: y, loss: .halfMean)
///     let fitted = try training.outputs(at: .flow(.infinity))
///     let after = try training.outputs(at: .steps(1_000_000, of: 0.5 * training.largestStableStep()))
///
/// Eigenvalues within the tolerance of zero count as exactly zero: what lies in their directions is never learned, at no
/// time. An infinite time is therefore the pseudo-inverse: f₀ + K K⁺ (y − f₀).
///
/// - Note: Outputs and targets may be inside a gradient or a forward derivative, on which everything depends linearly. The
///   kernel must be known in numbers.
/// - Source: Jacot, Gabriel and Hongler, Neural tangent kernel (2018), section 5; Lee et al., Wide neural networks of any
///   depth evolve as linear models (2019), equations (9) to (11).
public struct LinearizedTraining: Sendable {
  /// The loss, which sets the clock.
  public let loss: SquaredLoss
  /// f₀: [n, ...].
  public let initialOutputs: Tensor
  /// y: [n, ...].
  public let targets: Tensor
  /// λ, ascending; those within the tolerance are 0. There are n, or n · outputs for a kernel of all pairs of outputs.
  public let eigenvalues: [Double]
  /// V, whose columns are the eigenvectors.
  public let eigenvectors: Tensor
  /// Eigenvalues of at most this magnitude count as zero.
  public let zeroTolerance: Double

  private let kernel: KernelAction
  /// Vᵀ (y − f₀): [eigenvalues, columns].
  let mismatch: Tensor

  /// The number of training examples.
  public var exampleCount: Int { targets.shape[0] }
  /// c: the outputs move by ṙ = −c K r.
  public var rate: Double { loss.rate(examples: exampleCount) }
  /// The number of eigenvalues that are not zero.
  public var rank: Int { eigenvalues.count { $0 > 0 } }

  /// Takes the training apart into modes.
  ///
  /// - Parameters:
  ///   - kernel: K(train, train): [n, n], which all outputs share, or for pairs of outputs [n, n, o, o], as
  ///     `tangentKernel(of:at:on:and:outputs:)` gives it, or [n · o, n · o]. Another shape stops.
  ///   - outputs: f₀ on the training examples: [n], [n, o] or of higher rank.
  ///   - targets: y, of the same shape.
  ///   - loss: which squared loss, and thereby which clock.
  ///   - tolerance: eigenvalues within ± tolerance · max |λ| count as zero; by default 4 n ε of the kernel's type, with n its
  ///     extent.
  /// - Throws: ``TrainingError`` if an input is not finite, if the kernel is not symmetric to the root of the type's
  ///   epsilon, or has an eigenvalue below minus the tolerance.
  /// - Complexity: about 9 N³ flops for a kernel of extent N.
  public init(
    kernel: Tensor, outputs: Tensor, targets: Tensor, loss: SquaredLoss, tolerance: Double? = nil
  ) throws(TrainingError) {
    guard outputs.shape == targets.shape else {
      stop(
        "LinearizedTraining", "outputs and targets must have one shape", got: "\(outputs.shape) and \(targets.shape)")
    }
    requireOneScalarType("LinearizedTraining", kernel, outputs)
    requireOneScalarType("LinearizedTraining", outputs, targets)
    let action = KernelAction(kernel, outputs.shape, outputs.shape, "LinearizedTraining")
    try KernelAction.requireFinite(outputs, "outputs", for: "LinearizedTraining")
    try KernelAction.requireFinite(targets, "targets", for: "LinearizedTraining")
    try action.requireSymmetric("LinearizedTraining")
    let (values, vectors): (Tensor, Tensor)
    do throws(LinearAlgebraError) {
      (values, vectors) = try symmetricEigen(action.matrix)
    } catch {
      throw .notConverged(error)
    }
    let numbers = values.scalars
    let zero = try KernelAction.zeroTolerance(numbers, kernel.scalarType, relative: tolerance)
    (self.loss, initialOutputs, self.targets, self.kernel) = (loss, outputs, targets, action)
    (eigenvalues, eigenvectors, zeroTolerance) = (numbers.map { $0 <= zero ? 0 : $0 }, vectors, zero)
    mismatch = matmul(vectors.transposed, action.columns(of: targets - outputs))
  }

  /// The training of a model's linearization at the parameters of its Jacobian.
  ///
  /// - Parameters:
  ///   - jacobian: the gradients of the model on the training examples, which hold its outputs as well.
  ///   - targets: y: [n, output shape...].
  ///   - loss: which squared loss.
  ///   - tolerance: as above.
  /// - Throws: ``TrainingError``.
  public init<P: TensorTree>(
    jacobian: FactoredJacobian<P>, targets: Tensor, loss: SquaredLoss, tolerance: Double? = nil
  ) throws(TrainingError) {
    try self.init(
      kernel: jacobian.gram(), outputs: jacobian.outputs, targets: targets, loss: loss, tolerance: tolerance)
  }

  // MARK: Training examples

  /// The outputs on the training examples, f₀ + V (1 − ρ) Vᵀ (y − f₀).
  ///
  /// - Returns: the shape of the targets.
  /// - Throws: ``TrainingError/diverged(steps:size:largestStable:)``.
  public func outputs(at time: TrainingTime) throws(TrainingError) -> Tensor {
    initialOutputs + expanded(try modes(at: time).map(\.learned))
  }

  /// f − y on the training examples, −V ρ Vᵀ (y − f₀), exact to a few units in the last place of the largest entry of f₀ − y
  /// also where hardly anything is left.
  ///
  /// - Throws: ``TrainingError/diverged(steps:size:largestStable:)``.
  public func residuals(at time: TrainingTime) throws(TrainingError) -> Tensor {
    -expanded(try modes(at: time).map(\.residual))
  }

  /// The loss on the training examples.
  ///
  /// - Throws: ``TrainingError/diverged(steps:size:largestStable:)``.
  /// - Complexity: one pass over the modes and outputs, no product with V.
  public func loss(at time: TrainingTime) throws(TrainingError) -> Double {
    let left = column(try modes(at: time).map(\.residual)) * mismatch
    return dot(left, left).scalar * loss.scale(examples: exampleCount)
  }

  // MARK: Parameters

  /// α with p_t − p₀ = Jᵀ α: V (1 − ρ)/λ Vᵀ (y − f₀), of the shape of the targets. Nothing lies in the kernel's null space.
  ///
  /// - Throws: ``TrainingError/diverged(steps:size:largestStable:)``, and
  ///   ``TrainingError/notFinite(input:index:value:)`` where they leave the range of the type, as for large labels and a
  ///   small kernel.
  public func coefficients(at time: TrainingTime) throws(TrainingError) -> Tensor {
    let coefficients = expanded(try modes(at: time).map(\.weight))
    try KernelAction.requireFinite(coefficients, "coefficients", for: "LinearizedTraining")
    return coefficients
  }

  /// p_t − p₀, by which the linearized model's parameters have moved.
  ///
  /// - Parameter jacobian: the Jacobian on the training examples whose Gram matrix is the kernel.
  /// - Throws: ``TrainingError/diverged(steps:size:largestStable:)``.
  public func displacement<P: TensorTree>(
    at time: TrainingTime, jacobian: FactoredJacobian<P>
  ) throws(TrainingError) -> P {
    jacobian.vjp(try coefficients(at: time))
  }

  /// ‖p_t − p₀‖ = √(αᵀ K α), without the parameters.
  ///
  /// - Throws: ``TrainingError/diverged(steps:size:largestStable:)``.
  public func displacementNorm(at time: TrainingTime) throws(TrainingError) -> Double {
    let moved = zip(try modes(at: time).map(\.weight), eigenvalues).map { $0 * $1.squareRoot() }
    return (column(moved) * mismatch).norm().scalar
  }

  // MARK: Steps

  /// The largest size of a step by which no mode grows: 2/(c λ_max), with momentum 2(1 + β)/(c λ_max); see
  /// ``Momentum/stabilityLimit``. Infinite for the kernel 0.
  public func largestStableStep(momentum: Momentum = .none) -> Double {
    momentum.stabilityLimit / (rate * (eigenvalues.last ?? 0))
  }

  // MARK: Modes

  /// What training has done to every mode; nothing in the null space.
  func modes(at time: TrainingTime) throws(TrainingError) -> [TrainingMode] {
    time.check("LinearizedTraining")
    // Beyond this, products with the mismatch could leave the type.
    let limit =
      switch targets.scalarType {
      case .float64: 1e150
      case .float32: 1e18
      }
    var modes: [TrainingMode] = []
    modes.reserveCapacity(eigenvalues.count)
    for eigenvalue in eigenvalues {
      guard eigenvalue > 0 else {
        modes.append(TrainingMode(residual: 1, learned: 0, weight: 0))
        continue
      }
      let mode = time.mode(eigenvalue, rate: rate)
      if case .steps(let count, let size, let momentum) = time, !(mode.residual.magnitude < limit) {
        throw .diverged(steps: count, size: size, largestStable: largestStableStep(momentum: momentum))
      }
      modes.append(mode)
    }
    return modes
  }

  /// V (factors ∘ mismatch) in the shape of the targets.
  private func expanded(_ factors: [Double]) -> Tensor {
    matmul(eigenvectors, column(factors) * mismatch).reshaped(to: targets.shape)
  }

  func column(_ numbers: [Double]) -> Tensor { Tensor(numbers, shape: [numbers.count, 1], as: mismatch.scalarType) }
}
