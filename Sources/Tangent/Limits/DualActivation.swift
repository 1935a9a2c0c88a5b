import AutoDiff

/// An activation σ with its Gaussian dual: E[σ(u) σ(v)] and E[σ′(u) σ′(v)] for centered Gaussian (u, v).
///
/// ReLU and its kin, erf, sin, cos, the step and monomials have closed forms. Any other smooth activation is expanded in
/// Hermite polynomials, to an error that is checked (``smooth(_:_:derivative:)``).
/// - Source: Daniely, Frostig and Singer, Toward deeper understanding of neural networks, NeurIPS 2016, definition 4.
public struct DualActivation: Sendable, CustomStringConvertible {
  /// What errors call it.
  public let name: String
  /// The activation itself, entry by entry; for networks of finite width.
  public let function: @Sendable (Tensor) -> Tensor
  let dual: any GaussianDual

  /// The name.
  public var description: String { name }

  /// σ(x), entry by entry.
  public func callAsFunction(_ x: Tensor) -> Tensor { function(x) }
}

extension DualActivation {
  /// x: with it alone a network is linear.
  public static let identity = DualActivation(
    name: "identity", function: { $0 }, dual: HomogeneousDual(slope: 1, slopeAtZero: 1))

  /// max(x, 0): E[σσ] = √(q11 q22) (sin θ + (π − θ) cos θ)/2π, E[σ′σ′] = (π − θ)/2π with cos θ = q12/√(q11 q22).
  /// - Source: Cho and Saul, Kernel methods for deep learning, NeurIPS 2009, (5), (6).
  public static let relu = DualActivation(
    name: "relu", function: { AutoDiff.relu($0) }, dual: HomogeneousDual(slope: 0, slopeAtZero: 0))

  /// x for x > 0, slope · x else.
  public static func leakyRelu(_ slope: Double) -> DualActivation {
    guard slope.isFinite else { stop("leakyRelu", "the slope must be finite", got: "\(slope)") }
    return DualActivation(
      name: "leakyRelu(\(slope))", function: { select($0 .> 0, $0, $0 * slope) },
      dual: HomogeneousDual(slope: slope, slopeAtZero: slope))
  }

  /// |x|.
  public static let abs = DualActivation(
    name: "abs", function: { AutoDiff.abs($0) }, dual: HomogeneousDual(slope: -1, slopeAtZero: 0))

  /// 1 for x > 0, else 0 (Heaviside): E[σσ] = (π − θ)/2π.
  ///
  /// Its derivative is 0 almost everywhere, and E[σ′σ′] counts as 0: so it is for every finite network, whose gradient with
  /// respect to what lies before a step vanishes. As the limit of steep smooth activations σ′ is a delta, and E[σ′σ′] the
  /// density 1/(2π √(q11 q22 − q12²)), infinite for u = v: then the tangent kernel has no limit.
  public static let step = DualActivation(name: "step", function: { $0 .> 0 }, dual: StepDual())

  /// erf x: E[σσ] = (2/π) arcsin(2 q12/√((1 + 2 q11)(1 + 2 q22))).
  /// - Source: Williams, Computing with infinite networks, NeurIPS 1997, (11).
  public static let erf = DualActivation(name: "erf", function: { AutoDiff.erf($0) }, dual: ErfDual())

  /// sin x: E[σσ] = e^{−(q11 + q22)/2} sinh q12.
  public static let sin = DualActivation(
    name: "sin", function: { AutoDiff.sin($0) }, dual: TrigonometricDual(function: .sine))

  /// cos x: E[σσ] = e^{−(q11 + q22)/2} cosh q12.
  public static let cos = DualActivation(
    name: "cos", function: { AutoDiff.cos($0) }, dual: TrigonometricDual(function: .cosine))

  /// x^degree. Stops at a negative degree. (Beyond 150 its second moment is no longer a finite number.)
  public static func monomial(_ degree: Int) -> DualActivation {
    guard degree >= 0 else { stop("monomial", "the degree must not be negative", got: "\(degree)") }
    return DualActivation(
      name: "x^\(degree)", function: { pow($0, Double(degree)) }, dual: MonomialDual(degree: degree))
  }

  /// Any smooth activation, by a Hermite series whose coefficients come from the trapezoidal rule.
  ///
  /// The error is checked (see ``InfiniteNetwork/tolerance``). Where it is not reached, because the function has a kink or
  /// varies too fast for the variance that it meets,
  /// ``LimitError/quadratureNotConverged(activation:layer:tolerance:reached:terms:)`` is thrown.
  ///
  /// The series grows with the variance q of u. For 10⁻¹³ it takes orders up to about 120 q for tanh (up to 170 q for its
  /// derivative), up to 50 at q = 1 and 600 at q = 16 for gelu and silu. At most 16384 are allowed, which is enough for tanh
  /// up to q = 64.
  ///
  /// Gradients and forward derivatives with respect to the inputs pass through the series; inside `vmap` it stops, because
  /// the number of terms depends on the inputs.
  ///
  /// - Parameters:
  ///   - name: for errors.
  ///   - function: acts entry by entry, and grows more slowly than e^{x²/8q} for the variances q that it meets.
  ///   - derivative: by default the forward derivative of `function`.
  public static func smooth(
    _ name: String, _ function: @escaping @Sendable (Tensor) -> Tensor,
    derivative: (@Sendable (Tensor) -> Tensor)? = nil
  ) -> DualActivation {
    let slope = derivative ?? { directionalDerivative(of: function, at: $0, along: .ones(like: $0)) }
    return DualActivation(
      name: name, function: function, dual: SmoothDual(function: function, derivative: slope))
  }

  /// tanh x, by quadrature.
  public static let tanh = smooth("tanh", { AutoDiff.tanh($0) })
  /// arctan x, by quadrature.
  public static let arctan = smooth("arctan", { AutoDiff.arctan($0) })
  /// The logistic function, by quadrature.
  public static let sigmoid = smooth("sigmoid", { AutoDiff.sigmoid($0) })
  /// x Φ(x), by quadrature.
  public static let gelu = smooth("gelu", { AutoDiff.gelu($0) })
  /// x · sigmoid(x), also called swish, by quadrature.
  public static let silu = smooth("silu", { AutoDiff.silu($0) })
  /// log(1 + e^{ax})/a, by quadrature.
  public static func softplus(sharpness: Double = 1) -> DualActivation {
    smooth("softplus", { AutoDiff.softplus($0, sharpness: sharpness) })
  }
}

/// The Gaussian dual of an activation, entry by entry.
public struct DualMoments: Sendable {
  /// E[σ(u) σ(v)].
  public let values: Tensor
  /// E[σ′(u) σ′(v)].
  public let slopes: Tensor
}

extension DualActivation {
  /// E[σ(u) σ(v)] and E[σ′(u) σ′(v)] for centered Gaussian pairs with the covariances [[q11, q12], [q12, q22]].
  ///
  /// Closed forms differentiate to any order and run inside `vmap`; for quadrature see ``smooth(_:_:derivative:)``.
  ///
  /// - Shapes: three tensors of one shape, that of both results.
  /// - Parameters:
  ///   - q11: E[u²]; must not be negative.
  ///   - q12: E[uv]; |q12| ≤ √(q11 q22). What lies beyond counts as the bound.
  ///   - q22: E[v²]; must not be negative.
  ///   - tolerance: of a smooth activation's series, relative to √(E[σ(u)²] E[σ(v)²]) (the error is at most three times it).
  /// - Returns: both expectations in the inputs' scalar type, computed in double precision.
  /// - Throws: ``LimitError``.
  public func moments(
    _ q11: Tensor, _ q12: Tensor, _ q22: Tensor, tolerance: Double = 1e-13
  ) throws(LimitError) -> DualMoments {
    guard q11.shape == q12.shape, q12.shape == q22.shape else {
      stop("moments", "the covariances must have one shape", got: "\(q11.shape), \(q12.shape) and \(q22.shape)")
    }
    if !q11.isTraced, !q22.isTraced, !(q11.allSatisfy { $0 >= 0 } && q22.allSatisfy { $0 >= 0 }) {
      stop("moments", "variances must not be negative", got: "\(q11) and \(q22)")
    }
    for (input, name) in [(q11, "q11"), (q12, "q12"), (q22, "q22")] where !input.isTraced && !input.isFinite {
      throw .inputNotFinite(input: name, example: input.scalars.firstIndex { !$0.isFinite }!)
    }
    let all = [q11, q12, q22].map { $0.as(.float64).flattened }
    let pairs = GaussianPairs(all[0], all[1], all[2])
    let request = DualRequest(activation: name, tolerance: tolerance)
    let both = try dual.marginal(concatenate([all[0], all[2]]), wantsSlopes: true, request)
    if !both.moment.isTraced, let bad = both.moment.scalars.firstIndex(where: { !$0.isFinite }) {
      throw .momentNotFinite(activation: name, layer: 0, example: bad)
    }
    let (first, second) = (both.columns(0..<q11.count), both.columns(q11.count..<2 * q11.count))
    return DualMoments(
      values: dual.image(of: pairs, first, second).covariance.reshaped(to: q11.shape).as(q11.scalarType),
      slopes: dual.slopes(of: pairs, first, second).reshaped(to: q11.shape).as(q11.scalarType))
  }
}
