import AutoDiff

/// Gradient descent with momentum: v ← m v + g, p ← p − η v.
///
/// It holds no state of its own. A state goes in and the next one comes out, so steps can be repeated, compared and
/// differentiated.
///
///     let descent = GradientDescent(learningRate: 0.1, momentum: 0.9)
///     var state = descent.start(at: p)
///     for _ in 0..<100 { state = descent.step(state, along: gradient(of: loss, at: state.parameters)) }
///
/// A state is a tree, so that many steps can be one program: `compiled { repeated(100, $0) { … } }(state)`.
///
/// - Source: Polyak, Some methods of speeding up the convergence of iteration methods, 1964.
public struct GradientDescent: Sendable {
  /// The parameters on their way, and the velocity that they have gathered.
  public struct State<P: TensorTree>: TensorTree {
    /// Where the descent stands.
    public var parameters: P
    /// v, a tree of the same structure.
    public var velocity: P

    /// The leaves of the parameters, then those of the velocity.
    public mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
      parameters.forEachTensor(body)
      velocity.forEachTensor(body)
    }
  }

  /// η, the step for a velocity of 1.
  public var learningRate: Double
  /// m, the share of the velocity that each step keeps, from 0 (plain gradient descent) to below 1.
  public var momentum: Double

  /// Makes the rule of the steps. Stops unless the momentum lies in 0..<1 and the rate is finite.
  public init(learningRate: Double, momentum: Double = 0) {
    guard learningRate.isFinite, (0..<1).contains(momentum) else {
      stop(
        "GradientDescent", "the rate must be finite and the momentum lie in 0..<1", got: "\(learningRate), \(momentum)")
    }
    self.learningRate = learningRate
    self.momentum = momentum
  }

  /// A descent that begins at rest.
  public func start<P: TensorTree>(at p: P) -> State<P> { State(parameters: p, velocity: p.zeroed) }

  /// The state after one step.
  ///
  /// - Parameter gradient: g, a tree of the structure of the parameters.
  public func step<P: TensorTree>(_ state: State<P>, along gradient: P) -> State<P> {
    state.parameters.checkSameStructure(as: gradient.leaves, "GradientDescent.step")
    let velocity = momentum == 0 ? gradient : gradient.adding(state.velocity, scaledBy: momentum)
    return State(parameters: state.parameters.adding(velocity, scaledBy: -learningRate), velocity: velocity)
  }
}
