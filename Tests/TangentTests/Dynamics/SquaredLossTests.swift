import AutoDiff
import Layers
import Tangent
import Testing

@Suite struct SquaredLossTests {
  private static let (f, y): (Tensor, Tensor) = {
    var random = RandomGenerator(seed: 3)
    return (.normal([5, 2], using: &random), .normal([5, 2], using: &random))
  }()

  @Test func valuesAreThoseOfTheFormulas() {
    let sum = square(Self.f - Self.y).sum().scalar
    let expected: [(SquaredLoss, Double)] = [
      (.halfSum, sum / 2), (.sum, sum), (.halfMean, sum / 10), (.mean, sum / 5), (.meanWithStepsOfHalfSum, sum / 5),
    ]
    #expect(expected.map(\.0) == SquaredLoss.allCases)
    for (loss, value) in expected { #expect((loss(Self.f, Self.y).scalar / value - 1).magnitude < 1e-14) }
    expectClose(SquaredLoss.halfMean(Self.f, Self.y), squaredLoss(Self.f, Self.y))
  }

  @Test(arguments: SquaredLoss.allCases) func theRateIsThatOfTheGradient(loss: SquaredLoss) {
    // ∇loss = c (f − y), but for the loss whose steps are those of another.
    let slope = gradient(of: { loss($0, Self.y) }, at: Self.f)
    let moving: SquaredLoss = loss == .meanWithStepsOfHalfSum ? .halfSum : loss
    #expect(loss.rate(examples: 5) == moving.rate(examples: 5))
    let own = loss == .meanWithStepsOfHalfSum ? 2.0 / 5 : loss.rate(examples: 5)
    expectClose(slope, (Self.f - Self.y) * own)
  }

  @Test func shapesMustAgree() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = SquaredLoss.sum(Tensor([1, 2]), Tensor([[1, 2]]))
    }
    #expect(result.message.contains("SquaredLoss: shapes must agree and hold an example, but got [2] and [1, 2]."))
  }
}
