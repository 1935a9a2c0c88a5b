import AutoDiff
import Layers

/// The higher-order tangent kernel K^(r) of a model with one output, on all r-tuples of examples.
///
/// K^(2)(x₁, x₂) = ⟨∇f(x₁), ∇f(x₂)⟩ and K^(r+1)(x₁…xᵣ, x_b) is the derivative of K^(r)(x₁…xᵣ) along ∇f(x_b), where the
/// gradients inside K^(r) move too. Under gradient flow of the squared loss, ∂ₜK^(r) = −(1/n) Σ_b K^(r+1)(…, x_b)(f_b − y_b).
///
/// - Parameters:
///   - r: the order, at least 2.
///   - f: the model: one example and the parameters to a single number.
///   - p: the parameters.
///   - examples: a tree whose leaves have the shape [n, example leaf shape...].
/// - Returns: [n, …, n] with r axes.
/// - Complexity: forward mode over forward mode over the factored K^(2); time and memory grow like nʳ⁻².
/// - Source: Huang and Yau, Dynamics of deep neural networks and neural tangent hierarchy, ICML 2020, equations (1.6) ff.
public func higherKernel<Example: TensorTree, P: TensorTree>(
  order r: Int, of f: @escaping (Example, P) -> Tensor, at p: P, on examples: Example
) -> Tensor {
  guard r >= 2 else { stop("higherKernel", "the order must be at least 2", got: "\(r)") }
  func scalar(_ x: Example, _ p: P) -> Tensor {
    let y = f(x, p)
    guard y.count == 1 else {
      stop("higherKernel", "the model must have one output", got: "shape \(y.shape)", hint: "Choose one, or sum them.")
    }
    return y.reshaped(to: [])
  }
  func kernel(_ r: Int) -> (P) -> Tensor {
    if r == 2 { return { tangentKernel(of: scalar, at: $0, on: examples, outputs: .traceSum) } }
    let lower = kernel(r - 1)
    return { p in
      let gradients = vmap { (x: Example) in gradient(of: { scalar(x, $0) }, at: p) }(examples)
      return vmap({ (g: P) in directionalDerivative(of: lower, at: p, along: g) }, outputAxis: -1)(gradients)
    }
  }
  return kernel(r)(p)
}

/// The higher-order tangent kernel of a layer; see ``higherKernel(order:of:at:on:)``.
public func higherKernel<Model: Layer>(
  order r: Int, of model: Model, at p: Parameters, on examples: Model.Input
) -> Tensor where Model.Output == Tensor {
  higherKernel(order: r, of: { (x: Model.Input, p: Parameters) in model(x, p) }, at: p, on: examples)
}
