import AutoDiff
import Layers

/// The fully connected network of the neural tangent hierarchy: x^(l) = σ(W^(l) x^(l−1))/√m for l = 1 … H, f = aᵀ x^(H).
///
///     let net = HierarchyNetwork(depth: 2, width: 256) { tanh($0) }
///     let p = net.initialized(like: x[0], seed: 0)
///
/// All weights are trained and there are no biases. W^(l) begins as N(0, σ_w²) and a as N(0, σ_a²). The theory asks for a
/// smooth σ, such as `tanh` or `softplus(_:sharpness:)`.
///
/// - Shapes: [d] → []. Parameters: `W1` [m, d], `W2` … `WH` [m, m], `a` [m].
/// - Source: Huang and Yau, Dynamics of deep neural networks and neural tangent hierarchy, ICML 2020, (1), (2).
public struct HierarchyNetwork: Layer {
  /// H, the number of hidden layers.
  public let depth: Int
  /// m, the number of neurons of every hidden layer.
  public let width: Int
  /// σ_w, the standard deviation of the weights at the start.
  public let weightScale: Double
  /// σ_a, the standard deviation of the output weights at the start.
  public let outputScale: Double
  let activation: @Sendable (Tensor) -> Tensor

  /// Makes a network. Stops unless depth and width are positive and the scales finite and not negative.
  ///
  /// - Parameters:
  ///   - depth: H.
  ///   - width: m.
  ///   - weightScale: σ_w, by default 1.
  ///   - outputScale: σ_a, by default 1.
  ///   - activation: σ, entry by entry.
  public init(
    depth: Int, width: Int, weightScale: Double = 1, outputScale: Double = 1,
    activation: @escaping @Sendable (Tensor) -> Tensor
  ) {
    guard depth > 0, width > 0 else {
      stop("HierarchyNetwork", "depth and width must be positive", got: "\(depth) and \(width)")
    }
    guard weightScale >= 0, outputScale >= 0, weightScale.isFinite, outputScale.isFinite else {
      stop("HierarchyNetwork", "scales must be finite and not negative", got: "\(weightScale) and \(outputScale)")
    }
    (self.depth, self.width, self.weightScale, self.outputScale) = (depth, width, weightScale, outputScale)
    self.activation = activation
  }

  /// f(x), a single number.
  public func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor {
    guard x.rank == 1 else { stop("HierarchyNetwork", "an example must be a vector", got: "shape \(x.shape)") }
    let scale = 1 / Double(width).squareRoot()
    var h = x
    for layer in 1...depth {
      let weight = p.tensor("W\(layer)", [width, h.count], .normal(standardDeviation: weightScale))
      h = activation(matmul(weight, h)) * scale
    }
    return dot(p.tensor("a", [width], .normal(standardDeviation: outputScale)), h)
  }

  /// The same network of another width.
  public func with(width: Int) -> HierarchyNetwork {
    HierarchyNetwork(
      depth: depth, width: width, weightScale: weightScale, outputScale: outputScale, activation: activation)
  }

  /// The same network of infinite width, whose tangent kernel is the constant one of level 2 of the hierarchy.
  ///
  /// - Parameter activation: σ's Gaussian expectations.
  public func infinitelyWide(_ activation: DualActivation) -> InfiniteNetwork {
    InfiniteNetwork(
      depth: depth, activation,
      parameterization: .hierarchy(
        weightVariance: weightScale * weightScale, outputVariance: outputScale * outputScale))
  }
}
