import AutoDiff
import Layers
import Tangent
import Testing

/// Networks as somebody writes them who has read the README and nothing else.
@Suite struct NetworkTests {
  private typealias Named = [String: Tensor]
  private var random = RandomGenerator(seed: 91)

  private mutating func normal(_ shape: [Int], _ scale: Double = 0.5) -> Tensor {
    .normal(shape, using: &random) * scale
  }

  @Test mutating func tiedResidualPerceptron() throws {
    let p: Named = ["w": normal([4, 4]), "b": normal([4]), "out": normal([4, 2])]
    let f = { (x: Tensor, p: Named) -> Tensor in
      var h = x
      for _ in 0..<4 { h = h + tanh(matmul(h, p["w"]!) + p["b"]!) * 0.5 }
      return matmul(h, p["out"]!)
    }
    try checkArchitecture(f, at: p, on: normal([3, 4], 1))
  }

  @Test mutating func convolutionalNetwork() throws {
    let net = Sequential([
      Convolution2D(3, window: (3, 3)), Gelu(), AveragePool2D(window: (2, 2)), Convolution2D(4, window: (2, 2)), Tanh(),
    ])
    let images = normal([3, 6, 6, 1], 1)
    var p = net.initialized(like: images[0], seed: 1)
    p.set("out.weight", to: normal([4, 2]))
    let f = { (x: Tensor, p: Parameters) in matmul(net(x, p).mean(axes: [0, 1]), p[at: "out.weight"]!) }
    try checkArchitecture(f, at: p, on: images)
  }

  @Test mutating func attentionBlockWithEmbedding() throws {
    let p: Named = [
      "table": normal([7, 4]) * 0.5, "place": normal([5, 4]), "qkv": normal([4, 12]) * 0.5, "up": normal([4, 6]),
      "down": normal([6, 4]),
      "scale": normal([4]) + 1,
    ]
    let f = { (words: Tensor, p: Named) -> Tensor in
      var h = p["table"]!.gathered(at: words) + p["place"]!
      let y = matmul(layerNorm(h) * p["scale"]!, p["qkv"]!)
      let (q, k, v) = (y[0..., 0..<4], y[0..., 4..<8], y[0..., 8..<12])
      h = h + matmul(softmax(matmul(q, k.transposed) / 2), v)
      h = h + matmul(gelu(matmul(layerNorm(h), p["up"]!)), p["down"]!)
      return matmul(p["table"]!, h.mean(axes: [0]))
    }
    let words = Tensor([[0, 3, 3, 6, 1], [2, 2, 2, 5, 0], [6, 5, 4, 3, 2]])
    try checkArchitecture(f, at: p, on: words)
  }

  @Test mutating func recurrentNetwork() throws {
    let p: Named = ["in": normal([2, 5]), "hidden": normal([5, 5]), "b": normal([5]), "out": normal([5, 2])]
    let f = { (x: Tensor, p: Named) -> Tensor in
      var h = Tensor.zeros([5], as: x.scalarType)
      for step in 0..<x.shape[0] { h = tanh(matmul(x[step], p["in"]!) + matmul(h, p["hidden"]!) + p["b"]!) }
      return matmul(h, p["out"]!)
    }
    try checkArchitecture(f, at: p, on: normal([3, 6, 2], 1))
  }

  @Test mutating func sinusoidalRepresentation() throws {
    let p = [normal([2, 6], 1), normal([6], 1), normal([6, 6], 0.3), normal([6], 1), normal([6, 3])]
    let f = { (x: Tensor, p: [Tensor]) -> Tensor in
      let h = sin(matmul(x, p[0]) * 3 + p[1])
      return matmul(sin(matmul(h, p[2]) * 3 + p[3]), p[4])
    }
    try checkArchitecture(f, at: p, on: normal([3, 2], 1))
  }

  @Test mutating func neuralOrdinaryDifferentialEquation() throws {
    let p: Named = ["in": normal([3, 5]), "b": normal([5]), "out": normal([5, 3])]
    let f = { (x: Tensor, p: Named) -> Tensor in
      func velocity(_ h: Tensor) -> Tensor { matmul(tanh(matmul(h, p["in"]!) + p["b"]!), p["out"]!) }
      var (h, step) = (x, 0.25)
      for _ in 0..<4 {
        let k1 = velocity(h)
        let k2 = velocity(h + k1 * (step / 2))
        let k3 = velocity(h + k2 * (step / 2))
        h = h + (k1 + k2 * 2 + k3 * 2 + velocity(h + k3 * step)) * (step / 6)
      }
      return h
    }
    try checkArchitecture(f, at: p, on: normal([3, 3], 1))
  }

  @Test mutating func mixtureOfExperts() throws {
    let p: Named = [
      "gate": normal([3, 4]), "up": normal([4, 3, 5]), "b": normal([4, 5]), "down": normal([4, 5, 2]),
    ]
    let f = { (x: Tensor, p: Named) -> Tensor in
      let shares = softmax(matmul(x, p["gate"]!))
      let hidden = tanh(matmul(x, p["up"]!) + p["b"]!)
      let experts = matmul(hidden.expanded(at: 1), p["down"]!).squeezed([1])
      return matmul(shares, experts)
    }
    try checkArchitecture(f, at: p, on: normal([3, 3], 1))
  }

  @Test mutating func fixedPointLayer() throws {
    let p: Named = ["w": normal([4, 4], 0.2), "in": normal([2, 4]), "b": normal([4]), "out": normal([4, 2])]
    let f = { (x: Tensor, p: Named) -> Tensor in
      var all = p
      all["x"] = x
      let z = try! fixedPoint(
        of: { z, q in tanh(matmul(z, q["w"]!) + matmul(q["x"]!, q["in"]!) + q["b"]!) },
        from: Tensor.zeros([4], as: x.scalarType), at: all, by: .newton())
      return matmul(z, p["out"]!)
    }
    try checkArchitecture(f, at: p, on: normal([3, 2], 1))
  }

  /// As deep as the example needs, each of them another number of steps.
  @Test mutating func adaptiveDepth() throws {
    let p: Named = ["w": normal([4, 4], 0.4), "in": normal([4, 4], 0.1), "out": normal([4])]
    let f = { (x: Tensor, p: Named) -> Tensor in
      let start = [x, Tensor(0, as: x.scalarType)]
      let end = repeated(while: { ($0[0].norm() .> 0.3) * ($0[1] .< 12) }, start) { s in
        [tanh(matmul(p["w"]!, s[0]) + matmul(p["in"]!, x)), s[1] + 1]
      }
      return dot(end[0], p["out"]!)
    }
    try checkArchitecture(f, at: p, on: Tensor([[2, 1, -1, 0.5], [0.1, -0.2, 0.1, 0.1], [0.6, 0.4, -0.3, 0.9]]))
  }
}
