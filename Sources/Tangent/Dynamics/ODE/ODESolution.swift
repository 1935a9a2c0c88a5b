import AutoDiff

/// What ends an integration before its last time.
public enum ODEStopRule<Y: TensorTree> {
  /// The Euclidean norm of ẏ over all leaves is at most `rate`: from here on nothing is taken to move.
  ///
  /// With adaptive steps |ẏ| settles at about the tolerance times the fastest rate of the equation; a smaller limit is
  /// never reached, and the integration ends with ``ODEError/tooManySteps(time:limit:)``.
  case steady(rate: Double)
  /// A function of time and state changes its sign. The first such time is located on the interpolant, to rounding; two
  /// changes within one step go unnoticed.
  case event((Double, Y) throws -> Double)
}

/// Why an integration ended.
public enum ODEStopReason: Sendable, Equatable {
  /// The last time was reached.
  case end
  /// The event's function changed its sign.
  case event
  /// The state moves no faster than the rule allows.
  case steady
}

/// The work of an integration.
public struct ODEStatistics: Sendable, Equatable {
  /// How many times the rate was evaluated.
  public internal(set) var evaluations = 0
  /// Steps that count.
  public internal(set) var acceptedSteps = 0
  /// Steps that were too long: their error was too large, or a slope on the way was not finite.
  public internal(set) var rejectedSteps = 0
  /// The magnitude of the shortest accepted step; infinite without one.
  public internal(set) var shortestStep = Double.infinity
  /// The magnitude of the longest accepted step.
  public internal(set) var longestStep = 0.0
  /// The sum over accepted steps of the Euclidean norm of the estimated error. For an equation whose solutions do not move
  /// apart, such as the gradient flow of a convex function, it estimates from above what the end state is off by.
  public internal(set) var localErrorSum = 0.0

  mutating func accept(_ step: Double, _ error: Double) {
    acceptedSteps += 1
    shortestStep = min(shortestStep, step)
    longestStep = max(longestStep, step)
    localErrorSum += error
  }
}

/// The solution of an equation at the times that were asked for.
public struct ODESolution<Y: TensorTree> {
  /// The times that were reached; all, unless an event came before.
  public let times: [Double]
  /// The state at each of them.
  public let states: [Y]
  /// Where the integration ended: the last time, or when a rule ended it.
  public let finalTime: Double
  /// The state there.
  public let finalState: Y
  /// Why it ended.
  public let reason: ODEStopReason
  /// The work that it took.
  public let statistics: ODEStatistics
}

/// The solution of an equation as a function of time.
public struct ODETrajectory<Y: TensorTree> {
  /// Where the integration began.
  public let start: Double
  /// Where it ended, before or after the start.
  public let end: Double
  /// The state at the start.
  public let initialState: Y
  /// The state at the end.
  public let finalState: Y
  /// The accepted steps in order.
  public let segments: [ODESegment<Y>]
  /// Why the integration ended.
  public let reason: ODEStopReason
  /// The work that it took.
  public let statistics: ODEStatistics

  /// The state at a time between start and end; others stop.
  ///
  /// - Complexity: six sums of trees, after a binary search for the step.
  public func callAsFunction(_ time: Double) -> Y {
    guard min(start, end) <= time, time <= max(start, end) else {
      stop("ODETrajectory", "the time must lie between \(start) and \(end)", got: "\(time)")
    }
    if time == start { return initialState }
    if time == end { return finalState }
    let direction: Double = end < start ? -1 : 1
    var (low, high) = (0, segments.count - 1)
    while low < high {
      let middle = (low + high) / 2
      if (segments[middle].end - time) * direction >= 0 { high = middle } else { low = middle + 1 }
    }
    return segments[low](time)
  }
}

/// One accepted step as a function of time: a polynomial of degree 4 whose error has order 5 in the step.
public struct ODESegment<Y: TensorTree> {
  /// Where the step begins.
  public let start: Double
  /// Where it ends.
  public let end: Double
  /// Any tree of the state's structure.
  let structure: Y
  let before: [Tensor]
  let after: [Tensor]
  let slopes: [[Tensor]]

  /// h, negative where time runs backwards.
  public var step: Double { end - start }

  /// The state at a time of the step. It is continuous, and so is its derivative, also from step to step.
  public func callAsFunction(_ time: Double) -> Y {
    if time == end { return structure.replacingLeaves(with: after) }
    let weights = DormandPrince.weights(at: (time - start) / step)
    return structure.replacingLeaves(with: combination(from: before, step, weights, slopes))
  }
}

extension ODESolution: Sendable where Y: Sendable {}
extension ODETrajectory: Sendable where Y: Sendable {}
extension ODESegment: Sendable where Y: Sendable {}

/// Why an integration cannot go on.
public enum ODEError: Error, Equatable, Sendable {
  /// The error stays too large however short the step: the solution has a singularity here, or the tolerance is below what
  /// rounding allows.
  case stepTooSmall(time: Double, step: Double, steps: Int)
  /// The rate or the state is infinite or not a number, at the start or however short the step from here.
  case notFinite(time: Double, steps: Int)
  /// So many steps were tried, and the end is not reached.
  case tooManySteps(time: Double, limit: Int)
  /// The function whose sign marks the event is not a number.
  case eventNotANumber(time: Double)
}

extension ODEError: CustomStringConvertible {
  /// What happened, when, and what may help.
  public var description: String {
    switch self {
    case .stepTooSmall(let time, let step, let steps):
      "ODE solver: at t = \(time), after \(steps) steps, even the step \(step) has too large an error. "
        + "Is there a singularity, or is the tolerance below rounding?"
    case .notFinite(let time, let steps):
      "ODE solver: at t = \(time), after \(steps) steps, the rate or the state is not finite. Does the solution grow without bound?"
    case .tooManySteps(let time, let limit):
      "ODE solver: t = \(time) was reached after \(limit) steps, the limit. Stiff? Choose a shorter time or more steps."
    case .eventNotANumber(let time): "ODE solver: at t = \(time) the event's function is not a number."
    }
  }
}
