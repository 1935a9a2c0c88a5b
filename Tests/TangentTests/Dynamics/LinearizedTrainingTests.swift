import AutoDiff
import Layers
import Tangent
import Testing

@Suite struct LinearizedTrainingTests {
  // MARK: Against training in the parameters

  /// Trains the linearized model in its parameters, step by step, by differentiating its loss: the obvious twin.
  private static func trained(
    _ model: Model, _ y: Tensor, _ loss: SquaredLoss, steps: Int, size: Double, _ momentum: Momentum
  ) -> [[Tensor]] {
    let linear = linearizedModel(of: model.f, at: model.parameters)
    // The loss whose gradient is stepped along.
    let moving: SquaredLoss = loss == .meanWithStepsOfHalfSum ? .halfSum : loss
    let slope = { (p: [Tensor]) in
      gradient(of: { p in moving(vmap { (x: Tensor) in linear(x, p) }(model.examples), y) }, at: p)
    }
    var course = [model.parameters]
    switch momentum {
    case .none, .heavyBall:
      let descent = GradientDescent(learningRate: size, momentum: momentum.share)
      var state = descent.start(at: model.parameters)
      for _ in 0..<steps {
        state = descent.step(state, along: slope(state.parameters))
        course.append(state.parameters)
      }
    case .nesterov(let share):
      var previous = model.parameters
      for _ in 0..<steps {
        let here = course.last!
        let ahead = here.adding(here.subtracting(previous), scaledBy: share)
        previous = here
        course.append(ahead.adding(slope(ahead), scaledBy: -size))
      }
    }
    return course
  }

  /// Models whose kernel is not zero, with targets; more outputs than parameters make singular kernels.
  private static let models = Model.catalogue.filter { $0.name != "no parameters used" }

  private static func targets(_ model: Model) -> Tensor {
    var random = RandomGenerator(seed: 13)
    return .normal(vmap { (x: Tensor) in model.f(x, model.parameters) }(model.examples).shape, using: &random)
  }

  @Test(arguments: models, SquaredLoss.allCases) func stepsAgreeWithTrainingTheLinearizedModel(
    model: Model, loss: SquaredLoss
  ) throws {
    let y = Self.targets(model)
    let jacobian = FactoredJacobian(of: model.f, at: model.parameters, on: model.examples)
    let training = try LinearizedTraining(jacobian: jacobian, targets: y, loss: loss)
    let there = FactoredJacobian(of: model.f, at: model.parameters, on: model.others)
    let predictor = try training.predictor(jacobian: there, trainedOn: jacobian)
    let linear = linearizedModel(of: model.f, at: model.parameters)
    for momentum in [Momentum.none, .heavyBall(0.8), .nesterov(0.6)] {
      let size = 0.7 * training.largestStableStep(momentum: momentum)
      let course = Self.trained(model, y, loss, steps: 12, size: size, momentum)
      for (step, p) in course.enumerated() where [0, 1, 2, 5, 12].contains(step) {
        let time = TrainingTime.steps(step, of: size, momentum: momentum)
        let outputs = vmap { (x: Tensor) in linear(x, p) }(model.examples)
        expectClose(try training.outputs(at: time), outputs, tolerance: 1e-10)
        let predictions = vmap { (x: Tensor) in linear(x, p) }(model.others)
        expectClose(try predictor.outputs(at: time), predictions, tolerance: 1e-10)
        let moved = p.subtracting(model.parameters)
        let scale = max(moved.euclideanNorm.scalar, 1)
        let displacement = try training.displacement(at: time, jacobian: jacobian)
        #expect(displacement.subtracting(moved).euclideanNorm.scalar < 1e-10 * scale)
        #expect((try training.displacementNorm(at: time) - moved.euclideanNorm.scalar).magnitude < 1e-9 * scale)
        #expect((try training.loss(at: time) / loss(outputs, y).scalar - 1).magnitude < 1e-9)
        let residuals = try training.residuals(at: time)
        #expect(distance(residuals, outputs - y) < 1e-10 * max(1, abs(y).max().scalar))
      }
    }
  }

  @Test(arguments: models) func flowAgreesWithIntegratingTheParameters(model: Model) throws {
    let y = Self.targets(model)
    let jacobian = FactoredJacobian(of: model.f, at: model.parameters, on: model.examples)
    let training = try LinearizedTraining(jacobian: jacobian, targets: y, loss: .halfMean)
    let fastest = training.eigenvalues.last! * training.rate
    let times = [0, 0.5 / fastest, 3 / fastest, 15 / fastest]
    let solver = ODESolver(relativeTolerance: 1e-9, absoluteTolerance: 1e-11)
    let (course, parameters) = try trainingFlow(
      of: linearizedModel(of: model.f, at: model.parameters), from: model.parameters, on: model.examples,
      and: model.others, at: times, solver: solver
    ) { SquaredLoss.halfMean($0, y) }
    let there = FactoredJacobian(of: model.f, at: model.parameters, on: model.others)
    let predictor = try training.predictor(jacobian: there, trainedOn: jacobian)
    for (index, time) in times.enumerated() {
      expectClose(try training.outputs(at: .flow(time)), course.outputs[index], tolerance: 1e-7)
      expectClose(try predictor.outputs(at: .flow(time)), course.predictions[index], tolerance: 1e-7)
      let moved = parameters[index].subtracting(model.parameters).euclideanNorm.scalar
      #expect((try training.displacementNorm(at: .flow(time)) - moved).magnitude < 1e-6 * max(moved, 1))
      #expect((try training.loss(at: .flow(time)) - course.losses[index]).magnitude < 1e-6 * max(course.losses[0], 1))
    }
  }

  // MARK: Limits

  /// A kernel of a given rank with its factor: K = J Jᵀ and K(new, train) = J′ Jᵀ.
  private static func problem(
    _ n: Int, rank: Int, columns: Int = 2, seed: UInt64 = 17, as type: ScalarType = .float64
  ) -> (kernel: Tensor, new: Tensor, j: Tensor, f: Tensor, newF: Tensor, y: Tensor) {
    var random = RandomGenerator(seed: seed)
    let (j, other) = (Tensor.normal([n, rank], using: &random), Tensor.normal([3, rank], using: &random))
    return (
      matmul(j, j.transposed).as(type), matmul(other, j.transposed).as(type), j.as(type),
      Tensor.normal([n, columns], using: &random).as(type), Tensor.normal([3, columns], using: &random).as(type),
      Tensor.normal([n, columns], using: &random).as(type)
    )
  }

  @Test(arguments: [(6, 9), (6, 6), (6, 3), (1, 1), (5, 1)]) func theEndIsThePseudoInverse(n: Int, rank: Int) throws {
    let p = Self.problem(n, rank: rank)
    let training = try LinearizedTraining(kernel: p.kernel, outputs: p.f, targets: p.y, loss: .sum)
    #expect(training.rank == min(n, rank) && training.eigenvalues.count == n)
    // J⁺ by the normal equations of the shorter side.
    let gram = matmul(p.j.transposed, p.j)
    let inverse =
      rank <= n ? try choleskySolve(gram, p.j.transposed) : matmul(p.j.transposed, try choleskySolve(p.kernel, .eye(n)))
    let projected = matmul(p.j, matmul(inverse, p.y - p.f))
    let scale = 1e-9
    for time in [TrainingTime.flow(.infinity), .steps(.max, of: 0.5 * training.largestStableStep())] {
      expectClose(try training.outputs(at: time), p.f + projected, tolerance: scale)
      #expect(distance(try training.residuals(at: time), p.f + projected - p.y) < scale * 10)
      // K K⁺ is the same with new rows.
      let predictor = try training.predictor(kernel: p.new, outputs: p.newF)
      let weights = matmul(inverse.transposed, matmul(inverse, p.y - p.f))
      expectClose(try predictor.outputs(at: time), p.newF + matmul(p.new, weights), tolerance: scale)
      #expect(predictor.nullSpacePart < 1e-12)
      expectClose(try training.coefficients(at: time), weights, tolerance: scale)
      let moved = matmul(inverse, p.y - p.f).norm().scalar
      #expect((try training.displacementNorm(at: time) / moved - 1).magnitude < scale)
    }
  }

  @Test func theStartIsExact() throws {
    let p = Self.problem(6, rank: 3)
    let training = try LinearizedTraining(kernel: p.kernel, outputs: p.f, targets: p.y, loss: .mean)
    let predictor = try training.predictor(kernel: p.new, outputs: p.newF)
    for time in [TrainingTime.flow(0), .steps(0, of: 1), .steps(7, of: 0), .steps(0, of: 3, momentum: .heavyBall(0.9))]
    {
      #expect(try training.outputs(at: time) == p.f)
      #expect(try predictor.outputs(at: time) == p.newF)
      #expect(try training.displacementNorm(at: time) == 0)
      expectClose(try training.residuals(at: time), p.f - p.y, tolerance: 1e-14)
    }
  }

  @Test func tinyStepsAreFlow() throws {
    let p = Self.problem(6, rank: 8)
    let training = try LinearizedTraining(kernel: p.kernel, outputs: p.f, targets: p.y, loss: .halfMean)
    let time = 2 / (training.rate * training.eigenvalues.last!)
    let flow = try training.outputs(at: .flow(time))
    let counts = [100, 10_000, 1_000_000, 1_000_000_000]
    let errors = try counts.map { distance(try training.outputs(at: .steps($0, of: time / Double($0))), flow) }
    // The error of Euler's method falls as the step.
    for (count, error) in zip(counts, errors) { #expect(error < 5 / Double(count) + 1e-13, "\(errors)") }
    #expect((80...125).contains(errors[0] / errors[1]))
    // Momentum β is flow at the speed 1/(1 − β) but for its start, which takes about 1/(1 − β) steps.
    for momentum in [Momentum.heavyBall(0.9), .nesterov(0.9)] {
      let far = try training.outputs(at: .steps(10_000_000, of: time / 10_000_000 * 0.1, momentum: momentum))
      #expect(distance(far, flow) < 1e-5)
    }
  }

  @Test func longFlowsOfSlowModesLoseNothing() throws {
    // Eigenvalues over twelve decades; every mode has the exact exponential of its own.
    let values = (0..<5).map { 1e3 * exp(Tensor(-6.9 * Double($0))).scalar }
    var random = RandomGenerator(seed: 23)
    let (v, _) = try qr(Tensor.normal([5, 5], using: &random))
    let kernel = matmul(v * Tensor(values), v.transposed)
    let (f, y) = (Tensor.zeros([5]), matmul(v, Tensor.ones([5])))
    let training = try LinearizedTraining(kernel: kernel, outputs: f, targets: y, loss: .halfSum)
    for time in [1e-3, 1, 1e3, 1e6, 1e9] {
      let learned = matmul(v.transposed, try training.outputs(at: .flow(time)))
      for (mode, value) in values.enumerated() {
        // The eigenvalues of a kernel are known to ε times the largest of them.
        let expected = -expm1(Tensor(-value * time)).scalar
        let slack = min(1, time * 1e-12) + 1e-12
        #expect((learned[mode].scalar - expected).magnitude < slack, "\(time), \(value)")
      }
    }
  }

  // MARK: Stability

  @Test(arguments: [Momentum.none, .heavyBall(0.5), .heavyBall(0.95), .nesterov(0.5), .nesterov(0.95)])
  func theLargestStableStepIsTheLimit(momentum: Momentum) throws {
    let p = Self.problem(6, rank: 6)
    for loss in SquaredLoss.allCases {
      let training = try LinearizedTraining(kernel: p.kernel, outputs: p.f, targets: p.y, loss: loss)
      let limit = training.largestStableStep(momentum: momentum)
      let start = try training.loss(at: .flow(0))
      #expect(try training.loss(at: .steps(100_000, of: limit * 0.999, momentum: momentum)) < start)
      #expect(try training.loss(at: .steps(100, of: limit * 1.05, momentum: momentum)) > 100 * start)
      #expect(throws: TrainingError.diverged(steps: 10_000_000, size: limit * 1.05, largestStable: limit)) {
        try training.outputs(at: .steps(10_000_000, of: limit * 1.05, momentum: momentum))
      }
    }
  }

  // MARK: Kernels of several outputs

  @Test func theLayoutsOfAKernelAgree() throws {
    var random = RandomGenerator(seed: 29)
    let (n, m, o) = (4, 2, 3)
    let (j, other) = (Tensor.normal([n * o, 15], using: &random), Tensor.normal([m * o, 15], using: &random))
    let (f, y) = (Tensor.normal([n, o], using: &random), Tensor.normal([n, o], using: &random))
    let newF = Tensor.normal([m, o], using: &random)
    func layouts(_ a: Tensor) -> [Tensor] {
      let flat = matmul(a, j.transposed)
      return [flat, flat.reshaped(to: [a.shape[0] / o, o, n, o]).permuted([0, 2, 1, 3])]
    }
    let time = TrainingTime.steps(5, of: 0.01)
    // Written out: one long vector of outputs.
    let step = Tensor.eye(n * o) - matmul(j, j.transposed) * (0.01 / Double(n))
    var r = (f - y).reshaped(to: [n * o])
    for _ in 0..<5 { r = matmul(step, r) }
    var predictions: [Tensor] = []
    for (kernel, new) in zip(layouts(j), layouts(other)) {
      let training = try LinearizedTraining(kernel: kernel, outputs: f, targets: y, loss: .halfMean)
      #expect(training.eigenvalues.count == n * o && training.rate == 1 / Double(n))
      expectClose(try training.residuals(at: time), r.reshaped(to: [n, o]), tolerance: 1e-12)
      predictions.append(try training.predictor(kernel: new, outputs: newF).outputs(at: time))
      #expect(predictions.last!.shape == [m, o])
    }
    expectClose(predictions[0], predictions[1])
    // A kernel that all outputs share acts on each of them by itself.
    let shared = Self.problem(n, rank: 5, columns: o)
    let all = try LinearizedTraining(kernel: shared.kernel, outputs: f, targets: y, loss: .sum)
    for output in 0..<o {
      let one = try LinearizedTraining(
        kernel: shared.kernel, outputs: f[.all, output], targets: y[.all, output], loss: .sum)
      expectClose(try all.outputs(at: time)[.all, output], try one.outputs(at: time))
    }
    let pairs = shared.kernel.reshaped(to: [n, n, 1, 1]) * Tensor.eye(o)
    let full = try LinearizedTraining(kernel: pairs, outputs: f, targets: y, loss: .sum)
    expectClose(try full.outputs(at: time), try all.outputs(at: time))
  }

  // MARK: The null space

  @Test func whatLiesInTheNullSpaceIsLeftOut() throws {
    let p = Self.problem(5, rank: 2)
    let training = try LinearizedTraining(kernel: p.kernel, outputs: p.f, targets: p.y, loss: .halfSum)
    // Rows that no feature gives: the exact ones and a part that the kernel does not see.
    let alien = training.eigenvectors[.all, 0].expanded(at: 0) * 100 + p.new
    let clean = try training.predictor(kernel: p.new, outputs: p.newF)
    let predictor = try training.predictor(kernel: alien, outputs: p.newF)
    #expect(predictor.nullSpacePart > 0.9 && clean.nullSpacePart < 1e-13)
    for time in [TrainingTime.flow(1), .flow(1e20), .flow(.infinity), .steps(.max, of: 1e-3)] {
      expectClose(try predictor.outputs(at: time), try clean.outputs(at: time), tolerance: 1e-10)
      #expect(try predictor.outputs(at: time).isFinite)
    }
    let nowhere = try training.predictor(kernel: .zeros([0, 5]), outputs: .zeros([0, 2]))
    #expect(try nowhere.outputs(at: .flow(1)).shape == [0, 2])
    let zero = try LinearizedTraining(kernel: .zeros([5, 5]), outputs: p.f, targets: p.y, loss: .halfSum)
    #expect(zero.rank == 0 && zero.largestStableStep() == .infinity)
    for time in [TrainingTime.flow(.infinity), .steps(9, of: 1e9)] { #expect(try zero.outputs(at: time) == p.f) }
  }

  // MARK: Types and transforms

  @Test func singlePrecisionComesAsFarAsItsType() throws {
    let (wide, narrow) = (Self.problem(6, rank: 8), Self.problem(6, rank: 8, as: .float32))
    let a = try LinearizedTraining(kernel: wide.kernel, outputs: wide.f, targets: wide.y, loss: .halfSum)
    let b = try LinearizedTraining(kernel: narrow.kernel, outputs: narrow.f, targets: narrow.y, loss: .halfSum)
    let (there, here) = (
      try a.predictor(kernel: wide.new, outputs: wide.newF), try b.predictor(kernel: narrow.new, outputs: narrow.newF)
    )
    for time in [TrainingTime.flow(0.1), .steps(1000, of: 0.01), .steps(50, of: 0.02, momentum: .heavyBall(0.5))] {
      let found = try b.outputs(at: time)
      #expect(found.scalarType == .float32)
      #expect(distance(found.as(.float64), try a.outputs(at: time)) < 1e-4)
      #expect(distance(try here.outputs(at: time).as(.float64), try there.outputs(at: time)) < 1e-4)
    }
    #expect(throws: TrainingError.self) { try b.outputs(at: .steps(300, of: 2.5 / b.eigenvalues.last!)) }
  }

  @Test func outputsAndTargetsAreDifferentiated() throws {
    let p = Self.problem(5, rank: 7)
    let time = TrainingTime.flow(0.2)
    let value = { (f: Tensor, y: Tensor) in
      let training = try LinearizedTraining(kernel: p.kernel, outputs: f, targets: y, loss: .halfSum)
      return try training.predictor(kernel: p.new, outputs: p.newF).outputs(at: time).sum()
    }
    let (df, dy) = try gradient(of: value, at: p.f, p.y)
    expectClose(df, -dy)
    let moved = try value(p.f, p.y + 1).scalar - value(p.f, p.y).scalar
    #expect((dy.sum().scalar - moved).magnitude < 1e-10)
  }

  // MARK: Errors

  @Test func errorsAreCaughtByTheirCase() throws {
    let p = Self.problem(3, rank: 4)
    let training = try LinearizedTraining(kernel: p.kernel, outputs: p.f, targets: p.y, loss: .sum)
    do {
      _ = try training.outputs(at: .steps(100_000, of: 1e3))
      Issue.record("was accepted")
    } catch TrainingError.diverged(let steps, _, let limit) {
      #expect(steps == 100_000 && limit == training.largestStableStep())
    }
  }

  private static func refusal(_ kernel: Tensor, _ f: Tensor, _ y: Tensor) throws -> TrainingError {
    try #require(throws: TrainingError.self) {
      try LinearizedTraining(kernel: kernel, outputs: f, targets: y, loss: .sum)
    }
  }

  @Test func wrongNumbersAreRefused() throws {
    let p = Self.problem(4, rank: 6)
    func refusal(_ kernel: Tensor, _ f: Tensor? = nil, _ y: Tensor? = nil) throws -> TrainingError {
      try Self.refusal(kernel, f ?? p.f, y ?? p.y)
    }
    struct Other: Error {}
    var kernel = p.kernel
    kernel[2, 1] = Tensor(Double.nan)
    guard case .notFinite("kernel", [2, 1], let value) = try refusal(kernel) else { throw Other() }
    #expect(value.isNaN)
    var f = p.f
    f[3, 1] = Tensor(Double.infinity)
    #expect(try refusal(p.kernel, f) == .notFinite(input: "outputs", index: [3, 1], value: .infinity))
    #expect(try refusal(p.kernel, nil, f) == .notFinite(input: "targets", index: [3, 1], value: .infinity))
    kernel = p.kernel
    kernel[1, 3] += Tensor(0.5)
    guard case .notSymmetric(let row, let column, let here, let mirror) = try refusal(kernel) else { throw Other() }
    #expect(row == 1 && column == 3 && here == kernel[1, 3].scalar && mirror == kernel[3, 1].scalar)
    // The smallest eigenvalue is moved below zero.
    let values = try symmetricEigenvalues(p.kernel)
    let shifted = p.kernel - Tensor.eye(4) * (values[0].scalar + 0.25)
    guard case .indefinite(let smallest, let largest, _) = try refusal(shifted) else { throw Other() }
    #expect(
      (smallest + 0.25).magnitude < 1e-12 && (largest - values[3].scalar + values[0].scalar + 0.25).magnitude < 1e-11)
    #expect("\(try refusal(shifted))".contains("λ_min = -0.2"))
    // Within a tolerance of the caller's the negative eigenvalue is a zero.
    let allowed = try LinearizedTraining(kernel: shifted, outputs: p.f, targets: p.y, loss: .sum, tolerance: 0.5)
    #expect(allowed.eigenvalues[0] == 0)
    #expect(try allowed.outputs(at: .flow(.infinity)).isFinite)
    let training = try LinearizedTraining(kernel: p.kernel, outputs: p.f, targets: p.y, loss: .sum)
    #expect(throws: TrainingError.notFinite(input: "outputs on the new points", index: [0, 1], value: -.infinity)) {
      var newF = p.newF
      newF[0, 1] = Tensor(-Double.infinity)
      _ = try training.predictor(kernel: p.new, outputs: newF)
    }
  }

  @Test func roundingOfASingularKernelIsNoError() throws {
    for seed in 0..<10 {
      for type in ScalarType.allCases {
        let p = Self.problem(12, rank: 4, seed: UInt64(seed), as: type)
        let training = try LinearizedTraining(kernel: p.kernel, outputs: p.f, targets: p.y, loss: .sum)
        #expect(training.rank == 4 && training.eigenvalues.prefix(8).allSatisfy { $0 == 0 })
      }
    }
  }

  @Test func misuseStops() async {
    let shape = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = try LinearizedTraining(kernel: .eye(4), outputs: .zeros([3]), targets: .zeros([3]), loss: .sum)
    }
    #expect(
      shape.message.contains(
        "LinearizedTraining: the kernel must have shape [3, 3], [3, 3, 1, 1] or [3, 3], but got [4, 4]."))
    let time = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let training = try LinearizedTraining(kernel: .eye(3), outputs: .zeros([3]), targets: .zeros([3]), loss: .sum)
      _ = try training.outputs(at: .flow(-1))
    }
    #expect(time.message.contains("LinearizedTraining: the time must be at least 0, but got -1.0."))
    let traced = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = try gradient(
        of: { kernel in
          try LinearizedTraining(kernel: kernel, outputs: .zeros([3]), targets: .zeros([3]), loss: .sum).outputs(
            at: .flow(1)
          ).sum()
        }, at: Tensor.eye(3))
    }
    #expect(traced.message.contains("LinearizedTraining: the kernel must be known in numbers"))
    let momentum = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let training = try LinearizedTraining(kernel: .eye(3), outputs: .zeros([3]), targets: .zeros([3]), loss: .sum)
      _ = try training.outputs(at: .steps(3, of: 0.1, momentum: .heavyBall(1)))
    }
    #expect(momentum.message.contains("LinearizedTraining: the momentum must lie in 0..<1, but got 1.0."))
  }
}
