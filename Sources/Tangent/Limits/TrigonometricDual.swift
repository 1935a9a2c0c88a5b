import AutoDiff

/// σ = sin or cos. With D = E[(u − v)²] and S = E[(u + v)²], E[cos u cos v] = (e^{−D/2} + e^{−S/2})/2 and
/// E[sin u sin v] = (e^{−D/2} − e^{−S/2})/2; each is the other's E[σ′σ′].
///
/// 1 − c′ comes from E[(σ(u) − σ(v))²] = 1 − e^{−D/2} ± e^{−S/2} ∓ (e^{−2 q11} + e^{−2 q22})/2, written without cancellation;
/// see ``OddImage`` for where else that of sin comes from.
struct TrigonometricDual: GaussianDual {
  enum Function { case sine, cosine }
  let function: Function

  func marginal(_ variances: Tensor, wantsSlopes: Bool, _ request: DualRequest) -> Marginal {
    let moment =
      switch function {
      case .sine: expm1(variances * -2) * -0.5
      case .cosine: (exp(variances * -2) + 1) * 0.5
      }
    var marginal = Marginal(variance: variances, moment: moment)
    if case .sine = function {
      // sinh x = Σ x^(2j + 1)/(2j + 1)!, for x up to 1/16.
      marginal.values = OddImage.series(minimum(variances, OddImage.mostVariance), terms: 6) { j in
        1 / Double(2 * j * (2 * j + 1))
      }
    }
    return marginal
  }

  /// The smaller and the larger of D/2 and S/2, and their distance 2 |q12|, which their difference has lost where one of the
  /// variances is small.
  private func halfDistances(_ pairs: GaussianPairs) -> (near: Tensor, far: Tensor, between: Tensor) {
    let (a, b) = (rootOrZero(pairs.first), rootOrZero(pairs.second))
    let (near, far) = pairs.nearAndFar
    let (offset, product) = (square(a - b) * 0.5, a * b)
    return (offset + product * near, offset + product * far, product * (far - near))
  }

  /// e^{−(q11 + q22)/2} sinh |q12|.
  private func hyperbolicSine(_ near: Tensor, _ between: Tensor) -> Tensor { exp(-near) * expm1(-between) * -0.5 }

  func image(of pairs: GaussianPairs, _ first: Marginal, _ second: Marginal) -> GaussianPairs {
    let (near, far, between) = halfDistances(pairs)
    let ends = square(exp(-pairs.first) - exp(-pairs.second)) * 0.5
    switch function {
    case .cosine:
      let halfSquare = (expm1(-near) * expm1(-far) + ends) * 0.5
      let (momentA, momentB) = (rootOrZero(first.moment), rootOrZero(second.moment))
      let gap = (halfSquare - square(momentA - momentB) * 0.5) / nonzero(momentA * momentB)
      return GaussianPairs(first, second, minus: gap, plus: 2 - gap)
    case .sine:
      let halfSquare = (-(expm1(-near) * (exp(-far) + 1)) - ends) * 0.5
      return OddImage(halfSquare: halfSquare, covariance: hyperbolicSine(near, between)).pairs(pairs, first, second)
    }
  }

  func slopes(of pairs: GaussianPairs, _ first: Marginal, _ second: Marginal) -> Tensor {
    let (near, far, between) = halfDistances(pairs)
    switch function {
    case .sine: return (exp(-near) + exp(-far)) * 0.5
    case .cosine:
      let magnitude = hyperbolicSine(near, between)
      return select(pairs.isPositive, magnitude, -magnitude)
    }
  }
}
