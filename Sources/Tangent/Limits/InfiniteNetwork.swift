import AutoDiff

/// A fully connected network with one output and hidden layers of infinite width, by its two kernels: the covariance of its
/// outputs at the start (NNGP) and its tangent kernel (NTK).
///
///     let network = InfiniteNetwork(depth: 3, .relu, parameterization: .neuralTangent(weightScale: 2.0.squareRoot()))
///     let (nngp, ntk) = try network.kernels(x)  // x: [n, d]
///
/// Layer by layer, with Σ the covariance of a layer's inputs to σ and (c_w, c_b), (t_w, t_b) what the parameterization
/// makes of weights and biases:
///
///     Σ⁰ = c_w xᵀz/d + c_b,              Θ⁰ = t_w xᵀz/d + t_b,
///     Σˡ = c_w E[σσ] + c_b,              Θˡ = t_w E[σσ] + t_b + c_w E[σ′σ′] Θˡ⁻¹.
///
/// Several outputs of a finite network are independent in the limit: every one has these kernels, cross kernels are 0.
///
/// A correlation is carried as its distances from 1 and −1, so nearly equal and nearly opposite inputs keep their digits
/// through any depth.
///
/// Closed forms are tensor operations: traced inputs give traced kernels, with derivatives of any order; `vmap` runs over
/// them. Quadrature differentiates too, but not inside `vmap`. (At x = z and x = −z the angle has no derivative; it is taken
/// to be 0.)
public struct InfiniteNetwork: Sendable {
  /// The activation of every hidden layer, the first one first.
  public let activations: [DualActivation]
  /// How weights and biases are scaled.
  public let parameterization: LimitParameterization
  /// The error that every quadrature must reach, relative to √(E[σ(u)²] E[σ(v)²]). Closed forms do not look at it.
  public let tolerance: Double

  /// A network with a hidden layer for every activation; none makes a linear model.
  ///
  /// Stops at scales that are not finite, at ±1 outputs with other than one hidden layer, and at LeCun's with none.
  public init(
    _ activations: [DualActivation], parameterization: LimitParameterization = .neuralTangent(),
    tolerance: Double = 1e-13
  ) {
    parameterization.check(hiddenLayers: activations.count)
    guard tolerance > 0 else { stop("InfiniteNetwork", "the tolerance must be positive", got: "\(tolerance)") }
    self.activations = activations
    self.parameterization = parameterization
    self.tolerance = tolerance
  }

  /// A network of `depth` hidden layers with the same activation.
  public init(
    depth: Int, _ activation: DualActivation, parameterization: LimitParameterization = .neuralTangent(),
    tolerance: Double = 1e-13
  ) {
    guard depth >= 0 else { stop("InfiniteNetwork", "the depth must not be negative", got: "\(depth)") }
    self.init(
      Array(repeating: activation, count: depth), parameterization: parameterization, tolerance: tolerance)
  }

  /// Both kernels of infinite width.
  public struct Kernels: Sendable {
    /// The covariance of the outputs at the start, [n, m].
    public let nngp: Tensor
    /// The limit of the tangent kernel (for LeCun's parameterization: of K/n), [n, m].
    public let ntk: Tensor
  }

  /// One layer's part of the tangent kernel.
  public struct LayerTerms: Sendable {
    /// The term of the layer's weights, [n, m].
    public let weights: Tensor
    /// The term of its biases, [n, m].
    public let biases: Tensor
  }

  /// The covariance of the outputs at the start.
  ///
  /// - Shapes: [n, d], [m, d] → [n, m].
  /// - Parameters:
  ///   - x: examples.
  ///   - z: other examples; by default the same ones, which costs half and gives an exactly symmetric matrix.
  /// - Returns: the kernel in the scalar type of `x`, computed in double precision.
  /// - Throws: ``LimitError``.
  /// - Complexity: as ``kernels(_:_:)``.
  public func nngp(_ x: Tensor, _ z: Tensor? = nil) throws(LimitError) -> Tensor {
    try LimitComputation("nngp", self, x, z, wantsSlopes: false).run(.covariance)[0]
  }

  /// The limit of the tangent kernel; see ``kernels(_:_:)``.
  public func ntk(_ x: Tensor, _ z: Tensor? = nil) throws(LimitError) -> Tensor {
    try LimitComputation("ntk", self, x, z, wantsSlopes: true).run(.sum, from: 1)[1]
  }

  /// Both kernels from one pass.
  ///
  /// - Shapes: [n, d], [m, d] → [n, m] each.
  /// - Parameters:
  ///   - x: examples.
  ///   - z: other examples; by default the same ones, which costs half and gives exactly symmetric matrices.
  /// - Returns: kernels in the scalar type of `x`, computed in double precision.
  /// - Throws: ``LimitError``.
  /// - Complexity: 2 n m d flops and for every layer some 40 elementary operations per pair, or with quadrature of K terms
  ///   some 5 K; n m numbers of new memory per kernel. Pairs with a correlation within 1/64 of ±1 cost 3 d more. Traced
  ///   inputs take n m d numbers of memory, because all angles come from differences.
  /// - Source: Jacot, Gabriel and Hongler, Neural tangent kernel, NeurIPS 2018, theorem 1; Lee et al., Wide neural networks
  ///   of any depth evolve as linear models, NeurIPS 2019, appendix E.
  public func kernels(_ x: Tensor, _ z: Tensor? = nil) throws(LimitError) -> Kernels {
    let both = try LimitComputation("kernels", self, x, z, wantsSlopes: true).run(.sum)
    return Kernels(nngp: both[0], ntk: both[1])
  }

  /// The tangent kernel's terms, layer by layer; their sum is ``ntk(_:_:)``.
  ///
  /// - Returns: one element for every affine map, that of the inputs first, that of the output last.
  /// - Throws: ``LimitError``.
  public func layerwiseTangentKernels(_ x: Tensor, _ z: Tensor? = nil) throws(LimitError) -> [LayerTerms] {
    let all = try LimitComputation("layerwiseTangentKernels", self, x, z, wantsSlopes: true).run(.layerwise, from: 1)
    return (0...activations.count).map { LayerTerms(weights: all[2 * $0 + 1], biases: all[2 * $0 + 2]) }
  }
}
