import Foundation

/// Gradient descent with momentum on one mode of a linear model, in closed form.
///
/// The residual follows r₊ = τ r − δ r₋ with r₀ = 1, r₁ = 1 − x, and 1 − τ + δ = x: for the heavy ball τ = 1 + β − x and δ = β,
/// for Nesterov's steps τ = (1 + β)(1 − x) and δ = β (1 − x). The roots μ of μ² − τ μ + δ are real or a conjugate pair.
struct MomentumMode {
  private let x, trace, determinant, discriminant: Double
  /// r₁ − τ/2, and log δ where roots are a pair.
  private let offset, logDeterminant: Double

  /// - Parameter x: h c λ > 0.
  init(_ x: Double, _ momentum: Momentum) {
    self.x = x
    let share = momentum.share
    // τ² − 4δ as a product, because its zeros, where both roots are equal, must not be lost in rounding.
    if case .nesterov = momentum {
      (trace, determinant) = ((1 + share) * (1 - x), share * (1 - x))
      discriminant = (1 - x) * ((1 - share) * (1 - share) - x * (1 + share) * (1 + share))
      (offset, logDeterminant) = ((1 - x) * (1 - share) / 2, log(share) + log1p(-x))
    } else {
      (trace, determinant) = (1 + share - x, share)
      let root = share.squareRoot()
      let (low, high) = ((1 - share) / (1 + root), 1 + root)
      discriminant = (x - low * low) * (x - high * high)
      (offset, logDeterminant) = ((1 - share - x) / 2, log(share))
    }
  }

  /// r_k, and 1 − r_k without cancellation.
  func residual(after count: Int) -> (value: Double, complement: Double) {
    if count <= 128 { return stepped(count) }
    return discriminant >= 0 ? realRoots(count) : conjugateRoots(count)
  }

  /// A few steps are taken one by one: nothing is more exact.
  private func stepped(_ count: Int) -> (Double, Double) {
    // u = (1 − r)/x is a sum of positive terms as long as the residual has not changed its sign.
    var (r, previous, u, previousU) = (1.0, 1.0, 0.0, 0.0)
    for _ in 0..<count {
      (r, previous) = (trace * r - determinant * previous, r)
      (u, previousU) = (trace * u - determinant * previousU + 1, u)
    }
    let complement = x * u
    return (complement < 0.5 ? 1 - complement : r, complement)
  }

  /// μᵏ + (r₁ − μ)(μᵏ − νᵏ)/(μ − ν) with μ the larger root in magnitude, ν the other.
  private func realRoots(_ count: Int) -> (Double, Double) {
    let (k, root) = (Double(count), discriminant.squareRoot())
    let sign: Double = trace < 0 ? -1 : 1
    let large = (trace + sign * root) / 2
    if large == 0 { return (0, 1) }
    let small = determinant / large
    // 1 − μ for a positive root: (1 − μ)(1 − ν) = x.
    let lack = x / ((2 - trace + root) / 2)
    let logarithm = log1p(trace < 0 ? -large - 1 : -lack)
    let excess = trace < 0 ? 1 - x - large : lack * small
    let gap = root / large.magnitude
    let ratio = small / large
    // (1 − (ν/μ)ᵏ)/(1 − ν/μ)
    let sum: Double =
      if gap == 0 {
        k
      } else if gap < 0.5 {
        -expm1(k * log1p(-gap)) / gap
      } else {
        (1 - pow(ratio, k)) / gap
      }
    let isNegative = trace < 0 && !count.isMultiple(of: 2)
    let power = (isNegative ? -1 : 1) * exp(k * logarithm)
    // μᵏ⁻¹ and μᵏ in one factor, so that infinities do not meet.
    let value = power * (1 + excess * sum / large)
    guard trace >= 0 else { return (value, 1 - value) }
    return (value, -expm1(k * logarithm) - power * excess * sum / large)
  }

  /// |μ|ᵏ (cos kθ + (r₁ − τ/2) sin kθ / (|μ| sin θ)) with μ = |μ| e^{iθ}.
  private func conjugateRoots(_ count: Int) -> (Double, Double) {
    let (k, root) = (Double(count), (-discriminant).squareRoot())
    // The angle from the nearer half of the real axis, which is exact where the roots nearly meet.
    let angle = k * atan2(root, trace.magnitude)
    let flips = trace < 0
    let slope = offset * sin(angle) / (root / 2)
    let modulus = exp(k / 2 * logDeterminant)
    let value = modulus * (cos(angle) + (flips ? -slope : slope)) * (flips && !count.isMultiple(of: 2) ? -1 : 1)
    guard !flips, value > 0.5 else { return (value, 1 - value) }
    let half = sin(angle / 2)
    return (value, -expm1(k / 2 * logDeterminant) + modulus * (2 * half * half - slope))
  }
}
