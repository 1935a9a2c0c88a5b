import Foundation
import Testing

@testable import AutoDiff

@Suite struct GradientTests {
  @Test func gradientOfASimpleFunction() {
    let g = gradient(of: { (x: Tensor) in (x * x * x).sum() }, at: Tensor([1.0, 2, -3]))
    #expect(g == Tensor([3.0, 12, 27]))
  }

  @Test func valueComesAlong() {
    let (value, g) = valueWithGradient(of: { (x: Tensor) in exp(x) }, at: Tensor(2))
    expectClose(value.scalar, Foundation.exp(2), .exact)
    expectClose(g.scalar, Foundation.exp(2), .exact)
    #expect(!value.isTraced && !g.isTraced)
  }

  @Test func auxiliaryResultsAreNotDifferentiated() {
    let result = valueWithGradient(
      of: { (x: Tensor) -> (Tensor, [String: Tensor]) in
        let y = square(x)
        return (y.sum(), ["squares": y, "constant": Tensor(1)])
      }, at: Tensor([1.0, 2]))
    #expect(result.value == Tensor(5))
    #expect(result.gradient == Tensor([2.0, 4]))
    #expect(result.auxiliary == ["squares": Tensor([1.0, 4]), "constant": Tensor(1)])
    #expect(result.auxiliary["squares"]!.isTraced == false)
  }

  @Test func independentLeavesHaveGradientZero() {
    let g = gradient(of: { (x: [Tensor]) in x[0].sum() }, at: [Tensor([1.0, 2]), .ones([2, 3])])
    #expect(g == [Tensor([1.0, 1]), .zeros([2, 3])])
    let constant = gradient(of: { (_: Tensor) in Tensor(3) }, at: Tensor([1.0, 2]))
    #expect(constant == Tensor([0.0, 0]))
    let identity = gradient(of: { (x: Tensor) in x }, at: Tensor(3))
    #expect(identity == Tensor(1))
  }

  @Test func aValueUsedSeveralTimesCollectsItsCotangents() {
    let g = gradient(of: { (x: Tensor) in x * x + x * 3 + x }, at: Tensor(5))
    #expect(g == Tensor(14))
    let same = gradient(of: { (x: [Tensor]) in x[0] * x[1] }, at: [Tensor(2), Tensor(2)])
    #expect(same == [Tensor(2), Tensor(2)])
  }

  @Test func aSingleNumberOfAnyRankWillDo() {
    let g = gradient(of: { (x: Tensor) in (x * x).sum(axes: [0], keepingAxes: true) }, at: Tensor([1.0, 2]))
    #expect(g == Tensor([2.0, 4]))
  }

  @Test func theTypeStays() {
    let x = Tensor([1, 2, 3] as [Float])
    let (value, g) = valueWithGradient(of: { (x: Tensor) in (x * x * 0.5).mean() }, at: x)
    #expect(value.scalarType == .float32 && g.scalarType == .float32)
    expectClose(g, x / 3, .exact)
    // Through a conversion and back.
    let mixed = gradient(of: { (x: Tensor) in square(x.as(.float64)).sum().as(.float32) }, at: x)
    #expect(mixed == x * 2)
  }

  @Test func broadcastOperandsCollectTheirCotangents() {
    let result = gradient(
      of: { (x: [Tensor]) in (x[0] * x[1] + x[2]).sum() },
      at: [Tensor([[1.0, 2, 3], [4, 5, 6]]), Tensor([1.0, 10, 100]), Tensor(7)])
    #expect(result == [Tensor([[1.0, 10, 100], [1, 10, 100]]), Tensor([5.0, 7, 9]), Tensor(6)])
  }

  @Test func errorsPassThrough() {
    struct Unlucky: Error {}
    #expect(throws: Unlucky.self) { try gradient(of: { (_: Tensor) in throw Unlucky() }, at: Tensor(1)) }
  }

  @Test func pullbackMayBeUsedAgain() {
    let (value, pullback) = vjp(of: { (x: Tensor) in [x * x, x.sum()] }, at: Tensor([2.0, 3]))
    #expect(value == [Tensor([4.0, 9]), Tensor(5)])
    #expect(pullback([Tensor([1.0, 0]), Tensor(0)]) == Tensor([4.0, 0]))
    #expect(pullback([Tensor([0.0, 1]), Tensor(10)]) == Tensor([10.0, 16]))
    #expect(pullback([Tensor([1.0, 0]), Tensor(0)]) == Tensor([4.0, 0]))
    // A result given twice, and an input passed through.
    let twice = vjp(of: { (x: Tensor) in [x, x] }, at: Tensor(1)).pullback
    #expect(twice([Tensor(2), Tensor(3)]) == Tensor(5))
  }

  @Test func stopGradientCutsEveryDerivative() {
    let f = { (x: Tensor) in (x * stopGradient(x)).sum() }
    let x = Tensor([2.0, 3])
    #expect(gradient(of: f, at: x) == x)
    #expect(jvp(of: f, at: x, along: .ones([2])).tangent == Tensor(5))
    #expect(vmap { (x: Tensor) in gradient(of: { $0 * stopGradient($0) }, at: x) }(x) == x)
    #expect(stopGradient(["a": x]) == ["a": x])
  }

  @Test func aLongChainNeedsNoDeepStack() {
    let g = gradient(
      of: { (x: Tensor) in
        var y = x
        for _ in 0..<200_000 { y = y * 1.00001 }
        return y
      }, at: Tensor(1))
    expectClose(
      g.scalar, Foundation.pow(1.00001, 200_000), Tolerance(name: "many roundings", float64: 1e-9, float32: 1))
  }

  // MARK: Errors

  @Test func aVectorHasNoGradient() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = gradient(of: { (x: Tensor) in x * 2 }, at: Tensor([1.0, 2]))
    }
    #expect(
      result.message.contains(
        "gradient: the function's value must be a single number, but got shape [2]. Sum or average it, or use jacobian."
      ))
  }

  @Test func aCotangentMustFit() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = vjp(of: { (x: Tensor) in x * 2 }, at: Tensor([1.0, 2])).pullback(Tensor(1))
    }
    #expect(result.message.contains("pullback: both trees must have the same leaves, but got [[2]] and [[]]."))
  }

  @Test func anEscapedValueIsRefused() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var escaped: Tensor?
      _ = gradient(
        of: { (x: Tensor) in
          escaped = x * 2
          return x
        }, at: Tensor(1))
      _ = escaped! + 1
    }
    #expect(result.message.contains("a value was used after the transform that followed it had ended"))
  }
}
