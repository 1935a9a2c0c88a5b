import AutoDiff
import Foundation

/// Differences of matrix products that nearly cancel, in double precision, with a proved bound of their rounding.
///
/// A matrix is split into a part of few leading bits and a small rest, X = X₁ + X₂. Products of leading parts are exact in
/// any order of summation, so what cancels between them leaves no error, and the rounding of the others is as small as
/// the rests.
///
/// - Source: the splitting is that of K. Ozaki, T. Ogita, S. Oishi, S. Rump, *Error-free transformations of matrix
///   multiplication by using fast routines of matrix multiplication*, Numer. Algorithms 59 (2012).
enum SplitProduct {
  /// Half the distance from 1 to the next number: the largest relative error of one operation.
  private static let unit = Double.ulpOfOne / 2

  /// The leading bits of a matrix with entries of magnitude at most 2, and the rest. Both are exact.
  static func split(_ x: Tensor, extent n: Int) -> (head: Tensor, tail: Tensor) {
    // Two factors of b + 2 bits and a sum of n terms fit into 53 bits.
    let bits = (49 - (Int.bitWidth - n.leadingZeroBitCount)) / 2
    // Numbers next to this one are 2⁻ᵇ apart, to which x is rounded.
    let shift = 1.5 * pow(2, Double(52 - bits))
    let head = (x + shift) - shift
    return (head, x - head)
  }

  /// An upper bound of the Frobenius norm, the rounding of the sum of squares included.
  static func normBound(_ x: Tensor) -> Double {
    x.count == 0 ? 0 : x.norm().scalar * (1 + 4 * (Double(x.count) + 16) * unit)
  }

  /// γₙ: a sum of n products differs from the exact one by at most this times the sum of their magnitudes.
  static func gamma(_ n: Int) -> Double {
    let nu = Double(n + 2) * unit
    return nu / (1 - nu)
  }

  /// An upper bound of ‖A V − V diag(λ)‖_F.
  ///
  /// - Parameters:
  ///   - a: [n, n], entries of magnitude at most 1.
  ///   - v: [n, n], entries of magnitude at most 2.
  ///   - values: [n].
  static func residualBound(_ a: Tensor, _ v: Tensor, _ values: Tensor) -> Double {
    let n = a.shape[0]
    let (a1, a2) = split(a, extent: n)
    let (v1, v2) = split(v, extent: n)
    let largest = max(abs(values).max().scalar, 1)
    let scale = 2 * largest.binade
    let (s1, s2) = split(values / scale, extent: n)
    let (l1, l2) = (s1 * scale, s2 * scale)
    let leading = matmul(a1, v1) - v1 * l1
    let (second, third) = (matmul(a1, v2), matmul(a2, v))
    let (fourth, fifth) = (v1 * l2, v2 * values)
    let residual = leading + (second + third) - (fourth + fifth)
    let (a1Norm, a2Norm) = (normBound(a1), normBound(a2))
    let (vNorm, v2Norm) = (normBound(v), normBound(v2))
    let products = gamma(n) * (a1Norm * v2Norm + a2Norm * vNorm)
    // Every term is rounded once, and every sum of terms.
    let sums = 6 * unit * [leading, second, third, fourth, fifth].map(normBound).reduce(0, +)
    return (normBound(residual) + products + sums) * (1 + 16 * unit)
  }

  /// Upper bounds of ‖S‖_F and ‖Λ S − S Λ‖_F for S = Vᵀ V − I and Λ = diag(λ).
  ///
  /// - Parameters:
  ///   - v: [n, n], entries of magnitude at most 2.
  ///   - values: λ, [n].
  static func orthogonalityBounds(_ v: Tensor, _ values: Tensor) -> (departure: Double, commutator: Double) {
    let n = v.shape[0]
    let (v1, v2) = split(v, extent: n)
    let leading = matmul(v1.transposed, v1) - Tensor.eye(n)
    let (second, third) = (matmul(v1.transposed, v2), matmul(v2.transposed, v))
    let departure = leading + (second + third)
    let products = gamma(n) * normBound(v2) * (normBound(v1) + normBound(v))
    let sums = 4 * unit * [leading, second, third].map(normBound).reduce(0, +)
    let error = products + sums
    let gaps = values.expanded(at: 1) - values.expanded(at: 0)
    return (
      (normBound(departure) + error) * (1 + 16 * unit),
      (normBound(gaps * departure) + abs(gaps).max().scalar * error) * (1 + 16 * unit)
    )
  }
}

/// How far computed eigenvalues of a symmetric matrix can be from the exact ones.
///
/// With R = A V − V Λ, ρ = ‖R‖, S = VᵀV − I and δ = ‖S‖ ≤ ½, let V = Q H be the polar decomposition, H² = I + S. Then
/// QᵀAQ = Λ + E with
///
///     E = (Qᵀ R − [Λ, H]) H⁻¹,    ‖H − I − S/2‖ ≤ δ²/2,    ‖H⁻¹‖ ≤ (1 − δ)^(−1/2).
///
/// In the commutator, [Λ, H] = ½ [Λ, S] + [Λ, H − I − S/2], Λ may be shifted by the middle of its range, so the last term is at
/// most (λ_max − λ_min) δ²/2. By Weyl's theorem the i-th eigenvalue of A differs from the i-th entry of Λ by at most
///
///     (ρ + ½ ‖[Λ, S]‖ + ½ (λ_max − λ_min) δ²) / √(1 − δ).
///
/// Entries of [Λ, S] are (λᵢ − λⱼ) Sᵢⱼ: what vectors of close eigenvalues lack in orthogonality does no harm.
struct EigenvalueError {
  /// An upper bound of ‖A V − V Λ‖.
  let residual: Double
  /// An upper bound of ‖VᵀV − I‖.
  let departure: Double
  /// The bound of every eigenvalue's error; infinite where the vectors are too far from orthogonal.
  let bound: Double

  /// - Parameters:
  ///   - a: [n, n] in double precision with entries of magnitude at most 1, n ≥ 1.
  ///   - vectors: [n, n], eigenvectors as columns.
  ///   - values: [n], in ascending or descending order.
  init(_ a: Tensor, vectors: Tensor, values: Tensor) {
    guard vectors.isFinite, values.isFinite, abs(vectors).max().scalar <= 2 else {
      (residual, departure, bound) = (.infinity, .infinity, .infinity)
      return
    }
    residual = SplitProduct.residualBound(a, vectors, values)
    let orthogonality = SplitProduct.orthogonalityBounds(vectors, values)
    departure = orthogonality.departure
    let range = (values.max().scalar - values.min().scalar) * (1 + 2 * Double.ulpOfOne)
    guard departure < 0.5 else {
      bound = .infinity
      return
    }
    let perturbation = residual + (orthogonality.commutator + range * departure * departure) / 2
    // The last term is for what underflows on the way.
    bound = perturbation / (1 - departure).squareRoot() * (1 + 16 * Double.ulpOfOne) + 1e-290
  }
}
