import AutoDiff

/// Linear least squares: the minimum-norm solution, and where gradient descent goes.
///
///     minimize ‖A w − y‖²,      w* = A⁺ y ∈ span{x₁, …, xₙ},      lim wₖ = w* + (w₀ − P w₀)
///
/// P is the orthogonal projection onto the span of the examples, which gradient descent never leaves: what of its start lies
/// outside stays. It converges for steps h < 1/s_max² on the loss Σ r², whose gradient is 2 Aᵀ(A w − y).
///
/// The singular values and vectors come from the symmetric eigenproblem of [[0, Rᵀ], [R, 0]], where R is a triangular factor
/// of A or of its transpose: they are as accurate as the data allow, while A Aᵀ would lose what is below √ε s_max.
///
/// - Source: the textbook chapter *Wide neural networks*, proposition 11.2 and theorem 11.3.
public struct LinearLeastSquares: Sendable {
  /// w*: [d] for labels [n], [d, outputs...] for labels [n, outputs...], in the type of the features.
  public let weights: Tensor
  /// The singular values of A, descending: min(n, d) of them.
  public let singularValues: [Double]
  /// The singular values that do not count as zero.
  public let rank: Int
  /// The singular values up to this one count as zero.
  public let cutoff: Double
  /// ‖A w* − y‖ for every output.
  public let residuals: [Double]
  /// An orthonormal basis of the span of the examples, to the cut-off: [d, rank] in double precision.
  private let span: Tensor

  /// Solves the problem in double precision.
  ///
  /// - Shapes: features [n, d], labels [n] or [n, outputs...].
  /// - Parameters:
  ///   - features: A, examples (or their features) in rows.
  ///   - labels: y, of the same scalar type; another one stops, as does another number of examples.
  ///   - cutoff: singular values of at most this share of the largest count as zero; by default max(n, d) ε, with ε of the
  ///     features' type.
  /// - Throws: ``SymmetricMatrixError/notFinite(row:column:value:)`` for the features,
  ///   ``KernelMatrixError/labelNotFinite(example:output:value:)``,
  ///   ``KernelMatrixError/solutionNotFinite(row:output:value:)``, and `LinearAlgebraError.notConverged`.
  /// - Complexity: 4 max(n, d) k² + 72 k³ flops with k = min(n, d).
  public init(features: Tensor, labels: Tensor, cutoff: Double? = nil) throws {
    guard features.rank == 2, labels.scalarType == features.scalarType else {
      stop(
        "LinearLeastSquares", "needs features [n, d] and labels of one type",
        got: "\(features.shape) of \(features.scalarType.rawValue) and labels of \(labels.scalarType.rawValue)")
    }
    let (n, d) = (features.shape[0], features.shape[1])
    let y = stopGradient(try labelColumns(labels, count: n, for: "LinearLeastSquares")).as(.float64)
    let a = stopGradient(features).as(.float64)
    try requireFinite(a, for: "LinearLeastSquares")
    let (u, values, v) = try Self.singularParts(a)
    singularValues = values
    let share = cutoff ?? Double(max(n, d)) * features.scalarType.epsilon
    requireCutoff(share)
    let limit = share * (values.first ?? 0)
    // Without a cut-off, what has no finite reciprocal counts as zero too.
    let count = values.count { $0 > limit && $0 >= features.scalarType.leastNormalMagnitude }
    (self.cutoff, rank) = (limit, count)
    span = v[TensorIndex.all, 0..<count]
    let parts = matmul(u[TensorIndex.all, 0..<count].transposed, y) / Tensor(Array(values[0..<count])).expanded(at: 1)
    let solution = matmul(span, parts)
    let rounded = solution.as(features.scalarType)
    try requireFiniteSolution(rounded)
    weights = rounded.reshaped(to: [d] + labels.shape.dropFirst())
    residuals = (matmul(a, solution) - y).norm(axes: [0]).scalars
  }

  /// The part of weights in the span of the examples, P w.
  ///
  /// - Shapes: [d] or [d, outputs...] → the same
  public func spanPart(of w: Tensor) -> Tensor {
    guard w.rank >= 1, w.shape[0] == span.shape[0] else {
      stop(
        "LinearLeastSquares.spanPart", "needs weights [\(span.shape[0])] or [\(span.shape[0]), outputs...]",
        got: "\(w.shape)")
    }
    let parts = tensordot(span, w.as(.float64), axes: ([0], [0]))
    return tensordot(span, parts, axes: ([1], [0])).as(w.scalarType)
  }

  /// The part of weights that gradient descent leaves as it is, w − P w.
  ///
  /// - Shapes: [d] or [d, outputs...] → the same
  public func orthogonalPart(of w: Tensor) -> Tensor { w - spanPart(of: w) }

  /// Where gradient descent with any small enough step goes from a start: w* + (w₀ − P w₀).
  ///
  /// - Parameter start: w₀, of the shape of the weights; another one stops.
  public func gradientDescentLimit(from start: Tensor) -> Tensor {
    guard start.shape == weights.shape else {
      stop("LinearLeastSquares.gradientDescentLimit", "needs a start \(weights.shape)", got: "\(start.shape)")
    }
    return weights + orthogonalPart(of: start)
  }

  /// A = U diag(s) Vᵀ with k = min(n, d) columns; columns of singular value 0 are unspecified.
  private static func singularParts(_ a: Tensor) throws -> (u: Tensor, values: [Double], v: Tensor) {
    let (n, d) = (a.shape[0], a.shape[1])
    if n > d {
      let (u, values, v) = try singularParts(a.transposed)
      return (v, values, u)
    }
    guard n > 0 else { return (.zeros([0, 0]), [], .zeros([d, 0])) }
    // Aᵀ = Q R, so A = Rᵀ Qᵀ, and the singular vectors of the small Rᵀ are half of those of [[0, Rᵀ], [R, 0]].
    let (q, r) = try qr(a.transposed)
    let zero = Tensor.zeros([n, n])
    let both = concatenate([concatenate([zero, r.transposed], axis: 1), concatenate([r, zero], axis: 1)])
    let (values, vectors) = try symmetricEigen(both)
    // The positive half of the spectrum, descending; both halves of its vectors have the length √½.
    let order = Array((n..<2 * n).reversed())
    let chosen = vectors.gathered(at: order, axis: 1) * 2.0.squareRoot()
    let all = values.scalars
    return (chosen[0..<n], order.map { max(all[$0], 0) }, matmul(q, chosen[n...]))
  }
}
