import AutoDiff

/// σ(x) = 1 for x > 0, else 0: E[σσ] = (π − θ)/2π.
///
/// The derivative is 0 almost everywhere, and so are E[σ′σ′] and the gradients of every finite network with respect to what
/// lies before a step. (As the limit of ever steeper smooth activations, σ′ is a delta and E[σ′σ′] the density of (u, v) at
/// 0, 1 / (2π √(q11 q22 − q12²)), which is infinite for u = v.)
/// - Source: Cho and Saul, Kernel methods for deep learning, NeurIPS 2009, (4).
struct StepDual: GaussianDual {
  func marginal(_ variances: Tensor, wantsSlopes: Bool, _ request: DualRequest) -> Marginal {
    Marginal(variance: variances, moment: (variances .> 0) * 0.5)
  }

  func image(of pairs: GaussianPairs, _ first: Marginal, _ second: Marginal) -> GaussianPairs {
    let angle = Angle(pairs)
    let share = angle.toPole / Double.pi
    let difference = select(pairs.isPositive, share, 1 - share)
    return GaussianPairs(first, second, minus: difference, plus: 1 + angle.agreement)
  }

  func slopes(of pairs: GaussianPairs, _ first: Marginal, _ second: Marginal) -> Tensor { .zeros(like: pairs.minus) }
}
