import AutoDiff

/// What an activation σ does to pairs of Gaussian variables.
protocol GaussianDual: Sendable {
  /// What each variable contributes by itself.
  ///
  /// - Parameters:
  ///   - variances: of u, [count].
  ///   - wantsSlopes: whether ``slopes(of:_:_:)`` will be asked for.
  func marginal(_ variances: Tensor, wantsSlopes: Bool, _ request: DualRequest) throws(LimitError) -> Marginal

  /// The pairs (σ(u), σ(v)), of which the second moments are those of the marginals.
  func image(of pairs: GaussianPairs, _ first: Marginal, _ second: Marginal) -> GaussianPairs

  /// E[σ′(u) σ′(v)].
  func slopes(of pairs: GaussianPairs, _ first: Marginal, _ second: Marginal) -> Tensor
}

/// How accurate a dual must be, and whom an error names.
struct DualRequest {
  var activation: String
  var layer = 0
  var tolerance: Double
}

/// What one variable of each pair contributes to an activation's dual.
struct Marginal {
  /// E[u²], [count].
  var variance: Tensor
  /// E[σ(u)²], [count].
  var moment: Tensor
  /// The Hermite coefficients of σ(√variance · t), divided by √moment.
  var values = HermiteSeries()
  /// The Hermite coefficients of σ′(√variance · t).
  var slopes = HermiteSeries()

  /// Some variables along the rows of a matrix of pairs.
  func rows(_ range: Range<Int>) -> Marginal {
    func column(_ x: Tensor) -> Tensor { x[..., range].expanded(at: -1) }
    return Marginal(
      variance: column(variance), moment: column(moment), values: values.map(column), slopes: slopes.map(column))
  }

  /// Some variables along the columns of a matrix of pairs.
  func columns(_ range: Range<Int>) -> Marginal {
    func row(_ x: Tensor) -> Tensor { x[..., range] }
    return Marginal(variance: row(variance), moment: row(moment), values: values.map(row), slopes: slopes.map(row))
  }
}

extension GaussianPairs {
  /// The pairs with second moments of marginals.
  init(_ first: Marginal, _ second: Marginal, minus: Tensor, plus: Tensor) {
    self.init(first: first.moment, second: second.moment, minus: notNegative(minus), plus: notNegative(plus))
  }
}
