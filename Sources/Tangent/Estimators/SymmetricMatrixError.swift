import AutoDiff

/// Why a matrix or an operator is not the symmetric one that a computation needs.
public enum SymmetricMatrixError: Error, Equatable, Sendable {
  /// An entry of the matrix is infinite or not a number; the first one by rows.
  case notFinite(row: Int, column: Int, value: Double)
  /// An entry differs from its mirror image by more than the tolerance; the worst pair.
  case notSymmetric(row: Int, column: Int, value: Double, mirror: Double, tolerance: Double)
  /// A product of the operator holds a number that is not finite.
  case productNotFinite(row: Int, column: Int, value: Double)
  /// vᵀ A v is not positive for the search direction v of conjugate gradients, so A is not positive definite: it has an
  /// eigenvalue of at most `value` = vᵀ A v / vᵀ v.
  case negativeCurvature(value: Double, iteration: Int, column: Int)
  /// rᵀ M r is not positive for the preconditioner M and a residual r; `value` is rᵀ M r / rᵀ r.
  case preconditionerNotPositive(value: Double, iteration: Int, column: Int)
}

extension SymmetricMatrixError: CustomStringConvertible {
  /// What is wrong, where, and what may help.
  public var description: String {
    switch self {
    case .notFinite(let row, let column, let value):
      "symmetric matrix: all entries must be finite, but entry [\(row), \(column)] is \(value)."
    case .notSymmetric(let row, let column, let value, let mirror, let tolerance):
      "symmetric matrix: entries must equal their mirror images within \(tolerance), but [\(row), \(column)] is \(value) "
        + "and [\(column), \(row)] is \(mirror). Symmetric in exact arithmetic? Pass (A + Aᵀ) / 2."
    case .productNotFinite(let row, let column, let value):
      "symmetric operator: products must be finite, but entry \(row) of the product with vector \(column) is \(value)."
    case .negativeCurvature(let value, let iteration, let column):
      "conjugate gradients: the operator must be positive definite, but iteration \(iteration) for right-hand side "
        + "\(column) met the curvature \(value), so an eigenvalue is at most that. Add a ridge, or use the pseudo-inverse."
    case .preconditionerNotPositive(let value, let iteration, let column):
      "conjugate gradients: the preconditioner must be positive definite, but iteration \(iteration) for right-hand side "
        + "\(column) met the curvature \(value)."
    }
  }
}

/// (A + Aᵀ) / 2 of a square matrix that is finite and, to the tolerance, symmetric.
///
/// - Parameter tolerance: relative to the largest magnitude of an entry; by default 1024 times the type's epsilon, which
///   covers sums of products that were taken in another order.
/// - Complexity: n².
func symmetricPart(
  of matrix: Tensor, tolerance: Double? = nil, for operation: String
) throws(SymmetricMatrixError) -> Tensor {
  guard matrix.rank == 2, matrix.shape[0] == matrix.shape[1] else {
    let hint: String? =
      switch matrix.rank {
      case 3, 4:
        "Of a tangent kernel with all its outputs, which are axes here? Choose outputs: .traceMean or .flattened."
      default: nil
      }
    stop(operation, "needs a square matrix [n, n]", got: "shape \(matrix.shape)", hint: hint)
  }
  let n = matrix.shape[0]
  guard n > 0 else { return matrix }
  let numbers = stopGradient(matrix)
  try requireFinite(numbers, for: operation)
  let largest = abs(numbers).max().scalar
  let allowed = (tolerance ?? 1024 * matrix.scalarType.epsilon) * largest
  // Halves, so that nothing overflows.
  let worst = abs(numbers * 0.5 - numbers.transposed * 0.5).max().scalar
  if worst == 0 { return matrix }
  if 2 * worst > allowed {
    let entries = numbers.scalars
    var place = (row: 0, column: 0)
    var difference = 0.0
    for i in 0..<n {
      for j in i + 1..<max(n, i + 1) {
        let here = (entries[i * n + j] / 2 - entries[j * n + i] / 2).magnitude
        if here > difference { (difference, place) = (here, (i, j)) }
      }
    }
    throw .notSymmetric(
      row: place.row, column: place.column, value: entries[place.row * n + place.column],
      mirror: entries[place.column * n + place.row], tolerance: allowed)
  }
  return matrix * 0.5 + matrix.transposed * 0.5
}

/// Throws the first entry, by rows, that is infinite or not a number.
///
/// - Parameters:
///   - matrix: [n, m].
///   - operation: what the user called.
func requireFinite(_ matrix: Tensor, for operation: String) throws(SymmetricMatrixError) {
  if matrix.isFinite(for: operation) { return }
  let entries = matrix.scalars
  let columns = max(matrix.shape[1], 1)
  if let place = entries.firstIndex(where: { !$0.isFinite }) {
    throw .notFinite(row: place / columns, column: place % columns, value: entries[place])
  }
}
