import AutoDiff
import Layers

/// The model's expansion in its parameters around a point, as a model of its own.
///
///     f(x, p₀) + ⟨∂f, Δ⟩ + ½ ∂²f[Δ, Δ] + … + (1/k!) ∂ᵏf[Δ, …, Δ]        Δ = p − p₀
///
/// It is a function like any other: transforms, kernels and optimizers take it, and it takes models that are expansions
/// themselves. The error is O(‖Δ‖ᵏ⁺¹); a model that is a polynomial of degree k in its parameters is its own expansion. At
/// p₀ all derivatives up to the k-th agree with those of f, so that its tangent kernel there is that of f.
///
/// - Parameters:
///   - f: the model: one example and the parameters to an output, each any tree of tensors.
///   - center: p₀, where it is expanded.
///   - degree: k, at least 0.
/// - Returns: the expansion as a function of the example and of p, which must have the structure of p₀.
/// - Complexity: forward derivatives nested k deep: about 2ᵏ times the work of `f`, for every call.
public func taylorModel<Example: TensorTree, P: TensorTree, Output: TensorTree>(
  of f: @escaping (Example, P) -> Output, at center: P, degree: Int
) -> (Example, P) -> Output {
  guard degree >= 0 else { stop("taylorModel", "the degree must not be negative", got: "\(degree)") }
  return { x, p in
    center.checkSameStructure(as: p.leaves, "taylorModel")
    let direction = p.subtracting(center)
    /// f and its derivatives along the direction up to the given order, as a function of the point.
    func derivatives(upTo order: Int) -> (P) -> [Output] {
      if order == 0 { return { [f(x, $0)] } }
      let lower = derivatives(upTo: order - 1)
      return { point in
        let (value, tangent) = jvp(of: lower, at: point, along: direction)
        return value + [tangent[order - 1]]
      }
    }
    var terms = derivatives(upTo: degree)(center)
    // Horner's scheme, in which factorials do not grow.
    var sum = terms.removeLast()
    for order in stride(from: degree, to: 0, by: -1) {
      sum = terms.removeLast().adding(sum, scaledBy: 1 / Double(order))
    }
    return sum
  }
}

/// The linearized model Φ(x, p) = f(x, p₀) + ⟨∇f(x, p₀), p − p₀⟩: the expansion of degree 1.
///
/// Its tangent kernel does not depend on p and is that of f at p₀, so that training it is training by a fixed kernel; see
/// ``LinearizedTraining``.
///
/// - Parameters:
///   - f: the model: one example and the parameters to an output.
///   - center: p₀.
/// - Complexity: about twice the work of `f`.
public func linearizedModel<Example: TensorTree, P: TensorTree, Output: TensorTree>(
  of f: @escaping (Example, P) -> Output, at center: P
) -> (Example, P) -> Output {
  taylorModel(of: f, at: center, degree: 1)
}

/// The expansion of a layer in its parameters, as a layer; see ``taylorModel(of:at:degree:)``.
public struct TaylorLayer<Model: Layer>: Layer {
  /// What is expanded.
  public let model: Model
  /// p₀, around which it is expanded.
  public let center: Parameters
  /// The degree of the expansion.
  public let degree: Int

  /// Expands a layer. Stops if the degree is negative.
  public init(_ model: Model, at center: Parameters, degree: Int) {
    guard degree >= 0 else { stop("TaylorLayer", "the degree must not be negative", got: "\(degree)") }
    (self.model, self.center, self.degree) = (model, center, degree)
  }

  /// The expansion's output for one example.
  public func callAsFunction(_ x: Model.Input, _ p: Parameters) -> Model.Output {
    taylorModel(of: { (x: Model.Input, p: Parameters) in model(x, p) }, at: center, degree: degree)(x, p)
  }

  /// Parameters as the expanded layer draws them; an expansion cannot be run without parameters.
  public func initialized(like example: Model.Input, seed: UInt64) -> Parameters {
    model.initialized(like: example, seed: seed)
  }
}

/// The expansion of a layer in its parameters; see ``taylorModel(of:at:degree:)``.
public func taylorModel<Model: Layer>(of model: Model, at center: Parameters, degree: Int) -> TaylorLayer<Model> {
  TaylorLayer(model, at: center, degree: degree)
}

/// The linearized layer; see ``linearizedModel(of:at:)``.
public func linearizedModel<Model: Layer>(of model: Model, at center: Parameters) -> TaylorLayer<Model> {
  TaylorLayer(model, at: center, degree: 1)
}
