import AutoDiff
import Layers

/// How far an ascent goes.
public struct LipschitzOptions: Sendable {
  /// The points from which it climbs: the center, then random ones on the sphere; by default 3.
  public var starts: Int
  /// The steps of one ascent at most; by default 8.
  public var stepLimit: Int
  /// The share by which a step must enlarge the quantity; by default 10⁻³.
  public var tolerance: Double
  /// The residual at which an eigenpair is taken, relative to the eigenvalue; by default 10⁻⁴. A looser one gives a
  /// somewhat smaller lower end, which is as true.
  public var eigenTolerance: Double
  /// The products with vectors at most at every point; by default 200.
  public var productLimit: Int
  /// Determines all random points.
  public var seed: UInt64

  /// Options. Stops unless there is a start, and where a number is negative.
  public init(
    starts: Int = 3, stepLimit: Int = 8, tolerance: Double = 1e-3, eigenTolerance: Double = 1e-4,
    productLimit: Int = 200, seed: UInt64 = 0
  ) {
    guard starts > 0, stepLimit >= 0, tolerance >= 0, eigenTolerance > 0, productLimit > 0 else {
      stop(
        "LipschitzOptions", "needs a start, products, and no negative number",
        got: "\(starts) starts, \(stepLimit) steps, \(productLimit) products")
    }
    (self.starts, self.stepLimit, self.tolerance, self.seed) = (starts, stepLimit, tolerance, seed)
    (self.eigenTolerance, self.productLimit) = (eigenTolerance, productLimit)
  }
}

/// Why an ascent ended.
public enum AscentStop: String, Sendable {
  /// No step enlarged the quantity by more than the tolerance.
  case stationary
  /// The limit of steps was reached.
  case stepLimit
  /// The ball is a point.
  case point
}

/// A bracket of a supremum over a ball of parameters: what was attained below, what is proved above.
public struct BallEstimate: Sendable {
  /// The attained lower end, which is also the best guess, and the proved upper one; infinite where there is none.
  public let bracket: Bracket
  /// The largest norm that the ascent found, of the Hessian or of the gradient.
  public let attainedNorm: Double
  /// The largest difference quotient of gradients seen; 0 for a bound of gradients.
  public let differenceQuotient: Double
  /// ‖H v − λ v‖ at the point of the largest Hessian norm; 0 for a bound of gradients.
  public let residual: Double
  /// Why the best ascent ended.
  public let stoppingReason: AscentStop
  /// Steps of all ascents together.
  public let iterations: Int
  /// What determined the random starts.
  public let seed: UInt64
  /// Why there is no upper end, if there is none.
  public let obstacle: BoundError?

  /// Upper end over lower end: 1 is perfect. For 0 over 0 it is 1.
  public var tightness: Double {
    let (lower, upper) = (bracket.lower.value, bracket.upper.value)
    return upper == 0 ? 1 : upper / lower
  }

  /// - Parameter upper: the proved upper end; nil where there is none.
  init(
    attained: Double, quotient: Double, upper: Double?, residual: Double, stop: AscentStop, iterations: Int,
    seed: UInt64, obstacle: BoundError?
  ) {
    let lower = max(attained, quotient)
    bracket = Bracket(lower, lower: Bound(lower, .attained), upper: Bound(upper ?? .infinity, .propagation))
    (attainedNorm, differenceQuotient, self.residual) = (attained, quotient, residual)
    (stoppingReason, self.iterations, self.seed, self.obstacle) = (stop, iterations, seed, obstacle)
  }
}

/// Why there is nothing to estimate.
public enum LipschitzError: Error, Equatable, Sendable {
  /// The model's output at the center of the ball is infinite or not a number.
  case valueNotFinite(Double)
  /// The gradient at the center of the ball is infinite or not a number in this leaf of the parameters.
  case gradientNotFinite(leaf: Int, value: Double)
}

extension LipschitzError: CustomStringConvertible {
  /// What is wrong, and where.
  public var description: String {
    switch self {
    case .valueNotFinite(let value): "lipschitzEstimates: outputs must be finite at the center, but got \(value)."
    case .gradientNotFinite(let leaf, let value):
      "lipschitzEstimates: gradients must be finite, but that in leaf \(leaf) of the parameters holds \(value)."
    }
  }
}

/// Brackets of the gradient's size and of its Lipschitz constant on a ball, for every example and output.
///
/// Everything is about θ ↦ f_θ(x)_k for single outputs k, on ‖θ − θ₀‖ ≤ ρ:
///
///     U = sup ‖∇f_θ(x)_k‖,        β = sup ‖∇²f_θ(x)_k‖ = sup ‖∇f_θ(x)_k − ∇f_θ′(x)_k‖ / ‖θ − θ′‖
///
/// The theorems that need these take the largest over a set, each output of each example counting as one datum.
public struct LipschitzEstimates: Sendable {
  /// ρ.
  public let radius: Double
  /// The number of outputs of an example.
  public let outputCount: Int
  /// U, example after example, the outputs of an example in row-major order.
  public let gradientNorms: [BallEstimate]
  /// β, in the same order.
  public let lipschitz: [BallEstimate]

  /// U over all examples and outputs.
  public var largestGradientNorm: Bracket { Self.largest(gradientNorms) }
  /// β over all examples and outputs.
  public var largestLipschitz: Bracket { Self.largest(lipschitz) }

  /// The Lipschitz constant of an example's Jacobian in the operator norm: at least that of every output, at most the root
  /// of the sum of their squares.
  public func jacobianLipschitz(example: Int) -> Bracket {
    let parts = lipschitz[example * outputCount..<(example + 1) * outputCount].map(\.bracket)
    let lower = parts.map(\.lower.value).max() ?? 0
    let upper = parts.map(\.upper.value).euclideanNorm * (1 + roundingShare)
    return Bracket(lower, lower: Bound(lower, .attained), upper: Bound(upper, .propagation))
  }

  /// Why there is no upper end, if there is none: the first obstacle.
  public var obstacle: BoundError? { lipschitz.lazy.compactMap(\.obstacle).first }

  private static func largest(_ estimates: [BallEstimate]) -> Bracket {
    let lower = estimates.map(\.bracket.lower.value).max() ?? 0
    let upper = estimates.map(\.bracket.upper.value).max() ?? 0
    return Bracket(lower, lower: Bound(lower, .attained), upper: Bound(upper, .propagation))
  }
}

/// Estimates how large gradients are, and how fast they change, on a ball of parameters.
///
/// Lower ends are attained: the largest Hessian norm and the largest difference quotient that ascents over the ball came
/// across. Upper ends are proved: bounds are propagated through the gradient's computation. Where a primitive states none
/// (see ``AutoDiff/Primitive/bounds(_:)``), or where there is none, as for relu next to its kink, the upper end is infinite
/// and ``BallEstimate/obstacle`` names the primitive.
///
/// - Parameters:
///   - f: the model: one example and the parameters to one output, each any tree of tensors.
///   - p: θ₀; all leaves are of one scalar type.
///   - examples: a tree whose leaves have the shape [n, example leaf shape...].
///   - radius: ρ; at least 0.
///   - options: how far the ascents go.
/// - Returns: brackets for each output of each example; the function of `options.seed`.
/// - Throws: ``LipschitzError`` where an output or a gradient at `p` is not finite, what the model throws, and what
///   ``lanczos(_:count:end:using:options:)`` does.
/// - Complexity: for each example and output, bounds for some thirty gradients, and `starts` · `stepLimit` Lanczos
///   iterations.
public func lipschitzEstimates<Example: TensorTree, P: TensorTree, Output: TensorTree>(
  of f: @escaping (Example, P) throws -> Output, at p: P, on examples: Example, radius: Double,
  options: LipschitzOptions = .init()
) throws -> LipschitzEstimates {
  let n = exampleCount(of: examples, "lipschitzEstimates")
  let ball = BoundedBall(around: p, radius: radius)
  defer { ball.close() }
  var (norms, constants, count) = ([BallEstimate](), [BallEstimate](), 0)
  for index in 0..<n {
    let example = examples.mapTensors { $0[index] }
    count = try f(example, p).entryCount
    for output in 0..<count {
      let single = { (p: P) in try f(example, p).flattenedEntries[output] }
      let seed = options.seed &+ UInt64(index * count + output)
      let (norm, constant) = try ballEstimates(of: single, at: p, in: ball, radius: radius, options, seed: seed)
      norms.append(norm)
      constants.append(constant)
    }
  }
  return LipschitzEstimates(radius: radius, outputCount: count, gradientNorms: norms, lipschitz: constants)
}

private func ballEstimates<P: TensorTree>(
  of f: @escaping (P) throws -> Tensor, at p: P, in ball: BoundedBall<P>, radius: Double, _ options: LipschitzOptions,
  seed: UInt64
) throws -> (gradientNorm: BallEstimate, lipschitz: BallEstimate) {
  var (upper, obstacle): (OutputBounds?, BoundError?)
  do {
    upper = try OutputBounds(of: f, in: ball, radius: radius)
  } catch let error as BoundError {
    obstacle = error
  }
  // Gradients may be bounded where Hessians are not.
  let slope = try upper?.gradientNorm ?? gradientNormAlone(of: f, in: ball)
  let ascent = BallAscent(f: f, center: p, radius: radius, options: options)
  let (value, center) = try valueWithGradient(of: f, at: p)
  guard value.isFinite else { throw LipschitzError.valueNotFinite(value.scalar) }
  for (leaf, part) in center.leaves.enumerated() where !part.isFinite {
    throw LipschitzError.gradientNotFinite(leaf: leaf, value: part.scalars.first { !$0.isFinite }!)
  }
  var generator = RandomGenerator(seed: seed)
  let steepest = try ascent.gradientNorm(using: &generator)
  let sharpest = try ascent.hessianNorm(using: &generator)
  var points = sharpest.points
  if let v = sharpest.peak.vector, radius > 0 {
    // Across the ball along the eigenvector, where curvature may have gathered.
    let length = v.euclideanNorm.scalar
    if length > 0 { points += [-1, 1].map { p.adding(v, scaledBy: $0 * radius * 0.999 / length) } }
  }
  let quotient = try ascent.differenceQuotient(points)
  return (
    BallEstimate(
      attained: steepest.peak.value, quotient: 0, upper: slope, residual: 0, stop: steepest.stoppingReason,
      iterations: steepest.iterations, seed: seed, obstacle: slope == nil ? obstacle : nil),
    BallEstimate(
      attained: sharpest.peak.value, quotient: quotient, upper: upper?.lipschitz, residual: sharpest.peak.residual,
      stop: sharpest.stoppingReason, iterations: sharpest.iterations, seed: seed, obstacle: obstacle)
  )
}

/// A bound of ‖∇f‖ from the slopes of f, or nil where there is none.
private func gradientNormAlone<P: TensorTree>(of f: (P) throws -> Tensor, in ball: BoundedBall<P>) throws -> Double? {
  do {
    let slope = try ball.bounds { try f($0) }[0].slope
    return ball.ownDerivatives == nil ? slope : nil
  } catch is BoundError {
    return nil
  }
}

/// Brackets for a layer; see ``lipschitzEstimates(of:at:on:radius:options:)``.
public func lipschitzEstimates<Model: Layer>(
  of model: Model, at p: Parameters, on examples: Model.Input, radius: Double, options: LipschitzOptions = .init()
) throws -> LipschitzEstimates {
  try lipschitzEstimates(
    of: { (x: Model.Input, p: Parameters) in model(x, p) }, at: p, on: examples, radius: radius, options: options)
}
