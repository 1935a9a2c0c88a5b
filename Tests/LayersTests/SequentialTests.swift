import AutoDiff
import Testing

@testable import Layers

@Suite struct SequentialTests {
  static let x = Tensor([0.5, -1, 2])

  @Test func isTheComposition() {
    let net = Sequential {
      Dense(4); Sigmoid(); Dense(2)
    }
    let p = net.initialized(like: Self.x, seed: 0)
    let hidden = sigmoid(matmul(Self.x, p[at: "0.weight"]!) + p[at: "0.bias"]!)
    expectClose(net(Self.x, p), matmul(hidden, p[at: "2.weight"]!) + p[at: "2.bias"]!)
  }

  @Test(arguments: [0, 1, 3], [true, false]) func itsBlockMayHoldControlFlow(depth: Int, isSmooth: Bool) {
    let net = Sequential {
      for width in 0..<depth { Dense(width + 2) }
      if isSmooth { Tanh() } else { Relu() }
      if depth > 1 { Dense(1) }
    }
    #expect(net.layers.count == depth + 1 + (depth > 1 ? 1 : 0))
    #expect(net.layers[depth] is Tanh == isSmooth)
    let p = net.initialized(like: Self.x, seed: 0)
    #expect(net(Self.x, p).shape == [depth > 1 ? 1 : depth == 1 ? 2 : 3])
  }

  @Test func mayBeEmptyNestedOrAList() {
    #expect(Sequential([])(Self.x, Parameters()) == Self.x)
    let inner = Sequential {
      Dense(4); Tanh()
    }
    let net = Sequential {
      inner; Dense(2)
    }
    #expect(
      net.initialized(like: Self.x, seed: 0).named.map(\.path) == ["0.0.weight", "0.0.bias", "1.weight", "1.bias"])
    let flat = Sequential {
      inner.layers; Dense(2)
    }
    #expect(flat.layers.count == 3)
  }
}
