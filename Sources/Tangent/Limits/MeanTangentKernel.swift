import AutoDiff
import Layers

/// A mean over random initializations with its standard error.
public struct KernelMean: Sendable {
  /// The mean of the kernels.
  public let mean: Tensor
  /// The standard error of every entry of the mean: the sample's standard deviation divided by √count.
  public let standardError: Tensor
  /// The number of initializations.
  public let count: Int
}

/// The mean of the empirical tangent kernel over initializations, with its standard error.
///
/// Sums are updated kernel by kernel (Welford), so memory does not depend on the number of seeds and nothing cancels.
///
/// - Parameters:
///   - f: the model: one example and the parameters to one output.
///   - seeds: one for each initialization; fewer than two stop.
///   - examples: a tree whose leaves have the shape [n, example leaf shape...].
///   - others: m other examples; by default the same ones.
///   - outputs: which part of the output axes is computed.
///   - initialized: the parameters of a seed.
/// - Returns: mean and standard error of the shape of ``tangentKernel(of:at:on:and:outputs:)``.
/// - Complexity: a tangent kernel for every seed; three kernels of memory beside it.
/// - Source: Welford, Note on a method for calculating corrected sums of squares and products, 1962.
public func meanTangentKernel<Example: TensorTree, P: TensorTree, Output: TensorTree>(
  of f: (Example, P) throws -> Output, seeds: some Sequence<UInt64>, on examples: Example, and others: Example? = nil,
  outputs: KernelOutputs = .full, initialized: (UInt64) throws -> P
) rethrows -> KernelMean {
  var count = 0
  var mean = Tensor(0)
  var squares = Tensor(0)
  for seed in seeds {
    let kernel = try tangentKernel(of: f, at: initialized(seed), on: examples, and: others, outputs: outputs)
    count += 1
    if count == 1 {
      (mean, squares) = (kernel, .zeros(like: kernel))
    } else {
      let difference = kernel - mean
      mean += difference / Double(count)
      squares += difference * (kernel - mean)
    }
  }
  guard count > 1 else { stop("meanTangentKernel", "a standard error needs at least two seeds", got: "\(count)") }
  return KernelMean(mean: mean, standardError: sqrt(squares / Double(count * (count - 1))), count: count)
}

/// The mean of a layer's empirical tangent kernel over initializations; see
/// ``meanTangentKernel(of:seeds:on:and:outputs:initialized:)``.
public func meanTangentKernel<Model: Layer>(
  of model: Model, seeds: some Sequence<UInt64>, on examples: Model.Input, and others: Model.Input? = nil,
  outputs: KernelOutputs = .full
) -> KernelMean {
  let example = examples.mapTensors { $0[0] }
  return meanTangentKernel(
    of: { (x: Model.Input, p: Parameters) in model(x, p) }, seeds: seeds, on: examples, and: others, outputs: outputs
  ) { model.initialized(like: example, seed: $0) }
}
