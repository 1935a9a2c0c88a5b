/// Why a kernel matrix does not allow what was asked of it.
public enum KernelMatrixError: Error, Equatable, Sendable {
  /// The matrix, ridge or noise included, has a negative eigenvalue beyond the cut-off, so it is no kernel's.
  case indefinite(smallestEigenvalue: Double, count: Int, cutoff: Double)
  /// The smallest eigenvalue of the matrix, ridge or noise included, is zero within the cut-off.
  case singular(smallestEigenvalue: Double, count: Int, cutoff: Double)
  /// A label is infinite or not a number; the first one.
  case labelNotFinite(example: Int, output: Int, value: Double)
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
    }
  }
}
