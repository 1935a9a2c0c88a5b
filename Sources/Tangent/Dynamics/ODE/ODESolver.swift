import AutoDiff

/// An integrator of ordinary differential equations ẏ = f(t, y) over any tree of tensors, with adaptive steps.
///
///     let decay = try ODESolver().solve(from: Tensor([1, 2]), at: [0.5, 1]) { _, y in -y }
///     print(decay.states[1])  // y at t = 1
///
/// Explicit Runge-Kutta steps of order 5 with an embedded estimate of their error (Dormand and Prince), proportional and
/// integral control of the step, and output at any time by an interpolant of order 4. A step is accepted when the root
/// mean square over all entries of |error| / (absoluteTolerance + relativeTolerance · |y|) is at most 1. That bounds what
/// one step adds; what all steps add up to follows the tolerance, ``ODEStatistics/localErrorSum`` tells how much it was.
///
/// Steps depend on the numbers only, so equal inputs give equal bits. Everything is made of tensor operations: under a
/// gradient or a forward derivative the steps that were taken are differentiated. Inside ``AutoDiff/vmap(_:axis:outputAxis:)``
/// it stops, because examples would need steps of their own; integrate all of them as one tree.
///
/// Times and steps are `Double` for every scalar type of the state. Stiff equations need steps of about 3 / |λ| for the
/// fastest rate λ, whatever the tolerance.
///
/// - Source: Hairer, Nørsett and Wanner, Solving Ordinary Differential Equations I, sections II.4 to II.6 (step control and
///   initial step as in their code DOPRI5).
public struct ODESolver: Sendable {
  /// The error allowed per step relative to |y|. What is used is at least 16 ε of the state's coarsest type: less cannot be
  /// resolved.
  public var relativeTolerance: Double
  /// The error allowed per step where |y| is small, in units of y. What is used is at least the least normal number of the
  /// state's types.
  public var absoluteTolerance: Double
  /// The magnitude of the first step; by default found from the first two slopes.
  public var initialStep: Double?
  /// No step is longer, but for the last one, which may be by a hundredth.
  public var largestStep: Double
  /// The most steps that are tried, rejected ones included.
  public var stepLimit: Int

  /// Makes an integrator. Stops unless tolerances, steps and the limit are positive; the relative tolerance may be 0.
  public init(
    relativeTolerance: Double = 1e-6, absoluteTolerance: Double = 1e-9, initialStep: Double? = nil,
    largestStep: Double = .infinity, stepLimit: Int = 100_000
  ) {
    guard relativeTolerance >= 0, relativeTolerance.isFinite, absoluteTolerance > 0, absoluteTolerance.isFinite else {
      stop(
        "ODESolver", "the absolute tolerance must be positive and the relative one not negative",
        got: "\(absoluteTolerance) and \(relativeTolerance)")
    }
    let first = initialStep ?? 1
    guard largestStep > 0, stepLimit > 0, first > 0, first.isFinite else {
      stop("ODESolver", "steps and their limit must be positive", got: "\(first), \(largestStep), \(stepLimit)")
    }
    self.relativeTolerance = relativeTolerance
    self.absoluteTolerance = absoluteTolerance
    self.initialStep = initialStep
    self.largestStep = largestStep
    self.stepLimit = stepLimit
  }

  /// The solution at given times.
  ///
  /// - Parameters:
  ///   - y: y at the start, any tree of tensors.
  ///   - times: in one direction from the start, forwards or backwards; equal times may follow each other. The last one may
  ///     be infinite where a rule ends the integration. Other lists stop.
  ///   - start: the time at which `y` is given; 0 by default.
  ///   - rule: what ends the integration before the last time.
  ///   - rate: f, time and state to ẏ, a tree of the state's structure and types. What it throws is passed on.
  /// - Returns: a state for every time that was reached.
  /// - Throws: ``ODEError``.
  /// - Complexity: six evaluations per step tried and 13 trees of the state's size in memory. Output between steps costs six
  ///   sums and no evaluation.
  public func solve<Y: TensorTree>(
    from y: Y, at times: [Double], startingAt start: Double = 0, until rule: ODEStopRule<Y>? = nil,
    _ rate: @escaping (Double, Y) throws -> Y
  ) throws -> ODESolution<Y> {
    check(times, start, endsByRule: rule != nil)
    var states: [Y] = []
    func record(_ isReached: (Double) -> Bool, _ state: (Double) -> Y) {
      while states.count < times.count, isReached(times[states.count]) { states.append(state(times[states.count])) }
    }
    record({ $0 == start }) { _ in y }
    var integration = ODEIntegration(self, from: y, at: start, rate)
    let isForward = times.last ?? start >= start
    // By comparisons alone: products of short steps may be 0.
    let reason = try integration.run(to: times.last ?? start, until: rule) { segment, end in
      record({ isForward ? segment.start < $0 && $0 <= end : end <= $0 && $0 < segment.start }) { segment($0) }
    }
    let final = integration.state
    // Nothing moves any more, so the state holds at all later times.
    if reason == .steady { record({ _ in true }) { _ in final } }
    return ODESolution(
      times: Array(times.prefix(states.count)), states: states, finalTime: integration.time, finalState: final,
      reason: reason, statistics: integration.statistics)
  }

  /// The solution as a function of time: all steps are kept.
  ///
  /// - Parameters:
  ///   - y: y at the start, any tree of tensors.
  ///   - end: where the integration ends, before or after the start; infinite only where a rule ends it.
  ///   - start: the time at which `y` is given; 0 by default.
  ///   - rule: what ends the integration earlier.
  ///   - rate: f, as for ``solve(from:at:startingAt:until:_:)``.
  /// - Throws: ``ODEError``.
  /// - Complexity: as ``solve(from:at:startingAt:until:_:)``; eight trees of the state's size in memory for every step.
  public func trajectory<Y: TensorTree>(
    from y: Y, to end: Double, startingAt start: Double = 0, until rule: ODEStopRule<Y>? = nil,
    _ rate: @escaping (Double, Y) throws -> Y
  ) throws -> ODETrajectory<Y> {
    check([end], start, endsByRule: rule != nil)
    var segments: [ODESegment<Y>] = []
    var integration = ODEIntegration(self, from: y, at: start, rate)
    let reason = try integration.run(to: end, until: rule) { segment, _ in segments.append(segment) }
    return ODETrajectory(
      start: start, end: integration.time, initialState: y, finalState: integration.state, segments: segments,
      reason: reason, statistics: integration.statistics)
  }

  private func check(_ times: [Double], _ start: Double, endsByRule: Bool) {
    guard let last = times.last else { stop("ODESolver", "needs a time to integrate to", got: "none") }
    let direction = last < start ? -1.0 : 1
    guard start.isFinite, times.dropLast().allSatisfy(\.isFinite), !last.isNaN, last.isFinite || endsByRule else {
      stop(
        "ODESolver", "times must be finite", got: "\(times) from \(start)",
        hint: "An infinite last time needs a rule that ends the integration, such as .steady(rate:).")
    }
    guard zip([start] + times, times).allSatisfy({ ($1 - $0) * direction >= 0 || $0 == $1 }) else {
      stop("ODESolver", "times must go in one direction from the start", got: "\(times) from \(start)")
    }
  }
}
