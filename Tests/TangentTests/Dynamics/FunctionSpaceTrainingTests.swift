import AutoDiff
import Layers
import Tangent
import Testing

/// A loss of many outputs with its name.
struct NamedLoss: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let loss: @Sendable (Tensor) -> Tensor

  /// Losses of outputs [4, 3].
  static let all: [NamedLoss] = [
    NamedLoss(testDescription: "cross entropy") { crossEntropy($0, Tensor([0, 2, 1, 1])) },
    NamedLoss(testDescription: "logistic") { f in
      softplus(f * Tensor([[1, -1, 1], [1, 1, -1], [-1, -1, 1], [1, 1, 1]]) * -1).mean()
    },
    NamedLoss(testDescription: "Huber") { f in
      let r = f - Tensor([[1, 0, 2], [0, -1, 1], [3, 1, 0], [0, 0, 1]])
      return select(abs(r) .< 0.5, square(r) / 2, abs(r) * 0.5 - 0.125).sum()
    },
    NamedLoss(testDescription: "fourth powers") { f in pow(f - 1, 4).mean() },
  ]
}

@Suite struct FunctionSpaceTrainingTests {
  static let model = Model("net", parameters: [[3, 6], [6, 3]], example: [3], seed: 31) { x, p in
    matmul(tanh(matmul(x, p[0])), p[1])
  }
  static var jacobian: FactoredJacobian<[Tensor]> { .init(of: model.f, at: model.parameters, on: model.examples) }
  static var newJacobian: FactoredJacobian<[Tensor]> { .init(of: model.f, at: model.parameters, on: model.others) }
  static var linear: (Tensor, [Tensor]) -> Tensor { linearizedModel(of: model.f, at: model.parameters) }

  private func training(_ loss: @escaping (Tensor) -> Tensor) throws -> FunctionSpaceTraining {
    try FunctionSpaceTraining(
      kernel: Self.jacobian.gram(), outputs: Self.jacobian.outputs,
      newPoints: (Self.newJacobian.gram(with: Self.jacobian), Self.newJacobian.outputs), loss: loss)
  }

  private func outputs(_ p: [Tensor], _ x: Tensor) -> Tensor { vmap { (x: Tensor) in Self.linear(x, p) }(x) }

  @Test(arguments: NamedLoss.all) func flowAgreesWithTheParametersOfTheLinearizedModel(loss: NamedLoss) throws {
    let solver = ODESolver(relativeTolerance: 1e-9, absoluteTolerance: 1e-10)
    let times = [0, 0.3, 1, 4]
    let course = try training(loss.loss).flow(at: times, solver: solver)
    let (twin, _) = try trainingFlow(
      of: Self.linear, from: Self.model.parameters, on: Self.model.examples, and: Self.model.others, at: times,
      solver: solver, loss: loss.loss)
    #expect(course.times == times && course.outputs[0] == Self.jacobian.outputs)
    for k in times.indices {
      expectClose(course.outputs[k], twin.outputs[k], tolerance: 1e-7)
      expectClose(course.predictions[k], twin.predictions[k], tolerance: 1e-7)
      #expect((course.losses[k] - twin.losses[k]).magnitude < 1e-7 * max(1, twin.losses[0]))
    }
    #expect(zip(course.losses, course.losses.dropFirst()).allSatisfy { $0 > $1 })
    #expect(course.statistics!.acceptedSteps > 3)
  }

  @Test(arguments: NamedLoss.all) func stepsAgreeWithTheParametersOfTheLinearizedModel(loss: NamedLoss) throws {
    let slope = { (p: [Tensor]) in gradient(of: { loss.loss(self.outputs($0, Self.model.examples)) }, at: p) }
    for momentum in [Momentum.none, .heavyBall(0.7), .nesterov(0.7)] {
      let course = try training(loss.loss).descent(after: [0, 1, 1, 9], stepsOf: 0.01, momentum: momentum)
      var (p, previous) = (Self.model.parameters, Self.model.parameters)
      var found = [p]
      for step in 1...9 {
        let inertia = p.subtracting(previous).scaled(by: momentum.share)
        previous = p
        if case .nesterov = momentum {
          let ahead = p.adding(inertia)
          p = ahead.adding(slope(ahead), scaledBy: -0.01)
        } else {
          p = p.adding(inertia).adding(slope(p), scaledBy: -0.01)
        }
        if step == 1 { found += [p, p] }
      }
      found.append(p)
      for k in 0..<4 {
        expectClose(course.outputs[k], outputs(found[k], Self.model.examples), tolerance: 1e-11)
        expectClose(course.predictions[k], outputs(found[k], Self.model.others), tolerance: 1e-11)
      }
      #expect(course.times == [0, 0.01, 0.01, 0.09] && course.statistics == nil)
    }
  }

  @Test(arguments: SquaredLoss.allCases.filter { $0 != .meanWithStepsOfHalfSum })
  func squaredLossesAgreeWithTheClosedForm(loss: SquaredLoss) throws {
    let y = Self.jacobian.outputs + 1
    let closed = try LinearizedTraining(jacobian: Self.jacobian, targets: y, loss: loss)
    let predictor = try closed.predictor(jacobian: Self.newJacobian, trainedOn: Self.jacobian)
    let general = try training { loss($0, y) }
    for tolerance in [1e-5, 1e-8] {
      let solver = ODESolver(relativeTolerance: tolerance, absoluteTolerance: tolerance)
      let course = try general.flow(at: [0.1, 0.7, 2], solver: solver)
      for (k, time) in course.times.enumerated() {
        #expect(distance(course.outputs[k], try closed.outputs(at: .flow(time))) < 20 * tolerance)
        #expect(distance(course.predictions[k], try predictor.outputs(at: .flow(time))) < 20 * tolerance)
        #expect((course.losses[k] - (try closed.loss(at: .flow(time)))).magnitude < 100 * tolerance)
      }
    }
    let size = 0.8 * closed.largestStableStep(momentum: .heavyBall(0.5))
    let course = try general.descent(after: [3, 200], stepsOf: size, momentum: .heavyBall(0.5))
    for (k, count) in [3, 200].enumerated() {
      let time = TrainingTime.steps(count, of: size, momentum: .heavyBall(0.5))
      expectClose(course.outputs[k], try closed.outputs(at: time), tolerance: 1e-10)
      expectClose(course.predictions[k], try predictor.outputs(at: time), tolerance: 1e-10)
    }
  }

  @Test func aSteadyFlowEndsAtTheMinimum() throws {
    // Minimum of a loss with its least point at f = y, by a kernel of full rank.
    var random = RandomGenerator(seed: 37)
    let j = Tensor.normal([4, 9], using: &random)
    let (f, y) = (Tensor.normal([4], using: &random), Tensor.normal([4], using: &random))
    let training = try FunctionSpaceTraining(kernel: matmul(j, j.transposed), outputs: f) { f in
      (sqrt(1 + square(f - y)) - 1).sum()
    }
    let solver = ODESolver(relativeTolerance: 1e-10, absoluteTolerance: 1e-12)
    let course = try training.flow(at: [1, .infinity], solver: solver, steadyRate: 1e-7)
    #expect(distance(course.outputs[1], y) < 1e-6 && course.losses[1] < 1e-12 && course.predictions.isEmpty)
  }

  @Test func aSharedKernelActsOnEveryOutput() throws {
    let kernel = tangentKernel(
      of: Self.model.f, at: Self.model.parameters, on: Self.model.examples, outputs: .traceMean)
    let new = tangentKernel(
      of: Self.model.f, at: Self.model.parameters, on: Self.model.others, and: Self.model.examples, outputs: .traceMean)
    let (f, newF) = (Self.jacobian.outputs, Self.newJacobian.outputs)
    let loss = NamedLoss.all[0].loss
    let shared = try FunctionSpaceTraining(kernel: kernel, outputs: f, newPoints: (new, newF), loss: loss)
    let full = try FunctionSpaceTraining(
      kernel: kernel.reshaped(to: [4, 4, 1, 1]) * .eye(3), outputs: f,
      newPoints: (new.reshaped(to: [3, 4, 1, 1]) * .eye(3), newF), loss: loss)
    let (a, b) = (try shared.flow(at: [2]), try full.flow(at: [2]))
    expectClose(a.outputs[0], b.outputs[0])
    expectClose(a.predictions[0], b.predictions[0])
  }

  @Test func singlePrecisionComesAsFarAsItsType() throws {
    let loss = NamedLoss.all[2]
    let narrow = try FunctionSpaceTraining(
      kernel: Self.jacobian.gram().as(.float32), outputs: Self.jacobian.outputs.as(.float32)
    ) { loss.loss($0.as(.float64)).as(.float32) }
    let wide = try training(loss.loss)
    let (a, b) = (try narrow.flow(at: [1]), try wide.flow(at: [1]))
    #expect(a.outputs[0].scalarType == .float32)
    #expect(distance(a.outputs[0].as(.float64), b.outputs[0]) < 1e-3)
    let (c, d) = (try narrow.descent(after: [20], stepsOf: 0.01), try wide.descent(after: [20], stepsOf: 0.01))
    #expect(distance(c.outputs[0].as(.float64), d.outputs[0]) < 1e-4)
  }

  @Test func wrongNumbersAreRefused() throws {
    let f = Tensor.zeros([3])
    #expect(throws: TrainingError.notFinite(input: "kernel of the new points", index: [0, 1], value: .infinity)) {
      try FunctionSpaceTraining(
        kernel: .eye(3), outputs: f, newPoints: (Tensor([[1, .infinity, 0]]), Tensor([0]))
      ) { $0.sum() }
    }
    #expect(throws: TrainingError.indefinite(smallest: -1, largest: -1, tolerance: 12 * ScalarType.float64.epsilon)) {
      try FunctionSpaceTraining(kernel: -Tensor.eye(3), outputs: f) { $0.sum() }
    }
    #expect(throws: TrainingError.self) {
      try FunctionSpaceTraining(kernel: Tensor([[1, 2, 0], [0, 1, 0], [0, 0, 1]]), outputs: f) { $0.sum() }
    }
    let steep = try FunctionSpaceTraining(kernel: .eye(3), outputs: f + 2) { pow($0, 4).sum() }
    // f ← f − 4 f³ from 2: −30, 107970, about −5·10¹⁵, 5·10⁴⁷, −5·10¹⁴³, and then no number.
    #expect(throws: TrainingError.notFiniteAfter(steps: 6)) { try steep.descent(after: [50], stepsOf: 1) }
  }
}
