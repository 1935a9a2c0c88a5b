import AutoDiff

/// Why training by a kernel has no result.
public enum TrainingError: Error, Equatable, Sendable {
  /// An entry of an input is infinite or not a number; the first one in row-major order.
  case notFinite(input: String, index: [Int], value: Double)
  /// The kernel of the training examples differs from its mirror image; the worst pair, in the flattened kernel.
  case notSymmetric(row: Int, column: Int, value: Double, mirror: Double)
  /// The kernel of the training examples has an eigenvalue that is negative beyond rounding.
  case indefinite(smallest: Double, largest: Double, tolerance: Double)
  /// The eigendecomposition of the kernel did not converge.
  case notConverged(LinearAlgebraError)
  /// Steps that are longer than the largest stable one have grown beyond all numbers.
  case diverged(steps: Int, size: Double, largestStable: Double)
  /// The outputs, or the loss's gradient, are not finite after so many steps.
  case notFiniteAfter(steps: Int)
}

extension TrainingError: CustomStringConvertible {
  /// What is wrong, where, and what may help.
  public var description: String {
    switch self {
    case .notFinite(let input, let index, let value):
      "training: the \(input) must be finite, but entry \(index) is \(value)."
    case .notSymmetric(let row, let column, let value, let mirror):
      "training: the kernel must be symmetric, but [\(row), \(column)] is \(value) and [\(column), \(row)] is \(mirror)."
    case .indefinite(let smallest, let largest, let tolerance):
      "training: the kernel must be positive semidefinite, but λ_min = \(smallest) lies below −\(tolerance) "
        + "(λ_max = \(largest)). Rounding? Allow a larger tolerance; eigenvalues within it count as zero."
    case .notConverged(let error): "training: \(error)"
    case .diverged(let steps, let size, let largestStable):
      "training: \(steps) steps of size \(size) have left all numbers. The largest stable step is \(largestStable)."
    case .notFiniteAfter(let steps):
      "training: after \(steps) steps the outputs or the gradient of the loss are not finite. Choose a shorter step."
    }
  }
}
