import AutoDiff
import Foundation
import Layers
import Tangent
import Testing

@Suite struct ODESolverTests {
  /// Steps of one size: the tolerance is met by any.
  private func fixed(_ step: Double) -> ODESolver {
    ODESolver(relativeTolerance: 0, absoluteTolerance: 1e9, initialStep: step, largestStep: step)
  }

  // MARK: Order

  @Test(arguments: [SolvedEquation.all[1], SolvedEquation.all[4]]) func theOrderIsFive(equation: SolvedEquation) throws
  {
    let steps = [0.1, 0.05, 0.025, 0.0125]
    let errors = try steps.map { step in
      let end = try fixed(step).solve(from: equation.solution(0), at: [2], equation.rate)
      #expect(end.statistics.acceptedSteps == Int((2 / step).rounded()))
      return distance(end.finalState, equation.solution(2))
    }
    let order = logarithmicSlope(steps, errors).value
    #expect((4.8...5.3).contains(order), "\(errors)")
  }

  @Test(arguments: [SolvedEquation.all[2], SolvedEquation.all[4]]) func theInterpolantHasOrderFour(
    equation: SolvedEquation
  ) throws {
    // A local error of order 5 in the step, as the global one at its ends.
    let steps = [0.1, 0.05, 0.025]
    let errors = try steps.map { step in
      let course = try fixed(step).trajectory(from: equation.solution(0), to: 2, equation.rate)
      return (0..<97).map { Double($0) / 97 * 2 }.map { distance(course($0), equation.solution($0)) }.max()!
    }
    let order = logarithmicSlope(steps, errors).value
    #expect((4.7...5.4).contains(order), "\(errors)")
  }

  @Test func polynomialsOfDegreeFourAreExact() throws {
    let course = try fixed(1).trajectory(from: Tensor(1), to: 3) { t, _ in
      Tensor(4 * t * t * t - 3 * t * t + 1)
    }
    for t in [0.1, 0.5, 0.9, 1, 1.7, 2.2, 2.95, 3] {
      #expect((course(t).scalar - (1 + t * t * t * t - t * t * t + t)).magnitude < 1e-12 * 60, "\(t)")
    }
  }

  // MARK: Accuracy

  @Test(arguments: SolvedEquation.all) func theErrorFollowsTheTolerance(equation: SolvedEquation) throws {
    let times = (1...9).map { Double($0) / 9 * equation.end }
    let tolerances = [1e-4, 1e-6, 1e-8, 1e-10]
    let errors = try tolerances.map { tolerance in
      let solver = ODESolver(relativeTolerance: tolerance, absoluteTolerance: tolerance)
      let found = try solver.solve(from: equation.solution(0), at: times, equation.rate)
      #expect(found.reason == .end && found.times == times && found.finalTime == equation.end)
      let error = zip(times, found.states).map { distance($1, equation.solution($0)) }.max()!
      #expect(error <= 20 * tolerance, "\(equation) at \(tolerance)")
      #expect(found.states.last! == found.finalState)
      return error
    }
    let trend = logarithmicSlope(tolerances, errors).value
    #expect((0.75...1.25).contains(trend), "\(equation): \(errors)")
  }

  @Test func theSumOfLocalErrorsBoundsTheErrorWhereSolutionsApproach() throws {
    for tolerance in [1e-4, 1e-6, 1e-8] {
      let solver = ODESolver(relativeTolerance: tolerance, absoluteTolerance: tolerance)
      let equation = SolvedEquation.all[0]
      let found = try solver.solve(from: equation.solution(0), at: [3], equation.rate)
      #expect(distance(found.finalState, equation.solution(3)) <= found.statistics.localErrorSum)
      #expect(found.statistics.localErrorSum <= 100 * tolerance)
    }
  }

  @Test func timeRunsBackwards() throws {
    let solver = ODESolver(relativeTolerance: 1e-10, absoluteTolerance: 1e-12)
    for equation in SolvedEquation.all.dropLast() {
      let there = try solver.solve(from: equation.solution(0), at: [equation.end], equation.rate)
      let back = try solver.solve(
        from: there.finalState, at: [equation.end / 2, 0], startingAt: equation.end, equation.rate)
      #expect(distance(back.states[0], equation.solution(equation.end / 2)) < 1e-7, "\(equation)")
      #expect(distance(back.states[1], equation.solution(0)) < 1e-7, "\(equation)")
    }
    let course = try solver.trajectory(from: Tensor(1), to: -2) { _, y in -y }
    for t in [0, -0.3, -1, -1.9, -2] { #expect((course(t).scalar - exp(Tensor(-t)).scalar).magnitude < 1e-8) }
  }

  @Test func singlePrecisionComesAsFarAsItsType() throws {
    for equation in SolvedEquation.all.dropLast() {
      let solve = { (tolerance: Double) in
        try ODESolver(relativeTolerance: tolerance).solve(from: equation.solution(0).as(.float32), at: [equation.end]) {
          equation.rate($0, $1.as(.float64)).as(.float32)
        }
      }
      let found = try solve(1e-12)
      #expect(found.finalState.scalarType == .float32)
      #expect(distance(found.finalState.as(.float64), equation.solution(equation.end)) < 1e-4, "\(equation)")
      // No tolerance below the type's resolution is tried.
      let resolved = try solve(16 * ScalarType.float32.epsilon)
      #expect(found.finalState == resolved.finalState && found.statistics == resolved.statistics)
    }
  }

  // MARK: Output

  @Test func outputsAreThoseOfTheTrajectory() throws {
    let equation = SolvedEquation.all[4]
    let times = [0, 0, 0.37, 1, 1, 4.999, 5]
    let found = try ODESolver().solve(from: equation.solution(0), at: times, equation.rate)
    let course = try ODESolver().trajectory(from: equation.solution(0), to: 5, equation.rate)
    #expect(found.states == times.map { course($0) })
    let again = try ODESolver().solve(from: equation.solution(0), at: times, equation.rate)
    #expect(again.states == found.states && again.statistics == found.statistics)
    #expect(found.states[0] == equation.solution(0) && found.finalState == course.finalState)
    #expect(found.statistics == course.statistics)
    #expect(course.segments.count == course.statistics.acceptedSteps && course.start == 0 && course.end == 5)
    for (a, b) in zip(course.segments, course.segments.dropFirst()) {
      #expect(a.end == b.start)
      #expect(distance(a(a.end), b(b.start)) < 1e-15)
    }
  }

  @Test func evaluationsAreCounted() throws {
    for equation in SolvedEquation.all {
      var calls = 0
      let found = try ODESolver().solve(from: equation.solution(0), at: [equation.end]) { t, y in
        calls += 1
        return equation.rate(t, y)
      }
      let work = found.statistics
      #expect(work.evaluations == calls)
      #expect(work.evaluations == 2 + 6 * (work.acceptedSteps + work.rejectedSteps))
      #expect(work.shortestStep > 0 && work.shortestStep <= work.longestStep)
    }
  }

  @Test func aStiffEquationTakesStepsAtTheLimitOfStability() throws {
    // The stability interval of the pair is 3.3 long.
    let work = try ODESolver(relativeTolerance: 1e-4, absoluteTolerance: 1e-4).solve(from: Tensor(1), at: [10]) {
      _, y in
      y * -300
    }.statistics
    #expect((800...1200).contains(work.acceptedSteps), "\(work)")
  }

  @Test func theWorkIsThatOfTheReferenceCode() throws {
    // Evaluations of Hairer's and Wanner's DOPRI5 (as SciPy's integrator "dopri5" with β = 0.04) at four tolerances.
    let reference: [(equation: Int, evaluations: [Int])] = [
      (2, [68, 110, 230, 512]), (3, [200, 482, 1190, 2978]), (4, [92, 188, 458, 1130]), (5, [1160, 1670, 3656, 8684]),
    ]
    for (index, evaluations) in reference {
      let equation = SolvedEquation.all[index]
      for (tolerance, expected) in zip([1e-4, 1e-6, 1e-8, 1e-10], evaluations) {
        let solver = ODESolver(relativeTolerance: tolerance, absoluteTolerance: tolerance)
        let found = try solver.solve(from: equation.solution(0), at: [equation.end], equation.rate).statistics
          .evaluations
        #expect((found - expected).magnitude <= max(6, expected / 50), "\(equation) at \(tolerance): \(found)")
      }
    }
  }

  @Test func numbersBeyondAllBoundsAreNamed() throws {
    #expect(throws: ODEError.self) {
      try ODESolver().solve(from: Tensor([1e200, 1e250]), at: [1e9]) { _, y in square(y) * 1e300 }
    }
    let fast = try ODESolver().solve(from: Tensor(0), at: [1]) { _, _ in Tensor(1e120) }
    #expect((fast.finalState.scalar / 1e120 - 1).magnitude < 1e-12)
  }

  @Test func statesAreTrees() throws {
    let net = Dense(3)
    let p = net.initialized(like: Tensor([1, 2]), seed: 1)
    let y = Pair(p, [Tensor(2), Tensor([3, 4])])
    let found = try ODESolver(relativeTolerance: 1e-9).solve(from: y, at: [1, 2]) { t, y in
      Pair(y.first.scaled(by: -1), [Tensor(2 * t), y.second[1] * 0.5])
    }
    expectClose(found.states[1].first, p.scaled(by: exp(Tensor(-2)).scalar), tolerance: 1e-7)
    expectClose(found.states[1].second, [Tensor(6), Tensor([3, 4]) * exp(Tensor(1)).scalar], tolerance: 1e-7)
    #expect(found.states[1].first.named.map(\.path) == p.named.map(\.path))
  }

  @Test func zeroTimeIsNoStep() throws {
    let found = try ODESolver().solve(from: Tensor(3), at: [2, 2], startingAt: 2) { _, _ in Tensor(Double.nan) }
    #expect(found.states == [Tensor(3), Tensor(3)] && found.statistics.evaluations == 0)
  }

  @Test func nothingMovesIsSolvedInFewSteps() throws {
    let found = try ODESolver().solve(from: Tensor([0, 5]), at: [1e6]) { _, y in y * 0 }
    #expect(found.finalState == Tensor([0, 5]) && found.statistics.acceptedSteps < 20)
  }

  // MARK: Derivatives

  @Test func theSolutionIsDifferentiated() throws {
    // y′ = a y, so y(1) = y₀ eᵃ.
    let solver = ODESolver(relativeTolerance: 1e-10, absoluteTolerance: 1e-12)
    let end = { (y: Tensor, a: Tensor) in try solver.solve(from: y, at: [0.4, 1]) { _, y in y * a }.states[1] }
    let slopes = try gradient(of: { y, a in try end(y, a) }, at: Tensor(2), Tensor(0.7))
    let growth = exp(Tensor(0.7)).scalar
    #expect((slopes.0.scalar - growth).magnitude < 1e-8 && (slopes.1.scalar - 2 * growth).magnitude < 1e-8)
    let forward = try jvp(of: { try end(Tensor(2), $0) }, at: Tensor(0.7), along: Tensor(1)).tangent.scalar
    #expect((forward - 2 * growth).magnitude < 1e-8)
  }

  // MARK: Rules

  @Test func anEventIsLocated() throws {
    // A stone falls from height 1: y = 1 − t²/2 is 0 at √2.
    let solver = ODESolver(relativeTolerance: 1e-9)
    let fall = { (_: Double, y: Tensor) in stack([y[1], Tensor(-1)]) }
    let ground = ODEStopRule<Tensor>.event { _, y in y[0].scalar }
    let found = try solver.solve(from: Tensor([1, 0]), at: [0.5, 1, 1.5, 2], until: ground, fall)
    #expect(found.reason == .event && found.times == [0.5, 1] && found.states.count == 2)
    #expect((found.finalTime - 2.0.squareRoot()).magnitude < 1e-9)
    #expect(found.finalState[0].scalar.magnitude < 1e-12)
    let course = try solver.trajectory(from: Tensor([1, 0]), to: .infinity, until: ground, fall)
    #expect((course.end - found.finalTime).magnitude < 1e-9 && course(course.end) == course.finalState)
    // A sign at the start is no change of sign: the stone thrown up from the ground comes back after 2.
    let thrown = try solver.solve(from: Tensor([0, 1]), at: [3], until: ground, fall)
    #expect((thrown.finalTime - 2).magnitude < 1e-9 && thrown.states.isEmpty)
    let none = try solver.solve(from: Tensor([1, 0]), at: [1], until: ground, fall)
    #expect(none.reason == .end && none.finalTime == 1)
  }

  @Test func aSteadyStateHoldsForAllLaterTimes() throws {
    let found = try ODESolver(relativeTolerance: 1e-10, absoluteTolerance: 1e-12).solve(
      from: Tensor([3, -1]), at: [1, 1e6, .infinity], until: .steady(rate: 1e-8)
    ) { _, y in 2 - y }
    #expect(found.reason == .steady && found.times == [1, 1e6, .infinity])
    #expect(distance(found.states[2], Tensor([2, 2])) < 2e-8 && found.states[1] == found.states[2])
    #expect(distance(found.states[0], 2 + Tensor([1, -3]) * exp(Tensor(-1)).scalar) < 1e-9)
    #expect((15...25).contains(found.finalTime))
    let atOnce = try ODESolver().solve(from: Tensor(2), at: [.infinity], until: .steady(rate: 1e-8)) { _, y in 2 - y }
    #expect(atOnce.statistics.acceptedSteps == 0 && atOnce.states == [Tensor(2)])
  }

  // MARK: Errors

  @Test func aSingularityIsNamed() throws {
    // y′ = y² from 1 is 1/(1 − t).
    do {
      _ = try ODESolver().solve(from: Tensor(1), at: [2]) { _, y in square(y) }
      Issue.record("passed the singularity")
    } catch let error as ODEError {
      switch error {
      case .stepTooSmall(let time, let step, let steps):
        #expect((time - 1).magnitude < 1e-6 && step < 1e-12 && steps > 10)
      case .notFinite(let time, let steps): #expect((time - 1).magnitude < 1e-6 && steps > 10)
      default: Issue.record("\(error)")
      }
    }
  }

  @Test func ratesThatAreNotFiniteAreNamed() throws {
    #expect(throws: ODEError.notFinite(time: 1, steps: 0)) {
      try ODESolver().solve(from: Tensor([1, -1]), at: [2], startingAt: 1) { _, y in log(y) }
    }
    // The square root ends at 0, which is reached at t = 2.
    do {
      _ = try ODESolver().solve(from: Tensor(1), at: [3]) { _, y in -sqrt(y - 0.25) - 1 }
      Issue.record("passed the end of the domain")
    } catch ODEError.notFinite(let time, let steps) {
      // y = 1/4 where ∫ dy/(1 + √(y − ¼)) = 2 (u − ln(1 + u)), u = √¾, has passed.
      let u = 0.75.squareRoot()
      #expect((time - 2 * (u - log(Tensor(1 + u)).scalar)).magnitude < 1e-5 && steps > 3)
    }
  }

  @Test func tooManyStepsAreRefused() throws {
    do {
      _ = try ODESolver(stepLimit: 7).solve(from: Tensor([1, 0]), at: [1000]) { _, y in stack([y[1], -y[0]]) }
      Issue.record("went on")
    } catch ODEError.tooManySteps(let time, let limit) {
      #expect(limit == 7 && time > 0 && time < 20)
    }
    #expect(throws: ODEError.eventNotANumber(time: 0)) {
      try ODESolver().solve(from: Tensor(1), at: [1], until: .event { _, _ in .nan }) { _, y in -y }
    }
    struct Refusal: Error {}
    #expect(throws: Refusal.self) { try ODESolver().solve(from: Tensor(1), at: [1]) { _, _ in throw Refusal() } }
  }

  // MARK: Units

  /// A clock in other units gives the same states at the same times, forwards and backwards: none is lost where products of
  /// steps are 0, or infinite.
  @Test(arguments: [-1000, -700, -540, 540, 700, 1000], [1.0, -1]) func timeHasNoUnit(
    exponent: Int, direction: Double
  ) throws {
    let unit = scalbn(1.0, exponent)
    let times = [0, 0.25, 0.25, 0.5, 1].map { $0 * direction }
    let solver = ODESolver(initialStep: 0.01)
    let plain = try solver.solve(from: Tensor([1.0, 2]), at: times) { _, y in -y }
    let scaled = try ODESolver(initialStep: 0.01 * unit)
      .solve(from: Tensor([1.0, 2]), at: times.map { $0 * unit }) { _, y in y * (-1 / unit) }
    #expect(scaled.states.count == times.count && scaled.times == times.map { $0 * unit })
    for (a, b) in zip(plain.states, scaled.states) { expectClose(b, a, tolerance: 1e-12) }
    let path = try solver.trajectory(from: Tensor([1.0, 2]), to: direction * unit) { _, y in y * (-1 / unit) }
    expectClose(path(0.3 * direction * unit), Tensor([1.0, 2]) * exp(-0.3 * direction), tolerance: 1e-6)
  }

  /// A state in other units moves in the same steps.
  @Test(arguments: [ScalarType.float64, .float32]) func theStateHasNoUnit(type: ScalarType) throws {
    func end(_ unit: Double) throws -> (state: Double, steps: Int) {
      let solver = ODESolver(relativeTolerance: 1e-4, absoluteTolerance: 1e-4 * unit)
      let solution = try solver.solve(from: Tensor([3, 0], as: type) * unit, at: [1]) { _, y in -y }
      return (solution.finalState[0].scalar / unit, solution.statistics.acceptedSteps)
    }
    let plain = try end(1)
    for exponent in type == .float64 ? [-900, -600, 600, 900] : [-110, -70, 70, 110] {
      let other = try end(scalbn(1.0, exponent))
      #expect(abs(other.state - plain.state) <= 1e-5 && other.steps == plain.steps, "2^\(exponent)")
    }
  }

  /// A tolerance that the type cannot express is no rate that is not finite.
  @Test func aToleranceBelowTheTypeIsTheLeastItHas() throws {
    let solver = ODESolver(relativeTolerance: 1e-4, absoluteTolerance: 1e-60)
    let solution = try solver.solve(from: Tensor([1, 0], as: .float32), at: [1]) { _, y in -y }
    expectClose(solution.finalState.as(.float64), Tensor([exp(-1.0), 0]), tolerance: 1e-3)
  }

  /// What is no number, or becomes none on the way, is an error also where the rate is finite.
  @Test func aStateThatIsNotFiniteIsAnError() throws {
    for start in [Double.nan, .infinity] {
      #expect(throws: ODEError.notFinite(time: 0, steps: 0)) {
        _ = try ODESolver().solve(from: Tensor([start, 1]), at: [1]) { _, y in Tensor.zeros([2]) }
      }
    }
    #expect {
      _ = try ODESolver().solve(from: Tensor([1e308]), at: [10]) { _, _ in Tensor([1e308]) }
    } throws: { error in
      guard case .notFinite(let time, _)? = error as? ODEError else { return false }
      return abs(time - 0.797693) < 1e-5
    }
  }

  @Test func errorsSayWhenAndWhat() {
    #expect(
      "\(ODEError.notFinite(time: 1.5, steps: 7))".contains(
        "at t = 1.5, after 7 steps, the rate or the state is not finite"))
    #expect("\(ODEError.stepTooSmall(time: 2, step: 1e-17, steps: 3))".contains("even the step 1e-17"))
    #expect("\(ODEError.tooManySteps(time: 2, limit: 9))".contains("t = 2.0 was reached after 9 steps"))
    #expect("\(ODEError.eventNotANumber(time: 4))".contains("t = 4.0"))
  }

  @Test func misuseStops() async {
    let order = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = try ODESolver().solve(from: Tensor(1), at: [1, 0.5]) { _, y in y }
    }
    #expect(
      order.message.contains("ODESolver: times must go in one direction from the start, but got [1.0, 0.5] from 0.0."))
    let infinite = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = try ODESolver().solve(from: Tensor(1), at: [.infinity]) { _, y in y }
    }
    #expect(infinite.message.contains("ODESolver: times must be finite"))
    let shape = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = try ODESolver().solve(from: Tensor([1, 2]), at: [1]) { _, y in y.sum() }
    }
    #expect(
      shape.message.contains("ODESolver: the rate: both trees must have the same leaves, but got [[2]] and [[]]."))
    let tolerance = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = ODESolver(absoluteTolerance: 0)
    }
    #expect(tolerance.message.contains("ODESolver: the absolute tolerance must be positive"))
  }
}
