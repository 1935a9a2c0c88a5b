import AutoDiff
import Tangent
import Testing

@Suite struct FisherOperatorTests {
  /// For softmax regression f = xᵀW the Fisher matrix is (1/n) Σ x xᵀ ⊗ (diag π − π πᵀ).
  @Test(arguments: ScalarType.allCases) func softmaxRegression(type: ScalarType) throws {
    var random = RandomGenerator(seed: 7)
    let x = Tensor.normal([6, 3], using: &random)
    let w = Tensor.normal([3, 4], using: &random)
    let a = try FisherOperator(
      of: { (x: Tensor, w: Tensor) in matmul(x, w) }, at: w.as(type), on: x.as(type), distribution: .categorical)
    var expected = [Double](repeating: 0, count: 144)
    for example in 0..<6 {
      let (features, pi) = (x[example].scalars, softmax(matmul(x[example], w)).scalars)
      for (i, j) in (0..<9).map({ ($0 / 3, $0 % 3) }) {
        for (c, d) in (0..<16).map({ ($0 / 4, $0 % 4) }) {
          let information = (c == d ? pi[c] : 0) - pi[c] * pi[d]
          let (row, column) = (i * 4 + c, j * 4 + d)
          expected[row * 12 + column] += features[i] * features[j] * information / 6
        }
      }
    }
    expectClose(
      try a.dense().as(.float64), Tensor(expected, shape: [12, 12]), tolerance: type == .float64 ? 1e-13 : 1e-5)
  }

  /// The expectation of ∇log p ∇log pᵀ over the model's own targets, all of them one by one.
  @Test func isTheExpectedOuterProduct() throws {
    let p = SmallClassifier.parameters()
    let x = SmallClassifier.examples()
    func outer(_ p: [Tensor], _ logProbability: ([Tensor]) -> Tensor) -> Tensor {
      let g = gradient(of: logProbability, at: p).flattenedEntries
      return g.expanded(at: 1) * g * exp(logProbability(p))
    }
    var categorical = Tensor.zeros([40, 40])
    var bernoulli = categorical
    for i in 0..<12 {
      for k in 0..<3 { categorical += outer(p) { logSoftmax(SmallClassifier.f(x[i], $0))[k] } / 12 }
      for signs in 0..<8 {
        let s = Tensor((0..<3).map { signs >> $0 & 1 == 0 ? 1 : -1.0 })
        bernoulli += outer(p) { log(sigmoid(s * SmallClassifier.f(x[i], $0))).sum() } / 12
      }
    }
    for (distribution, expected) in [(OutputDistribution.categorical, categorical), (.bernoulli, bernoulli)] {
      let a = try FisherOperator(of: SmallClassifier.f, at: p, on: x, distribution: distribution)
      expectClose(try a.dense(), expected, .analytic, "\(distribution)")
    }
  }

  /// Natural parameters: the Fisher matrix is the Gauss-Newton matrix of the mean negative log likelihood.
  @Test(arguments: Model.ofEveryType, ScalarType.allCases)
  func isTheGaussNewtonMatrixOfTheLikelihood(model: Model, type: ScalarType) throws {
    let (p, x) = (model.parameters(as: type), model.examples.as(type))
    let n = 4.0
    let bernoulli = { (z: Tensor) in (log(1 + exp(z)) - z * 0.3).sum() / n }
    var cases: [(OutputDistribution, (Tensor) -> Tensor)] = [
      (.gaussian(variance: 0.5), { square($0 - 0.7).sum() / n }), (.bernoulli, bernoulli),
    ]
    if model.outputs(p).rank > 1 { cases.append((.categorical, { -logSoftmax($0)[..., 0].sum() / n })) }
    for (distribution, loss) in cases {
      let fisher = try FisherOperator(of: model.f, at: p, on: x, distribution: distribution)
      #expect(fisher.dimension == p.entryCount && fisher.scalarType == type)
      let other = try GaussNewtonOperator(of: model.f, at: p, on: x, loss: loss)
      expectClose(try fisher.dense(), try other.dense(), .analytic, atLeast: 1e-3, "\(distribution)")
    }
  }

  /// Logits of 40: 1 − sigmoid would leave nothing in single precision.
  @Test func certainAnswersKeepTheirInformation() throws {
    let a = try FisherOperator(
      of: { (x: Tensor, p: Tensor) in x * p }, at: Tensor(40, as: .float32), on: Tensor([1.0], as: .float32),
      distribution: .bernoulli)
    let product = a.product(with: .ones([1, 1], as: .float32)).scalars[0]
    #expect(abs(product - 4.248354255291589e-18) < 1e-23)
  }

  @Test func wrongDistributionsStop() async {
    let variance = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = try FisherOperator(
        of: { (x: Tensor, p: Tensor) in x * p }, at: Tensor(1), on: Tensor([1.0]), distribution: .gaussian(variance: 0))
    }
    #expect(variance.message.contains("FisherOperator: the variance must be positive and finite, but got 0.0."))
    let logits = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = try FisherOperator(
        of: { (x: Tensor, p: Tensor) in x * p }, at: Tensor(1), on: Tensor([1.0]), distribution: .categorical)
    }
    #expect(logits.message.contains("a categorical output needs an axis of logits, but got a single number."))
  }
}
