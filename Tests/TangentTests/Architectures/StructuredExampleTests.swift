import AutoDiff
import Layers
import Tangent
import Testing

/// Models whose examples or parameters are trees of one's own, and models that are no networks.
@Suite struct StructuredExampleTests {
  private var random = RandomGenerator(seed: 92)

  private mutating func normal(_ shape: [Int], _ scale: Double = 0.5) -> Tensor {
    .normal(shape, using: &random) * scale
  }

  /// The logarithm of the likelihood of data sets under a Gaussian process, whose parameters are its hyperparameters.
  @Test mutating func gaussianProcessLikelihood() throws {
    let p: [String: Tensor] = ["lengths": normal([2], 0.3), "amplitude": normal([], 0.3), "noise": Tensor(-0.5)]
    let f = { (data: Pair<Tensor, Tensor>, p: [String: Tensor]) -> Tensor in
      let x = data.first * exp(-p["lengths"]!)
      let distances = square(x.expanded(at: 0) - x.expanded(at: 1)).sum(axes: [2])
      let covariance = exp(p["amplitude"]! - distances * 0.5) + exp(p["noise"]!) * .eye(6, as: x.scalarType)
      return try! (dot(data.second, choleskySolve(covariance, data.second)) + logDeterminant(covariance)) * -0.5
    }
    try checkArchitecture(f, at: p, on: Pair(normal([3, 6, 2], 1), normal([3, 6], 1)))
  }

  /// f(x, y) = g(x, y) − g(y, x).
  @Test mutating func antisymmetricPair() throws {
    let p = [normal([3, 5]), normal([3, 5]), normal([5]), normal([5])]
    let f = { (x: Pair<Tensor, Tensor>, p: [Tensor]) -> Tensor in
      func g(_ a: Tensor, _ b: Tensor) -> Tensor { dot(tanh(matmul(a, p[0]) + matmul(b, p[1]) + p[2]), p[3]) }
      return g(x.first, x.second) - g(x.second, x.first)
    }
    try checkArchitecture(f, at: p, on: Pair(normal([3, 3], 1), normal([3, 3], 1)))
  }

  private struct Mixture: TensorTree {
    var shares: Tensor, centers: Tensor, logScales: Tensor
    mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
      body(&shares)
      body(&centers)
      body(&logScales)
    }
  }

  /// The logarithm of the density of a mixture of Gaussians.
  @Test mutating func structOfTensorsAsParameters() throws {
    let p = Mixture(shares: normal([4]), centers: normal([4, 2], 1), logScales: normal([4, 2], 0.3))
    let f = { (x: Tensor, p: Mixture) -> Tensor in
      let deviations = (x - p.centers) * exp(-p.logScales)
      return logsumexp(logSoftmax(p.shares) - (square(deviations) * 0.5 + p.logScales).sum(axes: [1]))
    }
    try checkArchitecture(f, at: p, on: normal([3, 2], 1))
  }

  private struct Graph: TensorTree {
    var nodes: Tensor, adjacency: Tensor
    mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
      body(&nodes)
      body(&adjacency)
    }
  }

  /// Two rounds of messages along the edges of a graph of every example's own.
  @Test mutating func graphNetwork() throws {
    let p = [normal([3, 4]), normal([3, 4]), normal([4, 4]), normal([4, 4]), normal([4, 2])]
    let f = { (graph: Graph, p: [Tensor]) -> Tensor in
      let degrees = graph.adjacency.sum(axes: [1], keepingAxes: true) + 1
      var h = graph.nodes
      for round in 0..<2 {
        let messages = matmul(graph.adjacency, h) / degrees
        h = tanh(matmul(h, p[2 * round]) + matmul(messages, p[2 * round + 1]))
      }
      return matmul(h, p[4]).sum(axes: [0])
    }
    let edges = normal([3, 5, 5], 1) .> 0.3
    let graphs = Graph(nodes: normal([3, 5, 3], 1), adjacency: maximum(edges, edges.permuted([0, 2, 1])))
    try checkArchitecture(f, at: p, on: graphs)
  }
}
