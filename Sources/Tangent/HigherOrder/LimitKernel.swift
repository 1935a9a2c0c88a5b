import AutoDiff
import Foundation
import Layers

/// An estimate of the deterministic kernel 𝔎^(r), the limit of m^(r/2−1) K^(r) for infinite width m.
public struct LimitKernelEstimate: Sendable {
  /// How it was made.
  public enum Method: Sendable {
    /// Nested quadrature over the weights of one neuron.
    case quadrature
    /// The mean over random neurons.
    case neurons
    /// The mean over random networks of several widths, extrapolated to infinite width.
    case networks
  }

  /// The estimate: [n, …, n] with r axes.
  public let value: Tensor
  /// One standard deviation of every entry, from the spread of its samples; 0 without randomness.
  public let standardError: Tensor
  /// What is known of an error that more samples do not remove, entry by entry: what the last refinement of a quadrature
  /// has changed, or what the smallest width contributes to the extrapolation. It is an estimate and no bound.
  public let systematicError: Tensor
  /// How it was made.
  public let method: Method
  /// Nodes of the finest quadrature, neurons, or networks.
  public let samples: Int

  /// Odd orders vanish: with the signs of all output weights changed, K^(r) changes its sign.
  fileprivate static func zero(_ shape: [Int], _ type: ScalarType, _ method: Method) -> LimitKernelEstimate {
    let zeros = Tensor.zeros(shape, as: type)
    return LimitKernelEstimate(value: zeros, standardError: zeros, systematicError: zeros, method: method, samples: 0)
  }
}

extension HierarchyNetwork {
  // MARK: One hidden layer

  /// 𝔎^(r) of one hidden layer by quadrature.
  ///
  /// K^(r) of a network f = m^(−1/2) Σ_k φ(x; a_k, w_k) with φ = a σ(w·x) is m^(−r/2) times the sum over neurons of the K^(r)
  /// of a single one, because no derivative mixes neurons. So
  ///
  ///     𝔎^(r)(x₁ … xᵣ) = E[K^(r) of φ at (a, w)],   w·x₁ … w·xᵣ jointly Gaussian with covariance σ_w² xᵢ·xⱼ.
  ///
  /// The integral over a is exact, because the integrand is a polynomial in it. That over w goes over the span of the
  /// examples by the trapezoidal rule, which for smooth σ converges exponentially; it is refined until it stays.
  ///
  /// - Parameters:
  ///   - r: the order, at least 2. Odd orders are 0.
  ///   - x: [n, d]. The work grows exponentially with the dimension of their span, so n or d should be at most 4. For more
  ///     see ``limitKernel(order:on:neurons:using:)``.
  ///   - tolerance: how much the last refinement may change, relative to the largest entry.
  ///   - mostNodes: when it gives up; by default some 4 million.
  /// - Returns: the estimate, with an error that is that change. The width of this network does not matter; a depth other
  ///   than 1 stops.
  /// - Throws: ``LimitError/quadratureNotConverged(activation:layer:tolerance:reached:terms:)`` after so many nodes, and
  ///   `LinearAlgebraError` of the examples' Gram matrix.
  /// - Complexity: K^(r) of a single neuron for each of some 30ᵏ (r + 2)/4 nodes, where k is the dimension of the span.
  /// - Source: Huang and Yau, ICML 2020, equation (11); the sum over neurons is elementary.
  public func limitKernel(
    order r: Int, on x: Tensor, tolerance: Double = 1e-8, mostNodes: Int = 1 << 22
  ) throws -> LimitKernelEstimate {
    let neuron = try SingleNeuron(self, r, x, "limitKernel")
    let shape = [Int](repeating: x.shape[0], count: r)
    guard r.isMultiple(of: 2) else { return .zero(shape, x.scalarType, .quadrature) }
    guard tolerance > 0 else { stop("limitKernel", "the tolerance must be positive", got: "\(tolerance)") }
    var before: Tensor?
    var reached = Double.infinity
    var extent = 7
    while true {
      let rule = TrapezoidalRule(extent: extent, dimension: neuron.dimension)
      guard rule.count <= mostNodes else {
        throw LimitError.quadratureNotConverged(
          activation: "the activation", layer: 1, tolerance: tolerance, reached: reached, terms: mostNodes)
      }
      let value = neuron.integral(rule)
      if let before {
        let change = abs(value - before)
        let size = abs(value).max().scalar
        reached = size > 0 ? change.max().scalar / size : 0
        if reached <= tolerance {
          return LimitKernelEstimate(
            value: value.as(x.scalarType), standardError: .zeros(shape, as: x.scalarType),
            systematicError: change.as(x.scalarType), method: .quadrature, samples: rule.count)
        }
      }
      before = value
      // Odd again: every grid has the middle of the density as a node. Where the activation is so steep that all others
      // miss its slopes, what that node counts changes with the grid, and nothing passes for converged.
      extent = extent * 3 / 2 | 1
    }
  }

  /// 𝔎^(r) of one hidden layer as the mean over random neurons, with standard errors: for more examples, or more of their
  /// dimensions, than quadrature can do.
  ///
  /// The output weight is integrated exactly, see ``limitKernel(order:on:tolerance:mostNodes:)``; only w is random.
  ///
  /// - Parameters:
  ///   - r: the order, at least 2. Odd orders are 0.
  ///   - x: [n, d].
  ///   - neurons: how many are drawn, at least 2.
  ///   - generator: makes them; the result is a function of its state.
  /// - Returns: the estimate. A depth other than 1 stops.
  /// - Throws: `LinearAlgebraError` of the examples' Gram matrix.
  /// - Complexity: K^(r) of (r + 2)/4 single neurons, nʳ numbers, for each that is drawn.
  /// - Source: Huang and Yau, ICML 2020, equation (11).
  public func limitKernel(
    order r: Int, on x: Tensor, neurons: Int, using generator: inout RandomGenerator
  ) throws -> LimitKernelEstimate {
    let neuron = try SingleNeuron(self, r, x, "limitKernel")
    let shape = [Int](repeating: x.shape[0], count: r)
    guard neurons >= 2 else { stop("limitKernel", "a standard error needs at least 2 neurons", got: "\(neurons)") }
    guard r.isMultiple(of: 2) else { return .zero(shape, x.scalarType, .neurons) }
    var moments = SampleMoments(shape: shape)
    while moments.count < neurons {
      let count = min(neuron.atOnce, neurons - moments.count)
      moments.add(all: neuron.kernels(at: .normal([count, neuron.dimension], using: &generator)))
    }
    return LimitKernelEstimate(
      value: moments.mean.as(x.scalarType), standardError: moments.standardError.as(x.scalarType),
      systematicError: .zeros(shape, as: x.scalarType), method: .neurons, samples: neurons)
  }

  // MARK: Any depth

  /// 𝔎^(r) of any depth from random networks of several widths, with standard errors.
  ///
  /// m^(r/2−1) K^(r) has the mean 𝔎^(r) + O(1/m) and fluctuations of the order m^(−1/2). A line in 1/m is fitted to the means
  /// over networks by least squares, with weights m for that, and is read off at 0.
  ///
  /// - Parameters:
  ///   - r: the order, at least 2. Odd orders are not taken to be 0 here.
  ///   - x: [n, d].
  ///   - widths: at least two different ones. Others stop.
  ///   - networks: how many are drawn of each width, at least 2.
  ///   - generator: makes them; the result is a function of its state.
  /// - Returns: the estimate. Its systematic error is what the smallest width has contributed: the distance from the result
  ///   without it.
  /// - Complexity: K^(r) of every network.
  /// - Source: Huang and Yau, ICML 2020, equation (11).
  public func limitKernel(
    order r: Int, on x: Tensor, widths: [Int], networks: Int, using generator: inout RandomGenerator
  ) -> LimitKernelEstimate {
    let widths = Array(Set(widths)).sorted()
    guard r >= 2, x.rank == 2, widths.count > 1, widths[0] > 0, networks >= 2 else {
      stop(
        "limitKernel", "needs an order of at least 2, examples [n, d], two widths and 2 networks of each",
        got: "\(r), \(x.shape), \(widths) and \(networks)")
    }
    let shape = [Int](repeating: x.shape[0], count: r)
    let all = widths.map { width in
      let network = with(width: width)
      var moments = SampleMoments(shape: shape)
      for _ in 0..<networks {
        let p = network.initialized(like: x[0], seed: generator.next())
        let kernel = higherKernel(order: r, of: network, at: p, on: x).as(.float64)
        moments.add(kernel * pow(Double(width), Double(r) / 2 - 1))
      }
      return moments
    }
    func combined(_ coefficients: [Double]) -> Tensor {
      zip(coefficients, all).reduce(Tensor.zeros(shape)) { $0 + $1.1.mean * $1.0 }
    }
    let coefficients = Self.interceptCoefficients(widths)
    let value = combined(coefficients)
    let variance = zip(coefficients, all).reduce(Tensor.zeros(shape)) { $0 + square($1.1.standardError * $1.0) }
    let others = widths.count > 2 ? Self.interceptCoefficients(Array(widths.dropFirst())) : [1]
    return LimitKernelEstimate(
      value: value.as(x.scalarType), standardError: sqrt(variance).as(x.scalarType),
      systematicError: abs(value - combined([0] + others)).as(x.scalarType), method: .networks,
      samples: widths.count * networks)
  }

  /// How the values at some widths add up to that at infinite width of the line in 1/m that fits them best, by weights m.
  static func interceptCoefficients(_ widths: [Int]) -> [Double] {
    let m = widths.map(Double.init)
    // With the mean t̄ = count/Σ m of t = 1/m, t − t̄ = d/(m Σ m): whole numbers d, so that widths may be close.
    let (count, total) = (Double(m.count), m.reduce(0, +))
    let distances = m.map { total - count * $0 }
    let squares = zip(m, distances).reduce(0) { $0 + $1.1 * $1.1 / $1.0 }
    return zip(m, distances).map { $0 / total - count * $1 / squares }
  }
}

/// K^(r) of the model a σ(w·x) in coordinates of the examples' span.
private struct SingleNeuron {
  /// The dimension of the span.
  let dimension: Int
  /// How many weights are looked at together.
  let atOnce: Int
  private let order: Int
  /// The examples in an orthonormal basis of their span: [n, dimension].
  private let examples: Tensor
  private let activation: @Sendable (Tensor) -> Tensor
  private let weightScale: Double
  /// Output weights of one sign, and what they count.
  private let outputWeights: [(value: Double, weight: Double)]

  init(_ network: HierarchyNetwork, _ r: Int, _ x: Tensor, _ operation: String) throws {
    guard network.depth == 1, r >= 2, x.rank == 2, x.shape[0] > 0 else {
      stop(
        operation, "needs one hidden layer, an order of at least 2 and examples [n, d]",
        got: "\(network.depth), \(r) and \(x.shape)", hint: "For other depths give widths.")
    }
    (order, activation, weightScale) = (r, network.activation, network.weightScale)
    let exact = stopGradient(x).as(.float64)
    let (values, vectors) = try symmetricEigen(matmul(exact, exact.transposed))
    let largest = values[-1].scalar
    let kept = values.scalars.indices.filter { values[$0].scalar > 1e-13 * largest }
    examples = vectors.gathered(at: kept, axis: 1) * sqrt(values.gathered(at: kept))
    dimension = kept.count
    outputWeights = try Self.halfGaussHermite(r / 2 + 1).map { ($0.node * network.outputScale, $0.weight) }
    let entries = [Int](repeating: x.shape[0], count: r).reduce(1, saturating)
    atOnce = max(1, (1 << 20) / entries)
  }

  /// The mean over the output weight of K^(r), for standard normal coordinates of w: [count, dimension] → [count, n, …, n].
  func kernels(at coordinates: Tensor) -> Tensor {
    let w = coordinates * weightScale
    let activation = activation
    let neuron = { (x: Tensor, p: [Tensor]) in p[0] * activation(dot(x, p[1])) }
    let parts = outputWeights.map { output in
      vmap { (w: Tensor) in
        higherKernel(order: order, of: neuron, at: [Tensor(output.value), w], on: examples)
      }(w) * output.weight
    }
    return parts.dropFirst().reduce(parts[0]) { $0 + $1 }
  }

  /// The integral over w.
  func integral(_ rule: TrapezoidalRule) -> Tensor {
    var sum = Tensor.zeros([Int](repeating: examples.shape[0], count: order))
    for start in stride(from: 0, to: rule.count, by: atOnce) {
      let part = rule.nodes(start..<min(start + atOnce, rule.count))
      sum += tensordot(part.weights, kernels(at: part.nodes), axes: ([0], [0]))
    }
    return sum
  }

  /// The nodes of Gauss's rule for the normal density that are not negative, for even functions.
  ///
  /// - Source: G. Golub, J. Welsch, *Calculation of Gauss quadrature rules*, Math. Comp. 23 (1969).
  private static func halfGaussHermite(_ count: Int) throws -> [(node: Double, weight: Double)] {
    let matrix = (0..<count).map { i in
      (0..<count).map { (j: Int) -> Double in abs(i - j) == 1 ? Double(max(i, j)).squareRoot() : 0 }
    }
    let (nodes, vectors) = try symmetricEigen(Tensor(matrix))
    return zip(nodes.scalars, square(vectors[0]).scalars).enumerated().compactMap { index, pair in
      if 2 * index + 1 == count { return (0, pair.1) }
      return pair.0 > 0 ? (pair.0, 2 * pair.1) : nil
    }
  }
}

/// The trapezoidal rule for the normal density in several dimensions, on a grid that becomes wider as it becomes finer.
private struct TrapezoidalRule {
  /// The number of nodes.
  let count: Int
  private let dimension: Int
  private let line: [Double]
  private let lineWeights: [Double]

  /// - Parameter extent: the nodes of each dimension.
  init(extent: Int, dimension: Int) {
    // What is cut off falls like exp(−reach²/2), what is summed wrongly like exp(−2π a/step) with the distance a of the
    // nearest singularity: both like a power of exp(−extent) or of its root.
    let reach = 1.5 * Double(extent).squareRoot()
    let step = 2 * reach / Double(extent - 1)
    line = (0..<extent).map { Double($0) * step - reach }
    lineWeights = line.map { step * exp(-$0 * $0 / 2) / (2 * Double.pi).squareRoot() }
    count = [Int](repeating: extent, count: dimension).reduce(1, saturating)
    self.dimension = dimension
  }

  /// Some of the nodes, [count, dimension], and their weights.
  func nodes(_ range: Range<Int>) -> (nodes: Tensor, weights: Tensor) {
    var (nodes, weights): ([Double], [Double]) = ([], [])
    for index in range {
      var (rest, weight) = (index, 1.0)
      for _ in 0..<dimension {
        nodes.append(line[rest % line.count])
        weight *= lineWeights[rest % line.count]
        rest /= line.count
      }
      weights.append(weight)
    }
    return (Tensor(nodes, shape: [range.count, dimension]), Tensor(weights))
  }
}
