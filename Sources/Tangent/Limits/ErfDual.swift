import AutoDiff

/// σ = erf: E[σσ] = (2/π) arcsin(2 q12 / √((1 + 2 q11)(1 + 2 q22))), E[σ′σ′] = (4/π) / √((1 + 2 q11)(1 + 2 q22) − 4 q12²).
///
/// With P = 2 q11/(1 + 2 q11), Q = 2 q22/(1 + 2 q22) and their distances f, g from 1 these are (2/π) arcsin(c √P √Q) and
/// (4/π) √f √g/κ with κ² = 1 − c² P Q = f g + P g + Q f + P Q (1 − c)(1 + c): numbers of at most size 1 for any variances.
///
/// 1 − |c′| follows from the differences of the arcs A11 − A12 and A22 − A12 (A11 = arcsin P, A12 = arcsin(c √P √Q)), each
/// from the tangents of both without cancellation; see ``OddImage`` for where else it comes from.
/// - Source: Williams, Computing with infinite networks, NeurIPS 1997, (11).
struct ErfDual: GaussianDual {
  func marginal(_ variances: Tensor, wantsSlopes: Bool, _ request: DualRequest) -> Marginal {
    Marginal(
      variance: variances, moment: Side(variances).arc * (2 / Double.pi),
      // arcsin ρ = Σ (2j)!/(4ʲ j!² (2j + 1)) ρ^(2j + 1); at ρ = P ≤ 1/9.
      values: OddImage.series(Side(minimum(variances, OddImage.mostVariance)).share, terms: 9) { j in
        Double(2 * j - 1) * Double(2 * j - 1) / Double(2 * j * (2 * j + 1))
      })
  }

  /// One of both variables.
  private struct Side {
    /// P.
    let share: Tensor
    /// 1 − P.
    let rest: Tensor
    /// √P.
    let root: Tensor
    /// √(1 − P²).
    let cosine: Tensor

    init(_ variance: Tensor) {
      share = variance / (variance + 0.5)
      rest = 0.5 / (variance + 0.5)
      root = rootOrZero(share)
      cosine = sqrt(rest * (share + 1))
    }

    /// A11 = arcsin P.
    var arc: Tensor { arctan(share / cosine) }
  }

  /// κ.
  private func complement(_ a: Side, _ b: Side, _ pairs: GaussianPairs) -> Tensor {
    sqrt(a.rest * b.rest + a.share * b.rest + b.share * a.rest + a.share * b.share * (pairs.minus * pairs.plus))
  }

  func image(of pairs: GaussianPairs, _ first: Marginal, _ second: Marginal) -> GaussianPairs {
    let (p, q) = (Side(pairs.first), Side(pairs.second))
    let (near, _) = pairs.nearAndFar
    let kappa = complement(p, q, pairs)
    let sineSquared = pairs.minus * pairs.plus
    // c √P √Q for c > 0.
    let sine = p.root * q.root * (1 - near)
    /// A11 − A12, with `offset` for P − Q.
    func difference(_ p: Side, _ q: Side, _ offset: Tensor) -> Tensor {
      let numerator = p.root * (offset + q.share * sineSquared)
      let denominator = (p.root * kappa + q.root * (1 - near) * p.cosine) * (p.cosine * kappa + p.share * sine)
      return arctan(numerator / nonzero(denominator))
    }
    let offset = (pairs.first - pairs.second) / (pairs.first + 0.5) / (pairs.second + 0.5) * 0.5
    let half = (difference(p, q, offset) + difference(q, p, -offset)) / Double.pi
    return OddImage(halfSquare: half, covariance: arctan(sine / kappa) * (2 / Double.pi)).pairs(pairs, first, second)
  }

  func slopes(of pairs: GaussianPairs, _ first: Marginal, _ second: Marginal) -> Tensor {
    let (p, q) = (Side(pairs.first), Side(pairs.second))
    return sqrt(p.rest) * sqrt(q.rest) / complement(p, q, pairs) * (4 / Double.pi)
  }
}
