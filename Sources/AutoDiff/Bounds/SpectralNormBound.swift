/// A proved upper bound of the largest singular value of any matrix in a stack [count, rows, columns].
///
/// With S = A Aᵀ or AᵀA, whichever is smaller, σ₁² = ‖S‖₂ and ‖S‖₂ ≤ ‖S^q‖_F^(1/q): the overestimate is at most the 4q-th root
/// of the rank, and for q = 16 mostly about a percent. The powers come from repeated squaring, whose rounding is bounded on
/// the way.
///
/// - Complexity: five products of matrices of the smaller extent, beside S.
func spectralNormBound(_ stack: Tensor) -> Double {
  let (count, m, n) = (stack.shape[0], stack.shape[1], stack.shape[2])
  if min(m, n) <= 1 { return frobeniusNormBound(stack) }
  return (0..<count).map { spectralNormBound(matrix: stack[$0]) }.max() ?? 0
}

private func spectralNormBound(matrix: Tensor) -> Double {
  let (m, n) = (matrix.shape[0], matrix.shape[1])
  let size = matrix.norm().scalar
  guard size > 0, size.isFinite else { return size }
  // ‖A‖_F = 1 up to rounding; whatever it is exactly, it divides out.
  let unit = matrix / size
  let extent = min(m, n)
  var s = m < n ? matmul(unit, unit.transposed) : matmul(unit.transposed, unit)
  // The error of the computed S in the Frobenius norm, where ‖A‖_F ≤ 1 + rounding.
  let firstError = Double(max(m, n) + 8) * Rounding.unit
  let squareError = Double(extent + 8) * Rounding.unit
  var factors: [Double] = []
  for _ in 0..<4 {
    let norm = s.norm().scalar
    guard norm > 0 else { break }
    factors.append(norm)
    let scaled = s / norm
    // S Sᵀ, whose norm is the square whether or not S is symmetric to the last digit.
    s = matmul(scaled, scaled.transposed)
  }
  var bound = s.norm().scalar
  for factor in factors.reversed() { bound = factor * (bound + squareError).squareRoot() * Rounding.up }
  let spectral = size * (bound + firstError).squareRoot() * Rounding.up(terms: m + n)
  let columnSums = abs(matrix).sum(axes: [0]).max().scalar
  let rowSums = abs(matrix).sum(axes: [1]).max().scalar
  let schur = columnSums.squareRoot() * rowSums.squareRoot() * Rounding.up(terms: m + n)
  return min(spectral, schur, frobeniusNormBound(matrix))
}

/// A proved upper bound of the Frobenius norm of a matrix, or of the largest one in a stack.
func frobeniusNormBound(_ stack: Tensor) -> Double {
  let norms = stack.rank == 3 ? stack.norm(axes: [1, 2]) : stack.norm()
  return norms.count == 0 ? 0 : norms.max().scalar * Rounding.up(terms: stack.count)
}
