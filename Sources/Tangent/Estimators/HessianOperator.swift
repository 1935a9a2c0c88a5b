import AutoDiff
import Layers

/// The Hessian of a number with respect to all parameters, known by its products with vectors.
///
///     H v = d/dt ∇L(θ + t v) at t = 0
///
/// The gradient is recorded once, and every product is a forward derivative of the recording, for several vectors at once.
/// Vectors are in the order of ``AutoDiff/TensorTree/flattenedEntries``; make a tree of one by
/// ``AutoDiff/TensorTree/replacingEntries(with:)``. Largest eigenvalues: ``lanczos(_:count:end:using:options:)``; a solve:
/// ``conjugateGradients(_:_:ridge:preconditioner:options:)``; density and trace: ``LanczosQuadrature``,
/// ``estimateTrace(of:by:products:using:)``.
///
/// With data that do not fit into memory at once, take the mean over batches by ``BatchMeanOperator``.
///
/// - Source: B. Pearlmutter, *Fast exact multiplication by the Hessian*, Neural Computation 6 (1994).
public struct HessianOperator<P: TensorTree>: SymmetricOperator {
  private let map: FlattenedMap<P>

  /// The number of parameters' entries.
  public var dimension: Int { map.dimension }
  /// The type of the parameters.
  public var scalarType: ScalarType { map.scalarType }

  /// Takes any function with one number as its value, such as a loss over all data.
  ///
  /// - Parameters:
  ///   - loss: L; a value that is no single number stops.
  ///   - p: θ, any tree of tensors of one scalar type; several types stop.
  ///   - budget: the bytes that vectors may take that are multiplied at once, besides the recording; by default, and at
  ///     most, 8 MiB, because more gain nothing.
  /// - Throws: what the function throws.
  /// - Complexity: now one gradient, of which all intermediate values are kept; a product costs about 2.4 gradients for
  ///   each vector.
  public init(of loss: (P) throws -> Tensor, at p: P, budget: Int? = nil) rethrows {
    let derivative = try linearize({ try gradient(of: loss, at: $0) }, at: p).derivative
    map = FlattenedMap(like: p, bytesPerVector: derivative.recordedBytes, budget: budget, for: "HessianOperator") {
      derivative($0)
    }
  }

  /// Takes one output of a model for one example: the Hessian of θ ↦ f(x, θ)_k.
  ///
  /// - Parameters:
  ///   - f: the model: one example and the parameters to one output, each any tree of tensors.
  ///   - output: k, the entry of the output among all, leaf after leaf in row-major order; one that is not there stops.
  ///   - p: θ.
  ///   - example: x, without an axis of examples.
  ///   - budget: as above.
  /// - Throws: what the model throws.
  public init<Example: TensorTree, Output: TensorTree>(
    ofOutput output: Int, of f: (Example, P) throws -> Output, at p: P, for example: Example, budget: Int? = nil
  ) rethrows {
    try self.init(
      of: { p in
        let outputs = try f(example, p).flattenedEntries
        guard outputs.shape[0] > output, output >= 0 else {
          stop("HessianOperator", "the output must be one of \(outputs.shape[0])", got: "\(output)")
        }
        return outputs[output]
      }, at: p, budget: budget)
  }

  /// H V.
  ///
  /// - Shapes: [p, k] → [p, k].
  public func product(with vectors: Tensor) -> Tensor { map.product(with: vectors) }
}

extension HessianOperator where P == Parameters {
  /// The Hessian of one output of a layer for one example; see ``init(ofOutput:of:at:for:budget:)``.
  public init<Model: Layer>(
    ofOutput output: Int, of model: Model, at p: Parameters, for example: Model.Input, budget: Int? = nil
  ) {
    self.init(
      ofOutput: output, of: { (x: Model.Input, p: Parameters) in model(x, p) }, at: p, for: example, budget: budget)
  }
}
