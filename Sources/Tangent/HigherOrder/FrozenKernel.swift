import AutoDiff
import Layers

/// The higher-order kernel 𝒦^(r) of discrete time: the derivative of K^(2) along r − 2 gradients that do not move,
///
///     𝒦^(r)(x₁, x₂, x_b₁ … x_bᵣ₋₂) = ∇ʳ⁻²K^(2)(x₁, x₂)[∇f(x_b₁), …, ∇f(x_bᵣ₋₂)].
///
/// It is symmetric in its first two arguments and in all others; 𝒦^(2) and 𝒦^(3) are K^(2) and K^(3).
///
/// - Parameters:
///   - r: the order, at least 2.
///   - f: the model: one example and the parameters to a single number.
///   - p: the parameters.
///   - examples: a tree whose leaves have the shape [n, example leaf shape...].
///   - newPoints: m points for the first argument; by default the examples.
/// - Returns: [n, n, …, n], or [m, n, …, n], with r axes.
/// - Complexity: as ``higherKernel(order:of:at:on:newPoints:)``, but for the movement of the gradients.
/// - Source: Huang and Yau, ICML 2020, below equation (29).
public func frozenHigherKernel<Example: TensorTree, P: TensorTree>(
  order r: Int, of f: @escaping (Example, P) -> Tensor, at p: P, on examples: Example, newPoints: Example? = nil
) -> Tensor {
  guard r >= 2 else { stop("frozenHigherKernel", "the order must be at least 2", got: "\(r)") }
  let fields = GradientFields("frozenHigherKernel", f, on: examples, newPoints: newPoints)
  let jacobian = FactoredJacobian(of: fields.f, at: p, on: examples)
  if r == 4, newPoints == nil, let change = fields.gradientChange(on: examples, at: p, along: jacobian) {
    return change.frozenFourthKernel
  }
  func kernel(_ r: Int) -> (P) -> Tensor {
    if r == 2 { return fields.kernel(2) }
    let lower = kernel(r - 1)
    return { p in fields.derivatives(of: lower, at: p, along: jacobian) }
  }
  return kernel(r)(p)
}

/// The higher-order kernel of discrete time of a layer; see ``frozenHigherKernel(order:of:at:on:newPoints:)``.
public func frozenHigherKernel<Model: Layer>(
  order r: Int, of model: Model, at p: Parameters, on examples: Model.Input, newPoints: Model.Input? = nil
) -> Tensor where Model.Output == Tensor {
  frozenHigherKernel(
    order: r, of: { (x: Model.Input, p: Parameters) in model(x, p) }, at: p, on: examples, newPoints: newPoints)
}

/// The tangent kernel after a step of gradient descent, by its expansion around the parameters before the step,
///
///     K^(2)(p − h ∇loss) ≈ Σ_{q ≤ degree} (−h c)^q / q! Σ_b 𝒦^(q+2)(·, ·, b₁ … b_q) r_b₁ ⋯ r_b_q,   r = f − y.
///
/// The printed equation has the powers r of −η/n and no factorial; both are put right here. The error is of the order
/// h^(degree+1).
///
/// - Parameters:
///   - h: the size of the step.
///   - degree: where the sum ends, at least 0.
///   - f: the model: one example and the parameters to a single number.
///   - p: the parameters before the step.
///   - examples: a tree whose leaves have the shape [n, example leaf shape...].
///   - newPoints: m points for the first argument; by default the examples.
///   - y: the targets, [n] or [n, 1].
///   - loss: the squared loss, with its rate c = ``SquaredLoss/rate(examples:)``.
/// - Returns: [n, n], or [m, n].
/// - Complexity: forward derivatives of K^(2) along the one direction −h ∇loss, nested `degree` deep: 2^degree kernels. No
///   𝒦^(r) is formed.
/// - Source: Huang and Yau, ICML 2020, equation (29).
public func tangentKernel<Example: TensorTree, P: TensorTree>(
  afterStepOf h: Double, degree: Int, of f: @escaping (Example, P) -> Tensor, at p: P, on examples: Example,
  newPoints: Example? = nil, targets y: Tensor, loss: SquaredLoss = .halfMean
) -> Tensor {
  let operation = "tangentKernel(afterStepOf:)"
  guard degree >= 0 else { stop(operation, "the degree must not be negative", got: "\(degree)") }
  guard h.isFinite else { stop(operation, "the step must be finite", got: "\(h)") }
  let fields = GradientFields(operation, f, on: examples, newPoints: newPoints)
  let residual = fields.exampleOutputs(p) - fields.checkedVector(y, operation)
  let step = fields.direction(residual * (-h * loss.rate(examples: fields.count)), at: p)
  // Around a step of zero, so that a short one keeps its digits.
  let expansion = taylorModel(
    of: { (_: Example, step: P) in fields.kernel(2)(p.adding(step)) }, at: p.zeroed, degree: degree)
  return expansion(examples, step)
}

/// The tangent kernel of a layer after a step of gradient descent, by its expansion; see
/// ``tangentKernel(afterStepOf:degree:of:at:on:newPoints:targets:loss:)``.
public func tangentKernel<Model: Layer>(
  afterStepOf h: Double, degree: Int, of model: Model, at p: Parameters, on examples: Model.Input,
  newPoints: Model.Input? = nil, targets y: Tensor, loss: SquaredLoss = .halfMean
) -> Tensor where Model.Output == Tensor {
  tangentKernel(
    afterStepOf: h, degree: degree, of: { (x: Model.Input, p: Parameters) in model(x, p) }, at: p, on: examples,
    newPoints: newPoints, targets: y, loss: loss)
}
