import AutoDiff
import Layers

/// The neural tangent hierarchy cut off at a level p: training of a model in the space of its outputs, with a kernel that
/// moves.
///
///     let hierarchy = try TruncatedHierarchy(level: 3, of: net, at: p, on: x, targets: y, newPoints: z)
///     let course = try hierarchy.flow(at: [1, 2, 4])
///     print(course.predictions[2])  // on z at t = 4
///
/// With c the rate of the loss (1/n for the half mean), r = f − y and the kernels K^(r) of the start,
///
///     ∂ₜf = −c K^(2) r,   ∂ₜK^(r) = −c K^(r+1) r  for r < p,   ∂ₜK^(p) = 0.                                     (15)
///
/// Level 2 is training by a constant kernel. Outputs at new points follow the same equations with the new point in the
/// first argument of every kernel (22). Only f, R = ∫r and K^(2) … K^(p−2) are integrated, because the last two kernels
/// follow from R: K^(p−1)(t) = K^(p−1)(0) − c K^(p)[R]. At p = 3 that is equation (30), of which the printed conclusion has
/// −1/n in place of +1/n² before K^(3)[R, r].
///
/// For networks of width m the error is of the order m^(−p/2) for even p and grows with time (18). A truncation is no gradient flow:
/// K^(2) may lose its positive eigenvalues, and then outputs grow without bound.
///
/// - Source: Huang and Yau, Dynamics of deep neural networks and neural tangent hierarchy, ICML 2020, (15), (22), (30).
public struct TruncatedHierarchy: Sendable {
  /// What is known of points at the start.
  public struct Start: Sendable {
    /// f at the points: [m].
    public let outputs: Tensor
    /// K^(2) … K^(p) with the points in the first argument: [m, n], [m, n, n], ….
    public let kernels: [Tensor]
    /// M[i; j, k] = ∂²f(xᵢ)[∇f(x_j), ∇f(x_k)], which finite steps need: [m, n, n]; nil at level 2, or if it is not known.
    public let curvature: Tensor?

    /// Outputs and kernels, from wherever they come. Stops unless the shapes agree.
    public init(outputs: Tensor, kernels: [Tensor], curvature: Tensor? = nil) {
      guard let second = kernels.first, second.rank == 2, second.shape[0] == outputs.count else {
        stop(
          "TruncatedHierarchy", "needs outputs [m] and kernels from [m, n] on",
          got: "\(outputs.shape) and \(kernels.map(\.shape))")
      }
      let (m, n) = (second.shape[0], second.shape[1])
      for (index, kernel) in kernels.enumerated() where kernel.shape != [m] + [Int](repeating: n, count: index + 1) {
        stop(
          "TruncatedHierarchy", "K^(\(index + 2)) must have \(index + 1) axes of \(n) after \(m)",
          got: "\(kernel.shape)")
      }
      if let curvature, curvature.shape != [m, n, n] {
        stop("TruncatedHierarchy", "the curvature must have shape \([m, n, n])", got: "\(curvature.shape)")
      }
      (self.outputs, self.kernels, self.curvature) = (outputs.reshaped(to: [m]), kernels, curvature)
    }

    /// All tensors with their names in messages.
    fileprivate func requireFinite(_ points: String) throws(TrainingError) {
      try KernelAction.requireFinite(outputs, "outputs on the \(points)", for: "TruncatedHierarchy")
      for (index, kernel) in kernels.enumerated() {
        try KernelAction.requireFinite(kernel, "kernel K^(\(index + 2)) of the \(points)", for: "TruncatedHierarchy")
      }
      if let curvature {
        try KernelAction.requireFinite(curvature, "curvature of the \(points)", for: "TruncatedHierarchy")
      }
    }
  }

  /// The training examples at the start.
  public let start: Start
  /// The new points at the start, if there are any.
  public let newStart: Start?
  /// y: [n].
  public let targets: Tensor
  /// The loss, which is the clock.
  public let loss: SquaredLoss

  /// p, the highest order.
  public var level: Int { start.kernels.count + 1 }
  /// n, the number of training examples.
  public var exampleCount: Int { targets.count }
  /// c.
  private var rate: Double { loss.rate(examples: exampleCount) }

  /// A hierarchy with given kernels, such as level 2 with the kernel of infinite width. Stops unless the shapes agree.
  ///
  /// - Parameters:
  ///   - start: outputs and kernels K^(2) … K^(p) on the n training examples.
  ///   - newStart: the same with new points in the first argument.
  ///   - targets: y, [n] or [n, 1].
  ///   - loss: by default the paper's, (1/2n) Σ r².
  /// - Throws: ``TrainingError/notFinite(input:index:value:)``.
  public init(
    start: Start, newStart: Start? = nil, targets y: Tensor, loss: SquaredLoss = .halfMean
  ) throws(TrainingError) {
    let n = start.kernels[0].shape[1]
    guard start.outputs.count == n, y.count == n, n > 0 else {
      stop(
        "TruncatedHierarchy", "the training examples need as many outputs and targets as kernel columns, at least one",
        got: "\(start.outputs.count) outputs, targets \(y.shape), \(n) columns")
    }
    if let newStart, newStart.kernels.count != start.kernels.count || newStart.kernels[0].shape[1] != n {
      stop(
        "TruncatedHierarchy", "new points need the same kernels as the examples",
        got: "\(newStart.kernels.map(\.shape)) and \(start.kernels.map(\.shape))")
    }
    try start.requireFinite("training examples")
    try newStart?.requireFinite("new points")
    try KernelAction.requireFinite(y, "targets", for: "TruncatedHierarchy")
    (self.start, self.newStart, self.loss) = (start, newStart, loss)
    targets = y.reshaped(to: [n])
  }

  /// The hierarchy of any model with one output, with its kernels at given parameters.
  ///
  /// - Parameters:
  ///   - p: the level, at least 2.
  ///   - f: the model: one example and the parameters to a single number.
  ///   - parameters: where training begins.
  ///   - examples: the training examples, a tree whose leaves have the shape [n, example leaf shape...].
  ///   - y: the targets, [n] or [n, 1].
  ///   - newPoints: points at which outputs are predicted.
  ///   - loss: by default the paper's, (1/2n) Σ r².
  /// - Throws: ``TrainingError/notFinite(input:index:value:)``.
  /// - Complexity: the kernels up to K^(p), nᵖ numbers, once more with the m new points, m nᵖ⁻¹.
  public init<Example: TensorTree, P: TensorTree>(
    level p: Int, of f: @escaping (Example, P) -> Tensor, at parameters: P, on examples: Example, targets y: Tensor,
    newPoints: Example? = nil, loss: SquaredLoss = .halfMean
  ) throws(TrainingError) {
    guard p >= 2 else { stop("TruncatedHierarchy", "the level must be at least 2", got: "\(p)") }
    func start(_ newPoints: Example?) -> Start {
      let fields = GradientFields("TruncatedHierarchy", f, on: examples, newPoints: newPoints)
      return Start(
        outputs: fields.outputs(parameters), kernels: (2...p).map { fields.kernel($0)(parameters) },
        curvature: p > 2 ? fields.curvature(parameters) : nil)
    }
    try self.init(start: start(nil), newStart: newPoints.map { start($0) }, targets: y, loss: loss)
  }

  /// The same hierarchy cut off at a lower level. Stops at a level below 2 or above this one.
  public func truncated(at p: Int) -> TruncatedHierarchy {
    guard (2...level).contains(p) else {
      stop("TruncatedHierarchy.truncated", "the level must lie in 2...\(level)", got: "\(p)")
    }
    func cut(_ start: Start) -> Start {
      Start(
        outputs: start.outputs, kernels: Array(start.kernels.prefix(p - 1)), curvature: p > 2 ? start.curvature : nil)
    }
    return TruncatedHierarchy(cut(start), newStart.map(cut), targets, loss)
  }

  private init(_ start: Start, _ newStart: Start?, _ targets: Tensor, _ loss: SquaredLoss) {
    (self.start, self.newStart, self.targets, self.loss) = (start, newStart, targets, loss)
  }

  // MARK: Gradient flow

  /// What is integrated of points: f and K^(2) … K^(p−2).
  private struct Moving: TensorTree {
    var outputs: Tensor
    var kernels: [Tensor]

    init(_ start: Start) {
      outputs = start.outputs
      kernels = Array(start.kernels.dropLast(2))
    }

    mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
      body(&outputs)
      kernels.forEachTensor(body)
    }
  }

  private struct State: TensorTree {
    var examples: Moving
    var newPoints: Moving?
    /// R = ∫r, where a kernel moves.
    var integral: Tensor?

    mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
      examples.forEachTensor(body)
      newPoints.forEachTensor(body)
      integral.forEachTensor(body)
    }
  }

  /// K^(2) … K^(p) at the time of a state.
  private func kernels(_ start: Start, _ moving: Moving, _ integral: Tensor?) -> [Tensor] {
    guard let integral, let last = start.kernels.last else { return start.kernels }
    let moved = start.kernels[level - 3].adding(matmul(last, integral), scaledBy: -rate)
    return moving.kernels + [moved, last]
  }

  private func slope(_ start: Start, _ moving: Moving, _ integral: Tensor?, _ residual: Tensor) -> Moving {
    let scaled = residual * -rate
    let kernels = kernels(start, moving, integral)
    var slope = moving
    slope.outputs = matmul(kernels[0], scaled)
    for index in moving.kernels.indices { slope.kernels[index] = matmul(kernels[index + 1], scaled) }
    return slope
  }

  /// The outputs along gradient flow, by the truncated equations.
  ///
  /// - Parameters:
  ///   - times: increasing from 0.
  ///   - solver: the integrator with its tolerances, which are those of outputs, of their integral and of kernels.
  ///   - keepingKernels: whether the kernels at the times are returned as well.
  /// - Throws: ``ODEError``.
  /// - Complexity: n^p multiplications per evaluation, six evaluations per step; new points cost m nᵖ⁻¹ more.
  /// - Source: Huang and Yau, ICML 2020, (15), (22), at level 3 in the form of (30).
  public func flow(
    at times: [Double], solver: ODESolver = ODESolver(), keepingKernels: Bool = false
  ) throws -> HierarchyCourse {
    let initial = State(
      examples: Moving(start), newPoints: newStart.map { Moving($0) },
      integral: level > 2 ? .zeros(like: targets) : nil)
    let rate = RecordedWherePossible { (state: State) -> State in
      let residual = state.examples.outputs - targets
      return State(
        examples: slope(start, state.examples, state.integral, residual),
        newPoints: newStart.flatMap { start in state.newPoints.map { slope(start, $0, state.integral, residual) } },
        integral: state.integral.map { _ in residual })
    }
    let solution = try solver.solve(from: initial, at: times) { _, state in try rate(state) }
    let states = solution.states
    return HierarchyCourse(
      level: level, times: solution.times, outputs: states.map(\.examples.outputs),
      predictions: states.compactMap { $0.newPoints?.outputs },
      losses: states.map { loss($0.examples.outputs, targets).scalar },
      kernels: keepingKernels ? states.map { kernels(start, $0.examples, $0.integral) } : [],
      newKernels: keepingKernels
        ? states.compactMap { state in
          newStart.flatMap { start in state.newPoints.map { kernels(start, $0, state.integral) } }
        } : [],
      statistics: solution.statistics)
  }

  // MARK: Steps of descent

  /// The outputs along gradient descent, by the truncated equations in discrete time.
  ///
  /// A step of size h moves parameters by −h c Σ_b r_b ∇f(x_b), and with it
  ///
  ///     f ← f − h c K^(2) r + ½ (h c)² M[r, r],   K^(r) ← K^(r) − h c K^(r+1) r  for r < p.
  ///
  /// These are the terms of (29) up to the third order in the gradients; at level 2 the term with M, which is of the
  /// order of K^(3), is left out. At level 3 nothing else is of that order; at higher levels a step leaves out terms of the
  /// second order in h.
  ///
  /// - Parameters:
  ///   - counts: the numbers of steps after which outputs are wanted, increasing from 0; others stop.
  ///   - size: h.
  ///   - keepingKernels: whether the kernels are returned as well.
  /// - Throws: ``TrainingError/notFiniteAfter(steps:)``.
  /// - Complexity: nᵖ + m nᵖ⁻¹ multiplications per step.
  /// - Source: Huang and Yau, ICML 2020, equation (29), with the power and the factorial put right.
  public func descent(
    after counts: [Int], stepsOf size: Double, keepingKernels: Bool = false
  ) throws(TrainingError) -> HierarchyCourse {
    guard counts.first ?? 0 >= 0, zip(counts, counts.dropFirst()).allSatisfy({ $0 <= $1 }) else {
      stop("TruncatedHierarchy.descent", "counts of steps must increase from 0", got: "\(counts)")
    }
    guard size > 0, size.isFinite else {
      stop("TruncatedHierarchy.descent", "the step must be positive", got: "\(size)")
    }
    func stepped(_ start: Start, _ scaled: Tensor) -> Start {
      var outputs = start.outputs + matmul(start.kernels[0], scaled)
      if level > 2, let curvature = start.curvature {
        outputs += matmul(matmul(curvature, scaled), scaled) * 0.5
      }
      var kernels = start.kernels
      for index in 0..<kernels.count - 1 { kernels[index] += matmul(start.kernels[index + 1], scaled) }
      return Start(outputs: outputs, kernels: kernels, curvature: start.curvature)
    }
    var (examples, others, step) = (start, newStart, 0)
    var states: [(examples: Start, others: Start?)] = []
    for count in counts {
      while step < count {
        let scaled = (examples.outputs - targets) * (-size * rate)
        others = others.map { stepped($0, scaled) }
        examples = stepped(examples, scaled)
        step += 1
        guard examples.outputs.isFinite, others?.outputs.isFinite ?? true else { throw .notFiniteAfter(steps: step) }
      }
      states.append((examples, others))
    }
    return HierarchyCourse(
      level: level, times: counts.map { Double($0) * size }, outputs: states.map(\.examples.outputs),
      predictions: states.compactMap { $0.others?.outputs },
      losses: states.map { loss($0.examples.outputs, targets).scalar },
      kernels: keepingKernels ? states.map(\.examples.kernels) : [],
      newKernels: keepingKernels ? states.compactMap { $0.others?.kernels } : [], statistics: nil)
  }
}

extension TruncatedHierarchy {
  /// The hierarchy of a layer; see ``init(level:of:at:on:targets:newPoints:loss:)``.
  public init<Model: Layer>(
    level p: Int, of model: Model, at parameters: Parameters, on examples: Model.Input, targets y: Tensor,
    newPoints: Model.Input? = nil, loss: SquaredLoss = .halfMean
  ) throws(TrainingError) where Model.Output == Tensor {
    try self.init(
      level: p, of: { (x: Model.Input, p: Parameters) in model(x, p) }, at: parameters, on: examples, targets: y,
      newPoints: newPoints, loss: loss)
  }
}
