import AutoDiff

/// How well a kernel's eigenvectors fit labels.
public struct LabelAlignment: Sendable {
  /// Whether means are removed before kernel and labels are compared.
  public enum Centering: Sendable {
    /// As they are.
    case none
    /// H K H and H Y with H = I − 11ᵀ/n: constants in the features and in the labels count for nothing.
    case centered
  }

  /// ⟨K, Y Yᵀ⟩_F / (‖K‖_F ‖Y Yᵀ‖_F), between −1 and 1, for a kernel between 0 and 1; 0 where a norm is 0.
  ///
  /// - Source: N. Cristianini et al., *On kernel-target alignment*, NeurIPS 2001; centered: C. Cortes, M. Mohri, A.
  ///   Rostamizadeh, *Algorithms for learning kernels based on centered alignment*, JMLR 13 (2012), definition 4.
  public let kernelTargetAlignment: Double
  /// ‖vᵢᵀ Y‖² / ‖Y‖²_F for every eigenvector of the kernel as it is, largest eigenvalue first. Their sum is 1 (0 for Y = 0).
  public let energies: [Double]
  /// The sums of the first energies: how much of the labels the k + 1 leading eigenvectors hold.
  public let cumulativeEnergies: [Double]
}

extension KernelSpectrum {
  /// How well the eigenvectors fit labels.
  ///
  /// - Shapes: labels [n], or [n, outputs...].
  /// - Parameters:
  ///   - labels: Y, of any scalar type; another number of examples stops.
  ///   - centering: whether means are removed for the alignment; by default not. The energies are those of the labels as
  ///     they are.
  /// - Returns: the alignment and the labels' energies.
  /// - Throws: ``KernelMatrixError/labelNotFinite(example:output:value:)``.
  /// - Complexity: 4 n² flops for every output.
  public func alignment(
    with labels: Tensor, centering: LabelAlignment.Centering = .none
  ) throws -> LabelAlignment {
    let columns = stopGradient(try labelColumns(labels, count: count, for: "KernelSpectrum.alignment").as(.float64))
    let largest = columns.count > 0 ? abs(columns).max().scalar : 0
    guard largest > 0 else {
      let none = [Double](repeating: 0, count: count)
      return LabelAlignment(kernelTargetAlignment: 0, energies: none, cumulativeEnergies: none)
    }
    let y = columns / largest
    let squares = square(matmul(eigenvectors.transposed, y)).sum(axes: [1])
    let energies = (squares / squares.sum()).scalars
    var total = 0.0
    let cumulative = energies.map { energy in
      total += energy
      return total
    }
    return LabelAlignment(
      kernelTargetAlignment: alignment(y, centering), energies: energies, cumulativeEnergies: cumulative)
  }

  private func alignment(_ labels: Tensor, _ centering: LabelAlignment.Centering) -> Double {
    var (k, y) = (matrix, labels)
    if centering == .centered {
      y = y - y.mean(axes: [0], keepingAxes: true)
      let rows = k - k.mean(axes: [0], keepingAxes: true)
      k = rows - rows.mean(axes: [1], keepingAxes: true)
    }
    let (kernelNorm, targetNorm) = (k.norm().scalar, matmul(y.transposed, y).norm().scalar)
    guard kernelNorm > 0, targetNorm > 0 else { return 0 }
    // tr(Yᵀ K Y), without the n × n matrix Y Yᵀ, whose norm is that of Yᵀ Y.
    return (y * matmul(k / kernelNorm, y)).sum().scalar / targetNorm
  }
}

/// Labels [n] or [n, outputs...] as columns [n, outputs].
func labelColumns(_ labels: Tensor, count n: Int, for operation: String) throws(KernelMatrixError) -> Tensor {
  guard labels.rank >= 1, labels.shape[0] == n else {
    stop(operation, "needs labels [\(n)] or [\(n), outputs...]", got: "shape \(labels.shape)")
  }
  let outputs = labels.shape.dropFirst().reduce(1, *)
  let columns = labels.reshaped(to: [n, outputs])
  if !columns.isFinite(for: operation), let place = columns.scalars.firstIndex(where: { !$0.isFinite }) {
    throw .labelNotFinite(example: place / outputs, output: place % outputs, value: columns.scalars[place])
  }
  return columns
}
