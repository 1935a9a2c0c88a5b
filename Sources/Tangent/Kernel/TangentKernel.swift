import AutoDiff
import Layers

/// Which part of the tangent kernel's output axes is computed.
public enum KernelOutputs: Sendable {
  /// All pairs of outputs: [n, m, outputs, outputs].
  case full
  /// The sum over outputs, Σ_a K[i, j, a, a]: [n, m].
  case traceSum
  /// The mean over outputs: [n, m].
  case traceMean
  /// Every output with itself: [n, m, outputs].
  case diagonal

  var reduction: OutputReduction {
    switch self {
    case .full: .full
    case .traceSum, .traceMean: .trace
    case .diagonal: .diagonal
    }
  }
}

/// The empirical tangent kernel K[i, j, a, b] = ⟨∂f_a(xᵢ)/∂p, ∂f_b(xⱼ)/∂p⟩ of any model.
///
/// - Parameters:
///   - f: the model: one example and the parameters to one output tensor.
///   - p: the parameters, any tree of tensors.
///   - examples: [n, example shape...]
///   - others: [m, example shape...]; by default the same examples, which costs half.
///   - outputs: which part of the output axes is computed.
/// - Returns: [n, m, outputs, outputs], or smaller as `outputs` says; an output tensor's entries are numbered in row-major
///   order.
/// - Complexity: for a dense layer n m (d_in + outputs² d_out) multiplications and no n · d_in · d_out memory; other
///   operations are materialized where they have no such structure.
/// - Source: Jacot, Gabriel and Hongler, Neural tangent kernel, NeurIPS 2018; factored as by Novak et al., ICML 2022.
public func tangentKernel<P: TensorTree>(
  of f: (Tensor, P) -> Tensor, at p: P, on examples: Tensor, and others: Tensor? = nil, outputs: KernelOutputs = .full
) -> Tensor {
  let parts = layerwiseTangentKernels(of: f, at: p, on: examples, and: others, outputs: outputs)
  guard var sum = parts.first else {
    stop("tangentKernel", "the parameters must have at least one leaf", got: "none")
  }
  for part in parts.dropFirst() { sum += part }
  return sum
}

/// The tangent kernel's share of every leaf of the parameters; their sum is ``tangentKernel(of:at:on:and:outputs:)``.
///
/// - Returns: one kernel per leaf, in the order of the leaves.
public func layerwiseTangentKernels<P: TensorTree>(
  of f: (Tensor, P) -> Tensor, at p: P, on examples: Tensor, and others: Tensor? = nil, outputs: KernelOutputs = .full
) -> [Tensor] {
  let jacobian = FactoredJacobian(of: f, at: p, on: examples)
  let other = others.map { FactoredJacobian(of: f, at: p, on: $0) }
  let grams = jacobian.grams(other, reduction: outputs.reduction)
  let (n, m, count) = (jacobian.exampleCount, (other ?? jacobian).exampleCount, jacobian.outputCount)
  let shape =
    switch outputs {
    case .full: [n, m, count, (other ?? jacobian).outputCount]
    case .traceSum, .traceMean: [n, m]
    case .diagonal: [n, m, count]
    }
  return grams.map { gram in
    guard let gram else { return .zeros(shape, as: jacobian.outputs.scalarType) }
    if case .traceMean = outputs { return gram / Double(max(count, 1)) }
    return gram
  }
}

/// The empirical tangent kernel of a layer; see ``tangentKernel(of:at:on:and:outputs:)``.
public func tangentKernel(
  of model: some Layer<Tensor, Tensor>, at p: Parameters, on examples: Tensor, and others: Tensor? = nil,
  outputs: KernelOutputs = .full
) -> Tensor {
  tangentKernel(of: { model($0, $1) }, at: p, on: examples, and: others, outputs: outputs)
}

/// The tangent kernel's share of every parameter of a layer; see ``layerwiseTangentKernels(of:at:on:and:outputs:)``.
public func layerwiseTangentKernels(
  of model: some Layer<Tensor, Tensor>, at p: Parameters, on examples: Tensor, and others: Tensor? = nil,
  outputs: KernelOutputs = .full
) -> [Tensor] {
  layerwiseTangentKernels(of: { model($0, $1) }, at: p, on: examples, and: others, outputs: outputs)
}
