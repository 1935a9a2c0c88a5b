import AutoDiff
import Layers

/// Gradient flow ṗ = −∇loss(p) of any function of parameters, by the adaptive integrator.
///
/// - Parameters:
///   - loss: a single number for the parameters, on which alone it depends: unless it reads numbers of what it computes or
///     has loops by `repeated`, its gradient is recorded when it is first called, as in ``AutoDiff/compiled(_:)``.
///   - p: where the flow begins, any tree of tensors.
///   - times: increasing from 0; the last may be infinite where a rule ends the flow.
///   - solver: the integrator with its tolerances, which are those of the parameters.
///   - rule: what ends the flow earlier, such as `.steady(rate:)`: a gradient of that norm at most.
/// - Returns: the parameters at the times.
/// - Throws: ``ODEError``, or what `loss` throws.
/// - Complexity: six gradients per step. However wide the tolerance, a step is not much longer than 3/λ, with λ the largest
///   eigenvalue of the loss's Hessian.
public func gradientFlow<P: TensorTree>(
  of loss: @escaping (P) throws -> Tensor, from p: P, at times: [Double], solver: ODESolver = ODESolver(),
  until rule: ODEStopRule<P>? = nil
) throws -> ODESolution<P> {
  let slope = RecordedWherePossible { (p: P) in try gradient(of: loss, at: p).scaled(by: -1) }
  return try solver.solve(from: p, at: times, until: rule) { _, p in try slope(p) }
}

/// The training of the model itself by gradient flow, at the same times and by the same integrator as that of its
/// linearization, ``FunctionSpaceTraining/flow(at:solver:steadyRate:)``, for comparison.
///
/// - Parameters:
///   - f: the model: one example and the parameters to an output.
///   - p: where training begins.
///   - examples: a tree whose leaves have the shape [n, example leaf shape...].
///   - others: new points, on which the model does not train; by default none.
///   - times: increasing from 0.
///   - solver: the integrator with its tolerances, which are those of the parameters.
///   - loss: a single number for the outputs [n, ...] on the examples.
/// - Returns: the outputs and losses at the times, and the parameters there.
/// - Throws: ``ODEError``.
/// - Complexity: six gradients of the loss per step.
public func trainingFlow<Example: TensorTree, P: TensorTree>(
  of f: @escaping (Example, P) -> Tensor, from p: P, on examples: Example, and others: Example? = nil,
  at times: [Double], solver: ODESolver = ODESolver(), loss: @escaping (Tensor) -> Tensor
) throws -> (course: TrainingCourse, parameters: [P]) {
  func outputs(_ examples: Example, _ p: P) -> Tensor { vmap { (x: Example) in f(x, p) }(examples) }
  let solution = try gradientFlow(of: { loss(outputs(examples, $0)) }, from: p, at: times, solver: solver)
  let trained = solution.states.map { outputs(examples, $0) }
  let predictions = others.map { others in solution.states.map { outputs(others, $0) } } ?? []
  let course = TrainingCourse(
    times: solution.times, outputs: trained, predictions: predictions, losses: trained.map { loss($0).scalar },
    statistics: solution.statistics)
  return (course, solution.states)
}

/// The training of a layer by gradient flow; see ``trainingFlow(of:from:on:and:at:solver:loss:)``.
public func trainingFlow<Model: Layer>(
  of model: Model, from p: Parameters, on examples: Model.Input, and others: Model.Input? = nil,
  at times: [Double], solver: ODESolver = ODESolver(), loss: @escaping (Tensor) -> Tensor
) throws -> (course: TrainingCourse, parameters: [Parameters]) where Model.Output == Tensor {
  try trainingFlow(
    of: { (x: Model.Input, p: Parameters) in model(x, p) }, from: p, on: examples, and: others, at: times,
    solver: solver, loss: loss)
}
