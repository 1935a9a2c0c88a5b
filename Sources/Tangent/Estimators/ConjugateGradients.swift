import AutoDiff
import Foundation

/// How long ``conjugateGradients(_:_:ridge:preconditioner:options:)`` goes on.
public struct ConjugateGradientsOptions: Sendable {
  /// The residual ‖b − A x‖ / ‖b‖ at which a right-hand side is done. By default ε^(2/3) of the type, about 4e-11 in
  /// double and 2e-5 in single precision.
  public var tolerance: Double?
  /// The number of iterations after which it gives up; by default 1000.
  public var iterationLimit: Int

  /// Options; nil stands for what the property says.
  public init(tolerance: Double? = nil, iterationLimit: Int = 1000) {
    (self.tolerance, self.iterationLimit) = (tolerance, iterationLimit)
  }
}

/// What ``conjugateGradients(_:_:ridge:preconditioner:options:)`` found.
public struct ConjugateGradientsResult: Sendable {
  /// Why it stopped.
  public enum StoppingReason: String, Sendable {
    /// The residuals of all right-hand sides are below the tolerance.
    case converged
    /// The limit of iterations was reached.
    case iterationLimit
    /// The recurrence went below the tolerance, but rounding keeps the residual itself above it.
    case attainableAccuracy
  }

  /// X, of the shape of the right-hand sides.
  public let solution: Tensor
  /// ‖b − A x‖ / ‖b‖ for every right-hand side, computed from the solution; 0 for b = 0.
  public let residuals: [Double]
  /// The residuals by the recurrence, relative to ‖b‖, before the first iteration and after every one: one row each.
  public let history: [[Double]]
  /// Iterations, each with one product of the operator with all right-hand sides.
  public let iterations: Int
  /// Why it stopped.
  public let stoppingReason: StoppingReason
}

/// The solution X of (A + λ I) X = B for a symmetric positive definite operator.
///
/// Conjugate gradients, for every right-hand side its own, with one product for all of them in an iteration. After k of them
/// the error in the norm of A is at most 2 ((√κ − 1) / (√κ + 1))^k times the first one, κ being the condition number of
/// A + λ I, or of what the preconditioner makes of it. A right-hand side that is done stays as it is.
///
/// The result is numbers: no derivative passes.
///
/// - Shapes: B [n, k], or one vector [n].
/// - Parameters:
///   - a: A.
///   - b: the right-hand sides, of the operator's scalar type; another shape or type stops.
///   - ridge: λ ≥ 0; by default 0. A negative one stops.
///   - preconditioner: M, an approximation of the inverse of A + λ I, symmetric and positive definite; by default none.
///   - options: tolerance and limit.
/// - Returns: the solution, its residuals and why it stopped.
/// - Throws: ``SymmetricMatrixError/negativeCurvature(value:iteration:column:)`` where a direction v has vᵀ(A + λ I)v ≤ 0,
///   ``SymmetricMatrixError/preconditionerNotPositive(value:iteration:column:)``,
///   ``SymmetricMatrixError/notFinite(row:column:value:)`` for the right-hand sides, and what products throw.
/// - Complexity: 10 n k flops for each iteration besides the product, and 5 n k numbers of memory.
/// - Source: M. Hestenes, E. Stiefel, *Methods of conjugate gradients for solving linear systems*, J. Res. NBS 49 (1952).
public func conjugateGradients<A: SymmetricOperator>(
  _ a: A, _ b: Tensor, ridge: Double = 0, preconditioner: (any SymmetricOperator)? = nil,
  options: ConjugateGradientsOptions = .init()
) throws -> ConjugateGradientsResult {
  let operation = "conjugateGradients"
  guard (1...2).contains(b.rank), b.shape[0] == a.dimension, b.scalarType == a.scalarType else {
    stop(
      operation, "needs right-hand sides [n] or [n, k] with n = \(a.dimension) of \(a.scalarType.rawValue)",
      got: "\(b.shape) of \(b.scalarType.rawValue)")
  }
  guard ridge >= 0, ridge.isFinite else {
    stop(operation, "the ridge must be a finite number of at least 0", got: "\(ridge)")
  }
  if let preconditioner {
    guard preconditioner.dimension == a.dimension, preconditioner.scalarType == a.scalarType else {
      stop(
        operation, "the preconditioner must be of the operator's dimension and type",
        got: "\(preconditioner.dimension) of \(preconditioner.scalarType.rawValue)")
    }
  }
  let columns = stopGradient(b.rank == 1 ? b.expanded(at: 1) : b)
  try requireFinite(columns, for: "conjugateGradients")
  let tolerance = options.tolerance ?? pow(a.scalarType.epsilon, 2.0 / 3)
  // Divided by their lengths, so that nothing depends on the scale of a right-hand side.
  let lengths = columns.norm(axes: [0], keepingAxes: true)
  let divisors = lengths + (lengths .== 0)
  let target = columns / divisors
  func apply(_ v: Tensor) throws -> Tensor {
    let product = stopGradient(try a.checkedProduct(with: v, for: operation))
    return ridge == 0 ? product : product + v * ridge
  }
  var x = Tensor.zeros(like: target)
  var history = [target.norm(axes: [0]).scalars]
  if columns.count > 0 {
    var state = ConjugateGradients(target: target, tolerance: tolerance, preconditioner: preconditioner)
    while history.count <= options.iterationLimit, history[history.count - 1].contains(where: { $0 > tolerance }) {
      history.append(try state.step(history.count, apply))
    }
    x = state.x
  }
  let residuals = columns.count > 0 ? (target - (try apply(x))).norm(axes: [0]).scalars : history[0]
  let reason: ConjugateGradientsResult.StoppingReason =
    history[history.count - 1].contains { $0 > tolerance }
    ? .iterationLimit : residuals.contains { $0 > tolerance } ? .attainableAccuracy : .converged
  let solution = x * divisors
  return ConjugateGradientsResult(
    solution: b.rank == 1 ? solution.squeezed([1]) : solution, residuals: residuals, history: history,
    iterations: history.count - 1, stoppingReason: reason)
}

/// The vectors of the iteration, one column for every right-hand side.
private struct ConjugateGradients {
  /// The solution so far.
  var x: Tensor
  /// b − A x, by the recurrence.
  private var r: Tensor
  /// The search direction.
  private var p: Tensor
  /// rᵀ M r.
  private var product: Tensor
  private let tolerance: Double
  private let preconditioner: (any SymmetricOperator)?
  /// ‖M r‖ for the first residuals, by which M is divided: a multiple of it serves as well, and squares of its size might
  /// be no numbers.
  private var preconditionerSize: Tensor?

  init(target: Tensor, tolerance: Double, preconditioner: (any SymmetricOperator)?) {
    (x, r, p) = (.zeros(like: target), target, .zeros(like: target))
    product = .zeros([target.shape[1]], as: target.scalarType)
    (self.tolerance, self.preconditioner) = (tolerance, preconditioner)
  }

  /// One iteration for the columns that are not done. Returns the norms of the residuals.
  mutating func step(_ iteration: Int, _ apply: (Tensor) throws -> Tensor) throws -> [Double] {
    let isActive = r.norm(axes: [0]) .> tolerance
    var z = r
    if let preconditioner {
      z = stopGradient(try preconditioner.checkedProduct(with: r, for: "conjugateGradients"))
      let lengths = z.norm(axes: [0])
      let size = preconditionerSize ?? lengths + (lengths .== 0)
      (z, preconditionerSize) = (z / size, size)
    }
    let next = (r * z).sum(axes: [0])
    if let size = preconditionerSize?.scalars {
      try requirePositive(next, relativeTo: r, isActive) {
        .preconditionerNotPositive(value: $0 * size[$1], iteration: iteration, column: $1)
      }
    }
    // In the first iteration there is no direction yet, and its factor does not matter.
    let factor = select(isActive, next / (product + (product .== 0)), 0)
    p = select(isActive, z + p * factor, Tensor.zeros(like: p))
    product = next
    let ap = try apply(p)
    let curvature = (p * ap).sum(axes: [0])
    try requirePositive(curvature, relativeTo: p, isActive) {
      .negativeCurvature(value: $0, iteration: iteration, column: $1)
    }
    let alpha = select(isActive, next / (curvature + (1 - isActive)), 0)
    x += p * alpha
    r -= ap * alpha
    return r.norm(axes: [0]).scalars
  }

  /// Throws for the first active column whose quadratic form is not positive.
  private func requirePositive(
    _ form: Tensor, relativeTo v: Tensor, _ isActive: Tensor,
    _ error: (_ value: Double, _ column: Int) -> SymmetricMatrixError
  ) throws {
    let values = form.scalars
    let active = isActive.scalars
    guard let column = values.indices.first(where: { active[$0] != 0 && !(values[$0] > 0) }) else { return }
    throw error(values[column] / square(v).sum(axes: [0]).scalars[column], column)
  }
}
