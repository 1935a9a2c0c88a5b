import AutoDiff

/// Whether a model stays so near its linearization that gradient descent θ ← θ − η Φᵀr of ½ Σ r² converges linearly.
///
/// With σ² = λ_min and τ² = λ_max of the tangent kernel at θ⁰, n data, and β the Lipschitz constant of every gradient on the ball
/// of radius R = 4‖r₀‖/σ: if
///
///     β/σ² ≤ c₀/n   with   c₀ = √n / (16 ‖r₀‖),        η ≤ 1/(τ + σ/4)²
///
/// then for all t
///
///     ‖r_t‖ ≤ (1 − η σ²/2)^t ‖r₀‖,     ‖θ_t − θ⁰‖ ≤ R ≤ σ/(4 √n β),     |f − g| ≤ ½ β ‖θ_t − θ⁰‖².
///
/// The text leaves c₀ open (it is 1/16 for residuals of root mean square 1) and drops what is of order η². With Φ̃ the mean
/// Jacobian along a step Δ, r′ = r − η Φ Φᵀ r − η (Φ̃ − Φ) Φᵀ r, and in the ball of radius σ/(4√n β) one has σ_min(Φ) ≥ 3σ/4 and
/// ‖Φ‖ ≤ τ + σ/4. The last term is at most ½ √n β ‖Δ‖². Since η ‖Φ‖² ≤ 1, the others have the norm ‖r‖ (1 − η (3σ/4)²) at most, and
/// also ‖r‖ − (3σ/8) ‖Δ‖. Because √n β ‖r₀‖ ≤ σ²/16, the last term takes away at most ησ²/32 of the first factor and a
/// fifteenth of the second decrease: ‖r′‖ ≤ (1 − ησ²/2) ‖r‖, and ‖Δ‖ ≤ (4/σ)(‖r‖ − ‖r′‖), which adds up to R.
///
/// - Source: the lecture notes on nonconvex optimization, Lemmas 8.25 and 8.28, Theorem 8.33; its (8.150) prints 3ησ/4 for
///   η(3σ/4)².
public struct LinearizationCertificate: Sendable {
  /// n.
  public let datumCount: Int
  /// σ² and τ².
  public let smallestEigenvalue: Bracket, largestEigenvalue: Bracket
  /// ‖r₀‖.
  public let residualNorm: Bracket
  /// β on the ball.
  public let lipschitz: Bracket
  /// R, for which β is bounded and which the distance does not exceed; infinite while σ may be 0.
  public let radius: Double
  /// σ > 0, and β/σ² ≤ c₀/n.
  public private(set) var conditions: [CertificateCondition]
  let residualNoise: Double
  private let attainedGradientNorm: Double

  /// Whether the theorem applies.
  public var verdict: Verdict { conditions.verdict }

  /// β/σ², which decides how lazy training is (8.73).
  public var ratio: Bracket {
    let (b, s) = (lipschitz, smallestEigenvalue)
    func quotient(_ x: Double, _ y: Double) -> Double { y > 0 ? x / y : .infinity }
    return Bracket(
      quotient(b.estimate, s.estimate),
      lower: Bound(quotient(b.lower.value, s.upper.value) * (1 - 1e-12), .derived),
      upper: Bound(quotient(b.upper.value, s.lower.value) * (1 + 1e-12), .derived))
  }

  /// c₀/n.
  public var limit: Bracket {
    let factor = 1 / (16 * Double(datumCount).squareRoot())
    return Bracket(
      factor / residualNorm.estimate,
      lower: Bound(factor / residualNorm.upper.value * (1 - 1e-12), .derived),
      upper: Bound(factor / residualNorm.lower.value * (1 + 1e-12), .derived))
  }

  /// ‖Δθ̂‖ ≤ ‖r₀‖/σ: how far the nearest minimum of the linearized model is at most (8.66).
  public var minimumNormDistance: Double { radius / 4 }

  /// 1/(τ + σ/4)² with the ends for which it is admissible.
  public var admissibleStep: Double {
    let sum = largestEigenvalue.upper.value.squareRoot() + smallestEigenvalue.upper.value.squareRoot() / 4
    return 1 / (sum * sum) * (1 - 1e-12)
  }

  /// Examines a start.
  ///
  /// - Parameters:
  ///   - start: the model, its data and θ⁰.
  ///   - options: how far a lower end of β is sought.
  ///   - data: for how many of the data, those with the largest gradients; by default 3.
  /// - Throws: what the model and the Lanczos iteration throw. Where bounds are missing the verdict says so.
  /// - Complexity: some thirty gradients per datum, and the Lanczos iterations.
  public init<Example: TensorTree, P: TensorTree>(
    _ start: TrainingStart<Example, P>, options: LipschitzOptions = .init(), data: Int = 3
  ) throws {
    datumCount = start.datumCount
    (smallestEigenvalue, largestEigenvalue) = (start.smallestEigenvalue, start.largestEigenvalue)
    (residualNorm, residualNoise) = (start.residualNorm, start.residualNoise)
    attainedGradientNorm = start.attainedGradientNorm
    let (low, high) = (smallestEigenvalue.lower.value.squareRoot(), smallestEigenvalue.upper.value.squareRoot())
    radius = low > 0 ? 4 * residualNorm.upper.value / low * (1 + 1e-12) : .infinity
    var (upper, obstacle) = (Double.infinity, String?.none)
    if radius.isFinite {
      do { upper = try start.upperEnds(radius: radius).lipschitz } catch let error as BoundError {
        obstacle = "\(error)"
      }
    }
    let least = high > 0 ? 4 * residualNorm.lower.value / high : .infinity
    let attained = least.isFinite ? try start.attainedLipschitz(radius: least, data: data, options: options) : 0
    lipschitz = Bracket(attained, lower: Bound(attained, .attained), upper: Bound(upper, .propagation))
    let zero = Bracket(0, error: 0, .derived)
    let isShort = start.gradients.shape[1] < start.datumCount
    conditions = [
      CertificateCondition(
        "σ > 0", "the gradients are independent", isShort || high <= 0 ? .refuted : low > 0 ? .proved : .undecided,
        left: zero, right: smallestEigenvalue,
        reason: isShort
          ? "\(start.gradients.shape[1]) parameters, but \(start.datumCount) data"
          : "σ² lies in [\(low * low), \(high * high)]")
    ]
    let lazy = CertificateCondition("β/σ²", "β/σ² ≤ c₀/n", left: ratio, atMost: limit, missing: obstacle)
    conditions.append(lazy)
  }

  /// Trains, and holds the promises against every step.
  ///
  /// - Parameters:
  ///   - start: the one that was examined.
  ///   - step: η, by default the largest admissible one; one that is not admissible stops.
  ///   - steps: how many; the run ends earlier where rounding hides the residual.
  /// - Throws: what the model throws.
  public func run<Example: TensorTree, P: TensorTree>(
    _ start: TrainingStart<Example, P>, step: Double? = nil, steps: Int
  ) throws -> PromisedRun {
    let eta = step ?? admissibleStep
    guard eta > 0, eta <= admissibleStep else {
      stop("LinearizationCertificate", "the step must be positive and at most \(admissibleStep)", got: "\(eta)")
    }
    return try PromisedRun(
      start, step: eta, steps: steps, rate: 1 - eta * smallestEigenvalue.lower.value / 2, radius: radius,
      noise: residualNoise + roundingNoise(start, gradientNorm: attainedGradientNorm))
  }

  /// Lemma 8.28: the largest |f − g| that is possible at a distance from θ⁰ within the ball, ½ β ‖Δθ‖².
  public func linearizationError(atDistance distance: Double) -> Double {
    lipschitz.upper.value * distance * distance / 2 * (1 + 1e-12)
  }
}
