import AutoDiff
import Tangent
import Testing

@Suite struct EmpiricalFisherOperatorTests {
  /// The gradients of the examples one by one, and their outer products.
  @Test(arguments: Model.ofEveryType, ScalarType.allCases)
  func isTheMeanOuterProduct(model: Model, type: ScalarType) throws {
    let p = model.parameters(as: type)
    let loss = { @Sendable (x: Tensor, p: [Tensor]) in coupledLoss(model.f(x, p)) }
    let a = try EmpiricalFisherOperator(of: loss, at: p, on: model.examples.as(type))
    #expect(a.dimension == p.entryCount && a.scalarType == type)
    let gradients = stack(
      (0..<4).map { i in gradient(of: { loss(model.examples[i], $0) }, at: model.parameters).flattenedEntries })
    let expected = matmul(gradients.transposed, gradients) / 4
    expectClose(try a.dense().as(.float64), expected, tolerance: type == .float64 ? 1e-12 : 2e-4)
  }

  /// Targets come with the examples, and the trace is the mean squared norm of the gradients.
  @Test func targetsArePartOfTheExample() throws {
    let p = SmallClassifier.parameters()
    let data = Pair(SmallClassifier.examples(), SmallClassifier.labels())
    let a = try EmpiricalFisherOperator(of: { SmallClassifier.loss($0, $1) }, at: p, on: data)
    let norms = (0..<12).map { i in
      gradient(of: { SmallClassifier.loss($0, i..<i + 1) }, at: p).euclideanNorm.scalar
    }
    var random = RandomGenerator(seed: 1)
    let trace = try estimateTrace(of: a, products: 40, using: &random).value
    expectClose(trace, norms.map { $0 * $0 }.reduce(0, +) / 12, .analytic)
    // Of rank 12, so that few products know it exactly.
    let cheap = try estimateTrace(of: a, products: 30, using: &random)
    #expect(cheap.products == 30 && abs(cheap.value - trace) < 1e-12 * trace && cheap.standardError < 1e-12 * trace)
  }

  @Test func severalLossesStop() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = try EmpiricalFisherOperator(
        of: { (x: Tensor, p: Tensor) in x * p }, at: Tensor(1), on: Tensor.zeros([3, 2]))
    }
    #expect(
      result.message.contains(
        "EmpiricalFisherOperator: the loss of an example must be a single number, but got shape [2]."))
  }
}
