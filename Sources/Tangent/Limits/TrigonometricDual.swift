import AutoDiff

/// σ = sin or cos. With D = E[(u − v)²] and S = E[(u + v)²], E[cos u cos v] = (e^{−D/2} + e^{−S/2})/2 and
/// E[sin u sin v] = (e^{−D/2} − e^{−S/2})/2; each is the other's E[σ′σ′].
///
/// 1 − c′ comes from E[(σ(u) − σ(v))²] = 1 − e^{−D/2} ± e^{−S/2} ∓ (e^{−2 q11} + e^{−2 q22})/2, written without cancellation.
struct TrigonometricDual: GaussianDual {
  enum Function { case sine, cosine }
  let function: Function

  func marginal(_ variances: Tensor, wantsSlopes: Bool, _ request: DualRequest) -> Marginal {
    let moment =
      switch function {
      case .sine: expm1(variances * -2) * -0.5
      case .cosine: (exp(variances * -2) + 1) * 0.5
      }
    return Marginal(variance: variances, moment: moment)
  }

  /// The smaller and the larger of D/2 and S/2.
  private func halfDistances(_ pairs: GaussianPairs) -> (near: Tensor, far: Tensor) {
    let (a, b) = (rootOrZero(pairs.first), rootOrZero(pairs.second))
    let (near, far) = pairs.nearAndFar
    let (offset, product) = (square(a - b) * 0.5, a * b)
    return (offset + product * near, offset + product * far)
  }

  func image(of pairs: GaussianPairs, _ first: Marginal, _ second: Marginal) -> GaussianPairs {
    let (near, far) = halfDistances(pairs)
    let ends = square(exp(-pairs.first) - exp(-pairs.second)) * 0.5
    let (momentA, momentB) = (rootOrZero(first.moment), rootOrZero(second.moment))
    let halfSquare =
      switch function {
      case .sine: (-(expm1(-near) * (exp(-far) + 1)) - ends) * 0.5
      case .cosine: (expm1(-near) * expm1(-far) + ends) * 0.5
      }
    let gap = (halfSquare - square(momentA - momentB) * 0.5) / nonzero(momentA * momentB)
    switch function {
    case .cosine: return GaussianPairs(first, second, minus: gap, plus: 2 - gap)
    case .sine:
      return GaussianPairs(
        first, second, minus: select(pairs.isPositive, gap, 2 - gap), plus: select(pairs.isPositive, 2 - gap, gap))
    }
  }

  func slopes(of pairs: GaussianPairs, _ first: Marginal, _ second: Marginal) -> Tensor {
    let (near, far) = halfDistances(pairs)
    switch function {
    case .sine: return (exp(-near) + exp(-far)) * 0.5
    case .cosine:
      let magnitude = exp(-near) * expm1(near - far) * -0.5
      return select(pairs.isPositive, magnitude, -magnitude)
    }
  }
}
