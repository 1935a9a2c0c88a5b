import AutoDiff
import Layers
import Tangent
import Testing

@Suite struct TaylorModelTests {
  private static func direction(_ model: Model, seed: UInt64 = 7) -> [Tensor] {
    var random = RandomGenerator(seed: seed)
    return model.parameters.map { .normal($0.shape, using: &random) }
  }

  private static let smooth = Model.catalogue.filter { $0.name != "an embedding" }

  @Test(arguments: smooth) func theErrorHasTheOrderAfterTheDegree(model: Model) {
    let (x, v) = (model.examples[0], Self.direction(model))
    for degree in 0...3 {
      let taylor = taylorModel(of: model.f, at: model.parameters, degree: degree)
      let steps = degree < 2 ? [0.004, 0.002, 0.001] : [0.04, 0.02, 0.01]
      let errors = steps.map { step in
        let p = model.parameters.adding(v, scaledBy: step)
        return abs(taylor(x, p) - model.f(x, p)).max().scalar
      }
      let scale = max(abs(model.f(x, model.parameters)).max().scalar, 1)
      // Polynomial models end; what is left of small errors is rounding.
      if errors.max()! < 1e-11 * scale { continue }
      let order = logarithmicSlope(steps, errors).value
      #expect(order > Double(degree) + 0.7, "degree \(degree): \(errors)")
    }
  }

  @Test func aTermIsTheDerivativeAlongALine() {
    // f = exp(⟨x, p⟩): the terms are those of the exponential series.
    let (x, p) = (Tensor([1, 2]), Tensor([0.3, -0.1]))
    let f = { (x: Tensor, p: Tensor) in exp(dot(x, p)) }
    let moved = Tensor([0.8, 0.4])
    let s = dot(x, moved - p).scalar
    var (sum, term) = (0.0, 1.0)
    for degree in 0...6 {
      sum += term
      term *= s / Double(degree + 1)
      let value = taylorModel(of: f, at: p, degree: degree)(x, moved).scalar
      #expect((value / (sum * f(x, p).scalar) - 1).magnitude < 1e-14, "\(degree)")
    }
  }

  @Test func polynomialsAreTheirOwnExpansion() {
    var random = RandomGenerator(seed: 5)
    let f = { (x: Tensor, p: [Tensor]) in pow(matmul(x, p[0]), 3) * p[1].sum() + matmul(x, p[0]) }
    let p: [Tensor] = [.normal([3, 2], using: &random), .normal([2], using: &random)]
    let far: [Tensor] = [.normal([3, 2], using: &random) * 5, .normal([2], using: &random) * 5]
    let x = Tensor.normal([3], using: &random)
    let exact = f(x, far)
    expectClose(taylorModel(of: f, at: p, degree: 4)(x, far), exact, tolerance: 1e-12)
    expectClose(taylorModel(of: f, at: p, degree: 5)(x, far), exact, tolerance: 1e-12)
    #expect(!taylorModel(of: f, at: p, degree: 3)(x, far).isApproximatelyEqual(to: exact))
  }

  @Test(arguments: Model.catalogue) func theLinearizedModelIsValuePlusGradient(model: Model) {
    let v = Self.direction(model)
    let p = model.parameters.adding(v)
    let linear = linearizedModel(of: model.f, at: model.parameters)
    for k in 0..<4 {
      let x = model.examples[k]
      let (value, tangent) = jvp(of: { model.f(x, $0) }, at: model.parameters, along: v)
      expectClose(linear(x, p), value + tangent)
      expectClose(linear(x, model.parameters), value)
    }
  }

  @Test(arguments: Model.catalogue) func itsKernelIsThatOfTheModelEverywhere(model: Model) {
    let linear = linearizedModel(of: model.f, at: model.parameters)
    let kernel = tangentKernel(of: model.f, at: model.parameters, on: model.examples, and: model.others)
    let there = model.parameters.adding(Self.direction(model), scaledBy: 3)
    for p in [model.parameters, there] {
      expectClose(tangentKernel(of: linear, at: p, on: model.examples, and: model.others), kernel)
    }
  }

  @Test(arguments: smooth) func itNestsUnderTransforms(model: Model) {
    let v = Self.direction(model)
    let p = model.parameters.adding(v, scaledBy: 0.1)
    for degree in 1...2 {
      let taylor = taylorModel(of: model.f, at: model.parameters, degree: degree)
      let batch = vmap { (x: Tensor) in taylor(x, p) }(model.examples)
      expectClose(batch, stack((0..<4).map { taylor(model.examples[$0], p) }))
      let loss = { (p: [Tensor]) in square(vmap { (x: Tensor) in taylor(x, p) }(model.examples)).sum() }
      let slope = gradient(of: loss, at: p)
      let quotient = differenceQuotient(of: loss, at: p, along: v)
      #expect((slope.innerProduct(v).scalar - quotient.scalar).magnitude < 1e-7 * max(1, quotient.scalar.magnitude))
      // The expansion's own expansion is itself.
      let again = taylorModel(of: taylor, at: p, degree: degree)
      expectClose(
        again(model.examples[1], model.parameters), taylor(model.examples[1], model.parameters), tolerance: 1e-11)
      // Its Hessian is that of the quadratic part.
      let curvature = hvp(of: { taylor(model.examples[0], $0).sum() }, at: p, along: v)
      if degree == 1 {
        #expect(curvature.leaves.allSatisfy { abs($0).max().scalar < 1e-12 })
      } else {
        expectClose(
          curvature, hvp(of: { model.f(model.examples[0], $0).sum() }, at: model.parameters, along: v), tolerance: 1e-10
        )
      }
    }
  }

  @Test func itDifferentiatesWithRespectToItsCenter() {
    let model = Model.catalogue[2]
    let v = Self.direction(model)
    let moved = model.parameters.adding(v, scaledBy: 0.3)
    let value = { (center: [Tensor]) in linearizedModel(of: model.f, at: center)(model.examples[0], moved).sum() }
    // d/dp₀ of f(p₀) + ⟨∇f(p₀), p − p₀⟩ is H (p − p₀).
    let expected = hvp(of: { model.f(model.examples[0], $0).sum() }, at: model.parameters, along: v.scaled(by: 0.3))
    expectClose(gradient(of: value, at: model.parameters), expected, tolerance: 1e-11)
  }

  @Test func layersAreExpandedAsLayers() {
    let net = Sequential {
      Dense(5); Tanh(); Dense(2)
    }
    var random = RandomGenerator(seed: 11)
    let x = Tensor.normal([4, 3], using: &random)
    let p = net.initialized(like: x[0], seed: 2)
    let moved = p.mapTensors { $0 + .normal($0.shape, using: &random) * 0.1 }
    let (linear, quadratic) = (linearizedModel(of: net, at: p), taylorModel(of: net, at: p, degree: 2))
    let function = { (x: Tensor, p: Parameters) in net(x, p) }
    expectClose(linear.batched(x, moved), vmap { (x: Tensor) in linearizedModel(of: function, at: p)(x, moved) }(x))
    expectClose(quadratic(x[0], moved), taylorModel(of: function, at: p, degree: 2)(x[0], moved))
    expectClose(tangentKernel(of: linear, at: moved, on: x), tangentKernel(of: net, at: p, on: x))
    #expect(linear.initialized(like: x[0], seed: 2).leaves == p.leaves)
  }

  @Test(arguments: smooth) func singlePrecisionComesAsFarAsItsType(model: Model) {
    let (p, v) = (model.parameters, Self.direction(model).scaled(by: 0.1))
    let narrow = p.map { $0.as(.float32) }
    for degree in 1...2 {
      let value = taylorModel(of: model.f, at: narrow, degree: degree)(
        model.examples[0].as(.float32), narrow.adding(v.map { $0.as(.float32) }))
      #expect(value.scalarType == .float32)
      let expected = taylorModel(of: model.f, at: p, degree: degree)(model.examples[0], p.adding(v))
      expectClose(value.as(.float64), expected, tolerance: 1e-5)
    }
  }

  @Test func outputsAndExamplesAreTrees() {
    let f = { (x: Pair<Tensor, Tensor>, p: Tensor) in [exp(x.first * p), square(p) * x.second] }
    let x = Pair(Tensor([1, 2]), Tensor([3, 4]))
    let quadratic = taylorModel(of: f, at: Tensor([0.1, 0.2]), degree: 2)
    let out = quadratic(x, Tensor([0.3, 0.5]))
    expectClose(out[1], f(x, Tensor([0.3, 0.5]))[1])
    #expect(distance(out[0], f(x, Tensor([0.3, 0.5]))[0]) < 0.1)
  }

  @Test func misuseStops() async {
    let degree = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = taylorModel(of: { (x: Tensor, p: Tensor) in x * p }, at: Tensor(1), degree: -1)
    }
    #expect(degree.message.contains("taylorModel: the degree must not be negative, but got -1."))
    let other = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = linearizedModel(of: { (x: Tensor, p: Tensor) in x * p }, at: Tensor(1))(Tensor(1), Tensor([1, 2]))
    }
    #expect(other.message.contains("taylorModel: both trees must have the same leaves"))
  }
}
