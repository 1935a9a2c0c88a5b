import AutoDiff

/// The mean outer product of per-example gradients, known by its products with vectors.
///
///     E = (1/n) Σᵢ gᵢ gᵢᵀ        gᵢ = ∇ℓ(xᵢ, θ)
///
/// It is the second moment of the gradient noise; its trace is the mean squared norm of a gradient. For ℓ = −log p(y | x, θ)
/// it is called the empirical Fisher matrix, though it is near the ``FisherOperator`` only where the model fits.
///
/// - Source: F. Kunstner, L. Balles, P. Hennig, *Limitations of the empirical Fisher approximation for natural gradient
///   descent*, NeurIPS 2019, (3).
public struct EmpiricalFisherOperator<P: TensorTree>: SymmetricOperator {
  private let map: FlattenedMap<P>

  /// The number of parameters' entries.
  public var dimension: Int { map.dimension }
  /// The type of the parameters.
  public var scalarType: ScalarType { map.scalarType }

  /// Takes the loss of one example and all examples.
  ///
  /// - Parameters:
  ///   - loss: ℓ, of one example (with its target: a `Pair`, say) and the parameters; a value that is no single number
  ///     stops.
  ///   - p: θ, of one scalar type; several types stop.
  ///   - examples: a tree whose leaves have the shape [n, example leaf shape...]; none stops.
  ///   - budget: the bytes that vectors may take that are multiplied at once, besides the recording; by default, and at
  ///     most, 8 MiB, because more gain nothing.
  /// - Throws: what the loss throws.
  /// - Complexity: now one run of the loss, of which all intermediate values are kept; a product costs about three runs
  ///   for each vector. Gradients of single examples are never formed.
  public init<Example: TensorTree>(
    of loss: @escaping (Example, P) throws -> Tensor, at p: P, on examples: Example, budget: Int? = nil
  ) throws {
    let n = Double(exampleCount(of: examples, "EmpiricalFisherOperator"))
    map = try FlattenedMap(
      of: { (x: Example, p: P) throws -> Tensor in
        let value = try loss(x, p)
        guard value.count == 1 else {
          stop(
            "EmpiricalFisherOperator", "the loss of an example must be a single number", got: "shape \(value.shape)")
        }
        return value
      }, at: p, on: examples, budget: budget, for: "EmpiricalFisherOperator"
    ) { _ in { $0 / n } }
  }

  /// E V.
  ///
  /// - Shapes: [p, k] → [p, k].
  public func product(with vectors: Tensor) -> Tensor { map.product(with: vectors) }
}
