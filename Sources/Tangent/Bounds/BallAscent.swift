import AutoDiff

/// Seeded ascent over a ball of parameters, for attained lower ends.
///
/// Each step goes to the point of the ball where the linearization of the quantity is largest, or a part of the way there:
/// θ + γ (θ₀ + ρ d − θ) with the gradient's direction d and γ = 1, ½, ¼, ⅛ (Frank and Wolfe). All points lie in the ball.
struct BallAscent<P: TensorTree> {
  let f: (P) throws -> Tensor
  let center: P
  let radius: Double
  let options: LipschitzOptions

  /// A point and what was found there.
  struct Peak {
    var point: P
    var value: Double
    /// ‖H v − λ v‖ of the eigenvector that gave the value; 0 for gradient norms.
    var residual = 0.0
    /// v, and the sign of its eigenvalue.
    var vector: P?
    var sign = 1.0
  }

  /// The best of all starts, and how it went there.
  struct Result {
    var peak: Peak
    var stoppingReason: AscentStop
    var iterations: Int
    /// Every point that was looked at.
    var points: [P]
  }

  /// Climbs from every start. Points of the ball where the quantity is not finite are passed over; where all starts are, an
  /// error says what is not finite at the center.
  ///
  /// - Parameters:
  ///   - evaluate: the quantity at a point.
  ///   - gradient: the gradient of the quantity, up to a positive factor.
  private func climb(
    using generator: inout RandomGenerator, _ evaluate: (P, inout RandomGenerator) throws -> Peak,
    _ gradient: (Peak) throws -> P
  ) throws -> Result {
    var best: Result?
    var (points, iterations) = ([P](), 0)
    for start in 0..<(radius > 0 ? options.starts : 1) {
      var peak = try evaluate(start == 0 ? center : randomPoint(using: &generator), &generator)
      guard peak.value.isFinite else { continue }
      points.append(peak.point)
      var reason = AscentStop.stepLimit
      for step in 0...options.stepLimit {
        guard radius > 0 else {
          reason = .point
          break
        }
        if step == options.stepLimit { break }
        guard let next = try improved(peak, evaluate, gradient, &points, using: &generator) else {
          reason = .stationary
          break
        }
        iterations += 1
        peak = next
      }
      if best.map({ peak.value > $0.peak.value }) ?? true {
        best = Result(peak: peak, stoppingReason: reason, iterations: 0, points: [])
      }
    }
    guard var result = best else {
      // Bounds know of no type, so in single precision there may be some where the model itself overflows.
      let (value, slope) = try valueWithGradient(of: f, at: center)
      guard value.isFinite else { throw LipschitzError.valueNotFinite(value.scalar) }
      let leaf = slope.leaves.firstIndex { !$0.isFinite } ?? 0
      throw LipschitzError.gradientNotFinite(leaf: leaf, value: slope.euclideanNorm.scalar)
    }
    (result.iterations, result.points) = (iterations, points)
    return result
  }

  /// A point where the quantity is larger by more than the tolerance; nil where no step leads to one.
  private func improved(
    _ peak: Peak, _ evaluate: (P, inout RandomGenerator) throws -> Peak, _ gradient: (Peak) throws -> P,
    _ points: inout [P], using generator: inout RandomGenerator
  ) throws -> Peak? {
    let slope = try gradient(peak)
    let length = slope.euclideanNorm.scalar
    guard length > 0, length.isFinite else { return nil }
    let target = center.adding(slope, scaledBy: radius * insideShare / length)
    for share in [1, 0.5, 0.25, 0.125] {
      let next = try evaluate(peak.point.interpolated(to: target, at: share), &generator)
      guard next.value.isFinite else { continue }
      points.append(next.point)
      if next.value > peak.value * (1 + options.tolerance) { return next }
    }
    return nil
  }

  /// A little less than 1, so that rounding leads no point out of the ball.
  private var insideShare: Double { 1 - 4 * scalarType.epsilon }
  private var scalarType: ScalarType { center.leaves.first?.scalarType ?? .float64 }

  private func randomPoint(using generator: inout RandomGenerator) -> P {
    let direction = center.mapTensors { Tensor.normal($0.shape, as: $0.scalarType, using: &generator) }
    return center.adding(direction, scaledBy: radius * insideShare / direction.euclideanNorm.scalar)
  }

  // MARK: The two quantities

  /// The largest Hessian norm that is found, by Lanczos iteration at every point.
  ///
  /// With the eigenvector v fixed, the gradient of vᵀ H v is that of the second derivative along v.
  func hessianNorm(using generator: inout RandomGenerator) throws -> Result {
    try climb(using: &generator) { point, generator in
      let hessian = try HessianOperator(of: f, at: point)
      guard hessian.dimension > 0 else { return Peak(point: point, value: 0, vector: point) }
      guard try f(point).isFinite else { return Peak(point: point, value: -.infinity) }
      let options = LanczosOptions(tolerance: options.eigenTolerance, productLimit: options.productLimit)
      let pairs = try lanczos(hessian, end: .both, using: &generator, options: options)
      let (top, bottom) = (pairs.largest, pairs.smallest)
      // The ends of the spectrum may have one sign.
      let ends = (top: top.brackets[0].lower.value, bottom: -bottom.brackets[0].upper.value)
      let isTop = ends.top >= ends.bottom
      let (chosen, inner) = isTop ? (top, ends.top) : (bottom, ends.bottom)
      return Peak(
        point: point, value: max(0, inner), residual: chosen.residuals[0],
        vector: point.replacingEntries(with: chosen.vectors[TensorIndex.all, 0]), sign: chosen.values[0] < 0 ? -1 : 1)
    } _: { peak in
      let v = peak.vector!
      return try gradient(
        of: { p in
          try directionalDerivative(
            of: { q in try directionalDerivative(of: f, at: q, along: v) }, at: p, along: v)
        }, at: peak.point
      ).scaled(by: peak.sign)
    }
  }

  /// The largest gradient norm that is found; the gradient of ½‖∇f‖² is H ∇f.
  func gradientNorm(using generator: inout RandomGenerator) throws -> Result {
    try climb(using: &generator) { point, _ in
      let (value, slope) = try valueWithGradient(of: f, at: point)
      guard value.isFinite else { return Peak(point: point, value: -.infinity) }
      let norm = slope.euclideanNorm.scalar
      return Peak(point: point, value: norm * (1 - 64 * scalarType.epsilon))
    } _: { peak in
      try hvp(of: f, at: peak.point, along: try gradient(of: f, at: peak.point))
    }
  }

  /// The largest ‖∇f(θ) − ∇f(θ′)‖/‖θ − θ′‖ of neighbors among these points, less what rounding may have added.
  func differenceQuotient(_ points: [P]) throws -> Double {
    let gradients = try points.map { try gradient(of: f, at: $0) }
    var largest = 0.0
    for (k, l) in zip(points.indices, points.indices.dropFirst()) {
      let distance = points[k].subtracting(points[l]).euclideanNorm.scalar
      guard distance > 0 else { continue }
      let size = gradients[k].euclideanNorm.scalar + gradients[l].euclideanNorm.scalar
      guard size.isFinite else { continue }
      let change = gradients[k].subtracting(gradients[l]).euclideanNorm.scalar
      let lengths = points[k].euclideanNorm.scalar + points[l].euclideanNorm.scalar
      // Both differences lose what the type rounds off.
      let noise = 64 * scalarType.epsilon
      largest = max(largest, (change - noise * size) / (distance + noise * lengths))
    }
    return largest
  }
}
