import AutoDiff
import Testing

@testable import Layers

/// Two affine maps around a tanh, beside the identity.
private struct Residual: Layer {
  let width: Int
  func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor {
    x + Dense(width)(tanh(Dense(width)(x, p.inner)), p.outer)
  }
}

/// Repeats one layer until its output is small: the number of repetitions depends on the input.
private struct UntilSmall: Layer {
  func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor {
    var y = x
    var count = 0
    while y.norm().scalar > 0.3, count < 10 {
      y = tanh(Dense(3)(y, p.step)) * 0.5
      count += 1
    }
    return y
  }
}

@Suite struct LayerTests {
  static let examples: Tensor = {
    var random = RandomGenerator(seed: 11)
    return .normal([5, 3], using: &random)
  }()

  @Test func aLayerOfOneOwnHasItsParametersByName() {
    let net = Sequential {
      Residual(width: 3)
      Tanh()
      Dense(2)
    }
    let p = net.initialized(like: Self.examples[0], seed: 0)
    #expect(
      p.named.map(\.path) == [
        "0.inner.weight", "0.inner.bias", "0.outer.weight", "0.outer.bias", "2.weight", "2.bias",
      ])
    let x = Self.examples[0]
    let inner = tanh(matmul(x, p[at: "0.inner.weight"]!) + p[at: "0.inner.bias"]!)
    let residual = x + matmul(inner, p[at: "0.outer.weight"]!) + p[at: "0.outer.bias"]!
    expectClose(net(x, p), matmul(tanh(residual), p[at: "2.weight"]!) + p[at: "2.bias"]!)
  }

  @Test func controlFlowFollowsTheNumbers() throws {
    let model = UntilSmall()
    let p = model.initialized(like: Self.examples[0] * 100, seed: 0)
    for x in [Self.examples[0], Self.examples[1] * 4] {
      try checkDerivatives(of: { (q: Parameters) in model(x, q) }, at: p).requirePassed()
    }
    // An input that is small at once never meets the parameters.
    #expect(gradient(of: { model(Tensor([0.1, 0, 0]), $0).sum() }, at: p).leaves.allSatisfy { $0 == .zeros(like: $0) })
  }

  @Test func batchedIsALoop() {
    let net = Sequential {
      Residual(width: 3); Softplus(sharpness: 2); Dense(2, parameterization: .neuralTangent())
    }
    let p = net.initialized(like: Self.examples[0], seed: 1)
    expectClose(net.batched(Self.examples, p), stack((0..<5).map { net(Self.examples[$0], p) }))
    #expect(net.batched(Self.examples[0..<0], p).shape == [0, 2])
  }

  @Test func parametersCanBeBatchedToo() {
    // Several seeds at once are one more vmap.
    let net = Sequential {
      Dense(4); Tanh(); Dense(1)
    }
    let models = (0..<3).map { net.initialized(like: Self.examples[0], seed: $0) }
    let stacked = models[0].replacingLeaves(
      with: models[0].leaves.indices.map { leaf in stack(models.map { $0.leaves[leaf] }) })
    let outputs = vmap { (p: Parameters) in net.batched(Self.examples, p) }(stacked)
    expectClose(outputs, stack(models.map { net.batched(Self.examples, $0) }))
  }

  @Test func derivativesOfANetworkAreRight() throws {
    let net = Sequential {
      Residual(width: 3); Gelu(); Dense(2)
    }
    let p = net.initialized(like: Self.examples[0], seed: 2)
    try checkDerivatives(of: { net.batched(Self.examples, $0) }, at: p, orders: 1...3).requirePassed()
  }
}
