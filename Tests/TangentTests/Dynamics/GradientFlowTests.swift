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

  /// How far a network moves from its linearization while it is trained to change its outputs by given numbers.
  private static func deviation(
    width: Int, seed: Int, _ parameterization: Parameterization
  ) throws -> (trained: Double, new: Double) {
    var random = RandomGenerator(seed: 101)
    let x = Tensor.normal([4, 3], using: &random)
    let others = Tensor.normal([3, 3], using: &random)
    let change = Tensor.normal([4, 1], using: &random)
    let net = Sequential([
      Dense(width, parameterization: parameterization), Tanh(), Dense(1, parameterization: parameterization),
    ])
    let p = net.initialized(like: x[0], seed: UInt64(seed))
    let y = net.batched(x, p) + change
    // In LeCun's scale the kernel grows as the width, in the tangent one it has a limit.
    let clock: Double = if case .leCun = parameterization { 3 / Double(width) } else { 1 }
    let times = [0.5 * clock, 2 * clock]
    let course = try trainingFlow(of: net, from: p, on: x, and: others, at: times) { SquaredLoss.halfSum($0, y) }.course
    let model = { (x: Tensor, p: Parameters) in net(x, p) }
    let jacobian = FactoredJacobian(of: model, at: p, on: x)
    let training = try LinearizedTraining(jacobian: jacobian, targets: y, loss: .halfSum)
    let there = FactoredJacobian(of: model, at: p, on: others)
    let predictor = try training.predictor(jacobian: there, trainedOn: jacobian)
    var (trained, new) = (0.0, 0.0)
    for (k, time) in times.enumerated() {
      trained = max(trained, (course.outputs[k] - (try training.outputs(at: .flow(time)))).norm().scalar)
      new = max(new, (course.predictions[k] - (try predictor.outputs(at: .flow(time)))).norm().scalar)
    }
    return (trained, new)
  }

  /// Networks stay within C/√m of their linearization, on training and new points. That is what is proved for LeCun's scale
  /// (theorems 11.25 and 11.26 of the wide-network theory). For smooth activations and symmetric starts the kernel moves by
  /// O(1/m) only (the hierarchy: ∂ₜK ≲ (1 + t)/m), so that the networks come nearer than they must: like 1/m in the tangent
  /// scale, faster still in LeCun's.
  @Test(arguments: [Parameterization.leCun, .neuralTangent()]) func wideNetworksStayNearTheirLinearization(
    parameterization: Parameterization
  ) throws {
    let widths = [32, 64, 128, 256, 512]
    let points = try widths.flatMap { width in
      try (0..<8).map {
        (width: Double(width), deviation: try Self.deviation(width: width, seed: $0, parameterization))
      }
    }
    for part in [points.map(\.deviation.trained), points.map(\.deviation.new)] {
      let (exponent, error) = logarithmicSlope(points.map(\.width), part)
      #expect(exponent < -0.5 - 2 * error && error < 0.15, "\(exponent) ± \(error): \(part)")
      if case .neuralTangent = parameterization {
        #expect((exponent + 1).magnitude < 3 * error, "\(exponent) ± \(error): \(part)")
      }
      // On average over starts √m times the deviation falls, but for what is left to chance.
      let constants = stride(from: 0, to: part.count, by: 8).map {
        points[$0].width.squareRoot() * part[$0..<$0 + 8].reduce(0, +)
      }
      #expect(constants.max()! < 1.2 * constants[0] && constants.last! < 0.6 * constants[0], "\(constants)")
    }
  }
}
