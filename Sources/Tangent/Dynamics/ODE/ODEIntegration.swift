import AutoDiff
import Foundation

/// One integration on its way: where it stands, and how far the next step shall reach.
struct ODEIntegration<Y: TensorTree> {
  private let solver: ODESolver
  private let rate: (Double, Y) throws -> Y
  private let relativeTolerance: Double
  private let entryCount: Double
  /// y and ẏ.
  private(set) var state: Y
  private var values: [Tensor]
  private var slope: [Tensor]
  private(set) var time: Double
  private(set) var statistics = ODEStatistics()

  init(_ solver: ODESolver, from y: Y, at time: Double, _ rate: @escaping (Double, Y) throws -> Y) {
    y.checkAllTensorsAreListed()
    (self.solver, self.rate, self.time, state, values, slope) = (solver, rate, time, y, y.leaves, [])
    relativeTolerance = max(solver.relativeTolerance, 16 * (values.map(\.scalarType.epsilon).max() ?? 0))
    entryCount = Double(max(y.entryCount, 1))
  }

  /// Steps until the end, or until a rule says so.
  ///
  /// - Parameter onStep: receives every accepted step, and the time up to which it counts.
  mutating func run(
    to end: Double, until rule: ODEStopRule<Y>?, onStep: (ODESegment<Y>, _ end: Double) throws -> Void
  ) throws -> ODEStopReason {
    if end == time { return .end }
    let direction: Double = end < time ? -1 : 1
    guard Self.areFinite(values), let first = try slope(at: time, values) else {
      throw ODEError.notFinite(time: time, steps: 0)
    }
    slope = first
    if isSteady(rule) { return .steady }
    var lastSign = try eventValue(rule)
    var step = min(try solver.initialStep ?? initialStep(to: end, direction), solver.largestStep)
    var previousError = 1e-4
    var (hasFailed, wasNotFinite) = (false, false)
    while true {
      let tried = statistics.acceptedSteps + statistics.rejectedSteps
      guard tried < solver.stepLimit else { throw ODEError.tooManySteps(time: time, limit: solver.stepLimit) }
      let remaining = (end - time).magnitude
      // A sliver of a last step would cost as much as a whole one.
      let isLast = step * 1.01 >= remaining
      if isLast { step = remaining }
      guard isLast || time + 0.1 * step * direction != time else {
        throw wasNotFinite
          ? ODEError.notFinite(time: time, steps: statistics.acceptedSteps)
          : ODEError.stepTooSmall(time: time, step: step, steps: statistics.acceptedSteps)
      }
      guard let trial = try trial(endingAt: isLast ? end : time + step * direction) else {
        statistics.rejectedSteps += 1
        (hasFailed, wasNotFinite) = (true, true)
        step /= 4
        continue
      }
      let shrinking = pow(trial.error, 0.2 - 0.75 * 0.04)
      guard trial.error <= 1 else {
        statistics.rejectedSteps += 1
        (hasFailed, wasNotFinite) = (true, false)
        step /= min(5, shrinking / 0.9)
        continue
      }
      statistics.accept(step, trial.localError)
      (time, values, slope) = (trial.segment.end, trial.segment.after, trial.segment.slopes[6])
      state = state.replacingLeaves(with: values)
      if case .event = rule {
        let sign = try eventValue(rule)
        if lastSign != 0, sign == 0 || (sign < 0) != (lastSign < 0) {
          let found = try locate(rule, in: trial.segment, before: lastSign)
          (time, state) = (found, trial.segment(found))
          try onStep(trial.segment, found)
          return .event
        }
        lastSign = sign
      }
      try onStep(trial.segment, time)
      if isSteady(rule) { return .steady }
      if isLast { return .end }
      let change = min(5, max(0.1, shrinking / pow(previousError, 0.04) / 0.9))
      step = min(step / (hasFailed ? max(change, 1) : change), solver.largestStep)
      previousError = max(trial.error, 1e-4)
      (hasFailed, wasNotFinite) = (false, false)
    }
  }

  // MARK: One step

  /// A step that may be accepted; nil where a slope, the state after it or its error is not finite.
  private mutating func trial(
    endingAt end: Double
  ) throws -> (segment: ODESegment<Y>, error: Double, localError: Double)? {
    // Not the step that was wished for: far from time 0 the end is rounded.
    let step = end - time
    var slopes = [slope]
    var moved = values
    for stage in 1..<7 {
      moved = combination(from: values, step, DormandPrince.stages[stage], slopes)
      let next = try slope(at: stage >= 5 ? end : time + DormandPrince.nodes[stage] * step, moved)
      guard let next else { return nil }
      slopes.append(next)
    }
    let zeros = values.map { Tensor.zeros(like: $0) }
    let error = combination(from: zeros, step, DormandPrince.errorWeights, slopes)
    let segment = ODESegment(start: time, end: end, structure: state, before: values, after: moved, slopes: slopes)
    let localError = error.map { $0.norm().scalar }.euclideanNorm
    guard Self.areFinite(moved), Self.areFinite(error) else { return nil }
    return (segment, norm(error, scaledBy: values, moved), localError)
  }

  /// f(t, y) as leaves; nil where it is not finite.
  private mutating func slope(at time: Double, _ leaves: [Tensor]) throws -> [Tensor]? {
    statistics.evaluations += 1
    let slope = try rate(time, state.replacingLeaves(with: leaves)).leaves
    state.checkSameStructure(as: slope, "ODESolver: the rate")
    return Self.areFinite(slope) ? slope : nil
  }

  private static func areFinite(_ leaves: [Tensor]) -> Bool { leaves.allSatisfy { $0.isFinite(for: "ODESolver") } }

  /// The root mean square of e / (absoluteTolerance + relativeTolerance · max(|y₀|, |y₁|)).
  private func norm(_ e: [Tensor], scaledBy y0: [Tensor], _ y1: [Tensor]) -> Double {
    let norms = e.indices.map { leaf -> Double in
      let absolute = max(solver.absoluteTolerance, y0[leaf].scalarType.leastNormalMagnitude)
      let scale = maximum(abs(y0[leaf]), abs(y1[leaf])) * relativeTolerance + absolute
      return (e[leaf] / scale).norm().scalar
    }
    return norms.euclideanNorm / entryCount.squareRoot()
  }

  /// A first step from the sizes of y, ẏ and a difference quotient of ẏ.
  private mutating func initialStep(to end: Double, _ direction: Double) throws -> Double {
    let (size, speed) = (norm(values, scaledBy: values, values), norm(slope, scaledBy: values, values))
    let longest = min((end - time).magnitude, solver.largestStep)
    let isKnown = size >= 1e-5 && speed >= 1e-5 && size.isFinite && speed.isFinite
    let guess = min(isKnown ? 0.01 * size / speed : 1e-6, longest)
    let moved = combination(from: values, guess * direction, [1], [slope])
    // Where the slope ends, the first step is as short as it can be, and its control takes over.
    guard let next = try slope(at: time + guess * direction, moved) else { return guess }
    let bend = norm(zip(next, slope).map { $0 - $1 }, scaledBy: values, values) / guess
    let fastest = max(speed, bend)
    let limit = fastest <= 1e-15 ? max(1e-6, guess * 1e-3) : pow(0.01 / fastest, 1 / 5)
    let step = min(100 * guess, limit, longest)
    // Sizes beyond all numbers tell nothing.
    return step > 0 ? step : guess
  }

  // MARK: Rules

  private func isSteady(_ rule: ODEStopRule<Y>?) -> Bool {
    guard case .steady(let limit) = rule else { return false }
    return slope.map { $0.norm().scalar }.euclideanNorm <= limit
  }

  private func eventValue(_ rule: ODEStopRule<Y>?) throws -> Double {
    guard case .event(let value) = rule else { return 0 }
    return try checkedEvent(value(time, state), time)
  }

  private func checkedEvent(_ value: Double, _ time: Double) throws -> Double {
    if value.isNaN { throw ODEError.eventNotANumber(time: time) }
    return value
  }

  /// The first time, to rounding, after a change of the event's sign within a step, by bisection.
  private func locate(_ rule: ODEStopRule<Y>?, in segment: ODESegment<Y>, before sign: Double) throws -> Double {
    guard case .event(let value) = rule else { return segment.end }
    var (low, high) = (segment.start, segment.end)
    while true {
      let middle = low + (high - low) / 2
      if middle == low || middle == high { return high }
      let found = try checkedEvent(value(middle, segment(middle)), middle)
      if found == 0 || (found < 0) != (sign < 0) { high = middle } else { low = middle }
    }
  }
}

/// y + h Σ wᵢ kᵢ, leaf by leaf, in the memory of the first sum.
func combination(from y: [Tensor], _ step: Double, _ weights: [Double], _ slopes: [[Tensor]]) -> [Tensor] {
  y.indices.map { leaf in
    var sum = y[leaf]
    for (weight, slope) in zip(weights, slopes) where weight != 0 { sum.add(slope[leaf], scaledBy: step * weight) }
    return sum
  }
}
