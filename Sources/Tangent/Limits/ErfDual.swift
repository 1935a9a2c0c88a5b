import AutoDiff

/// σ = erf: E[σσ] = (2/π) arcsin(2 q12 / √((1 + 2 q11)(1 + 2 q22))), E[σ′σ′] = (4/π) / √Δ with
/// Δ = (1 + 2 q11)(1 + 2 q22) − 4 q12² = 1 + 2 q11 + 2 q22 + 4 q11 q22 (1 − c)(1 + c).
///
/// The function is odd, so the pole that is nearer to c stays so. There 1 − |c′| follows from the differences of the arcs
/// A11 − A12 and A22 − A12, each from the tangents of both without cancellation.
/// - Source: Williams, Computing with infinite networks, NeurIPS 1997, (11).
struct ErfDual: GaussianDual {
  func marginal(_ variances: Tensor, wantsSlopes: Bool, _ request: DualRequest) -> Marginal {
    Marginal(variance: variances, moment: Self.arc(variances) * (2 / Double.pi))
  }

  /// A11 = arcsin(2q / (1 + 2q)).
  private static func arc(_ variances: Tensor) -> Tensor { arctan(variances * 2 / sqrt(variances * 4 + 1)) }

  /// √Δ.
  private func rootOfDelta(_ pairs: GaussianPairs) -> Tensor {
    let (p, q) = (pairs.first, pairs.second)
    return sqrt((p + q) * 2 + p * q * (pairs.minus * pairs.plus) * 4 + 1)
  }

  func image(of pairs: GaussianPairs, _ first: Marginal, _ second: Marginal) -> GaussianPairs {
    let (p, q, near) = (pairs.first, pairs.second, pairs.nearAndFar.0)
    let (a, b) = (rootOrZero(p), rootOrZero(q))
    let delta = rootOfDelta(pairs)
    let sineSquared = pairs.minus * pairs.plus
    // tan A12 for c > 0.
    let tangent = a * b * (1 - near) * 2 / delta
    /// A11 − A12 from q11 = p, q22 = q and √q11 = a, √q22 = b.
    func difference(_ p: Tensor, _ q: Tensor, _ a: Tensor, _ b: Tensor) -> Tensor {
      let root = sqrt(p * 4 + 1)
      let numerator = (p * 2 + 1) * a * (p - q + q * sineSquared * (p * 2 + 1)) * 2
      let denominator = root * delta * (a * delta + b * (1 - near) * root)
      return arctan(numerator / nonzero(denominator) / (p * 2 / root * tangent + 1))
    }
    let half = (difference(p, q, a, b) + difference(q, p, b, a)) * 0.5
    let (arcA, arcB) = (rootOrZero(Self.arc(p)), rootOrZero(Self.arc(q)))
    let gap = (half - square(arcA - arcB) * 0.5) / nonzero(arcA * arcB)
    return GaussianPairs(
      first, second, minus: select(pairs.isPositive, gap, 2 - gap), plus: select(pairs.isPositive, 2 - gap, gap))
  }

  func slopes(of pairs: GaussianPairs, _ first: Marginal, _ second: Marginal) -> Tensor {
    4 / Double.pi / rootOfDelta(pairs)
  }
}
