/// The eigenvalues of a symmetric matrix, in ascending order.
///
/// - Shapes: [n, n] → [n].
/// - Parameter a: symmetric up to rounding; its lower half is what counts. Values inside a transform stop: this function has
///   no derivative.
/// - Throws: ``AsymmetryError``, or ``LinearAlgebraError`` if an entry is not finite or the iteration does not converge.
/// - Complexity: about 4/3 n³ flops.
public func symmetricEigenvalues(_ a: Tensor) throws -> Tensor {
  let n = try checkedOrder(of: a, "symmetricEigenvalues")
  func values<T: LoopScalar>(_: T.Type) throws -> Tensor {
    try .make([n], T.self) { values in
      try a.withEntries(T.self) { try SymmetricEigen.values($0, n: n, values: values) }
    }
  }
  return a.scalarType == .float64 ? try values(Double.self) : try values(Float.self)
}

/// The eigendecomposition A = V diag(w) Vᵀ of a symmetric matrix.
///
/// Every eigenvector has length 1, and the first of its entries of largest magnitude is positive.
///
/// - Shapes: [n, n] → [n] and [n, n].
/// - Parameter a: symmetric up to rounding; its lower half is what counts. Values inside a transform stop: this function has
///   no derivative.
/// - Returns: the eigenvalues in ascending order, and the eigenvectors as columns.
/// - Throws: ``AsymmetryError``, or ``LinearAlgebraError`` if an entry is not finite or the iteration does not converge.
/// - Complexity: about 9 n³ flops at most, and n² further entries of memory.
public func symmetricEigen(_ a: Tensor) throws -> (values: Tensor, vectors: Tensor) {
  let n = try checkedOrder(of: a, "symmetricEigen")
  func decompose<T: LoopScalar>(_: T.Type) throws -> (Tensor, Tensor) {
    var values = Tensor.zeros([0])
    let vectors = try Tensor.make([n, n], T.self) { vectors in
      a.withEntries(T.self) { vectors.update(from: $0, count: n * n) }
      values = try .make([n], T.self) { try SymmetricEigen.decompose(vectors, n: n, values: $0) }
    }
    return (values, vectors)
  }
  return a.scalarType == .float64 ? try decompose(Double.self) : try decompose(Float.self)
}

/// A matrix that must be symmetric is not.
public struct AsymmetryError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What needed a symmetric matrix.
  public let operation: String
  /// The place below the diagonal where the halves differ most.
  public let row, column: Int
  /// The entry there, and the one opposite to it.
  public let lower, upper: Double

  /// Operation, place and values on one line.
  public var description: String {
    "\(operation): the matrix must be symmetric, but entry [\(row), \(column)] is \(lower) "
      + "and entry [\(column), \(row)] is \(upper)."
  }
}

/// The order of a matrix that is square, as it stops otherwise, and symmetric up to rounding: halves may differ by n ε times
/// the largest entry.
private func checkedOrder(of a: Tensor, _ operation: String) throws -> Int {
  guard a.rank == 2, a.shape[0] == a.shape[1] else {
    stop(operation, "needs a square matrix", got: "shape \(a.shape)")
  }
  if a.isTraced {
    stop(operation, "cannot be differentiated or batched", hint: "Call it on the result of the transform.")
  }
  let n = a.shape[0]
  func worst<T: LoopScalar>(_: T.Type) -> AsymmetryError? {
    a.withEntries(T.self) { entries in
      var largest: T = 0
      var (difference, place): (T, (Int, Int)) = (0, (0, 0))
      for i in 0..<n {
        for j in 0...i {
          let (lower, upper) = (entries[i * n + j], entries[j * n + i])
          largest = max(largest, abs(lower))
          // Where one of them is not finite the solver says so.
          if abs(lower - upper) > difference { (difference, place) = (abs(lower - upper), (i, j)) }
        }
      }
      if !(difference > T(n) * .ulpOfOne * largest) { return nil }
      let (i, j) = place
      return AsymmetryError(
        operation: operation, row: i, column: j, lower: Double(entries[i * n + j]), upper: Double(entries[j * n + i]))
    }
  }
  if let error = a.scalarType == .float64 ? worst(Double.self) : worst(Float.self) { throw error }
  return n
}
