import AutoDiff

/// The correlation c′ of pairs under an odd function σ that has closed forms, with the error of √(1 − |c′|) at some 10⁻¹⁶.
///
/// An odd function keeps the pole that is nearer to c. No single formula is accurate for the distance from it:
/// - ½ E[(σ(u) − σ(v))²] less ½ (√E[σ(u)²] − √E[σ(v)²])² is, where both second moments are of like size;
/// - 1 − E[σσ]/√(E[σ(u)²] E[σ(v)²]) is, where they are not, because then c′ is not close to 1;
/// - but for small variances σ is nearly linear, and c′ close to 1 for any sizes: there a few terms of the Hermite series
///   take its place.
struct OddImage {
  /// ½ E[(|σ(u)| − |σ(v)|)²] for c ≥ 0, ½ E[(σ(u) + σ(v))²] for c < 0.
  var halfSquare: Tensor
  /// |E[σ(u) σ(v)]|.
  var covariance: Tensor

  /// Up to it the series are used.
  static let mostVariance = 1.0 / 16

  /// The pairs (σ(u), σ(v)); the marginals hold the series of ``series(_:terms:ratio:)``.
  func pairs(_ pairs: GaussianPairs, _ first: Marginal, _ second: Marginal) -> GaussianPairs {
    let (a, b) = (rootOrZero(first.moment), rootOrZero(second.moment))
    let product = nonzero(a * b)
    let isFar = (a .> b * 2) + (b .> a * 2) .> 0
    let gap = select(isFar, 1 - covariance / product, (halfSquare - square(a - b) * 0.5) / product)
    let (minus, plus) = (select(pairs.isPositive, gap, 2 - gap), select(pairs.isPositive, 2 - gap, gap))
    let (p, q) = (first.variance, second.variance)
    let most = Self.mostVariance
    if !p.isTraced, !q.isTraced, p.allSatisfy({ $0 > most }) || q.allSatisfy({ $0 > most }) {
      return GaussianPairs(first, second, minus: minus, plus: plus)
    }
    let isSmall = (p .<= most) * (q .<= most)
    let series = HermiteSeries.image(first.values, second.values, of: pairs)
    return GaussianPairs(
      first, second, minus: select(isSmall, series.minus, minus), plus: select(isSmall, series.plus, plus))
  }

  /// The coefficients of odd order of σ(√variance · t), with sum of squares 1: that of order 2j + 1 is √w_j xʲ times that of
  /// order 1.
  ///
  /// - Parameters:
  ///   - x: [count].
  ///   - ratio: w_j / w_{j − 1}.
  static func series(_ x: Tensor, terms: Int, ratio: (Int) -> Double) -> HermiteSeries {
    var coefficients = [Tensor.ones(like: x)]
    for j in 1..<terms { coefficients.append(coefficients[j - 1] * x * ratio(j).squareRoot()) }
    let all = stack(coefficients)
    return HermiteSeries(odd: all / sqrt(square(all).sum(axes: [0])))
  }
}
