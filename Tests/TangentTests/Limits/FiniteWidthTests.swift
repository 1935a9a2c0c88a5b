import AutoDiff
import Foundation
import Layers
import Tangent
import Testing

/// Networks of finite width tend to the kernels of infinite width.
@Suite struct FiniteWidthTests {
  /// A network of any width with its parameters of a seed, and what its kernel is divided by.
  struct Network: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let limit: InfiniteNetwork
    let f: @Sendable (Tensor, [Tensor]) -> Tensor
    let parameters: @Sendable (_ width: Int, _ seed: UInt64) -> [Tensor]
    var dividesByWidth = false
  }

  static let inputs = 3
  static let examples: Tensor = {
    var random = RandomGenerator(seed: 41)
    return .normal([5, inputs], using: &random)
  }()

  /// Standard normal tensors of given shapes, the ones with a scale of 0 zero.
  private static func normal(_ shapes: [([Int], Double)], _ seed: UInt64) -> [Tensor] {
    var random = RandomGenerator(seed: seed)
    return shapes.map { Tensor.normal($0.0, using: &random) * $0.1 }
  }

  private static func shallow(_ activation: DualActivation, width n: Double = 1)
    -> @Sendable (Tensor, [Tensor]) -> Tensor
  {
    { x, p in dot(activation(matmul(x, p[0]) + p[1]), p[2]) + p[3] }
  }

  /// U [d, n], b [n], v [n], c.
  private static func leCun(_ width: Int, _ seed: UInt64, bias: Double, weight: Double = 1) -> [Tensor] {
    normal(
      [
        ([inputs, width], (weight / Double(inputs)).squareRoot()), ([width], bias),
        ([width], (weight / Double(width)).squareRoot()), ([], bias),
      ], seed)
  }

  private static func normalized(_ activation: DualActivation) -> @Sendable (Tensor, [Tensor]) -> Tensor {
    { x, p in
      let hidden = activation(matmul(x, p[0]) / Double(inputs).squareRoot() + p[1])
      return dot(hidden, p[2]) / Double(p[2].count).squareRoot() + p[3]
    }
  }

  static let networks: [Network] = [
    Network(
      testDescription: "K/n → K^LC", limit: InfiniteNetwork(depth: 1, .relu, parameterization: .leCun()),
      f: shallow(.relu), parameters: { leCun($0, $1, bias: 0) }, dividesByWidth: true),
    Network(
      testDescription: "K/n → K^LC with random biases and other variances",
      limit: InfiniteNetwork(depth: 1, .arctan, parameterization: .leCun(weightVariance: 3, biasVariance: 2)),
      f: shallow(.arctan), parameters: { leCun($0, $1, bias: 2.0.squareRoot(), weight: 3) }, dividesByWidth: true),
    Network(
      testDescription: "K → K^NTK",
      limit: InfiniteNetwork(depth: 1, .tanh, parameterization: .neuralTangent(biases: .zero)),
      f: normalized(.tanh),
      parameters: { normal([([inputs, $0], 1), ([$0], 0), ([$0], 1), ([], 0)], $1) }),
    Network(
      testDescription: "K → K^NTK with random biases",
      limit: InfiniteNetwork(depth: 1, .relu, parameterization: .neuralTangent()),
      f: normalized(.relu),
      parameters: { normal([([inputs, $0], 1), ([$0], 1), ([$0], 1), ([], 1)], $1) }),
    Network(
      testDescription: "H(0) → H*",
      limit: InfiniteNetwork(depth: 1, .softplus(), parameterization: .signOutputs),
      f: { x, p in
        let signs = stopGradient(p[1])
        return dot(softplus(matmul(x, p[0])), signs) / Double(signs.count).squareRoot()
      },
      parameters: { width, seed in
        var random = RandomGenerator(seed: seed)
        return [.normal([inputs, width], using: &random), .rademacher([width], using: &random)]
      }),
    Network(
      testDescription: "the hierarchy's network, two layers",
      limit: InfiniteNetwork(
        depth: 2, .tanh, parameterization: .hierarchy(weightVariance: 0.8, outputVariance: 1.3)),
      f: { x, p in
        let root = Double(p[2].count).squareRoot()
        return dot(tanh(matmul(tanh(matmul(x, p[0])) / root, p[1])) / root, p[2])
      },
      parameters: {
        normal([([inputs, $0], 0.8.squareRoot()), ([$0, $0], 0.8.squareRoot()), ([$0], 1.3.squareRoot())], $1)
      }),
    Network(
      testDescription: "K/n of two layers under LeCun",
      limit: InfiniteNetwork(depth: 2, .relu, parameterization: .leCun(weightVariance: 2)),
      f: { x, p in dot(relu(matmul(relu(matmul(x, p[0])), p[1])), p[2]) },
      parameters: {
        let (root, first) = ((2 / Double($0)).squareRoot(), (2 / Double(inputs)).squareRoot())
        return normal([([inputs, $0], first), ([$0, $0], root), ([$0], root)], $1)
      }, dividesByWidth: true),
  ]

  /// The kernels' relative root mean square deviation from the limit at several widths falls as width^{−1/2}: the slope of
  /// a straight line through the logarithms, with the error that follows from the scatter among seeds.
  private func expectRate(
    _ name: String, widths: [Int], seeds: Int, limit: Tensor, _ kernel: (_ width: Int, _ seed: UInt64) -> Tensor
  ) {
    let size = square(limit).sum().scalar
    var points: [(x: Double, y: Double, variance: Double)] = []
    for width in widths {
      let squares = (0..<seeds).map { seed in
        square(kernel(width, UInt64(1000 * width + seed)) - limit).sum().scalar / size
      }
      let mean = squares.reduce(0, +) / Double(seeds)
      let variance = squares.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(seeds * (seeds - 1))
      // log √mean, and by propagation of errors its variance.
      points.append((log(Double(width)), log(mean) / 2, variance / (4 * mean * mean)))
    }
    let weights = points.map { 1 / $0.variance }
    let total = weights.reduce(0, +)
    let center = zip(points, weights).map { $0.x * $1 }.reduce(0, +) / total
    let spread = zip(points, weights).map { ($0.x - center) * ($0.x - center) * $1 }.reduce(0, +)
    let slope = zip(points, weights).map { ($0.x - center) * $0.y * $1 }.reduce(0, +) / spread
    let error = 1 / spread.squareRoot()
    #expect(error < 0.15, "\(name): the slope \(slope) is known to \(error) only")
    #expect(abs(slope + 0.5) < 3.5 * error, "\(name): slope \(slope) ± \(error)")
  }

  @Test(arguments: networks) func tangentKernelsTendToTheLimit(_ network: Network) throws {
    let x = Self.examples
    let isDeep = network.limit.activations.count > 1
    try expectRate(
      network.testDescription, widths: isDeep ? [32, 64, 128] : [64, 128, 256, 512, 1024], seeds: isDeep ? 48 : 32,
      limit: network.limit.ntk(x)
    ) { width, seed in
      let kernel = tangentKernel(of: network.f, at: network.parameters(width, seed), on: x, outputs: .traceSum)
      return network.dividesByWidth ? kernel / Double(width) : kernel
    }
  }

  /// The outputs at the start have mean 0 and the covariance that the limit says, within the errors of so many draws.
  @Test(arguments: networks) func outputsHaveTheLimitsCovariance(_ network: Network) throws {
    let (x, seeds, width) = (Self.examples, 1500, 64)
    var (sum, squares) = (Tensor.zeros([5, 5]), Tensor.zeros([5, 5]))
    for seed in 0..<seeds {
      let p = network.parameters(width, UInt64(77 + seed))
      let y = vmap { (x: Tensor) in network.f(x, p) }(x)
      let product = outer(y, y)
      sum += product
      squares += square(product)
    }
    let mean = sum / Double(seeds)
    let error = sqrt((squares / Double(seeds) - square(mean)) / Double(seeds))
    let deviation = abs(mean - (try network.limit.nngp(x))) / error
    // Beside it, two layers of finite width have a bias of order 1/width, less than one such error.
    #expect(deviation.scalars.max()! < 4, "\(network)")
  }

  /// Layers of the package in Jacot's parameterization, with biases, three hidden layers: kernel, its layers' terms, and the
  /// mean over initializations.
  @Test func layersTendToTheLimit() throws {
    let parameterization = Parameterization.neuralTangent(weightScale: 1.3, biasScale: 0.4)
    let limit = InfiniteNetwork(
      depth: 3, .erf, parameterization: .neuralTangent(weightScale: 1.3, biasScale: 0.4))
    func net(_ width: Int) -> Sequential {
      let layer = Dense(width, parameterization: parameterization)
      return Sequential([layer, Erf(), layer, Erf(), layer, Erf(), Dense(1, parameterization: parameterization)])
    }
    let x = Self.examples
    let expected = try limit.ntk(x)
    expectRate("layers", widths: [32, 64, 128], seeds: 40, limit: expected) { width, seed in
      let model = net(width)
      return tangentKernel(of: model, at: model.initialized(like: x[0], seed: seed), on: x, outputs: .traceSum)
    }
    let model = net(192)
    let mean = meanTangentKernel(of: model, seeds: 0..<24, on: x, outputs: .traceSum)
    // The mean's own bias is of order 1/width, beside the standard error.
    let allowed = mean.standardError * 4 + abs(expected) * (4 / 192.0)
    #expect((abs(mean.mean - expected) - allowed).scalars.max()! < 0)

    let terms = try limit.layerwiseTangentKernels(x)
    let seeds: [UInt64] = Array(0..<24)
    var means = [Tensor](repeating: .zeros([5, 5]), count: 8)
    for seed in seeds {
      let p = model.initialized(like: x[0], seed: seed)
      let kernels = layerwiseTangentKernels(of: model, at: p, on: x, outputs: .traceSum)
      // Within one layer the weights have rank 2, the biases rank 1, in either order.
      for (k, (kernel, leaf)) in zip(kernels, p.leaves).enumerated() {
        means[k / 2 * 2 + (leaf.rank == 2 ? 0 : 1)] += kernel / Double(seeds.count)
      }
    }
    for (layer, term) in terms.enumerated() {
      expectClose(means[2 * layer], term.weights, tolerance: 0.15)
      expectClose(means[2 * layer + 1], term.biases, tolerance: 0.15)
    }
  }
}
