/// Why a factorization or a solve has no result.
public enum LinearAlgebraError: Error, Equatable, Sendable {
  /// The Cholesky factorization met a pivot that is not a positive number.
  case notPositiveDefinite(pivot: Int, value: Double)
  /// The triangular factor of a solve has a zero, or not a number, on its diagonal.
  case singular(pivot: Int, value: Double)
  /// The matrix has an infinite entry or one that is not a number.
  case notFinite(row: Int, column: Int, value: Double)
  /// The iteration for one eigenvalue of a tridiagonal block did not end.
  case notConverged(eigenvalue: Int, iterations: Int)
}

extension LinearAlgebraError: CustomStringConvertible {
  /// What is wrong with the input, where, and what may help.
  public var description: String {
    switch self {
    case .notPositiveDefinite(let pivot, let value):
      "cholesky: the matrix must be positive definite, but pivot \(pivot) is \(value). "
        + "Symmetric and semidefinite? Add a small multiple of the identity."
    case .singular(let pivot, let value):
      "triangular solve: the diagonal must have no zeros, but entry \(pivot) is \(value)."
    case .notFinite(let row, let column, let value):
      "factorization: all entries must be finite, but entry [\(row), \(column)] is \(value)."
    case .notConverged(let eigenvalue, let iterations):
      "eigendecomposition: eigenvalue \(eigenvalue) has not converged after \(iterations) iterations."
    }
  }
}
