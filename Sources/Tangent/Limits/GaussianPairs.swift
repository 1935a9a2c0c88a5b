import AutoDiff

/// Pairs (u, v) of centered Gaussian variables, or of their images under an activation: second moments and correlations c,
/// entry by entry.
///
/// 1 − c and 1 + c are carried from layer to layer instead of c. What depends on the angle between u and v is singular at
/// c = ±1, like arccos c there; from c alone, which is known to 10⁻¹⁶, the angle comes with an error of 10⁻⁸. All formulas
/// here and in the activations' duals keep the error of √(1 − c) and √(1 + c) at some 10⁻¹⁶.
///
/// Where a second moment is 0, c means nothing and is any finite number.
struct GaussianPairs {
  /// E[u²]: broadcasts against `minus`.
  var first: Tensor
  /// E[v²]: broadcasts against `minus`.
  var second: Tensor
  /// 1 − c.
  var minus: Tensor
  /// 1 + c.
  var plus: Tensor

  var correlation: Tensor { (plus - minus) * 0.5 }
  /// √(E[u²] E[v²]).
  var scale: Tensor { rootOrZero(first) * rootOrZero(second) }
  /// E[uv].
  var covariance: Tensor { scale * correlation }

  /// The pairs (√weight · u + √bias · β, √weight · v + √bias · β) with a common β of variance 1 that is independent of u
  /// and v.
  func affine(weight: Double, bias: Double) -> GaussianPairs {
    let (variance, otherVariance) = (first * weight + bias, second * weight + bias)
    if bias == 0 { return GaussianPairs(first: variance, second: otherVariance, minus: minus, plus: plus) }
    // All as shares of the new scale, which no square of a large or small variance leaves.
    let scale = rootOrZero(variance) * rootOrZero(otherVariance)
    let (a, b) = (rootOrZero(first * weight), rootOrZero(second * weight))
    let (product, constant) = (a * b / scale, bias / scale)
    // The square of the scale is (a b + bias)² + (a − b)² bias: they differ where the old variances do.
    let deficit = square((a - b) * bias.squareRoot() / scale) / (1 + product + constant)
    return GaussianPairs(
      first: variance, second: otherVariance, minus: deficit + product * minus,
      plus: deficit + product * plus + constant * 2)
  }

  /// Whether c ≥ 0.
  var isPositive: Tensor { minus .<= plus }

  /// min(1 − c, 1 + c) and the larger of the two. (Not by `minimum`, whose derivative at c = 0 is that of neither.)
  var nearAndFar: (Tensor, Tensor) { (select(isPositive, minus, plus), select(isPositive, plus, minus)) }
}

extension GaussianPairs {
  /// Pairs with given covariances.
  ///
  /// 1 − |c| = (q11 q22 − q12²) / (√(q11 q22) (√(q11 q22) + |q12|)): the determinant with the rounding errors of both
  /// products added, so that it is right for the given numbers.
  init(_ q11: Tensor, _ q12: Tensor, _ q22: Tensor) {
    let (g, h) = (Self.leveler(q11), Self.leveler(q22))
    let (p, r, q) = (q11 * g * g, q12 * g * h, q22 * h * h)
    let (a, b) = (p * q, square(r))
    let rounding = stopGradient(productError(p, q, a) - productError(r, r, b))
    let determinant = notNegative((a - b) + rounding)
    let size = rootOrZero(p) * rootOrZero(q)
    let isPositive = r .>= 0
    let near = determinant / nonzero(size * (size + select(isPositive, r, -r)))
    first = q11
    second = q22
    minus = select(isPositive, near, 2 - near)
    plus = select(isPositive, 2 - near, near)
  }

  /// A power of two g with g² q between 2⁻³¹⁰ and 2²⁵⁶, so that products of two, and their rounding errors, are numbers.
  private static func leveler(_ q: Tensor) -> Tensor {
    let q = stopGradient(q)
    let g = select(q .> 0x1p512, 0x1p-256, select(q .< 0x1p-512, 0x1p256, 1))
    let rest = q * g * g
    return g * select(rest .> 0x1p256, 0x1p-128, select(rest .< 0x1p-256, 0x1p128, 1))
  }
}

/// √x, and 0 with derivative 0 where x is not positive (rounding may have made a 0 negative).
func rootOrZero(_ x: Tensor) -> Tensor {
  guard x.isTraced else { return sqrt(maximum(x, 0)) }
  let isPositive = x .> 0
  return select(isPositive, sqrt(select(isPositive, x, 1)), 0)
}

/// x, and 0 in place of what rounding made negative; the derivative at 0 stays.
func notNegative(_ x: Tensor) -> Tensor { select(x .< 0, 0, x) }

/// A second moment, and the smallest positive one in place of what rounding made 0: what is small is not 0, where a kink or
/// a jump has another derivative or value.
func notVanishing(_ moment: Tensor, where isPositive: Tensor) -> Tensor {
  select(isPositive * (moment .< Double.leastNormalMagnitude), Double.leastNormalMagnitude, moment)
}

/// x, and 1 in place of 0.
func nonzero(_ x: Tensor) -> Tensor { select(x .== 0, 1, x) }

/// a b − p without rounding, where p is the rounded product.
/// - Source: Dekker, A floating-point technique for extending the available precision, 1971, (5.14).
private func productError(_ a: Tensor, _ b: Tensor, _ p: Tensor) -> Tensor {
  func halves(_ x: Tensor) -> (Tensor, Tensor) {
    let scaled = x * 134_217_729
    let high = scaled - (scaled - x)
    return (high, x - high)
  }
  let ((ah, al), (bh, bl)) = (halves(a), halves(b))
  return (ah * bh - p + ah * bl + al * bh) + al * bl
}
