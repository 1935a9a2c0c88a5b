/// The derivatives of a point that an equation defines, whatever solver has found it.

/// How a fixed point or a root is searched for.
///
/// A solver runs on numbers that no transform follows; under ``vmap(_:axis:outputAxis:)``, and in kernels, it runs for
/// every example by itself, so that each stops when it is done.
public struct ImplicitSolver: Sendable {
  /// Start and the function whose root is sought ↦ the root.
  let search: @Sendable (_ start: Tensor, _ residual: (Tensor) -> Tensor) throws -> Tensor

  /// A solver of your own.
  ///
  /// - Parameter search: start z₀ [d] and the residual F(z) [d] ↦ z [d] with F(z) = 0, as exactly as the derivative shall be.
  ///   What it throws is thrown by ``fixedPoint(of:from:at:by:)`` or ``root(of:from:at:by:)``.
  public init(_ search: @escaping @Sendable (_ start: Tensor, _ residual: (Tensor) -> Tensor) throws -> Tensor) {
    self.search = search
  }

  /// Newton's method, the step halved as long as the residual does not decrease.
  ///
  /// - Parameters:
  ///   - tolerance: ends the search when ‖F(z)‖ ≤ tolerance · (1 + ‖z‖); by default a few units in the last place.
  ///   - limit: the most steps.
  /// - Complexity: d forward derivatives and 4/3 d³ flops per step.
  public static func newton(tolerance: Double? = nil, limit: Int = 100) -> ImplicitSolver {
    ImplicitSolver { start, residual in
      var (z, value) = (start, residual(start))
      let tolerance = tolerance ?? 64 * start.scalarType.epsilon
      for step in 0..<limit {
        let size = value.norm().scalar
        guard size.isFinite else { throw ImplicitSolverError.notFinite(step: step) }
        if size <= tolerance * (1 + z.norm().scalar) { return z }
        let direction: Tensor
        do {
          direction = try solve(jacobian(of: residual, at: z), value)
        } catch {
          throw ImplicitSolverError.singularJacobian(step: step)
        }
        var (length, moved) = (1.0, z - direction)
        var next = residual(moved)
        while !(next.norm().scalar < size), length > 1e-10 {
          length /= 2
          moved = z - direction * length
          next = residual(moved)
        }
        // Rounding is all that is left.
        if !(next.norm().scalar < size) {
          if size <= tolerance.squareRoot() * (1 + z.norm().scalar) { return z }
          throw ImplicitSolverError.notConverged(steps: step, residual: size)
        }
        (z, value) = (moved, next)
      }
      throw ImplicitSolverError.notConverged(steps: limit, residual: value.norm().scalar)
    }
  }

  /// z ← z − F(z), which for a fixed point of g is z ← g(z).
  ///
  /// - Parameters:
  ///   - tolerance: ends the search when ‖F(z)‖ ≤ tolerance · (1 + ‖z‖); by default a few units in the last place.
  ///   - limit: the most steps.
  public static func iteration(tolerance: Double? = nil, limit: Int = 10_000) -> ImplicitSolver {
    ImplicitSolver { start, residual in
      var (z, value) = (start, residual(start))
      let tolerance = tolerance ?? 64 * start.scalarType.epsilon
      for step in 0..<limit {
        let size = value.norm().scalar
        guard size.isFinite else { throw ImplicitSolverError.notFinite(step: step) }
        if size <= tolerance * (1 + z.norm().scalar) { return z }
        z = z - value
        value = residual(z)
      }
      throw ImplicitSolverError.notConverged(steps: limit, residual: value.norm().scalar)
    }
  }
}

/// Why a fixed point or a root was not found.
public enum ImplicitSolverError: Error, Equatable, CustomStringConvertible {
  /// After so many steps the residual is still of this norm.
  case notConverged(steps: Int, residual: Double)
  /// The residual became infinite or not a number.
  case notFinite(step: Int)
  /// Newton's method came to a point where the residual's Jacobian has no inverse.
  case singularJacobian(step: Int)

  /// What to print.
  public var description: String {
    switch self {
    case .notConverged(let steps, let residual):
      "The search has not converged: after \(steps) steps the residual has norm \(residual)."
    case .notFinite(let step): "The search has diverged: at step \(step) the residual is not finite."
    case .singularJacobian(let step): "The search cannot go on: at step \(step) the residual's Jacobian has no inverse."
    }
  }
}

/// The fixed point z = g(z, p) that a solver finds, with its derivatives with respect to p.
///
/// They follow from the equation alone, ż = (I − ∂g/∂z)⁻¹ ∂g/∂p ṗ, to any order; how the solver came there does not count.
///
/// - Parameters:
///   - g: the map, whose values have the structure of `z`. What it captures is a constant; it must not be followed by a
///     transform.
///   - start: where the search begins; the derivative with respect to it is 0.
///   - p: the parameters, any tree of tensors.
///   - solver: by default z ← g(z).
/// - Throws: what the solver throws, ``ImplicitSolverError`` for those of this package; under ``vmap(_:axis:outputAxis:)``
///   if it happens for any example.
/// - Complexity: that of the solver; a derivative takes d derivatives of g and 4/3 d³ flops, where d is the number of
///   entries of z.
/// - Source: the implicit function theorem; for networks Bai, Kolter and Koltun, Deep equilibrium models, NeurIPS 2019.
public func fixedPoint<Z: TensorTree & Sendable, P: TensorTree & Sendable>(
  of g: @escaping @Sendable (Z, P) -> Z, from start: Z, at p: P, by solver: ImplicitSolver = .iteration()
) throws -> Z {
  let residual: @Sendable (Z, P) -> Z = { z, p in
    let next = g(z, p)
    z.checkSameStructure(as: next.leaves, "fixedPoint")
    return z.subtracting(next)
  }
  return try implicitPoint("fixedPoint", residual, start, p, solver)
}

/// The root F(z, p) = 0 that a solver finds, with its derivatives with respect to p.
///
/// They follow from the equation alone, ż = −(∂F/∂z)⁻¹ ∂F/∂p ṗ, to any order; see ``fixedPoint(of:from:at:by:)``.
///
/// - Parameters:
///   - f: F, whose values have the structure of `z`.
///   - start: where the search begins.
///   - p: the parameters, any tree of tensors.
///   - solver: by default Newton's method.
/// - Throws: what the solver throws.
public func root<Z: TensorTree & Sendable, P: TensorTree & Sendable>(
  of f: @escaping @Sendable (Z, P) -> Z, from start: Z, at p: P, by solver: ImplicitSolver = .newton()
) throws -> Z {
  try implicitPoint("root", f, start, p, solver)
}

private func implicitPoint<Z: TensorTree & Sendable, P: TensorTree & Sendable>(
  _ name: String, _ f: @escaping @Sendable (Z, P) -> Z, _ start: Z, _ p: P, _ solver: ImplicitSolver
) throws -> Z {
  let (z, leaves) = (start.emptied, p.leaves)
  let parameters = p.emptied
  let count = start.leaves.count
  let failure = Locked<(any Error)?>(nil)
  // All on one vector; z's leaves come first among the inputs, because the example may be where the search begins.
  @Sendable func residual(_ inputs: [Tensor], _ shapes: [Tensor], _ vector: Tensor) -> Tensor {
    let point = z.replacingLeaves(with: shapes).replacingEntries(with: vector)
    let value = f(point, parameters.replacingLeaves(with: Array(inputs[count...])))
    point.checkSameStructure(as: value.leaves, name)
    return value.flattenedEntries
  }
  let rules = CustomRules(
    shapesApart: { Array($0[..<count]) },
    forward: { inputs in
      let starts = Array(inputs[..<count])
      do {
        let found = try solver.search(starts.flattenedEntries) { residual(inputs, starts, $0) }
        return (starts.replacingEntries(with: found), [])
      } catch {
        failure.value = error
        return (starts.map { .filled(.nan, $0.shape, as: $0.scalarType) }, [])
      }
    },
    jvp: { inputs, _, tangents, outputs in
      let point = outputs.flattenedEntries
      let moved = directionalDerivative(
        of: { residual(inputs.prefixed(count, $0), outputs, point) }, at: Array(inputs[count...]),
        along: Array(tangents[count...]))
      let slope = jacobian(of: { residual(inputs, outputs, $0) }, at: point)
      return outputs.replacingEntries(with: -solvedOrStopped(name, slope, moved))
    },
    vjp: { inputs, _, outputs, cotangents in
      let point = outputs.flattenedEntries
      let slope = jacobian(of: { residual(inputs, outputs, $0) }, at: point)
      let adjoint = solvedOrStopped(name, slope.transposed, cotangents.flattenedEntries)
      let (_, pullback) = AutoDiff.vjp(
        of: { residual(inputs.prefixed(count, $0), outputs, point) }, at: Array(inputs[count...]))
      return outputs.map { .zeros(like: $0) } + pullback(-adjoint)
    }, failure: { failure.value })
  let function = CustomFunction(name: name, rules: rules)
  let packed = dispatch(function, Inputs(start.leaves + leaves))
  if !packed.isBounded, !packed.isCheckedLater { _ = packed.beneathTraces(for: name) }
  if let error = failure.value { throw error }
  return start.replacingLeaves(with: function.unpacked(packed))
}

private func solvedOrStopped(_ name: String, _ a: Tensor, _ b: Tensor) -> Tensor {
  do throws(LinearAlgebraError) {
    return try solve(a, b)
  } catch {
    stop(name, "the derivative exists only where the equation's Jacobian is invertible", got: "\(error)")
  }
}

extension [Tensor] {
  /// The first `count` of these, then others.
  fileprivate func prefixed(_ count: Int, _ others: [Tensor]) -> [Tensor] { Array(self[..<count]) + others }
}
