import AutoDiff

/// Whether gradient descent w ← w − h ∇F(w) of F = Σ r² is certain to converge linearly from where it starts.
///
/// With m data, U and L bounds of the gradients and of their Lipschitz constants on the ball of radius r around w₀, and
/// λ_min, λ_max around the tangent kernel's eigenvalues at w₀, the theorem asks for
///
///     (a) λ_min > 0,   (b) U, L < ∞ on the ball,   (c) L ≤ λ_min² / (12 m^(3/2) U² √F(w₀)),  r = 2 √m U √F(w₀) / λ_min
///
/// and promises for every step h ≤ 1/(λ_min + λ_max) and all k
///
///     ‖w_k − w₀‖ ≤ r,        F(w_k) ≤ (1 − h λ_min)^(2k) F(w₀).
///
/// Each condition is decided by the ends of brackets that make the decision true.
///
/// - Source: the textbook chapter on wide neural networks, Assumption 11.12, Theorem 11.13, (11.4.3) to (11.4.6); a variant
///   of J. Lee et al., *Wide neural networks of any depth evolve as linear models under gradient descent* (2019), Theorem G.1.
public struct DescentCertificate: Sendable {
  /// m.
  public let datumCount: Int
  /// The eigenvalues of the tangent kernel at w₀.
  public let smallestEigenvalue: Bracket, largestEigenvalue: Bracket
  /// U on the ball.
  public let gradientNorm: Bracket
  /// L on the ball.
  public let lipschitz: Bracket
  /// √F(w₀) = ‖r‖.
  public let residualNorm: Bracket
  /// The radius of the ball for which U and L are bounded; infinite if none was found that fits its U.
  public let radius: Double
  /// (a), (b), (c).
  public let conditions: [CertificateCondition]
  /// What rounding may add to a computed √F.
  let residualNoise: Double

  /// Whether the theorem applies.
  public var verdict: Verdict { conditions.verdict }

  /// 1/(λ_min + λ_max) with the ends for which it is admissible (11.4.4).
  public var admissibleStep: Double {
    1 / (smallestEigenvalue.lower.value + largestEigenvalue.upper.value) * (1 - 1e-12)
  }

  /// The promise for a step: 1 − h λ_min, by which √F falls at least (11.4.6b).
  ///
  /// - Parameter step: h; one that is not positive and admissible stops.
  public func rate(step: Double) -> Double {
    guard step > 0, step <= admissibleStep else {
      stop("DescentCertificate", "the step must be positive and at most \(admissibleStep)", got: "\(step)")
    }
    return 1 - step * smallestEigenvalue.lower.value
  }

  /// Examines a start.
  ///
  /// - Parameters:
  ///   - start: the model, its data and w₀.
  ///   - options: how far lower ends are sought.
  ///   - data: for how many of the data a lower end of L is sought, those with the largest gradients; by default 3.
  /// - Throws: what the model and the Lanczos iteration throw. Where bounds are missing the verdict says so.
  /// - Complexity: some thirty gradients per datum for every radius that is tried, mostly two or three.
  public init<Example: TensorTree, P: TensorTree>(
    _ start: TrainingStart<Example, P>, options: LipschitzOptions = .init(), data: Int = 3
  ) throws {
    let m = Double(start.datumCount)
    datumCount = start.datumCount
    (smallestEigenvalue, largestEigenvalue) = (start.smallestEigenvalue, start.largestEigenvalue)
    (residualNorm, residualNoise) = (start.residualNorm, start.residualNoise)
    let (low, high) = (smallestEigenvalue.lower.value, smallestEigenvalue.upper.value)
    let reach = { (u: Double, root: Double, lambda: Double) in 2 * m.squareRoot() * u * root / lambda }

    // The smallest radius that is at least what its own U demands.
    var (u, l, radius) = (Double.infinity, Double.infinity, Double.infinity)
    var obstacle: String?
    do {
      var (trial, tries) = (0.0, 0)
      while low > 0, tries < 24 {
        let ends = try start.upperEnds(radius: trial)
        let needed = reach(ends.gradientNorm, residualNorm.upper.value, low) * (1 + 1e-9)
        if trial >= needed {
          // Residuals that are 0 need no ball at all.
          let excess = needed > 0 ? trial / needed : 1
          (u, l, radius) = (ends.gradientNorm * excess * (1 + 1e-9), ends.lipschitz, trial)
          break
        }
        (trial, tries) = (needed * 1.002, tries + 1)
        if !trial.isFinite { break }
      }
      if low > 0, !radius.isFinite { obstacle = "no radius was found that is as large as its own U demands" }
    } catch let error as BoundError {
      obstacle = "\(error)"
    }
    if low <= 0 { obstacle = "there is no radius while λ_min may be 0" }

    // Whatever constants there are, they are at least these.
    let leastU = start.attainedGradientNorm
    let leastRadius = reach(leastU, residualNorm.lower.value, high)
    let leastL =
      leastRadius.isFinite ? try start.attainedLipschitz(radius: leastRadius, data: data, options: options) : 0
    gradientNorm = Bracket(leastU, lower: Bound(leastU, .attained), upper: Bound(u, .propagation))
    lipschitz = Bracket(leastL, lower: Bound(leastL, .attained), upper: Bound(l, .propagation))
    self.radius = radius

    let zero = Bracket(0, error: 0, .derived)
    let isShort = start.gradients.shape[1] < start.datumCount
    let regular = CertificateCondition(
      "(a)", "λ_min > 0", isShort || high <= 0 ? .refuted : low > 0 ? .proved : .undecided, left: zero,
      right: smallestEigenvalue,
      reason: isShort
        ? "\(start.gradients.shape[1]) parameters, but \(start.datumCount) data"
        : "λ_min lies in [\(low), \(high)]")
    let infinite = Bracket(.infinity, error: 0, .derived)
    let bounded = CertificateCondition(
      "(b)", "U and L are finite on the ball", obstacle == nil ? .proved : .undecided, left: lipschitz, right: infinite,
      reason: obstacle ?? "U ≤ \(u), L ≤ \(l) for r = \(radius)")
    let factor = 12 * m * m.squareRoot()
    /// (λ/U) ((λ/U)/√F) / factor: no square leaves the range of numbers that its root is far within.
    func right(_ lambda: Double, _ u: Double, _ root: Double) -> Double {
      let share = lambda / u
      return share * (share / root) / factor
    }
    // Moved outward by what products lose that are too small to be represented.
    let tiny = Double.leastNormalMagnitude
    let (inner, outer) = (right(low, u, residualNorm.upper.value), right(high, leastU, residualNorm.lower.value))
    let least = inner.isNaN ? 0 : max(0, inner * (1 - 1e-12) - tiny)
    let most = outer.isNaN ? .infinity : outer * (1 + 1e-12) + tiny
    let bound = Bracket(least, lower: Bound(least, .derived), upper: Bound(most, .derived))
    let smooth = CertificateCondition(
      "(c)", "L ≤ λ_min² / (12 m^(3/2) U² √F)", left: lipschitz, atMost: bound, missing: obstacle)
    conditions = [regular, bounded, smooth]
  }

  /// Trains, and holds both promises against every step.
  ///
  /// - Parameters:
  ///   - start: the one that was examined.
  ///   - step: h, by default the largest admissible one.
  ///   - steps: how many; the run ends earlier where rounding hides the loss.
  /// - Returns: the run. Without a proved certificate the same numbers are held against what they would promise.
  /// - Throws: what the model throws.
  public func run<Example: TensorTree, P: TensorTree>(
    _ start: TrainingStart<Example, P>, step: Double? = nil, steps: Int
  ) throws -> PromisedRun {
    let h = step ?? admissibleStep
    // F = Σ r², so the gradient is twice that of ½ Σ r².
    return try PromisedRun(
      start, step: 2 * h, steps: steps, rate: rate(step: h), radius: radius,
      noise: residualNoise + roundingNoise(start, gradientNorm: gradientNorm.lower.value))
  }
}
