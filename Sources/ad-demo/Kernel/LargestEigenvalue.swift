import AutoDiff

/// The largest eigenvalue of a symmetric map that is known only by its products with vectors, by Lanczos iteration with
/// full reorthogonalisation.
///
/// - Source: Golub and Van Loan, Matrix Computations, 4th edition, sections 10.1 and 10.3.
struct LargestEigenvalue {
  /// Why the iteration ended.
  enum Reason: CustomStringConvertible {
    case residual(Double)
    case wholeSpace
    case limit

    var description: String {
      switch self {
      case .residual(let tolerance): "the residual fell below \(numeral(tolerance, digits: 1)) of the value"
      case .wholeSpace: "the vectors span all that the map reaches"
      case .limit: "no more products were allowed"
      }
    }
  }

  /// θ = ⟨v, A v⟩ for a unit vector v. The largest eigenvalue is at least this.
  let value: Double
  /// ‖A v − θ v‖ for the unit vector v: so far from θ there is an eigenvalue for certain.
  let residual: Double
  /// How many products A v it took.
  let productCount: Int
  let reason: Reason

  /// Iterates until the residual is small enough.
  ///
  /// - Parameters:
  ///   - product: v ↦ A v.
  ///   - start: Any vector that is not zero.
  ///   - tolerance: The residual to reach, relative to the value.
  ///   - limit: How many products are allowed.
  init(
    of product: (Tensor) -> Tensor, from start: Tensor, tolerance: Double = 1e-6, limit: Int = 100
  ) throws {
    var basis = [start / start.norm().scalar]
    var (diagonal, offDiagonal): ([Double], [Double]) = ([], [])
    while true {
      var next = product(basis.last!)
      diagonal.append(dot(basis.last!, next).scalar)
      let scale = next.norm().scalar
      // Twice, because once is not enough for orthogonality to rounding.
      for _ in 0..<2 { for vector in basis { next -= vector * dot(vector, next).scalar } }
      let length = next.norm().scalar
      let (values, vectors) = try symmetricEigen(Self.tridiagonal(diagonal, offDiagonal))
      let value = values[-1].scalar
      let weights = vectors[..., -1].scalars
      let estimate = length * weights.last!.magnitude
      let reason: Reason? =
        if length <= 1e-13 * scale || basis.count == start.count {
          .wholeSpace
        } else if estimate <= tolerance * value.magnitude {
          .residual(tolerance)
        } else if basis.count + 1 >= limit {
          .limit
        } else {
          nil
        }
      if let reason {
        var vector = basis[0] * weights[0]
        for (weight, other) in zip(weights, basis).dropFirst() { vector += other * weight }
        // The estimate rests on exact orthogonality; the residual itself on nothing.
        residual = (product(vector) - vector * value).norm().scalar
        (self.value, productCount, self.reason) = (value, basis.count + 1, reason)
        return
      }
      offDiagonal.append(length)
      basis.append(next / length)
    }
  }

  private static func tridiagonal(_ diagonal: [Double], _ offDiagonal: [Double]) -> Tensor {
    let n = diagonal.count
    var entries = [Double](repeating: 0, count: n * n)
    for k in 0..<n { entries[k * n + k] = diagonal[k] }
    for (k, entry) in offDiagonal.enumerated() {
      (entries[k * n + k + 1], entries[(k + 1) * n + k]) = (entry, entry)
    }
    return Tensor(entries, shape: [n, n])
  }
}
