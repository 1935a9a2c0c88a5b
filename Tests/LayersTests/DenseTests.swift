import AutoDiff
import Testing

@testable import Layers

@Suite struct DenseTests {
  /// Σⱼ xⱼ Wⱼₖ · scale + bₖ · biasScale in loops.
  static func loop(_ x: [Double], _ w: Tensor, scale: Double, bias: Tensor?, biasScale: Double) -> [Double] {
    (0..<w.shape[1]).map { k in
      x.indices.map { x[$0] * w[$0, k].scalar }.reduce(0, +) * scale + (bias?[k].scalar ?? 0) * biasScale
    }
  }

  @Test(arguments: [true, false]) func standardIsTheAffineMap(hasBias: Bool) {
    var random = RandomGenerator(seed: 5)
    let x = Tensor.normal([3], using: &random)
    let layer = Dense(4, bias: hasBias)
    var p = layer.initialized(like: x, seed: 1)
    #expect(p.named.map(\.path) == (hasBias ? ["weight", "bias"] : ["weight"]))
    if hasBias {
      #expect(p[at: "bias"] == Tensor.zeros([4]))
      p.set("bias", to: Tensor.normal([4], using: &random))
    }
    let expected = Self.loop(x.scalars, p[at: "weight"]!, scale: 1, bias: p[at: "bias"], biasScale: 1)
    expectClose(layer(x, p), Tensor(expected))
  }

  @Test func neuralTangentScalesWhereWeightsAreUsed() {
    var random = RandomGenerator(seed: 6)
    let x = Tensor.normal([3], using: &random)
    let layer = Dense(4, parameterization: .neuralTangent(weightScale: 1.5, biasScale: 0.1))
    let p = layer.initialized(like: x, seed: 1)
    let expected = Self.loop(
      x.scalars, p[at: "weight"]!, scale: 1.5 / Double(3).squareRoot(), bias: p[at: "bias"]!, biasScale: 0.1)
    expectClose(layer(x, p), Tensor(expected))
  }

  @Test func rowsAreTakenOneByOne() {
    var random = RandomGenerator(seed: 7)
    let x = Tensor.normal([2, 5, 3], using: &random)
    for scaling in [Parameterization.leCun, .neuralTangent()] {
      let layer = Dense(4, parameterization: scaling)
      let p = layer.initialized(like: x, seed: 1)
      let y = layer(x, p)
      #expect(y.shape == [2, 5, 4])
      for i in 0..<2 { for t in 0..<5 { expectClose(y[i, t], layer(x[i, t], p)) } }
    }
  }

  @Test func weightsHaveTheStatedVariance() {
    let x = Tensor.zeros([400])
    let standard = Dense(300).initialized(like: x, seed: 2)[at: "weight"]!
    let tangent = Dense(300, parameterization: .neuralTangent()).initialized(like: x, seed: 2)[at: "weight"]!
    // 120 000 numbers know their variance to about half a percent.
    #expect((square(standard).mean().scalar * 400 - 1).magnitude < 0.02)
    #expect((square(tangent).mean().scalar - 1).magnitude < 0.02)
    #expect(tangent.mean().scalar.magnitude < 0.02)
  }

  @Test func bothScalingsAreTheSameFunction() {
    let x = Tensor([1, -2, 0.5, 3])
    let standard = Dense(5).initialized(like: x, seed: 4)
    let tangent = Dense(5, parameterization: .neuralTangent()).initialized(like: x, seed: 4)
    let y = Dense(5, bias: false, parameterization: .neuralTangent())(x, tangent)
    expectClose(y, Dense(5, bias: false)(x, standard))
  }

  @Test func hasNoInputs() {
    let x = Tensor.zeros([0])
    for scaling in [Parameterization.leCun, .neuralTangent()] {
      let layer = Dense(2, bias: false, parameterization: scaling)
      #expect(layer(x, layer.initialized(like: x, seed: 0)) == Tensor.zeros([2]))
    }
  }

  @Test func aWidthMustBePositive() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { _ = Dense(0) }
    #expect(result.message.contains("Dense: the width must be positive, but got 0."))
  }

  @Test func aNumberIsNoVector() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Dense(2).initialized(like: Tensor(1), seed: 0)
    }
    #expect(result.message.contains("Dense: the input needs at least one axis, but got []."))
  }
}
