import AutoDiff
import Layers

/// The empirical tangent kernel K[i, j, a, b] = ⟨∂f_a(xᵢ)/∂p, ∂f_b(xⱼ)/∂p⟩ of any model.
///
/// - Parameters:
///   - f: the model: one example and the parameters to one output, each any tree of tensors. The entries of an output
///     tree are taken as one vector, leaf after leaf.
///   - p: the parameters, any tree of tensors.
///   - examples: a tree whose leaves have the shape [n, example leaf shape...].
///   - others: m other examples; by default the same ones, which costs half.
///   - outputs: which part of the output axes is computed.
/// - Returns: [n, m, outputs, outputs], or smaller as `outputs` says; an output tensor's entries are numbered in row-major
///   order.
/// - Complexity: for a dense layer n m (d_in + outputs² d_out) multiplications and no n · d_in · d_out memory; other
///   operations are materialized where they have no such structure.
/// - Source: Jacot, Gabriel and Hongler, Neural tangent kernel, NeurIPS 2018; factored as by Novak et al., ICML 2022.
public func tangentKernel<Example: TensorTree, P: TensorTree, Output: TensorTree>(
  of f: (Example, P) throws -> Output, at p: P, on examples: Example, and others: Example? = nil,
  outputs: KernelOutputs = .full
) rethrows -> Tensor {
  let parts = try layerwiseKernels("tangentKernel", of: f, at: p, on: examples, and: others, outputs: outputs)
  guard var sum = parts.first else {
    stop("tangentKernel", "the parameters must have at least one leaf", got: "none")
  }
  for part in parts.dropFirst() { sum += part }
  return sum
}

/// The tangent kernel's share of every leaf of the parameters; their sum is ``tangentKernel(of:at:on:and:outputs:)``.
///
/// - Returns: one kernel per leaf, in the order of the leaves.
public func layerwiseTangentKernels<Example: TensorTree, P: TensorTree, Output: TensorTree>(
  of f: (Example, P) throws -> Output, at p: P, on examples: Example, and others: Example? = nil,
  outputs: KernelOutputs = .full
) rethrows -> [Tensor] {
  try layerwiseKernels("layerwiseTangentKernels", of: f, at: p, on: examples, and: others, outputs: outputs)
}

private func layerwiseKernels<Example: TensorTree, P: TensorTree, Output: TensorTree>(
  _ operation: String, of f: (Example, P) throws -> Output, at p: P, on examples: Example, and others: Example?,
  outputs: KernelOutputs
) rethrows -> [Tensor] {
  if outputs == .exampleDiagonal, others != nil {
    stop(operation, "the diagonal in examples has one set of examples", got: "two")
  }
  let here = try ModelRun(of: f, at: p, on: examples, operation)
  let there = try others.map { try ModelRun(of: f, at: p, on: $0, operation) }
  let (n, m, count) = (here.exampleCount, (there ?? here).exampleCount, here.outputCount)
  let request = GramRequest(outputs: outputs)
  // All pairs of outputs need all gradients at once; traces and diagonals take them in parts that fit into memory.
  let chunks = outputs.keepsAllPairs ? [0..<count] : here.outputChunks(bytes: request.temporaryBytes)
  return tileGrams(here, there, chunks: chunks, request).map { gram in
    let sum = gram ?? .zeros(request.shape(n, m, count, (there ?? here).outputCount), as: here.outputs.scalarType)
    return outputs.finished(sum, outputCount: count)
  }
}

/// The empirical tangent kernel of a layer; see ``tangentKernel(of:at:on:and:outputs:)``.
public func tangentKernel<Model: Layer>(
  of model: Model, at p: Parameters, on examples: Model.Input, and others: Model.Input? = nil,
  outputs: KernelOutputs = .full
) -> Tensor {
  tangentKernel(
    of: { (x: Model.Input, p: Parameters) in model(x, p) }, at: p, on: examples, and: others, outputs: outputs)
}

/// The tangent kernel's share of every parameter of a layer; see ``layerwiseTangentKernels(of:at:on:and:outputs:)``.
public func layerwiseTangentKernels<Model: Layer>(
  of model: Model, at p: Parameters, on examples: Model.Input, and others: Model.Input? = nil,
  outputs: KernelOutputs = .full
) -> [Tensor] {
  layerwiseTangentKernels(
    of: { (x: Model.Input, p: Parameters) in model(x, p) }, at: p, on: examples, and: others, outputs: outputs)
}
