import AutoDiff
import Layers
import Tangent
import Testing

@Suite struct GradientFlowTests {
  @Test func aQuadraticFlowsByItsExponential() throws {
    // ṗ = −A (p − p*), with A diagonal.
    let (a, end) = (Tensor([0.5, 1, 4]), Tensor([1, -2, 3]))
    let solver = ODESolver(relativeTolerance: 1e-9, absoluteTolerance: 1e-11)
    let flow = try gradientFlow(
      of: { (p: [Tensor]) in (a * square(p[0] - end)).sum() / 2 }, from: [Tensor([0, 0, 0])], at: [0.5, 2],
      solver: solver)
    for (time, p) in zip(flow.times, flow.states) {
      expectClose(p[0], end * (1 - exp(a * -time)), tolerance: 1e-8)
    }
  }

  @Test func theLossFallsByTheSquaredGradient() throws {
    // d loss/dt = −‖∇loss‖² along the flow, of any model.
    let model = Model.catalogue[2]
    let y = Tensor.ones([4, 2])
    let loss = { (f: Tensor) in SquaredLoss.halfMean(f, y) }
    let solver = ODESolver(relativeTolerance: 1e-11, absoluteTolerance: 1e-12)
    let h = 1e-3
    let (course, parameters) = try trainingFlow(
      of: model.f, from: model.parameters, on: model.examples, at: [1 - h, 1, 1 + h], solver: solver, loss: loss)
    let slope = gradient(of: { p in loss(vmap { (x: Tensor) in model.f(x, p) }(model.examples)) }, at: parameters[1])
    let rate = (course.losses[2] - course.losses[0]) / (2 * h)
    #expect((rate / -slope.innerProduct(slope).scalar - 1).magnitude < 1e-5)
    #expect(course.predictions.isEmpty && course.outputs[0].shape == [4, 2])
  }

  @Test func aStationaryPointEndsTheFlow() throws {
    let flow = try gradientFlow(
      of: { (p: Tensor) in square(p - 3).sum() }, from: Tensor([0, 1]), at: [.infinity],
      solver: ODESolver(relativeTolerance: 1e-9), until: .steady(rate: 1e-6))
    #expect(flow.reason == .steady && distance(flow.finalState, Tensor([3, 3])) < 1e-6)
  }

  // MARK: Wide networks

  /// How far a network moves from its linearization while it is trained, in the mean over seeds: at training and new points.
  private static func deviation(
    width: Int, seeds: Int, _ parameterization: Parameterization
  ) throws -> (trained: Double, new: Double) {
    var random = RandomGenerator(seed: 101)
    let (x, others, y) = (
      Tensor.normal([4, 3], using: &random), Tensor.normal([3, 3], using: &random),
      Tensor.normal([4, 1], using: &random)
    )
    let net = Sequential([
      Dense(width, parameterization: parameterization), Tanh(), Dense(1, parameterization: parameterization),
    ])
    // In LeCun's scale the kernel grows as the width, in the tangent one it has a limit.
    let clock: Double = if case .leCun = parameterization { 3 / Double(width) } else { 1 }
    let times = [0.5 * clock, 2 * clock]
    var (trained, new) = (0.0, 0.0)
    for seed in 0..<seeds {
      let p = net.initialized(like: x[0], seed: UInt64(seed))
      let (course, _) = try trainingFlow(of: net, from: p, on: x, and: others, at: times) { SquaredLoss.halfSum($0, y) }
      let model = { (x: Tensor, p: Parameters) in net(x, p) }
      let jacobian = FactoredJacobian(of: model, at: p, on: x)
      let training = try LinearizedTraining(jacobian: jacobian, targets: y, loss: .halfSum)
      let predictor = try training.predictor(
        jacobian: FactoredJacobian(of: model, at: p, on: others), trainedOn: jacobian)
      trained += try times.indices.map {
        (course.outputs[$0] - (try training.outputs(at: .flow(times[$0])))).norm().scalar
      }.max()!
      new += try times.indices.map {
        (course.predictions[$0] - (try predictor.outputs(at: .flow(times[$0])))).norm().scalar
      }.max()!
    }
    return (trained / Double(seeds), new / Double(seeds))
  }

  @Test(arguments: [Parameterization.leCun, .neuralTangent()]) func wideNetworksStayNearTheirLinearization(
    parameterization: Parameterization
  ) throws {
    // Theorems 11.25 and 11.26 of the wide-network theory: within C/√m on training and new points.
    let widths = [32, 64, 128, 256, 512]
    let deviations = try widths.map { try Self.deviation(width: $0, seeds: 6, parameterization) }
    for part in [deviations.map(\.trained), deviations.map(\.new)] {
      let (exponent, error) = logarithmicSlope(widths.map(Double.init), part)
      print("exponent", exponent, error, part)
      #expect((exponent + 0.5).magnitude < max(0.1, 2 * error) && error < 0.1, "\(exponent) ± \(error): \(part)")
    }
  }
}
