import AutoDiff

/// Proved upper ends for one output of a model at one example, on a ball of parameters.
///
/// The gradient is bounded as a function like any other: it is made of primitives that state bounds. The derivative of its
/// block in leaf k by leaf l is bounded by B[k, l]; it is the transpose of that of block l by leaf k, so the smaller bound
/// holds for both, and the Hessian's norm is at most that of the matrix B.
struct OutputBounds {
  /// A bound of ‖∇f‖ on the ball.
  let gradientNorm: Double
  /// A bound of the Hessian's norm on the ball, which is a Lipschitz constant of the gradient there, a ball being convex.
  let lipschitz: Double
  /// ∇f at the center, in double precision: [p].
  let gradient: Tensor
  /// A bound of the rounding error of ``gradient`` in the Euclidean norm.
  let gradientError: Double
  /// Where f lies at the center.
  let value: (lower: Double, upper: Double)

  /// - Parameters:
  ///   - f: the output as a function of the parameters, a single number.
  ///   - ball: the parameters.
  init<P: TensorTree>(of f: (P) throws -> Tensor, in ball: BoundedBall<P>, radius: Double) throws {
    let bounds = try ball.bounds { p -> [Tensor] in
      let (value, gradient) = try valueWithGradient(of: f, at: p)
      return [value.reshaped(to: [])] + gradient.leaves
    }
    let (output, parts) = (bounds[0], Array(bounds.dropFirst()))
    var blocks = parts.map { part in parts.indices.map { part.slopes[$0]?.norm ?? 0 } }
    // What is stopped, or has rules by hand, makes the gradient something else than a derivative, with any Jacobian.
    let isDerivative = ball.ownDerivatives == nil
    for k in blocks.indices {
      for l in 0..<k {
        let (a, b) = (blocks[k][l], blocks[l][k])
        let both = isDerivative ? min(a, b) : max(a, b)
        (blocks[k][l], blocks[l][k]) = (both, both)
      }
    }
    lipschitz = perronBound(blocks)
    gradient = parts.map { $0.initial.midpoint.flattened }.joinedVector
    gradientError = parts.map { $0.initial.radius.norm().scalar }.euclideanNorm * (1 + roundingShare)
    let reach = parts.map { $0.range.magnitude.norm().scalar }.euclideanNorm
    let center = gradient.norm().scalar + gradientError
    gradientNorm =
      min(isDerivative ? output.slope : .infinity, reach, center + radius * lipschitz) * (1 + roundingShare)
    value = (output.initial.lower.scalar, output.initial.upper.scalar)
  }
}

/// A share larger than what sums of squares of up to 10⁷ numbers lose, by which their bounds are moved outward.
let roundingShare = 1e-8

/// A proved bound of the norm of a symmetric matrix of numbers ≥ 0: max (B v)ᵢ/vᵢ for any v > 0 (Collatz and Wielandt).
private func perronBound(_ matrix: [[Double]]) -> Double {
  var v = matrix.map { _ in 1.0 }
  var best = Double.infinity
  for _ in 0..<64 {
    let product = matrix.map { row in zip(row, v).reduce(0) { $0 + $1.0 * $1.1 } }
    best = min(best, zip(product, v).map { $0 / $1 }.max() ?? 0)
    // Half of the old vector, so that it converges where −λ is an eigenvalue too; and no entry vanishes.
    let size = product.max() ?? 0
    guard size > 0 else { break }
    let length = v.max() ?? 1
    v = zip(product, v).map { max($0 / size + $1 / length, 1e-9) }
  }
  return best * (1 + 1e-12)
}

extension [Double] {
  /// √Σ x², of numbers of any size.
  var euclideanNorm: Double { Tensor(self).norm().scalar }
}

extension [Tensor] {
  /// One vector of several.
  fileprivate var joinedVector: Tensor { isEmpty ? .zeros([0]) : concatenate(self) }
}
