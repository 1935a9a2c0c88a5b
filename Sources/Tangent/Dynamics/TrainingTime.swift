import AutoDiff
import Foundation

/// How far training has gone: a time of gradient flow, or a number of steps of gradient descent.
public enum TrainingTime: Sendable, Equatable {
  /// Gradient flow ṗ = −∇loss for a time from 0 to infinity.
  case flow(Double)
  /// Gradient descent for a number of steps of a size, from rest.
  case steps(Int, of: Double, momentum: Momentum = .none)

  /// What training has done by now to a mode of a linear model.
  ///
  /// - Parameters:
  ///   - eigenvalue: λ > 0 of the kernel.
  ///   - rate: c of the loss, with ṙ = −c K r.
  /// - Returns: ρ, the share of the residual that is left, 1 − ρ without cancellation, and (1 − ρ)/λ.
  func mode(_ eigenvalue: Double, rate: Double) -> TrainingMode {
    var (residual, learned): (Double, Double)
    switch self {
    case .flow(let time):
      let exponent = -rate * eigenvalue * time
      (residual, learned) = (exp(exponent), -expm1(exponent))
    case .steps(0, _, _): (residual, learned) = (1, 0)
    case .steps(let count, let size, let momentum):
      let x = size * rate * eigenvalue
      (residual, learned) =
        momentum.share == 0 ? Self.power(x, count) : MomentumMode(x, momentum).residual(after: count)
    }
    return TrainingMode(residual: residual, learned: learned, weight: learned / eigenvalue)
  }

  /// (1 − x)ᵏ and what it lacks to 1, for x ≥ 0 and k ≥ 1.
  private static func power(_ x: Double, _ count: Int) -> (Double, Double) {
    let k = Double(count)
    if x < 1 {
      let exponent = k * log1p(-x)
      return (exp(exponent), -expm1(exponent))
    }
    if x == 1 { return (0, 1) }
    // x − 2 is exact where it matters, at the limit of stability.
    let magnitude = exp(k * log1p(x - 2))
    let value = count.isMultiple(of: 2) ? magnitude : -magnitude
    return (value, 1 - value)
  }

  /// Stops unless times, counts and sizes are at least 0 and steps are finite.
  func check(_ operation: String) {
    switch self {
    case .flow(let time): guard time >= 0 else { stop(operation, "the time must be at least 0", got: "\(time)") }
    case .steps(let count, let size, let momentum):
      guard count >= 0, size >= 0, size.isFinite else {
        stop(operation, "count and size of steps must be at least 0 and finite", got: "\(count) of \(size)")
      }
      guard (0..<1).contains(momentum.share) else {
        stop(operation, "the momentum must lie in 0..<1", got: "\(momentum.share)")
      }
    }
  }
}

/// What training has done to one mode: the share of the residual that is left, what is learned, and that per eigenvalue.
struct TrainingMode {
  var residual, learned, weight: Double
}

/// The share of each step that the next one keeps.
///
/// With v = 0 at the start and g the gradient. Steps of a size h on a mode of curvature λ are stable for h λ < the limit.
public enum Momentum: Sendable, Equatable {
  /// p ← p − h g: stable for h λ < 2.
  case none
  /// v ← β v + g, p ← p − h v, as ``Layers/GradientDescent``: stable for h λ < 2 (1 + β).
  /// - Source: Polyak, Some methods of speeding up the convergence of iteration methods (1964).
  case heavyBall(Double)
  /// The gradient is taken ahead, at q = p + β (p − p₋), and p ← q − h g(q): stable for h λ < 2 (1 + β)/(1 + 2β).
  /// - Source: Nesterov, A method of solving a convex programming problem with convergence rate O(1/k²) (1983), with
  ///   constant β.
  case nesterov(Double)

  /// β.
  public var share: Double {
    switch self {
    case .none: 0
    case .heavyBall(let share), .nesterov(let share): share
    }
  }

  /// The largest h λ of stable steps; they neither grow nor, at the limit itself, fade.
  public var stabilityLimit: Double {
    switch self {
    case .none: 2
    case .heavyBall(let share): 2 * (1 + share)
    case .nesterov(let share): 2 * (1 + share) / (1 + 2 * share)
    }
  }
}
