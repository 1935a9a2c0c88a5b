import AutoDiff

/// σ(x) = x^k, a finite Hermite series: the coefficients a_j of order j have a_k = √(k!) and
/// a_j = a_{j+2} √((j + 1)(j + 2)) / (k − j), those of other parity vanish; Σ a_j² = (2k − 1)!!.
struct MonomialDual: HermiteDual {
  let degree: Int

  func marginal(_ variances: Tensor, wantsSlopes: Bool, _ request: DualRequest) -> Marginal {
    let moment = pow(variances, Double(degree)) * Self.moment(degree)
    var marginal = Marginal(variance: variances, moment: notVanishing(moment, where: variances .> 0))
    marginal.values = Self.series(degree).map { $0.broadcast(to: [$0.shape[0], variances.count]) }
    if wantsSlopes, degree > 0 {
      let scale =
        pow(rootOrZero(variances), Double(degree - 1)) * (Double(degree) * Self.moment(degree - 1).squareRoot())
      marginal.slopes = Self.series(degree - 1).map { $0 * scale }
    }
    return marginal
  }

  /// E[t^{2k}] = (2k − 1)!!.
  private static func moment(_ k: Int) -> Double {
    stride(from: 3.0, through: Double(2 * k - 1), by: 2).reduce(1, *)
  }

  /// The coefficients of t^k with sum of squares 1, [terms, 1].
  private static func series(_ k: Int) -> HermiteSeries {
    var entries = [1.0]
    for j in stride(from: k - 2, through: 0, by: -2) {
      let ratio = (Double(j + 1) * Double(j + 2)).squareRoot() / Double(k - j)
      entries.append(entries.last! * ratio)
    }
    // From the top down with increasing size there, so no overflow for the degrees whose moments are finite.
    let norm = entries.reduce(0) { $0 + $1 * $1 }.squareRoot()
    let part = Tensor(entries.reversed().map { $0 / norm }, shape: [entries.count, 1])
    return k.isMultiple(of: 2) ? HermiteSeries(even: part) : HermiteSeries(odd: part)
  }
}
