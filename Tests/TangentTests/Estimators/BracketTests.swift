import Tangent
import Testing

@Suite struct BracketTests {
  @Test(arguments: [0.1, -3.0, 1e300, 1e-300]) func endsAreRoundedOutward(estimate: Double) {
    let error = estimate.ulp / 4
    let bracket = Bracket(estimate, error: error, .wholeResidual)
    #expect(bracket.lower.value < estimate && estimate < bracket.upper.value)
    #expect(bracket.contains(estimate) && !bracket.contains(bracket.upper.value.nextUp))
    #expect(bracket.width <= 4 * estimate.ulp)
  }

  @Test func whatIsKnownExactlyHasNoWidth() {
    #expect(Bracket(0, error: 0, .derived).width == 0)
  }

  @Test func aBracketIsProvedIfBothEndsAre() {
    let proved = Bound(0, .interlacing), likely = Bound(1, .pairResidual)
    #expect(Bracket(0.5, lower: proved, upper: Bound(1, .gershgorin)).isProved)
    #expect(!Bracket(0.5, lower: proved, upper: likely).isProved)
    #expect("\(Bracket(0.5, lower: proved, upper: likely))" == "0.5 in [0.0 (interlacing), 1.0 (pairResidual)]")
  }
}
