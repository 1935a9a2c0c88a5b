import AutoDiff
import Layers

/// The generalized Gauss–Newton matrix of a loss on a model's outputs, known by its products with vectors.
///
///     G = Jᵀ H J        J = ∂f/∂θ over all examples,   H = ∇²ℓ at the outputs f
///
/// It is the Hessian of ℓ(f(θ)) without the part Σ ∂ℓ/∂f · ∇²f that comes from the curvature of the model. It is positive
/// semidefinite where ℓ is convex in the outputs, equals the Hessian where the model is linear in θ, and for losses that
/// are negative log likelihoods of an exponential family in its natural parameters it is the ``FisherOperator``.
///
/// - Source: N. Schraudolph, *Fast curvature matrix-vector products for second-order gradient descent*, Neural Computation
///   14 (2002), section 3.
public struct GaussNewtonOperator<P: TensorTree>: SymmetricOperator {
  private let map: FlattenedMap<P>

  /// The number of parameters' entries.
  public var dimension: Int { map.dimension }
  /// The type of the parameters.
  public var scalarType: ScalarType { map.scalarType }

  /// Takes a model, its examples and a loss.
  ///
  /// - Parameters:
  ///   - f: the model: one example and the parameters to one output, each any tree of tensors.
  ///   - p: θ, of one scalar type; several types stop.
  ///   - examples: a tree whose leaves have the shape [n, example leaf shape...]; none stops.
  ///   - budget: the bytes that vectors may take that are multiplied at once, besides the recording; by default, and at
  ///     most, 8 MiB, because more gain nothing.
  ///   - loss: ℓ of the outputs of all examples, whose leaves have the shape [n, output leaf shape...]: one number. It may
  ///     couple examples and outputs as it likes.
  /// - Throws: what model and loss throw.
  /// - Complexity: now one run of the model, of which all intermediate values are kept; a product costs about three runs
  ///   for each vector.
  public init<Example: TensorTree, Output: TensorTree>(
    of f: @escaping (Example, P) throws -> Output, at p: P, on examples: Example, budget: Int? = nil,
    loss: (Output) throws -> Tensor
  ) throws {
    map = try FlattenedMap(of: f, at: p, on: examples, budget: budget, for: "GaussNewtonOperator") { outputs in
      let hessian = try linearize({ try gradient(of: loss, at: $0) }, at: outputs).derivative
      return { hessian($0) }
    }
  }

  /// G V.
  ///
  /// - Shapes: [p, k] → [p, k].
  public func product(with vectors: Tensor) -> Tensor { map.product(with: vectors) }
}

extension FlattenedMap {
  /// Jᵀ M J for the outputs of a model on all examples.
  ///
  /// - Parameter metric: M at the outputs, a map of trees of their structure.
  init<Example: TensorTree, Output: TensorTree>(
    of f: @escaping (Example, P) throws -> Output, at p: P, on examples: Example, budget: Int?, for operation: String,
    metric: (Output) throws -> (Output) -> Output
  ) throws {
    guard exampleCount(of: examples, operation) > 0 else { stop(operation, "needs an example", got: "none") }
    let (outputs, jacobian) = try linearize(
      { (p: P) throws -> Output in try vmap { (x: Example) throws -> Output in try f(x, p) }(examples) }, at: p)
    let (metric, pullback) = (try metric(outputs), jacobian.transposed)
    self.init(like: p, bytesPerVector: jacobian.recordedBytes, budget: budget, for: operation) {
      pullback(metric(jacobian($0)))
    }
  }
}

extension GaussNewtonOperator where P == Parameters {
  /// The Gauss–Newton matrix of a layer; see ``init(of:at:on:budget:loss:)``.
  public init<Model: Layer>(
    of model: Model, at p: Parameters, on examples: Model.Input, budget: Int? = nil,
    loss: (Model.Output) throws -> Tensor
  ) throws {
    try self.init(
      of: { (x: Model.Input, p: Parameters) in model(x, p) }, at: p, on: examples, budget: budget, loss: loss)
  }
}
