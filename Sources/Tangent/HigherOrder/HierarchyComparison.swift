import AutoDiff
import Layers

/// Truncations of the hierarchy beside the true gradient flow of the model, at the same times and by the same integrator.
public struct HierarchyComparison<P: TensorTree> {
  /// The training of the model itself; outputs have the shape [n], predictions [m].
  public let truth: TrainingCourse
  /// The model's parameters at the times.
  public let parameters: [P]
  /// One truncation for every level that was asked for, in that order.
  public let truncations: [HierarchyCourse]

  /// ‖f̃(t) − f(t)‖₂ over the training examples, for every truncation and time.
  public var outputErrors: [[Double]] {
    truncations.map { zip($0.outputs, truth.outputs).map { ($0 - $1).norm().scalar } }
  }

  /// The same over the new points.
  public var predictionErrors: [[Double]] {
    truncations.map { zip($0.predictions, truth.predictions).map { ($0 - $1).norm().scalar } }
  }
}

extension HierarchyComparison: Sendable where P: Sendable {}

/// Trains a model with one output by gradient flow, and by truncations of its hierarchy.
///
/// - Parameters:
///   - levels: the levels of the truncations, each at least 2.
///   - f: the model: one example and the parameters to a single number.
///   - p: where training begins.
///   - examples: the training examples, a tree whose leaves have the shape [n, example leaf shape...].
///   - y: the targets, [n] or [n, 1].
///   - newPoints: points at which outputs are predicted.
///   - times: increasing from 0.
///   - solver: the integrator, with tolerances for the displacement of the model's parameters from the start, and for
///     outputs and kernels of truncations.
///   - loss: by default the paper's, (1/2n) Σ r².
///   - keepingKernels: whether the truncations' kernels at the times are returned as well.
/// - Throws: ``ODEError``, or ``TrainingError/notFinite(input:index:value:)``.
/// - Complexity: as ``trainingFlow(of:from:on:and:at:solver:loss:)`` and the highest level's
///   ``TruncatedHierarchy``.
/// - Source: Huang and Yau, ICML 2020, theorem 2.6.
public func compareHierarchy<Example: TensorTree, P: TensorTree>(
  levels: [Int], of f: @escaping (Example, P) -> Tensor, from p: P, on examples: Example, targets y: Tensor,
  newPoints: Example? = nil, at times: [Double], solver: ODESolver = ODESolver(), loss: SquaredLoss = .halfMean,
  keepingKernels: Bool = false
) throws -> HierarchyComparison<P> {
  guard let highest = levels.max(), levels.allSatisfy({ $0 >= 2 }) else {
    stop("compareHierarchy", "needs levels of at least 2", got: "\(levels)")
  }
  let hierarchy = try TruncatedHierarchy(
    level: highest, of: f, at: p, on: examples, targets: y, newPoints: newPoints, loss: loss)
  let truncations = try levels.map {
    try hierarchy.truncated(at: $0).flow(at: times, solver: solver, keepingKernels: keepingKernels)
  }
  let targets = hierarchy.targets
  // What is integrated is the displacement. A relative error in parameters of size 1 that hardly move would, summed over
  // those of a wide network, be larger than the truncation's.
  let (truth, displacements) = try trainingFlow(
    of: { (x: Example, displacement: P) in f(x, p.adding(displacement)).reshaped(to: []) }, from: p.zeroed,
    on: examples,
    and: newPoints, at: times, solver: solver
  ) { loss($0, targets) }
  return HierarchyComparison(
    truth: truth, parameters: displacements.map { p.adding($0) }, truncations: truncations)
}

/// Trains a layer by gradient flow, and by truncations of its hierarchy; see
/// ``compareHierarchy(levels:of:from:on:targets:newPoints:at:solver:loss:keepingKernels:)``.
public func compareHierarchy<Model: Layer>(
  levels: [Int], of model: Model, from p: Parameters, on examples: Model.Input, targets y: Tensor,
  newPoints: Model.Input? = nil, at times: [Double], solver: ODESolver = ODESolver(), loss: SquaredLoss = .halfMean,
  keepingKernels: Bool = false
) throws -> HierarchyComparison<Parameters> where Model.Output == Tensor {
  try compareHierarchy(
    levels: levels, of: { (x: Model.Input, p: Parameters) in model(x, p) }, from: p, on: examples, targets: y,
    newPoints: newPoints, at: times, solver: solver, loss: loss, keepingKernels: keepingKernels)
}
