import AutoDiff

/// Which part of the tangent kernel's output axes is computed.
public enum KernelOutputs: Sendable, CaseIterable {
  /// All pairs of outputs: [n, m, outputs, outputs].
  case full
  /// The sum over outputs, Σ_a K[i, j, a, a]: [n, m].
  case traceSum
  /// The mean over outputs: [n, m].
  case traceMean
  /// Every output with itself: [n, m, outputs].
  case diagonal

  var keepsAllPairs: Bool { self == .full }
  var keepsDiagonal: Bool { self == .diagonal }

  /// The kernel's shape for n and m examples with a and b outputs.
  func shape(_ n: Int, _ m: Int, _ a: Int, _ b: Int) -> [Int] {
    switch self {
    case .full: [n, m, a, b]
    case .traceSum, .traceMean: [n, m]
    case .diagonal: [n, m, a]
    }
  }

  /// The inner products of gradients in memory, [n, outputs, entries] and [m, outputs, entries]; traces are sums.
  func gram(_ a: Tensor, _ b: Tensor) -> Tensor {
    let (n, m, outputs, p) = (a.shape[0], b.shape[0], a.shape[1], a.shape[2])
    switch self {
    case .full:
      return tensordot(
        a.reshaped(to: [n * outputs, p]), b.reshaped(to: [m * b.shape[1], p]), axes: ([1], [1])
      ).reshaped(to: [n, outputs, m, b.shape[1]]).permuted([0, 2, 1, 3])
    case .traceSum, .traceMean:
      return tensordot(a.reshaped(to: [n, outputs * p]), b.reshaped(to: [m, outputs * p]), axes: ([1], [1]))
    case .diagonal:
      return matmul(a.permuted([1, 0, 2]), b.permuted([1, 2, 0])).movingAxis(0, to: 2)
    }
  }

  /// Zeros for gradients that nothing contributes to.
  func zeros(_ a: GradientFactors, _ b: GradientFactors) -> Tensor {
    .zeros(shape(a.exampleCount, b.exampleCount, a.outputCount, b.outputCount), as: a.right.scalarType)
  }
}
