import AutoDiff

/// Which part of the tangent kernel's axes is computed, and how they are laid out.
public enum KernelOutputs: String, Sendable, CaseIterable {
  /// All pairs of outputs: [n, m, outputs, outputs].
  case full
  /// All pairs as one matrix, rows numbered by example and then output: [n · outputs, m · outputs].
  case flattened
  /// The sum over outputs, Σ_a K[i, j, a, a]: [n, m].
  case traceSum = "trace-sum"
  /// The mean over outputs: [n, m].
  case traceMean = "trace-mean"
  /// Every output with itself, K[i, j, a, a]: [n, m, outputs].
  case outputDiagonal = "output-diagonal"
  /// Every example with itself, K[i, i, a, b]: [n, outputs, outputs]. There is only one set of examples.
  case exampleDiagonal = "example-diagonal"

  var keepsAllPairs: Bool { self == .full || self == .flattened || self == .exampleDiagonal }
  var keepsDiagonal: Bool { self == .outputDiagonal }
  var isTrace: Bool { self == .traceSum || self == .traceMean }

  /// Entries of the kernel per pair of examples, with a and b outputs.
  func kept(_ a: Int, _ b: Int) -> Int { keepsAllPairs ? a * b : keepsDiagonal ? a : 1 }

  /// The kernel's shape for n and m examples with a and b outputs.
  func shape(_ n: Int, _ m: Int, _ a: Int, _ b: Int) -> [Int] {
    switch self {
    case .full: [n, m, a, b]
    case .flattened: [n * a, m * b]
    case .traceSum, .traceMean: [n, m]
    case .outputDiagonal: [n, m, a]
    case .exampleDiagonal: [n, a, b]
    }
  }

  /// The kernel of the second set of examples with the first, given that of the first with the second; before it gets its
  /// layout.
  func exchanged(_ gram: Tensor) -> Tensor {
    keepsAllPairs ? gram.permuted([1, 0, 3, 2]) : gram.permuted(keepsDiagonal ? [1, 0, 2] : [1, 0])
  }

  /// What is left to do where kernels of parts have been added: the layout, and the division of a mean.
  ///
  /// - Parameters:
  ///   - sum: [n, m, a, b], [n, m] or [n, m, a], as it is computed for a part; traces as sums.
  ///   - outputCount: the outputs of one example.
  func finished(_ sum: Tensor, outputCount: Int) -> Tensor {
    switch self {
    case .traceMean: return sum / Double(max(outputCount, 1))
    case .flattened:
      let (n, m, a, b) = (sum.shape[0], sum.shape[1], sum.shape[2], sum.shape[3])
      return sum.permuted([0, 2, 1, 3]).reshaped(to: [n * a, m * b])
    default: return sum
    }
  }
}

/// How inner products of gradients are computed.
struct GramRequest {
  var outputs: KernelOutputs
  var method: KernelMethod = .automatic
  /// What an intermediate result may take before the work is done in pieces.
  var temporaryBytes = 1 << 26

  /// The shape of a part of the kernel before it gets its layout; see ``KernelOutputs/finished(_:)``.
  func shape(_ n: Int, _ m: Int, _ a: Int, _ b: Int) -> [Int] {
    (outputs == .flattened ? .full : outputs).shape(n, m, a, b)
  }

  /// The inner products of gradients in memory, [n, outputs, entries] and [m, outputs, entries]; traces are sums.
  func gram(_ a: Tensor, _ b: Tensor) -> Tensor {
    let (n, m, outputs, p) = (a.shape[0], b.shape[0], a.shape[1], a.shape[2])
    switch self.outputs {
    case .full, .flattened, .exampleDiagonal:
      return tensordot(
        a.reshaped(to: [n * outputs, p]), b.reshaped(to: [m * b.shape[1], p]), axes: ([1], [1])
      ).reshaped(to: [n, outputs, m, b.shape[1]]).permuted([0, 2, 1, 3])
    case .traceSum, .traceMean:
      return tensordot(a.reshaped(to: [n, outputs * p]), b.reshaped(to: [m, outputs * p]), axes: ([1], [1]))
    case .outputDiagonal:
      return matmul(a.permuted([1, 0, 2]), b.permuted([1, 2, 0])).movingAxis(0, to: 2)
    }
  }
}
