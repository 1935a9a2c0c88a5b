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
///     descent:        α ≥ 12 m^(3/2) U² L ‖y‖ / λ_min²   on the ball of radius 2 √m U ‖y‖ / (α λ_min)
///     linearization:  α ≥ 16 √n β ‖y‖ / σ²               on the ball of radius 4 ‖y‖ / (α σ)
///
/// Balls shrink as α grows, so larger scales are certified as well. The upper end is found by enlarging α until its own ball
/// allows it.
///
/// - Parameters:
///   - start: the model itself, not rescaled, with its data and θ⁰.
///   - theorem: which theorem.
///   - data: for how many of the data a lower end of the Lipschitz constant is sought, at θ⁰; by default 3.
///   - options: of that search.
/// - Returns: a bracket of the smallest α; infinite above where λ_min may be 0.
/// - Throws: ``AutoDiff/BoundError`` where bounds are missing, and what the model and the Lanczos iteration throw.
public func smallestLazyScale<Example: TensorTree, P: TensorTree>(
  _ start: TrainingStart<Example, P>, for theorem: TrainingTheorem, data: Int = 3, options: LipschitzOptions = .init()
) throws -> Bracket {
  let m = Double(start.datumCount)
  let labels = start.targets.norm().scalar
  let (low, high) = (start.smallestEigenvalue.lower.value, start.smallestEigenvalue.upper.value)
  func needed(_ u: Double, _ l: Double, _ lambda: Double) -> Double {
    switch theorem {
    case .descent: 12 * m * m.squareRoot() * u * u * l * labels / (lambda * lambda)
    case .linearization: 16 * m.squareRoot() * l * labels / lambda
    }
  }
  func radius(_ alpha: Double, _ u: Double) -> Double {
    switch theorem {
    case .descent: 2 * m.squareRoot() * u * labels / (alpha * low)
    case .linearization: 4 * labels / (alpha * low.squareRoot())
    }
  }
  let leastL = try start.attainedLipschitz(radius: 0, data: data, options: options)
  let least = needed(start.attainedGradientNorm, leastL, high) * (1 - 1e-9)
  var upper = Double.infinity
  if low > 0 {
    var (u, l) = try start.upperEnds(radius: 0)
    var (floor, obstacle) = (0.0, BoundError?.none)
    for _ in 0..<32 {
      let alpha = max(floor, needed(u, l, low) * 1.02)
      // Room for the U of the ball itself, which is a little larger than that of the last one.
      do {
        let ends = try start.upperEnds(radius: radius(alpha, u * 1.05))
        obstacle = nil
        // The certificate's own radius may exceed what its U demands by two thousandths.
        if ends.gradientNorm <= u * 1.04, needed(ends.gradientNorm * 1.004, ends.lipschitz, low) * 1.001 <= alpha {
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
