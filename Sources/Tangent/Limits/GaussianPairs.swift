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
    if bias == 0 { return GaussianPairs(first: first * weight, second: second * weight, minus: minus, plus: plus) }
    let (a, b) = (rootOrZero(first), rootOrZero(second))
    let product = a * b * weight
    // With P = product + bias, the product of the new variances is P² + e: they differ where the old ones do.
    let sum = product + bias
    let norm = sqrt(square(sum) + square(a - b) * (weight * bias))
    let deficit = square(a - b) * (weight * bias) / (norm + sum)
    return GaussianPairs(
      first: first * weight + bias, second: second * weight + bias, minus: (deficit + product * minus) / norm,
      plus: (deficit + product * plus + 2 * bias) / norm)
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
    let (a, b) = (q11 * q22, square(q12))
    let rounding = stopGradient(productError(q11, q22, a) - productError(q12, q12, b))
    let determinant = notNegative((a - b) + rounding)
    let size = rootOrZero(q11) * rootOrZero(q22)
    let isPositive = q12 .>= 0
    let near = determinant / nonzero(size * (size + select(isPositive, q12, -q12)))
    first = q11
    second = q22
    minus = select(isPositive, near, 2 - near)
    plus = select(isPositive, 2 - near, near)
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
