import AutoDiff

/// How ``estimateTrace(of:by:products:using:)`` goes about it.
public enum TraceMethod: Sendable, Equatable {
  /// (1/m) Σ vᵀ A v over m random vectors. The error falls like 1/√m whatever the spectrum; for signs its variance is
  /// 2 Σ_{i≠j} aᵢⱼ² / m, for normal vectors 2 ‖A‖²_F / m.
  case hutchinson(ProbeLaw = .rademacher)
  /// tr Qᵀ A Q for a basis Q of what A makes of m/3 random vectors, and Hutchinson's mean over m/3 others for the rest. The
  /// error falls like 1/m for a semidefinite A, and faster where eigenvalues decay.
  case hutchPlusPlus
  /// As Hutch++, but each of m/2 vectors is used both ways: it is tested against the basis of the others. For eigenvalues
  /// that decay it takes the fewest products.
  case xTrace
}

/// The trace of a symmetric operator from few products with random vectors.
///
/// The estimate has no bias. If n products are allowed, n being the dimension, the diagonal is summed instead, which is
/// exact. Where the rank of A is at most a third of the products, Hutch++ is exact to rounding, and XTrace where it is below
/// half of them; its standard error vanishes as well where two vectors are to spare.
///
/// - Parameters:
///   - a: the operator A.
///   - method: by default XTrace.
///   - products: how many vectors may be multiplied: at least 1, 2 for XTrace and 3 for Hutch++; fewer stop.
///   - generator: makes the vectors; the result is a function of its state.
/// - Returns: the estimate with its standard error. That of Hutchinson and Hutch++ is the standard deviation of independent
///   samples over the root of their number. The samples of XTrace depend on each other, and the same formula, which its
///   authors give, comes out at 0.7 of the error; so the jackknife is taken, which is cautious: 1.1 to 3.3
///   times the error for the spectra tried, the more the faster they decay.
/// - Throws: what the products throw; ``SymmetricMatrixError/productNotFinite(row:column:value:)``.
/// - Complexity: the products. Hutch++ and XTrace add about 2 n m² flops and the memory of 2 m vectors in double precision,
///   XTrace m⁴ / 2 flops (80 m³ for m > 128) for its standard error; Hutchinson keeps 64 vectors.
/// - Source: M. Hutchinson, *A stochastic estimator of the trace of the influence matrix for Laplacian smoothing splines*,
///   Comm. Statist. Simulation 19 (1990); R. Meyer, C. Musco, C. Musco, D. Woodruff, *Hutch++: optimal stochastic trace
///   estimation*, SOSA 2021, algorithm 1; E. Epperly, J. Tropp, R. Webber, *XTrace: making the most of every sample in
///   stochastic trace estimation*, SIAM J. Matrix Anal. Appl. 45 (2024), section 2.
public func estimateTrace<A: SymmetricOperator>(
  of a: A, by method: TraceMethod = .xTrace, products: Int, using generator: inout RandomGenerator
) throws -> RandomizedEstimate {
  let least =
    switch method {
    case .hutchinson: 1
    case .xTrace: 2
    case .hutchPlusPlus: 3
    }
  guard products >= least else { stop("estimateTrace", "needs at least \(least) products", got: "\(products)") }
  let n = a.dimension
  guard products < n else {
    return RandomizedEstimate(
      value: try a.exactDiagonal(for: "estimateTrace").sum().scalar, standardError: 0, systematicError: 0,
      method: .unitVectors, samples: 0, products: n)
  }
  switch method {
  case .hutchinson(let law):
    let forms = try a.quadraticForms(products, law, using: &generator) { $0 }
    return RandomizedEstimate(SampleMoments(forms), plus: 0, .hutchinson, products: products)
  case .hutchPlusPlus:
    // Normal vectors, because few signs may be linearly dependent on a range along coordinates.
    let sketch = ProbeLaw.gaussian.vectors(products / 3, n, as: a.scalarType, using: &generator)
    let q = try a.range(of: sketch, for: "estimateTrace").q
    let known = (q * (try a.doubleProduct(with: q, for: "estimateTrace"))).sum().scalar
    let rest = products - 2 * (products / 3)
    let forms = try a.quadraticForms(rest, .rademacher, using: &generator) { $0 - matmul(q, matmul(q.transposed, $0)) }
    return RandomizedEstimate(SampleMoments(forms), plus: known, .hutchPlusPlus, products: products)
  case .xTrace:
    let vectors = ProbeLaw.gaussian.vectors(products / 2, n, as: a.scalarType, using: &generator)
    let (value, error) = try LeaveOneOutBasis(of: a, vectors, for: "estimateTrace").meanTrace()
    return RandomizedEstimate(
      value: value, standardError: error, systematicError: 0, method: .xTrace, samples: products / 2,
      products: 2 * (products / 2))
  }
}

extension RandomizedEstimate {
  /// A mean of samples and a part that is known.
  fileprivate init(_ samples: SampleMoments, plus known: Double, _ method: EstimationMethod, products: Int) {
    self.init(
      value: known + samples.mean.scalar, standardError: samples.standardError.scalar, systematicError: 0,
      method: method, samples: samples.count, products: products)
  }
}

extension SymmetricOperator {
  /// A V in double precision, whatever the operator's type.
  func doubleProduct(with vectors: Tensor, for operation: String) throws -> Tensor {
    stopGradient(try checkedProduct(with: vectors.as(scalarType), for: operation)).as(.float64)
  }

  /// vᵀ A v for random vectors v, each changed in a way that is given.
  fileprivate func quadraticForms(
    _ count: Int, _ law: ProbeLaw, using generator: inout RandomGenerator, _ change: (Tensor) -> Tensor
  ) throws -> [Double] {
    var forms: [Double] = []
    while forms.count < count {
      let extent = min(largestColumnBlock, count - forms.count)
      let v = change(law.vectors(extent, dimension, as: scalarType, using: &generator).as(.float64))
      forms += (v * (try doubleProduct(with: v, for: "estimateTrace"))).sum(axes: [0]).scalars
    }
    return forms
  }

  /// The diagonal by products with all unit vectors: [n], in double precision.
  func exactDiagonal(for operation: String) throws -> Tensor {
    let n = dimension
    let places = Tensor.range(to: Double(n)).expanded(at: 1)
    let parts = try stride(from: 0, to: n, by: largestColumnBlock).map { start -> Tensor in
      let end = min(start + largestColumnBlock, n)
      let units = places .== Tensor.range(from: Double(start), to: Double(end))
      return (units * (try doubleProduct(with: units, for: operation))).sum(axes: [0])
    }
    return parts.isEmpty ? .zeros([0]) : concatenate(parts)
  }

  /// Orthonormal columns Q, and R with A V = Q R, in double precision.
  func range(of vectors: Tensor, for operation: String) throws -> (q: Tensor, r: Tensor) {
    try qr(try doubleProduct(with: vectors, for: operation))
  }
}
