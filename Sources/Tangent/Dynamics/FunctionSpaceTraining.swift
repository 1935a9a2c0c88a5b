import AutoDiff

/// The training of a linearized model under any loss, followed in its outputs.
///
/// Gradient flow moves the outputs on the training examples by ḟ = −K ∇loss(f), those on new points by
/// ḟ = −K(new, train) ∇loss(f). For squared losses there is a closed form, ``LinearizedTraining``; others are integrated by
/// ``ODESolver`` to its tolerances.
///
///     let training = try FunctionSpaceTraining(kernel: k, outputs: f0) { crossEntropy($0, labels) }
///     let course = try training.flow(at: [1, 10, 100])
///
/// The clock is that of the loss as it is written: its gradient is taken as it comes, a mean over examples included.
public struct FunctionSpaceTraining {
  private let kernel: KernelAction
  private let newKernel: KernelAction?
  private let initial: OutputState
  private let loss: (Tensor) -> Tensor

  /// States what is trained.
  ///
  /// - Parameters:
  ///   - kernel: K(train, train), of the shapes that ``LinearizedTraining`` takes.
  ///   - outputs: f₀ on the training examples: [n, ...].
  ///   - newPoints: K(new, train) and f₀ on new points, [m, ...]; by default none.
  ///   - tolerance: how far an eigenvalue may lie below zero, relative to the largest; by default 4 n ε.
  ///   - loss: a single number for outputs [n, ...], made of tensor operations.
  /// - Throws: ``TrainingError`` if an input is not finite, or if the kernel is not symmetric or has a negative eigenvalue.
  /// - Complexity: 4/3 N³ flops for the eigenvalues of a kernel of extent N.
  public init(
    kernel: Tensor, outputs: Tensor, newPoints: (kernel: Tensor, outputs: Tensor)? = nil, tolerance: Double? = nil,
    loss: @escaping (Tensor) -> Tensor
  ) throws(TrainingError) {
    let operation = "FunctionSpaceTraining"
    requireOneScalarType(operation, kernel, outputs)
    let action = KernelAction(kernel, outputs.shape, outputs.shape, operation)
    try KernelAction.requireFinite(outputs, "outputs", for: operation)
    try action.requireSymmetric(operation)
    let eigenvalues: Tensor
    do throws(LinearAlgebraError) {
      eigenvalues = try symmetricEigenvalues(action.matrix)
    } catch {
      throw .notConverged(error)
    }
    _ = try KernelAction.zeroTolerance(eigenvalues.scalars, kernel.scalarType, relative: tolerance)
    if let newPoints {
      requireOneScalarType(operation, newPoints.kernel, newPoints.outputs)
      requireOneScalarType(operation, newPoints.outputs, outputs)
      newKernel = KernelAction(newPoints.kernel, newPoints.outputs.shape, outputs.shape, operation)
      try KernelAction.requireFinite(newPoints.kernel, "kernel of the new points", for: operation)
      try KernelAction.requireFinite(newPoints.outputs, "outputs on the new points", for: operation)
    } else {
      newKernel = nil
    }
    (self.kernel, self.loss) = (action, loss)
    initial = OutputState(outputs, newPoints?.outputs)
  }

  /// The outputs along gradient flow.
  ///
  /// - Parameters:
  ///   - times: increasing from 0; the last may be infinite where a rule ends the flow.
  ///   - solver: the integrator with its tolerances, which are those of the outputs.
  ///   - steadyRate: ends the flow where the outputs, on new points as well, move by no more than this in Euclidean norm;
  ///     later times get the state that was reached.
  /// - Throws: ``ODEError``.
  /// - Complexity: a gradient of the loss and a product with each kernel per evaluation, six evaluations per step. However
  ///   wide the tolerance, a step is not much longer than 3/λ, with λ the largest eigenvalue of K times the loss's curvature.
  public func flow(
    at times: [Double], solver: ODESolver = ODESolver(), steadyRate: Double? = nil
  ) throws -> TrainingCourse {
    let slope = RecordedWherePossible { (state: OutputState) in
      direction(gradient(of: loss, at: state.first)).scaled(by: -1)
    }
    let rule = steadyRate.map { ODEStopRule<OutputState>.steady(rate: $0) }
    let solution = try solver.solve(from: initial, at: times, until: rule) { _, state in try slope(state) }
    return course(solution.times, solution.states, solution.statistics)
  }

  /// The outputs along gradient descent p ← p − h ∇loss of the linearized model, with or without momentum.
  ///
  /// - Parameters:
  ///   - counts: the numbers of steps after which outputs are wanted, increasing from 0; others stop.
  ///   - size: h.
  ///   - momentum: the heavy ball or Nesterov's.
  /// - Throws: ``TrainingError/notFiniteAfter(steps:)``.
  /// - Complexity: a gradient of the loss and a product with each kernel per step.
  public func descent(
    after counts: [Int], stepsOf size: Double, momentum: Momentum = .none
  ) throws(TrainingError) -> TrainingCourse {
    guard counts.first ?? 0 >= 0, zip(counts, counts.dropFirst()).allSatisfy({ $0 <= $1 }) else {
      stop("FunctionSpaceTraining.descent", "counts of steps must increase from 0", got: "\(counts)")
    }
    TrainingTime.steps(0, of: size, momentum: momentum).check("FunctionSpaceTraining.descent")
    let share = momentum.share
    var state = initial
    var velocity = initial.zeroed
    var states: [OutputState] = []
    var step = 0
    for count in counts {
      while step < count {
        // Nesterov's gradient is taken where momentum alone would lead. The velocity has the sign of the gradient.
        var ahead = state
        if case .nesterov = momentum { ahead = state.adding(velocity, scaledBy: -size * share) }
        velocity = direction(gradient(of: loss, at: ahead.first)).adding(velocity, scaledBy: share)
        state = state.adding(velocity, scaledBy: -size)
        step += 1
        guard state.leaves.allSatisfy(\.isFinite) else { throw .notFiniteAfter(steps: step) }
      }
      states.append(state)
    }
    return course(counts.map { Double($0) * size }, states, nil)
  }

  /// K g on the training examples and on new points.
  private func direction(_ gradient: Tensor) -> OutputState { OutputState(kernel(gradient), newKernel?(gradient)) }

  private func course(_ times: [Double], _ states: [OutputState], _ statistics: ODEStatistics?) -> TrainingCourse {
    TrainingCourse(
      times: times, outputs: states.map(\.first), predictions: states.compactMap(\.second),
      losses: states.map { loss($0.first).scalar }, statistics: statistics)
  }
}

/// Outputs on the training examples, and on new points if there are any.
typealias OutputState = Pair<Tensor, Tensor?>

/// What training did to a model's outputs, time by time.
public struct TrainingCourse: Sendable {
  /// The times, in units of gradient flow: a step of size h takes the time h.
  public let times: [Double]
  /// The outputs on the training examples, [n, ...], at every time.
  public let outputs: [Tensor]
  /// The outputs on new points, [m, ...], at every time; empty without new points.
  public let predictions: [Tensor]
  /// The loss at every time.
  public let losses: [Double]
  /// The work of the integrator; nil for steps of descent.
  public let statistics: ODEStatistics?
}
