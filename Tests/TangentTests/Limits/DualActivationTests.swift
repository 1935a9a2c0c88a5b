import AutoDiff
import Testing

@testable import Tangent

@Suite struct DualActivationTests {
  /// What errors are relative to: √(E[σ(u)²] E[σ(v)²]), which bounds |E[σσ]|.
  private func scales(_ activation: DualActivation, _ q11: Tensor, _ q22: Tensor) throws -> (Tensor, Tensor) {
    let (a, b) = (try activation.moments(q11, q11, q11), try activation.moments(q22, q22, q22))
    return (sqrt(a.values * b.values), sqrt(a.slopes * b.slopes))
  }

  private func expectSmall(
    _ error: Tensor, _ scale: Tensor, _ tolerance: Double, _ what: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    for (k, (e, s)) in zip(error.scalars, scale.scalars).enumerated() {
      #expect(Swift.abs(e) <= tolerance * s, "\(what), place \(k): \(e) of \(s)", sourceLocation: sourceLocation)
    }
  }

  @Test(arguments: DualReference.all.indices) func closedFormsAgreeWithSixtyDigits(_ index: Int) throws {
    let reference = DualReference.all[index]
    let column = { (f: ((q11: Double, q12: Double, q22: Double, value: Double, slope: Double)) -> Double) in
      Tensor(reference.rows.map(f))
    }
    let (q11, q12, q22) = (column { $0.q11 }, column { $0.q12 }, column { $0.q22 })
    let found = try reference.activation.moments(q11, q12, q22)
    let (values, slopes) = try scales(reference.activation, q11, q22)
    expectSmall(found.values - column { $0.value }, values, 8e-15, "\(reference.activation) values")
    expectSmall(found.slopes - column { $0.slope }, slopes, 8e-15, "\(reference.activation) slopes")
  }

  /// Closed forms by the general way: as smooth functions with their Hermite series.
  @Test func quadratureAgreesWithClosedForms() throws {
    let pairs: [(DualActivation, DualActivation)] = [
      (.erf, .smooth("erf", { erf($0) })), (.sin, .smooth("sin", { sin($0) })), (.cos, .smooth("cos", { cos($0) })),
      (.identity, .smooth("x", { $0 })), (.monomial(3), .smooth("x^3", { $0 * $0 * $0 })),
      (.monomial(4), .smooth("x^4", { square(square($0)) }, derivative: { 4 * $0 * square($0) })),
    ]
    var random = RandomGenerator(seed: 3)
    var (q11, q12, q22) = ([Double](), [Double](), [Double]())
    for c in [1, -1, 0, 1 - 1e-12, -1 + 1e-12, 0.5, -0.9] {
      let (a, b) = (random.uniform() * 3, random.uniform() * 3)
      (q11, q12, q22) = (q11 + [a, 1.5], q12 + [c * (a * b).squareRoot(), 1.5 * c], q22 + [b, 1.5])
    }
    // Inputs that are 0.
    (q11, q12, q22) = (q11 + [0, 0], q12 + [0, 0], q22 + [1.2, 0])
    let (a, b, c) = (Tensor(q11), Tensor(q12), Tensor(q22))
    for (closed, quadrature) in pairs {
      let (expected, found) = (try closed.moments(a, b, c), try quadrature.moments(a, b, c, tolerance: 2e-14))
      let (values, slopes) = try scales(closed, a, c)
      expectSmall(found.values - expected.values, values, 1e-13, "\(closed) values")
      expectSmall(found.slopes - expected.slopes, slopes, 1e-13, "\(closed) slopes")
    }
  }

  /// A smooth relu, softplus with growing sharpness a, tends to the closed form of relu: their distance is at most log 2/a.
  @Test func softplusTendsToRelu() throws {
    let (a, b, c) = (Tensor([1, 1, 0.5]), Tensor([0.3, 1, -0.6]), Tensor([1, 1, 0.9]))
    let relu = try DualActivation.relu.moments(a, b, c)
    var last = Double.infinity
    for sharpness in [1.0, 4, 16] {
      let smooth = try DualActivation.softplus(sharpness: sharpness).moments(a, b, c, tolerance: 1e-8)
      let distance = smooth.values.difference(from: relu.values).relative
      #expect(distance < 2 / sharpness)
      #expect(distance < last / 3)
      last = distance
    }
  }

  /// The two-dimensional trapezoidal rule for u and an independent w, v = c u + √(1 − c²) w.
  @Test(arguments: [
    DualActivation.tanh, .arctan, .sigmoid, .gelu, .silu, .softplus(), .softplus(sharpness: 2.5),
  ])
  func seriesAgreeWithTwoDimensionalSums(_ activation: DualActivation) throws {
    let step = 0.11
    let nodes = Tensor.range(from: -80, to: 80.5) * step
    let weights = exp(square(nodes) * -0.5) * (step / (2 * Double.pi).squareRoot())
    let grid = outer(weights, weights)
    let slope = { (x: Tensor) in directionalDerivative(of: activation.function, at: x, along: .ones(like: x)) }
    for (p, c, q) in [(1.0, 0.4, 1.0), (0.5, -0.7, 1.3), (1.2, 1 - 1e-9, 1.2), (0.8, 1, 0.8), (0.8, -1, 0.3)] {
      let (a, b) = (p.squareRoot(), q.squareRoot())
      let u = (nodes * a).expanded(at: 1).broadcast(to: grid.shape)
      let v = (nodes * c).expanded(at: 1) * b + nodes * (b * (1 - c * c).squareRoot())
      let found = try activation.moments(Tensor([p]), Tensor([a * b * c]), Tensor([q]))
      let values = (grid * activation(u) * activation(v)).sum()
      let slopes = (grid * slope(u) * slope(v)).sum()
      let size = (grid * square(activation(u))).sum().scalar + 1
      #expect(Swift.abs(found.values.scalar - values.scalar) < 1e-12 * size, "\(activation) at c = \(c)")
      #expect(Swift.abs(found.slopes.scalar - slopes.scalar) < 1e-12, "\(activation) at c = \(c)")
    }
  }

  /// ∂E[σσ]/∂q12 = E[σ′σ′] (Price's theorem) ties values to slopes for every activation with a weak derivative.
  @Test(arguments: [
    DualActivation.identity, .relu, .leakyRelu(0.2), .abs, .erf, .sin, .cos, .monomial(0), .monomial(1), .monomial(5),
    .tanh, .gelu,
  ])
  func valuesAndSlopesObeyPricesTheorem(_ activation: DualActivation) throws {
    let (a, b, c) = (Tensor([1, 0.6, 2, 0.1]), Tensor([0.3, -0.5, 0, 0.19]), Tensor([1.5, 0.9, 0.4, 0.4]))
    let derivative = try gradient(of: { try activation.moments(a, $0, c).values.sum() }, at: b)
    expectClose(derivative, try activation.moments(a, b, c).slopes, tolerance: 1e-11)
  }

  @Test(arguments: [DualActivation.relu, .leakyRelu(0.2), .step, .erf, .sin, .cos, .monomial(3), .tanh])
  func derivativesAgreeWithDifferences(_ activation: DualActivation) throws {
    for correlation in [0.3, -0.8] {
      // All covariances that the checker's steps meet are positive definite.
      let report = try checkDerivatives(
        of: { (x: Tensor) in
          let (a, b) = (exp(x[0..<1]), exp(x[1..<2]))
          let moments = try activation.moments(a * a, a * b * tanh(x[2..<3]), b * b)
          return [moments.values, moments.slopes]
        }, at: Tensor([-0.2, 0.3, correlation]), orders: 1...(correlation > 0 || activation.name == "tanh" ? 1 : 2))
      #expect(report.passed, "\(activation): \(report)")
    }
  }

  @Test func singlePrecisionIsRoundedDoublePrecision() throws {
    let q = [[1, 0.6], [0.999_999, -0.5], [1, 0.9]].map { Tensor($0, as: .float32) }
    for activation in [DualActivation.relu, .erf, .tanh] {
      let double = try activation.moments(q[0].as(.float64), q[1].as(.float64), q[2].as(.float64))
      let single = try activation.moments(q[0], q[1], q[2])
      #expect(single.values == double.values.as(.float32))
      #expect(single.slopes == double.slopes.as(.float32))
    }
  }

  /// A variable that is 0 has the activation's value and derivative there.
  @Test func zeroVariances() throws {
    let (zero, one) = (Tensor([0, 0]), Tensor([0, 2.5]))
    for activation in [
      DualActivation.identity, .relu, .leakyRelu(0.3), .abs, .step, .erf, .sin, .cos, .monomial(0), .monomial(1),
      .monomial(2), .tanh, .sigmoid, .softplus(),
    ] {
      let found = try activation.moments(zero, zero, one)
      // E[σ(v)] and E[σ′(v)] in plain sums with a node at 0 of weight that vanishes for jumps.
      let step = 1.0 / 512
      let t = Tensor.range(from: -9, to: 9, by: step) + step / 2
      let weights = exp(square(t) * -0.5) * (step / (2 * Double.pi).squareRoot())
      let slope = { (x: Tensor) in directionalDerivative(of: activation.function, at: x, along: .ones(like: x)) }
      let at0 = (activation(Tensor([0])).sum().scalar, slope(Tensor([0])).sum().scalar)
      let v = t * 2.5.squareRoot()
      let means = ((weights * activation(v)).sum().scalar, (weights * slope(v)).sum().scalar)
      expectClose(found.values, Tensor([at0.0 * at0.0, at0.0 * means.0]), tolerance: 1e-12)
      expectClose(found.slopes, Tensor([at0.1 * at0.1, at0.1 * means.1]), tolerance: 1e-12)
    }
  }

  /// A kink ends in an error that says what was reached; a looser tolerance is met.
  @Test func whatIsNotSmoothIsRefused() throws {
    let kinked = DualActivation.smooth("relu as a closure", { relu($0) })
    let q = Tensor([1])
    let error = #expect(throws: LimitError.self) { try kinked.moments(q, q * 0.5, q) }
    guard case .quadratureNotConverged(let name, 0, 1e-13, let reached, let terms) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(name == "relu as a closure")
    #expect((1e-8...1e-3).contains(reached))
    #expect(terms == 16384)
    #expect(
      "\(LimitError.quadratureNotConverged(activation: name, layer: 2, tolerance: 1e-13, reached: reached, terms: terms))"
        .contains("of relu as a closure in hidden layer 2 must reach a relative error of 1e-13, but 16384 terms reach"))
    let network = InfiniteNetwork(depth: 2, kinked, tolerance: 1e-3)
    let x = Tensor([[1, 2], [0.5, -1]])
    let exact = try InfiniteNetwork(depth: 2, .relu).nngp(x)
    #expect(try network.nngp(x).difference(from: exact).relative < 6e-3)
  }

  @Test func infiniteMomentsAreRefused() throws {
    let q = Tensor([0.1, 100])
    #expect(throws: LimitError.momentNotFinite(activation: "e^(x^2)", layer: 0, example: 1)) {
      try DualActivation.smooth("e^(x^2)", { exp(square($0)) }).moments(q, q, q)
    }
    #expect(throws: LimitError.momentNotFinite(activation: "the input", layer: 0, example: 1)) {
      try InfiniteNetwork([]).nngp(Tensor([[1], [1e200]]))
    }
    let x = Tensor([[1e100], [1]])
    #expect(throws: LimitError.momentNotFinite(activation: "x^2", layer: 1, example: 0)) {
      try InfiniteNetwork(depth: 2, .monomial(2)).ntk(x)
    }
  }

  @Test func covariancesMustBeFinite() {
    let q = Tensor([1.0])
    #expect(throws: LimitError.inputNotFinite(input: "q12", example: 0)) {
      try DualActivation.relu.moments(q, q * .nan, q)
    }
    #expect(throws: LimitError.inputNotFinite(input: "q11", example: 0)) {
      try DualActivation.step.moments(q * .infinity, q, q)
    }
    #expect(throws: LimitError.momentNotFinite(activation: "x^2", layer: 0, example: 0)) {
      try DualActivation.monomial(2).moments(q * 1e200, q * 0, q * 1e200)
    }
  }

  /// E[σσ] of a positively homogeneous function grows with the covariances, E[σ′σ′] does not: bit by bit from the smallest to
  /// the largest numbers, and where one variance is small and the other one large.
  @Test func unitsDoNotMatter() throws {
    let (a, b, c) = (Tensor([1, 0.7, 2, 1]), Tensor([0.3, -0.5, 0, 0.999_999_999_999]), Tensor([1.5, 0.9, 0.4, 1]))
    for activation in [DualActivation.relu, .leakyRelu(0.2), .step] {
      let plain = try activation.moments(a, b, c)
      for (g, h) in [(0x1p500, 0x1p500), (0x1p-500, 0x1p-500), (0x1p-450, 0x1p480), (0x1p300, 0x1p-200)] {
        let found = try activation.moments(a * g * g, b * g * h, c * h * h)
        let scale = activation.name == "step" ? 1 : g * h
        #expect(found.values / scale == plain.values, "\(activation) at \(g) and \(h)")
        #expect(found.slopes == plain.slopes, "\(activation) at \(g) and \(h)")
      }
    }
  }

  /// What grows too fast for the nodes is refused at once.
  @Test func whatIsCutOffIsRefused() {
    let (growing, q) = (DualActivation.smooth("exp", { exp($0) }), Tensor([4.0]))
    let error = #expect(throws: LimitError.self) { try growing.moments(q, q, q) }
    guard case .quadratureNotConverged("exp", 0, _, let reached, 16) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(reached > 1e-13 && reached < 1e-6)
  }
}
