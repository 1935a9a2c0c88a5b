import AutoDiff

/// The dual of any smooth activation by its Hermite series, whose coefficients come from the trapezoidal rule.
struct SmoothDual: HermiteDual {
  let function: @Sendable (Tensor) -> Tensor
  let derivative: @Sendable (Tensor) -> Tensor

  func marginal(_ variances: Tensor, wantsSlopes: Bool, _ request: DualRequest) throws(LimitError) -> Marginal {
    let deviations = rootOrZero(variances)
    let values = try hermiteSeries(of: function, deviations, request)
    let moment = values.sumOfSquares ?? .zeros(like: variances)
    let scale = 1 / nonzero(rootOrZero(moment))
    var marginal = Marginal(variance: variances, moment: moment, values: values.map { $0 * scale })
    if wantsSlopes {
      var request = request
      request.activation = "the derivative of \(request.activation)"
      marginal.slopes = try hermiteSeries(of: derivative, deviations, request)
    }
    return marginal
  }
}
