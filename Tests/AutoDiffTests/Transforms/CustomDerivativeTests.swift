import Testing

@testable import AutoDiff

/// Derivatives given by hand are the ones that count. (The laws run on them as the row `CustomFunction`.)
@Suite struct CustomDerivativeTests {
  /// The value of rounding with the derivative of the identity: a straight-through estimator.
  private static let straightThrough = withDerivative(
    of: { (x: [Tensor]) in select(x[0] .> 0.5, .ones(like: x[0]), .zeros(like: x[0])) }, name: "straightThrough",
    jvp: { _, tangents, _ in tangents[0] }, vjp: { _, _, cotangent in [cotangent] })

  private let x = Tensor([0.25, 0.75])

  @Test func theGivenRulesCount() {
    let f = { (x: Tensor) in (Self.straightThrough([x]) * Tensor([3, 5])).sum() }
    #expect(f(x) == Tensor(5))
    #expect(gradient(of: f, at: x) == Tensor([3, 5]))
    #expect(jvp(of: f, at: x, along: .ones([2])).tangent == Tensor(8))
    #expect(hessian(of: f, at: x) == .zeros([2, 2]))
    #expect(vmap { (x: Tensor) in gradient(of: f, at: x) }(stack([x, x])) == Tensor([[3, 5], [3, 5]]))
  }

  /// Clipping what flows back, which no trace of the value would give.
  @Test func clippedGradient() {
    let clipped = withDerivative(
      of: { (x: [Tensor]) in x[0] }, name: "clipped", jvp: { _, tangents, _ in tangents[0] },
      vjp: { _, _, cotangent in [clamp(cotangent, min: -1, max: 1)] })
    #expect(gradient(of: { (clipped([$0]) * Tensor([0.5, 100])).sum() }, at: x) == Tensor([0.5, 1]))
  }

  @Test func rulesAreDifferentiatedInTurn() {
    let cube = withDerivative(
      of: { (x: [Tensor]) in x[0] * x[0] * x[0] }, name: "cube",
      jvp: { inputs, tangents, _ in tangents[0] * square(inputs[0]) * 3 },
      vjp: { inputs, _, cotangent in [cotangent * square(inputs[0]) * 3] })
    var f: (Tensor) -> Tensor = { cube([$0]) }
    for expected in [12.0, 12, 6, 0] {
      f = { [f] x in gradient(of: f, at: x) }
      #expect(f(Tensor(2)).scalar == expected)
    }
  }

  @Test func captureOfADifferentiatedValueIsRefused() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = gradient(
        of: { (x: Tensor) in
          let f = withDerivative(
            of: { (y: [Tensor]) in y[0] * x }, name: "capturing", jvp: { $1[0] + $2 }, vjp: { [$1 + $2 + $0[0]] })
          return f([Tensor(2)])
        }, at: Tensor(1))
    }
    #expect(
      result.message.contains(
        "capturing: the function must not capture a value that a transform follows. Pass it as an input."))
  }
}
