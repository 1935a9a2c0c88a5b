import AutoDiff

/// Gradient descent, step by step beside what a certificate promises.
public struct PromisedRun: Sendable {
  /// What was seen after some steps.
  public struct Step: Sendable {
    /// ‖w_k − w₀‖.
    public let distance: Double
    /// √F = ‖r‖.
    public let residualNorm: Double
    /// The promised bound of ``residualNorm``.
    public let promisedResidualNorm: Double
    /// The largest |f − g| of a datum, g being the linearized model at the start.
    public let linearizationError: Double
  }

  /// The start, then the state after every step.
  public let steps: [Step]
  /// The promised bound of the distance.
  public let radius: Double
  /// What rounding may add to a computed residual, e: no promise is held against less. A step that follows such a residual
  /// leads astray by at most 2 e, which later steps shrink as they shrink the residual; so much is allowed besides.
  public let noise: Double
  /// The first step that breaks a promise; nil if none does.
  public let firstBroken: Int?

  /// Whether both promises were kept at every step.
  public var isKept: Bool { firstBroken == nil }

  /// Descends w ← w − step · Φᵀr, the gradient of ½ Σ r².
  init<Example: TensorTree, P: TensorTree>(
    _ start: TrainingStart<Example, P>, step: Double, steps count: Int, rate: Double, radius: Double, noise: Double
  ) throws {
    var (p, promised) = (start.parameters, start.residualNorm.upper.value)
    let initial = try start.outputs(p).as(.float64)
    var (seen, broken): ([Step], Int?) = ([], nil)
    var allowance = noise
    let measured = RecordedWherePossible { (p: P) -> Pair<P, [Tensor]> in
      let (loss, gradient) = try valueWithGradient(
        of: { p in
          let residual = try start.residual(p)
          return dot(residual, residual) * 0.5
        }, at: p)
      let change = p.subtracting(start.parameters)
      let linear = initial + matmul(start.gradients, change.flattenedEntries.as(.float64))
      let error = abs(try start.outputs(p).as(.float64) - linear).max()
      return Pair(gradient, [loss, change.euclideanNorm, error])
    }
    for k in 0...max(0, count) {
      let measurement = try measured(p)
      let (gradient, numbers) = (measurement.first, measurement.second.map(\.scalar))
      let norm = (2 * numbers[0]).squareRoot()
      let state = Step(
        distance: numbers[1], residualNorm: norm, promisedResidualNorm: promised, linearizationError: numbers[2])
      seen.append(state)
      let isKept = state.distance <= radius * (1 + 1e-9) && norm <= promised * (1 + 1e-9) + allowance
      if broken == nil, !isKept { broken = k }
      if promised < allowance || !norm.isFinite || norm == 0 { break }
      p = p.adding(gradient, scaledBy: -step)
      promised *= rate
      // The step times the kernel's norm is at most 2 while a certificate holds.
      allowance = allowance * rate + 2 * noise
    }
    (steps, self.radius, self.noise, firstBroken) = (seen, radius, noise, broken)
  }
}

/// What the rounding of parameters may move the outputs by, together.
func roundingNoise<Example: TensorTree, P: TensorTree>(
  _ start: TrainingStart<Example, P>, gradientNorm: Double
) -> Double {
  let type = start.parameters.leaves.first?.scalarType ?? .float64
  let size = start.parameters.euclideanNorm.scalar
  return 4 * Double(start.datumCount).squareRoot() * gradientNorm * type.epsilon * size
}
