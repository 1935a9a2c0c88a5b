import AutoDiff

/// Why a kernel matrix does not allow what was asked of it.
public enum KernelMatrixError: Error, Equatable, Sendable {
  /// The matrix, ridge or noise included, has a negative eigenvalue beyond the cut-off, so it is no kernel's.
  case indefinite(smallestEigenvalue: Double, count: Int, cutoff: Double)
  /// The smallest eigenvalue of the matrix, ridge or noise included, is zero within the cut-off.
  case singular(smallestEigenvalue: Double, count: Int, cutoff: Double)
  /// A label is infinite or not a number; the first one.
  case labelNotFinite(example: Int, output: Int, value: Double)
  /// A number of the solution leaves the range of the type, as for large labels and a small matrix; the first one.
  case solutionNotFinite(row: Int, output: Int, value: Double)
}

extension KernelMatrixError: CustomStringConvertible {
  /// What is wrong, with the smallest eigenvalue, and what may help.
  public var description: String {
    switch self {
    case .indefinite(let smallest, let count, let cutoff):
      "kernel matrix: must be positive semidefinite, but the smallest of its \(count) eigenvalues is \(smallest), "
        + "below the cut-off -\(cutoff). Is it symmetric and of one kernel? A ridge of more than \(-smallest) makes it definite."
    case .singular(let smallest, let count, let cutoff):
      "kernel matrix: must be positive definite, but the smallest of its \(count) eigenvalues is \(smallest), "
        + "within the cut-off \(cutoff). Add a ridge, or take the pseudo-inverse."
    case .labelNotFinite(let example, let output, let value):
      "labels: must be finite, but output \(output) of example \(example) is \(value)."
    case .solutionNotFinite(let row, let output, let value):
      "kernel matrix: the solution must be finite, but its entry \(row) for output \(output) is \(value). "
        + "Are the labels large, or the matrix small? Bring both to the size of 1."
    }
  }
}

/// Throws the first number of a solution, [n, outputs], that is infinite or not a number.
func requireFiniteSolution(_ solution: Tensor) throws(KernelMatrixError) {
  if solution.isFinite { return }
  let outputs = max(solution.shape[1], 1)
  let entries = stopGradient(solution).scalars
  guard let place = entries.firstIndex(where: { !$0.isFinite }) else { return }
  throw .solutionNotFinite(row: place / outputs, output: place % outputs, value: entries[place])
}
