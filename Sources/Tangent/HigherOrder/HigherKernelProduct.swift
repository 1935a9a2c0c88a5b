import AutoDiff
import Layers

/// A higher-order tangent kernel with vectors in its last arguments; the tensor is not formed.
///
///     Σ K^(r)(x₁ … xᵣ₋ₛ, x_b₁ … x_bₛ) v₁[b₁] ⋯ vₛ[bₛ]
///
/// One vector is one derivative of K^(r−1) along Σ_b v[b] ∇f(x_b), not n of them. The gradients in that direction belong to
/// the kernel: where a further vector differentiates them, they move. So K^(r) with r − 1 vectors costs some 2ʳ gradients.
///
/// - Parameters:
///   - r: the order, at least 2.
///   - f: the model: one example and the parameters to a single number.
///   - p: the parameters.
///   - examples: a tree whose leaves have the shape [n, example leaf shape...].
///   - newPoints: m points for the first argument; by default the examples.
///   - vectors: v₁ … vₛ of shape [n] with s < r, in the order of the arguments. Other shapes stop.
/// - Returns: [n, …, n], or [m, n, …, n], with r − s axes.
/// - Complexity: 2ˢ times the work of K^(r−s), where K^(1) are the outputs.
/// - Source: Huang and Yau, ICML 2020, right side of equation (10).
public func higherKernelProduct<Example: TensorTree, P: TensorTree>(
  order r: Int, of f: @escaping (Example, P) -> Tensor, at p: P, on examples: Example, newPoints: Example? = nil,
  with vectors: [Tensor]
) -> Tensor {
  let operation = "higherKernelProduct"
  guard r >= 2, vectors.count < r else {
    stop(operation, "needs an order of at least 2 and fewer vectors than that", got: "\(r) and \(vectors.count)")
  }
  let fields = GradientFields(operation, f, on: examples, newPoints: newPoints)
  return fields.contraction(r, vectors.map { fields.checkedVector($0, operation) })(p)
}

/// A higher-order tangent kernel of a layer with vectors in its last arguments; see
/// ``higherKernelProduct(order:of:at:on:newPoints:with:)``.
public func higherKernelProduct<Model: Layer>(
  order r: Int, of model: Model, at p: Parameters, on examples: Model.Input, newPoints: Model.Input? = nil,
  with vectors: [Tensor]
) -> Tensor where Model.Output == Tensor {
  higherKernelProduct(
    order: r, of: { (x: Model.Input, p: Parameters) in model(x, p) }, at: p, on: examples, newPoints: newPoints,
    with: vectors)
}

/// How fast a tangent kernel changes under gradient flow of a squared loss: ∂ₜK^(r) = −c Σ_b K^(r+1)(…, x_b)(f_b − y_b).
///
/// - Parameters:
///   - r: the order, at least 1; K^(1) are the outputs.
///   - f: the model: one example and the parameters to a single number.
///   - p: the parameters.
///   - examples: a tree whose leaves have the shape [n, example leaf shape...].
///   - newPoints: m points for the first argument; by default the examples.
///   - y: the targets, [n] or [n, 1].
///   - loss: the squared loss, with its rate c = ``SquaredLoss/rate(examples:)``.
/// - Returns: [n, …, n], or [m, n, …, n], with r axes.
/// - Complexity: one gradient and one forward derivative of K^(r); K^(r+1) is not formed.
/// - Source: Huang and Yau, ICML 2020, equations (9) and (10).
public func higherKernelRate<Example: TensorTree, P: TensorTree>(
  order r: Int, of f: @escaping (Example, P) -> Tensor, at p: P, on examples: Example, newPoints: Example? = nil,
  targets y: Tensor, loss: SquaredLoss = .halfMean
) -> Tensor {
  let operation = "higherKernelRate"
  guard r >= 1 else { stop(operation, "the order must be at least 1", got: "\(r)") }
  let fields = GradientFields(operation, f, on: examples, newPoints: newPoints)
  let residual = fields.exampleOutputs(p) - fields.checkedVector(y, operation)
  return fields.contraction(r + 1, [residual * -loss.rate(examples: fields.count)])(p)
}

/// How fast a tangent kernel of a layer changes under gradient flow; see
/// ``higherKernelRate(order:of:at:on:newPoints:targets:loss:)``.
public func higherKernelRate<Model: Layer>(
  order r: Int, of model: Model, at p: Parameters, on examples: Model.Input, newPoints: Model.Input? = nil,
  targets y: Tensor, loss: SquaredLoss = .halfMean
) -> Tensor where Model.Output == Tensor {
  higherKernelRate(
    order: r, of: { (x: Model.Input, p: Parameters) in model(x, p) }, at: p, on: examples, newPoints: newPoints,
    targets: y, loss: loss)
}
