import AutoDiff
import Layers

/// What a model's output says of the target: the law of which it holds the parameters.
public enum OutputDistribution: Sendable, Equatable {
  /// A class, by logits along the last axis of every leaf; positions along other axes are independent.
  case categorical
  /// A yes or no for every entry, by its logit.
  case bernoulli
  /// A real number for every entry, of which the output is the mean, with a known variance.
  case gaussian(variance: Double = 1)

  /// The Fisher information of one law in its parameters, times a vector: F u.
  ///
  ///     categorical  π ∘ u − π (πᵀu),  π = softmax(z)        Bernoulli  s (1 − s) u,  s = sigmoid(z)        Gaussian  u / σ²
  func information(at z: Tensor) -> (Tensor) -> Tensor {
    switch self {
    case .categorical:
      guard z.rank >= 2 else {
        stop("FisherOperator", "a categorical output needs an axis of logits", got: "a single number")
      }
      let probabilities = softmax(z)
      return { u in
        let weighted = probabilities * u
        return weighted - probabilities * weighted.sum(axes: [-1], keepingAxes: true)
      }
    case .bernoulli:
      let probabilities = sigmoid(z)
      // sigmoid(−z) and not 1 − sigmoid(z), of which nothing is left for large z.
      let variances = probabilities * sigmoid(-z)
      return { $0 * variances }
    case .gaussian(let variance):
      guard variance > 0, variance.isFinite else {
        stop("FisherOperator", "the variance must be positive and finite", got: "\(variance)")
      }
      return { $0 / variance }
    }
  }
}

/// The Fisher information of a model in its parameters, known by its products with vectors.
///
///     F = (1/n) Σᵢ E_{y ~ p(y | xᵢ, θ)} ∇log p ∇log pᵀ = (1/n) Σᵢ Jᵢᵀ F_out(f(xᵢ)) Jᵢ
///
/// The expectation over targets is taken exactly, in closed form; no targets are needed. It is the ``GaussNewtonOperator``
/// of the mean negative log likelihood, and the metric of the natural gradient. Not to be confused with
/// ``EmpiricalFisherOperator``, which puts the given targets in the place of the model's own.
///
/// - Source: S. Amari, *Natural gradient works efficiently in learning*, Neural Computation 10 (1998); J. Martens, *New
///   insights and perspectives on the natural gradient method*, JMLR 21 (2020), (8) and section 9.
public struct FisherOperator<P: TensorTree>: SymmetricOperator {
  private let map: FlattenedMap<P>

  /// The number of parameters' entries.
  public var dimension: Int { map.dimension }
  /// The type of the parameters.
  public var scalarType: ScalarType { map.scalarType }

  /// Takes a model and its examples.
  ///
  /// - Parameters:
  ///   - f: the model: one example and the parameters to one output, each any tree of tensors.
  ///   - p: θ, of one scalar type; several types stop.
  ///   - examples: a tree whose leaves have the shape [n, example leaf shape...]; none stops.
  ///   - distribution: the law of a target given the output. A variance that is not positive stops, and so do categorical
  ///     outputs without an axis.
  ///   - budget: the bytes that vectors may take that are multiplied at once, besides the recording; by default, and at
  ///     most, 8 MiB, because more gain nothing.
  /// - Throws: what the model throws.
  /// - Complexity: now one run of the model, of which all intermediate values are kept; a product costs about three runs
  ///   for each vector.
  public init<Example: TensorTree, Output: TensorTree>(
    of f: @escaping (Example, P) throws -> Output, at p: P, on examples: Example, distribution: OutputDistribution,
    budget: Int? = nil
  ) throws {
    let n = Double(exampleCount(of: examples, "FisherOperator"))
    map = try FlattenedMap(of: f, at: p, on: examples, budget: budget, for: "FisherOperator") { outputs in
      let informations = outputs.leaves.map { distribution.information(at: $0) }
      return { u in u.replacingLeaves(with: zip(informations, u.leaves).map { $0($1) / n }) }
    }
  }

  /// F V.
  ///
  /// - Shapes: [p, k] → [p, k].
  public func product(with vectors: Tensor) -> Tensor { map.product(with: vectors) }
}

extension FisherOperator where P == Parameters {
  /// The Fisher information of a layer; see ``init(of:at:on:distribution:budget:)``.
  public init<Model: Layer>(
    of model: Model, at p: Parameters, on examples: Model.Input, distribution: OutputDistribution, budget: Int? = nil
  ) throws {
    try self.init(
      of: { (x: Model.Input, p: Parameters) in model(x, p) }, at: p, on: examples, distribution: distribution,
      budget: budget)
  }
}
