import AutoDiff

/// σ(x) = x for x > 0 and s x for x < 0, the positively homogeneous activations: σ = (1 + s)/2 · x + (1 − s)/2 · |x|.
///
/// With the angle θ between u and v, E[|u||v|] / √(q11 q22) = (2/π) (sin φ + (π/2 − φ) cos φ), φ = min(θ, π − θ), and
/// E[σ′σ′] = s + (1 − s)²/2 · (1 − θ/π).
/// - Source: Cho and Saul, Kernel methods for deep learning, NeurIPS 2009, (5), (6).
struct HomogeneousDual: GaussianDual {
  /// The slope s left of 0.
  let slope: Double
  /// The derivative at 0, which counts for inputs that are 0.
  let slopeAtZero: Double

  /// The shares of x and of |x| in E[σσ].
  private var linear: Double { (1 + slope) * (1 + slope) / 4 }
  private var even: Double { (1 - slope) * (1 - slope) / 4 }

  func marginal(_ variances: Tensor, wantsSlopes: Bool, _ request: DualRequest) -> Marginal {
    Marginal(variance: variances, moment: variances * (linear + even))
  }

  func image(of pairs: GaussianPairs, _ first: Marginal, _ second: Marginal) -> GaussianPairs {
    if even == 0 { return GaussianPairs(first, second, minus: pairs.minus, plus: pairs.plus) }
    let angle = Angle(pairs)
    // 1 − E[|u||v|]/√(q11 q22).
    let gap = angle.near - (angle.sine - angle.toPole * (1 - angle.near)) * (2 / Double.pi)
    let (a, b) = (linear / (linear + even), even / (linear + even))
    return GaussianPairs(first, second, minus: pairs.minus * a + gap * b, plus: pairs.plus * a + (2 - gap) * b)
  }

  func slopes(of pairs: GaussianPairs, _ first: Marginal, _ second: Marginal) -> Tensor {
    let inside = Angle(pairs).agreement * (2 * even) + slope
    let (a, b) = (first.variance, second.variance)
    if !a.isTraced, !b.isTraced, a.allSatisfy({ $0 > 0 }), b.allSatisfy({ $0 > 0 }) { return inside }
    // A variable that is 0 has the derivative's value there; the other one's mean is (1 + s)/2.
    let mean = (1 + slope) / 2
    let (atA, atB) = (select(a .== 0, slopeAtZero, mean), select(b .== 0, slopeAtZero, mean))
    return select((a .== 0) + (b .== 0) .> 0, atA * atB, inside)
  }
}

/// The angle θ between the variables of each pair, by its distance φ from the nearer of 0 and π.
struct Angle {
  /// min(1 − c, 1 + c) = 1 − cos φ.
  let near: Tensor
  /// φ.
  let toPole: Tensor
  /// sin φ.
  let sine: Tensor
  /// 1 − θ/π, the probability that u and v have the same sign.
  let agreement: Tensor

  init(_ pairs: GaussianPairs) {
    let (near, far) = pairs.nearAndFar
    let tangentOfHalf = rootOrZero(near / nonzero(far))
    self.near = near
    toPole = arctan(tangentOfHalf) * 2
    sine = tangentOfHalf * far
    let share = toPole / Double.pi
    agreement = select(pairs.isPositive, 1 - share, share)
  }
}
