import AutoDiff

/// The model α (f(x, θ) − f(x, θ⁰)): of the same shape in θ, with outputs that begin at 0 and move α times as fast.
///
/// Its gradients are α times, its tangent kernel is α² times that of f, and so is β/σ² smaller by 1/α: for large α training hardly
/// moves the parameters.
///
/// - Parameters:
///   - f: the model.
///   - p: θ⁰.
///   - scale: α.
/// - Source: L. Chizat, E. Oyallon, F. Bach, *On lazy training in differentiable programming* (2019); (8.73) of the lecture
///   notes on nonconvex optimization.
public func lazyModel<Example: TensorTree, P: TensorTree>(
  _ f: @escaping (Example, P) -> Tensor, around p: P, scale: Double
) -> (Example, P) -> Tensor {
  { x, q in (f(x, q) - f(x, p)) * scale }
}

/// The same of a model that throws; see ``lazyModel(_:around:scale:)``.
@_disfavoredOverload
@_documentation(visibility: internal)
public func lazyModel<Example: TensorTree, P: TensorTree>(
  _ f: @escaping (Example, P) throws -> Tensor, around p: P, scale: Double
) -> (Example, P) throws -> Tensor {
  { x, q in (try f(x, q) - (try f(x, p))) * scale }
}

/// The theorems that can certify training.
public enum TrainingTheorem: String, Sendable, CaseIterable {
  /// ``DescentCertificate``.
  case descent
  /// ``LinearizationCertificate``.
  case linearization
}

/// The smallest scale α from which on the lazy model α (f − f(θ⁰)) is certified, as a bracket: below the lower end the
/// condition is refuted, at the upper end it is proved.
///
/// With quantities of the model itself, for labels y that do not depend on α,
///
///     descent:        α ≥ 12 m^(3/2) U² L ‖r‖ / λ_min²   on the ball of radius 2 √m U ‖r‖ / (α λ_min)
///     linearization:  α ≥ 16 √n β ‖r‖ / σ²               on the ball of radius 4 ‖r‖ / (α σ)
///
/// ‖r‖ is ‖y‖ up to α times the rounding of the constant f(θ⁰). Balls shrink as α grows, so larger scales are certified as
/// well. The upper end is found by enlarging α until its own ball allows it.
///
/// - Parameters:
///   - start: the model itself, not rescaled, with its data and θ⁰.
///   - theorem: which theorem.
///   - data: for how many of the data a lower end of the Lipschitz constant is sought, at θ⁰; by default 3.
///   - options: of that search.
/// - Returns: a bracket of the smallest α; infinite above where λ_min may be 0, and where no scale is certified because the
///   rounding of f(θ⁰) grows with it. Where a model has no curvature at θ⁰, or all labels are 0, the lower end is 0, and the
///   upper one is some scale that is certified.
/// - Throws: ``AutoDiff/BoundError`` where bounds are missing, and what the model and the Lanczos iteration throw.
public func smallestLazyScale<Example: TensorTree, P: TensorTree>(
  _ start: TrainingStart<Example, P>, for theorem: TrainingTheorem, data: Int = 3, options: LipschitzOptions = .init()
) throws -> Bracket {
  let m = Double(start.datumCount)
  let labels = start.targets.norm().scalar
  let (low, high) = (start.smallestEigenvalue.lower.value, start.smallestEigenvalue.upper.value)
  let offset = try start.differenceFromItself()
  /// 1/c of the condition α ≥ c ‖r‖, by quotients that stay numbers in any units.
  func room(_ u: Double, _ l: Double, _ lambda: Double) -> Double {
    switch theorem {
    case .descent: lambda / u / l * (lambda / u) / (12 * m * m.squareRoot())
    case .linearization: lambda / l / (16 * m.squareRoot())
    }
  }
  /// The smallest α with α ≥ c ‖r‖ for all r between y and what is farther away by α · offset.
  func needed(_ u: Double, _ l: Double) -> Double {
    let rest = room(u, l, low) - offset
    return rest > 0 ? labels / rest : .infinity
  }
  func radius(_ alpha: Double, _ u: Double) -> Double {
    let share = labels / alpha + offset
    return switch theorem {
    case .descent: 2 * m.squareRoot() * (u / low) * share
    case .linearization: 4 * share / low.squareRoot()
    }
  }
  let leastL = try start.attainedLipschitz(radius: 0, data: data, options: options)
  let most = room(start.attainedGradientNorm, leastL, high) + offset
  let least = labels > 0 && most > 0 ? labels / most * (1 - 1e-9) : 0
  var upper = Double.infinity
  if low > 0 {
    var (u, l) = try start.upperEnds(radius: 0)
    var (floor, obstacle) = (0.0, BoundError?.none)
    if needed(u, l) == 0 {
      // Nothing says how large the ball may be: one that is large beside the parameters comes first.
      let size = start.parameters.euclideanNorm.scalar
      floor = max(radius(1, u) / (65536 * (size > 0 ? size : 1)), .leastNormalMagnitude)
    }
    for _ in 0..<32 {
      let alpha = max(floor, needed(u, l) * 1.02)
      guard alpha.isFinite else { break }
      // Room for the U of the ball itself, which is a little larger than that of the last one.
      do {
        let ends = try start.upperEnds(radius: radius(alpha, u * 1.05))
        obstacle = nil
        // The certificate's own radius may exceed what its U demands by two thousandths.
        if ends.gradientNorm <= u * 1.04, needed(ends.gradientNorm * 1.004, ends.lipschitz) * 1.001 <= alpha {
          upper = alpha
          break
        }
        (u, l) = (max(u, ends.gradientNorm), max(l, ends.lipschitz))
      } catch let error as BoundError {
        // In a smaller ball there may be bounds.
        (obstacle, floor) = (error, 2 * alpha)
      }
    }
    if let obstacle { throw obstacle }
  }
  return Bracket(upper.isFinite ? upper : least, lower: Bound(least, .derived), upper: Bound(upper, .derived))
}
