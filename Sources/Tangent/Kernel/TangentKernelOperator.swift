import AutoDiff
import Foundation
import Layers

/// A tangent kernel known by its products with vectors, K v = J (Jᵀ v), for sizes where K itself does not fit.
///
/// The factored Jacobian is kept where the budget allows it; otherwise that of a band of examples at a time is computed
/// anew for every product. Use it with ``lanczos(_:count:end:using:options:)`` or
/// ``conjugateGradients(_:_:ridge:preconditioner:options:)``.
///
/// - Complexity: per vector 4 p flops for each example (for weights met at one position), against n p for a row of K.
public struct TangentKernelOperator<P: TensorTree>: SymmetricOperator {
  /// Which kernel it is: ``KernelOutputs/flattened``, ``KernelOutputs/traceSum`` or ``KernelOutputs/traceMean``.
  public let outputs: KernelOutputs
  /// n · outputs of the flattened kernel, n of a trace.
  public var dimension: Int { exampleCount * (outputs == .flattened ? outputCount : 1) }
  /// The type of the kernel's entries.
  public let scalarType: ScalarType
  /// Whether the whole Jacobian is kept, rather than computed for every product.
  public var keepsJacobian: Bool { kept != nil }

  private let exampleCount: Int, outputCount: Int
  private let bands: [Range<Int>]
  private let parameters: P
  private let kept: [FactoredJacobian<P>]?
  private let jacobian: (Range<Int>) throws -> FactoredJacobian<P>
  private let budget: Int

  /// Makes the operator of any model's kernel.
  ///
  /// - Parameters:
  ///   - f: the model: one example and the parameters to one output, each any tree of tensors.
  ///   - p: the parameters.
  ///   - examples: a tree whose leaves have the shape [n, example leaf shape...].
  ///   - outputs: all pairs of outputs flattened, or a trace; another part stops, because it is no matrix.
  ///   - budget: the bytes that tensors may take; by default half of the machine's memory.
  /// - Throws: ``KernelError/tooLittleMemory(needed:budget:)``, and what `f` throws.
  public init<Example: TensorTree, Output: TensorTree>(
    of f: @escaping (Example, P) throws -> Output, at p: P, on examples: Example, outputs: KernelOutputs = .flattened,
    budget: Int? = nil
  ) throws {
    guard outputs == .flattened || outputs.isTrace else {
      stop(
        "TangentKernelOperator", "the kernel must be a matrix: flattened, or a trace", got: outputs.rawValue)
    }
    let plan = try KernelComputation(of: f, at: p, on: examples, outputs: outputs, budget: budget).plan
    (self.outputs, parameters, scalarType) = (outputs, p, plan.scalarType)
    (exampleCount, outputCount, self.budget) = (plan.rowCount, plan.outputCount, plan.budget)
    let perExample = plan.exampleBytes + plan.outputCount * plan.outputBytes
    let step = max(1, min(plan.rowCount, plan.budget / 4 / max(1, perExample)))
    bands = stride(from: 0, to: plan.rowCount, by: step).map { $0..<min($0 + step, plan.rowCount) }
    jacobian = { range in try FactoredJacobian(of: f, at: p, on: examples.mapTensors { $0[range] }) }
    let whole = Double(perExample) * Double(plan.rowCount)
    kept = whole <= Double(plan.budget) / 2 ? try bands.map(jacobian) : nil
  }

  /// K V.
  ///
  /// - Shapes: [n, k] → [n, k], with n the ``dimension``.
  public func product(with vectors: Tensor) throws -> Tensor {
    let count = vectors.shape[1]
    if vectors.count == 0 || outputCount == 0 { return .zeros(like: vectors) }
    // By output: those of a trace do not mix.
    let mixes = outputs == .flattened
    var columns: [Tensor] = []
    let directions = mixes ? count : count * outputCount
    let step = max(1, min(directions, budget / 8 / max(1, parameters.entryCount * scalarType.byteCount)))
    for start in stride(from: 0, to: directions, by: step) {
      let range = start..<min(start + step, directions)
      let seeds = stack(
        range.map { k -> Tensor in
          if mixes { return vectors[0..., k].reshaped(to: [exampleCount, outputCount]) }
          let unit = Tensor.eye(outputCount, as: scalarType)[k % outputCount]
          return vectors[0..., k / outputCount].expanded(at: 1) * unit
        })
      let products = try product(of: seeds)
      for (offset, k) in range.enumerated() {
        let product = products[offset]
        columns.append(mixes ? product.flattened : product[0..., k % outputCount])
      }
    }
    guard !mixes else { return stack(columns, axis: 1) }
    let sums = (0..<count).map { k in
      columns[k * outputCount..<(k + 1) * outputCount].reduce(columns[0] * 0) { $0 + $1 }
    }
    let result = stack(sums, axis: 1)
    return outputs == .traceMean ? result / Double(outputCount) : result
  }

  /// J Jᵀ u for several u: [k, n, outputs].
  private func product(of seeds: Tensor) throws -> Tensor {
    let each = kept ?? []
    func band(_ k: Int) throws -> FactoredJacobian<P> { kept == nil ? try jacobian(bands[k]) : each[k] }
    var sum: P?
    for (k, range) in bands.enumerated() {
      let part = try band(k)
      let pulled = vmap { (u: Tensor) in part.vjp(u.reshaped(to: part.outputs.shape)) }(seeds[0..., range])
      sum = sum.map { $0.adding(pulled, scaledBy: 1) } ?? pulled
    }
    guard let direction = sum else { return seeds }
    return concatenate(
      try bands.indices.map { k in
        let part = try band(k)
        return vmap { (v: P) in part.jvp(v).reshaped(to: [part.exampleCount, outputCount]) }(direction)
      }, axis: 1)
  }
}

/// The kernel of the outputs themselves, ⟨f_a(xᵢ), f_b(xⱼ)⟩, laid out as tangent kernels are.
///
/// For a network whose output is the last hidden layer it is the empirical conjugate kernel (that of the neural network
/// Gaussian process).
///
/// - Parameters:
///   - f: the model: one example to one output, each any tree of tensors.
///   - examples: a tree whose leaves have the shape [n, example leaf shape...].
///   - others: m other examples; by default the same ones.
///   - outputs: which part is computed; products of all pairs of outputs without, their sum for a trace.
/// - Returns: [n, m, outputs, outputs], or as `outputs` says.
public func outputKernel<Example: TensorTree, Output: TensorTree>(
  of f: @escaping (Example) -> Output, on examples: Example, and others: Example? = nil,
  outputs: KernelOutputs = .traceSum
) -> Tensor {
  let run = vmap { (x: Example) -> Tensor in
    let y = f(x)
    return ((y as? Tensor) ?? y.flattenedEntries).flattened
  }
  if outputs == .exampleDiagonal, others != nil {
    stop("outputKernel", "the diagonal in examples has one set of examples", got: "two")
  }
  _ = exampleCount(of: examples, "outputKernel")
  let here = run(examples)
  let there = others.map { run($0) } ?? here
  if outputs == .exampleDiagonal { return here.expanded(at: 2) * here.expanded(at: 1) }
  let products = GramRequest(outputs: outputs).gram(here.expanded(at: 2), there.expanded(at: 2))
  return outputs.finished(products, outputCount: here.shape[1])
}

extension TangentKernelOperator where P == Parameters {
  /// The tangent kernel of a layer; see ``init(of:at:on:outputs:budget:)``.
  public init<Model: Layer>(
    of model: Model, at p: Parameters, on examples: Model.Input, outputs: KernelOutputs = .flattened, budget: Int? = nil
  ) throws {
    try self.init(
      of: { (x: Model.Input, p: Parameters) in model(x, p) }, at: p, on: examples, outputs: outputs, budget: budget)
  }
}
