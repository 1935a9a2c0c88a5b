import AutoDiff

/// A dual that is known by the Hermite series of the activation and its derivative, which the margins hold: moments of
/// pairs are sums over the orders.
protocol HermiteDual: GaussianDual {}

extension HermiteDual {
  func image(of pairs: GaussianPairs, _ first: Marginal, _ second: Marginal) -> GaussianPairs {
    let (minus, plus) = HermiteSeries.image(first.values, second.values, of: pairs)
    return GaussianPairs(first, second, minus: minus, plus: plus)
  }

  func slopes(of pairs: GaussianPairs, _ first: Marginal, _ second: Marginal) -> Tensor {
    HermiteSeries.sum(first.slopes, second.slopes, at: pairs)
  }
}
