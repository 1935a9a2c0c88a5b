import Foundation
import Testing

@testable import AutoDiff

/// A primitive that a user defines obeys every law that ours obey, under every transform.
@Suite struct UserPrimitiveTests {
  static let variants: [Variant] =
    binary(Hypotenuse(), 0.5...2, 0.5...2) { ($0 * $0 + $1 * $1).squareRoot() } + [
      Variant(RunningTotal(), [Argument([5], .interval(-2...2))], oracle: runningTotal),
      Variant(RunningTotal(), [Argument([2, 3], .interval(-2...2))], oracle: runningTotal),
      Variant(RunningTotal(), [Argument([0], .interval(-2...2))], oracle: runningTotal),
      Variant(
        Polynomial(), [Argument([4], .interval(-2...2)), Argument([2, 3], .interval(-1...1))], oracle: polynomial),
      Variant(Polynomial(), [Argument([1], .interval(-2...2)), Argument([], .interval(-1...1))], oracle: polynomial),
    ]

  private static let runningTotal = Oracles.rows { row in row.indices.map { row[...$0].reduce(0, +) } }
  private static let polynomial: Oracle = { inputs in
    inputs[1].map { x in inputs[0].entries.enumerated().map { $1 * Foundation.pow(x, Double($0)) }.reduce(0, +) }
  }

  @Test(arguments: variants) func valueShapeAndViews(_ variant: Variant) {
    variant.checkValue()
    variant.checkShapes()
    variant.checkViews()
    variant.checkSinglePrecision()
  }

  @Test(arguments: variants, [1, 2, 3]) func derivatives(_ variant: Variant, order: Int) {
    variant.checkDifferences(order: order)
    variant.checkAdjoint(order: order)
  }

  @Test(arguments: variants, [0, 1, 3]) func batching(_ variant: Variant, size: Int) {
    variant.checkVmap(size: size)
    variant.checkVmapCommutesWithForward(size: size)
    variant.checkVmapCommutesWithReverse(size: size)
    variant.checkNestedVmap()
  }

  @Test func worksInAllTransforms() {
    var generator = RandomGenerator(seed: 3)
    let x = Tensor.uniform([4], in: 0.5..<1.5, using: &generator)
    let coefficients = Tensor([0.5, -1, 0.25])
    let f = { (x: Tensor) in
      (bind(Polynomial(), coefficients, x) * bind(Hypotenuse(), x, bind(RunningTotal(), x))).sum()
    }
    let plain = { (x: Tensor) in
      let sums = matmul(Tensor((0..<4).map { i in (0..<4).map { $0 <= i ? 1 : 0 } }), x)
      return ((0.5 - x + 0.25 * square(x)) * sqrt(square(x) + square(sums))).sum()
    }
    expectClose(gradient(of: f, at: x), gradient(of: plain, at: x), .analytic)
    expectClose(hessian(of: f, at: x), hessian(of: plain, at: x), .analytic)
    expectClose(hvp(of: f, at: x, along: x), hvp(of: plain, at: x, along: x), .analytic)
    let batch = Tensor.uniform([3, 4], in: 0.5..<1.5, using: &generator)
    expectClose(
      vmap { (x: Tensor) in gradient(of: f, at: x) }(batch), vmap { (x: Tensor) in gradient(of: plain, at: x) }(batch),
      .analytic)
    let map = linearize({ gradient(of: f, at: $0) }, at: x)
    expectClose(map.derivative(x), hvp(of: plain, at: x, along: x), .analytic)
    expectClose(
      jacobian(of: { bind(RunningTotal(), $0) }, at: x, mode: .forward),
      jacobian(of: { bind(RunningTotal(), $0) }, at: x, mode: .reverse), .exact)
  }

  @Test func itsErrorsCarryItsName() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = gradient(of: { bind(RunningTotal(), $0) }, at: Tensor(1))
    }
    let text = result.message
    #expect(text.contains("runningTotal: needs at least one axis, but got []."))
  }
}

/// The laws are worth something only if they notice a wrong rule.
@Suite struct LawsNoticeMistakesTests {
  /// eˣ with a derivative that is off by 0.1 % in one mode.
  private struct WrongExp: Primitive {
    var wrongForward = 1.0, wrongReverse = 1.0
    var wrongBatch = false
    var name: String { "wrongExp" }

    func shape(of inputs: Inputs) -> [Int] { inputs[0].shape }
    func evaluate(_ inputs: Inputs) -> Tensor { exp(inputs[0]) }
    func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
      tangents[0].map { $0 * output * wrongForward }
    }
    func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
      cotangent * output * wrongReverse
    }
    func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
      let result = bind(self, inputs[0])
      return wrongBatch ? result + result.sum() : result
    }
  }

  private func variant(_ primitive: WrongExp) -> Variant {
    Variant(primitive, [Argument([3], .interval(-1...1))], oracle: Oracles.unary { Foundation.exp($0) })
  }

  @Test func aForwardRuleOffByATenthOfAPercent() {
    withKnownIssue { variant(WrongExp(wrongForward: 1.001)).checkDifferences(order: 1) }
    withKnownIssue { variant(WrongExp(wrongForward: 1.001)).checkAdjoint(order: 1) }
    withKnownIssue { variant(WrongExp(wrongForward: 1.001)).checkDifferences(order: 2) }
  }

  @Test func aReverseRuleOffByATenthOfAPercent() {
    withKnownIssue { variant(WrongExp(wrongReverse: 1.001)).checkAdjoint(order: 1) }
    withKnownIssue { variant(WrongExp(wrongReverse: 1.001)).checkAdjoint(order: 2) }
  }

  @Test func aBatchRuleThatMixesExamples() {
    withKnownIssue { variant(WrongExp(wrongBatch: true)).checkVmap(size: 3) }
    withKnownIssue { variant(WrongExp(wrongBatch: true)).checkVmapCommutesWithForward(size: 3) }
    withKnownIssue { variant(WrongExp(wrongBatch: true)).checkNestedVmap() }
  }

  @Test func aWrongValue() {
    let wrong = Variant(Exp(), [Argument([3], .interval(-1...1))], oracle: Oracles.unary { Foundation.expm1($0) })
    withKnownIssue { wrong.checkValue() }
  }

  @Test func shapesAreComparedFirst() {
    withKnownIssue { _ = expectClose(Tensor.ones([2]), Tensor.ones([2, 1]), .finiteDifference) }
    withKnownIssue { _ = expectClose(Tensor([1, .nan]), Tensor([1, 1]), .finiteDifference) }
    withKnownIssue { _ = expectClose(Tensor([1, .infinity]), Tensor([1, 1]), .finiteDifference) }
    #expect(expectClose(Tensor([.nan, .infinity]), Tensor([.nan, .infinity]), .exact))
  }
}
