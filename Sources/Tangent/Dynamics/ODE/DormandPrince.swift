/// The embedded Runge-Kutta pair of order 5(4) by Dormand and Prince, with its continuous extension of order 4.
///
/// Seven slopes k₁…k₇ per step, the last of which is the first of the next step: y₁ = y₀ + h Σ bᵢ kᵢ has order 5, the
/// difference to the embedded solution of order 4 estimates the error.
///
/// - Source: Dormand and Prince, A family of embedded Runge-Kutta formulae, J. Comp. Appl. Math. 6 (1980); the extension
///   is Shampine's, Hairer, Nørsett and Wanner, Solving Ordinary Differential Equations I, section II.6.
enum DormandPrince {
  /// cᵢ: where in the step the slopes are taken.
  static let nodes: [Double] = [0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1]

  /// aᵢⱼ: how slope i uses those before it. The last row is the solution of order 5.
  static let stages: [[Double]] = [
    [],
    [1 / 5],
    [3 / 40, 9 / 40],
    [44 / 45, -56 / 15, 32 / 9],
    [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
    [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
    [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
  ]

  /// bᵢ − b̂ᵢ: the solution of order 5 less that of order 4.
  static let errorWeights: [Double] = [
    71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40,
  ]

  /// dᵢ: the term that lifts the cubic Hermite interpolant to order 4.
  private static let quarticWeights: [Double] = [
    -12_715_105_075 / 11_282_082_432, 0, 87_487_479_700 / 32_700_410_799, -10_690_763_975 / 1_880_347_072,
    701_980_252_875 / 199_316_789_632, -1_453_857_185 / 822_651_844, 69_997_945 / 29_380_423,
  ]

  /// bᵢ(θ) with y(t₀ + θ h) = y₀ + h Σ bᵢ(θ) kᵢ.
  static func weights(at theta: Double) -> [Double] {
    let rest = 1 - theta
    let whole = theta - theta * rest + 2 * theta * theta * rest
    let quartic = theta * theta * rest * rest
    var weights = quarticWeights.map { $0 * quartic }
    for (stage, weight) in stages[6].enumerated() { weights[stage] += weight * whole }
    weights[0] += theta * rest - theta * theta * rest
    weights[6] -= theta * theta * rest
    return weights
  }
}
