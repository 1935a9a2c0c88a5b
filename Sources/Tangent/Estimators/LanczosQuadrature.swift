import AutoDiff
import Foundation

/// Gauss quadratures of a symmetric operator's spectrum, as random vectors see it.
///
/// For a vector v of length 1 the sum vᵀ f(A) v = Σᵢ (vᵀxᵢ)² f(λᵢ) over all eigenpairs is an integral of f. Lanczos iteration
/// from v with m products makes the quadrature Σ_l w_l f(θ_l) with m nodes, which is exact for polynomials of degree below
/// 2 m. Its mean over random vectors, times the dimension, is tr f(A):
///
///     var random = RandomGenerator(seed: 0)
///     let quadrature = try LanczosQuadrature(of: hessian, probes: 10, steps: 60, using: &random)
///     let density = quadrature.density()
///     let logDeterminant = try quadrature.trace(of: log)
///
/// - Source: G. Golub, G. Meurant, *Matrices, Moments and Quadrature* (2010), chapter 6; S. Ubaru, J. Chen, Y. Saad, *Fast
///   estimation of tr(f(A)) via stochastic Lanczos quadrature*, SIAM J. Matrix Anal. Appl. 38 (2017), algorithm 1.
public struct LanczosQuadrature: Sendable {
  /// Nodes and weights for one starting vector.
  public struct Rule: Sendable {
    /// θ, ascending.
    public let nodes: [Double]
    /// w, of which the sum is 1.
    public let weights: [Double]
  }

  /// The extent of the operator.
  public let dimension: Int
  /// The rules, one for each starting vector.
  public let rules: [Rule]
  /// m, the steps that were made at most.
  public let steps: Int
  /// Products with single vectors.
  public let products: Int
  /// The least and the largest node, each moved outward by the residual of its Ritz pair, the largest among all starting
  /// vectors. The spectrum reaches about so far: an eigenvalue beyond is possible where no starting vector has seen it.
  public let bounds: ClosedRange<Double>
  /// Whether every rule is exact, because its Krylov space is invariant.
  public let isExact: Bool
  /// Rules of three quarters of the steps, to see what the last ones changed.
  private let coarseRules: [Rule]

  /// Runs Lanczos iteration with full reorthogonalization from several random vectors, all of which are multiplied at once.
  ///
  /// - Parameters:
  ///   - a: the operator; one of extent 0 stops.
  ///   - probes: the number of random vectors, by default 10; less than 1 stops.
  ///   - steps: m, by default 64; less than 1 stops. At most n are made.
  ///   - law: that of the vectors, which are brought to length 1; by default signs.
  ///   - budget: the bytes that the vectors of the iterations may take; where those of all probes at once take more, fewer
  ///     run at the same time. By default half of the machine's memory.
  ///   - generator: makes the vectors; the result is a function of its state.
  /// - Throws: what the products throw; ``SymmetricMatrixError/productNotFinite(row:column:value:)``;
  ///   `LinearAlgebraError` of the small eigenproblems.
  /// - Complexity: m products with each vector, 4 n m² flops beside them, and m n numbers of memory for each that runs at
  ///   the same time.
  public init<A: SymmetricOperator>(
    of a: A, probes: Int = 10, steps: Int = 64, law: ProbeLaw = .rademacher, budget: Int? = nil,
    using generator: inout RandomGenerator
  ) throws {
    let n = a.dimension
    guard probes >= 1, steps >= 1, n >= 1 else {
      stop(
        "LanczosQuadrature", "dimension, probes and steps must be positive", got: "\(n), \(probes) and \(steps)")
    }
    let most = min(steps, n)
    let bytes = n * (most + 4) * a.scalarType.byteCount
    let extent = max(1, min(probes, (budget ?? defaultKernelBudget) / max(1, bytes)))
    var recurrences: [Recurrence] = []
    while recurrences.count < probes {
      let count = min(extent, probes - recurrences.count)
      let starts = law.vectors(count, n, as: a.scalarType, using: &generator)
      recurrences += try Recurrence.run(a, from: starts, steps: most)
    }
    (dimension, self.steps) = (n, most)
    products = recurrences.reduce(0) { $0 + $1.diagonal.count }
    let results = try recurrences.map { try $0.rule(of: $0.diagonal.count) }
    rules = results.map(\.rule)
    coarseRules = try recurrences.map {
      try $0.rule(of: max(1, $0.isInvariant ? $0.diagonal.count : 3 * most / 4)).rule
    }
    isExact = recurrences.allSatisfy(\.isInvariant)
    let ends = results.map { ($0.rule.nodes[0] - $0.residuals.first, $0.rule.nodes.last! + $0.residuals.last) }
    bounds = ends.map(\.0).min()!...ends.map(\.1).max()!
  }

  /// tr f(A) = n · the mean over starting vectors of Σ_l w_l f(θ_l).
  ///
  /// The logarithm of the determinant of a positive definite operator is the trace of `log`.
  ///
  /// - Parameter f: a function on an interval that contains the spectrum.
  /// - Returns: the estimate. Its standard error comes from the spread over starting vectors; `systematicError`, of the
  ///   quadrature, is what the last quarter of the steps changed, which is an estimate and no bound.
  /// - Throws: ``SpectralFunctionError`` where f is not finite at a node.
  /// - Complexity: as many values of f as nodes.
  public func trace(of f: (Double) -> Double) throws(SpectralFunctionError) -> RandomizedEstimate {
    func integrals(_ rules: [Rule]) throws(SpectralFunctionError) -> SampleMoments {
      var samples: [Double] = []
      for rule in rules {
        var sum = 0.0
        for (node, weight) in zip(rule.nodes, rule.weights) {
          let value = f(node)
          guard value.isFinite else { throw .notFinite(node: node, value: value) }
          sum += weight * value
        }
        samples.append(Double(dimension) * sum)
      }
      return SampleMoments(samples)
    }
    let (fine, coarse) = (try integrals(rules), try integrals(coarseRules))
    return RandomizedEstimate(
      value: fine.mean.scalar, standardError: fine.standardError.scalar,
      systematicError: abs(fine.mean.scalar - coarse.mean.scalar), method: .lanczosQuadrature, samples: rules.count,
      products: products)
  }
}

/// Why a function of an operator has no trace.
public enum SpectralFunctionError: Error, Equatable, Sendable {
  /// The function is infinite or not a number at a node, which lies between the ends of the spectrum.
  case notFinite(node: Double, value: Double)
}

extension SpectralFunctionError: CustomStringConvertible {
  /// What is wrong, where, and what may help.
  public var description: String {
    switch self {
    case .notFinite(let node, let value):
      "function of an operator: must be finite on the spectrum, but at \(node) it is \(value). "
        + "Is the operator definite enough? Add a ridge."
    }
  }
}

/// The tridiagonal matrix that Lanczos iteration makes from one vector.
private struct Recurrence {
  /// α.
  var diagonal: [Double] = []
  /// β, one for each α: the last one leads out of the space.
  var offDiagonal: [Double] = []
  /// Whether the Krylov space has ended.
  var isInvariant = false

  /// Independent iterations from the columns of a matrix.
  static func run<A: SymmetricOperator>(_ a: A, from starts: Tensor, steps: Int) throws -> [Recurrence] {
    let n = a.dimension
    var recurrences = [Recurrence](repeating: .init(), count: starts.shape[1])
    // For each iteration its vectors as rows.
    var basis = Tensor.zeros([recurrences.count, steps, n], as: a.scalarType)
    var scale = [Double](repeating: 0, count: recurrences.count)
    var v = starts / starts.norm(axes: [0], keepingAxes: true)
    for step in 0..<steps where recurrences.contains(where: { !$0.isInvariant }) {
      basis[TensorIndex.all, step] = v.transposed
      var next = stopGradient(try a.checkedProduct(with: v, for: "LanczosQuadrature"))
      let (sizes, alpha) = (next.norm(axes: [0]).scalars, (v * next).sum(axes: [0]).scalars)
      next = orthogonalized(next, to: basis, count: step + 1)
      let beta = next.norm(axes: [0]).scalars
      for k in recurrences.indices where !recurrences[k].isInvariant {
        scale[k] = max(scale[k], sizes[k])
        recurrences[k].diagonal.append(alpha[k])
        recurrences[k].offDiagonal.append(beta[k])
        let isNothing = beta[k] <= 8 * Double(n).squareRoot() * a.scalarType.epsilon * scale[k]
        recurrences[k].isInvariant = isNothing || recurrences[k].diagonal.count == n
      }
      // A vector that is done goes on as 0. Divided, because the reciprocal of a small number may be infinite.
      let isGoingOn = recurrences.map { $0.isInvariant ? 0.0 : 1 }
      let lengths = recurrences.indices.map { recurrences[$0].isInvariant ? 1 : beta[$0] }
      v = next / Tensor(lengths, as: a.scalarType) * Tensor(isGoingOn, as: a.scalarType)
    }
    return recurrences
  }

  /// Columns without what lies along the first vectors of their own basis.
  ///
  /// Here, so that no view of the basis lives on while vectors are added to it in place.
  private static func orthogonalized(_ columns: Tensor, to basis: Tensor, count: Int) -> Tensor {
    let known = basis[TensorIndex.all, 0..<count]
    var rest = columns.transposed.expanded(at: 2)
    // Twice is enough: after the second time nothing but rounding is left along the basis.
    for _ in 0..<2 { rest -= matmul(known.transposed, matmul(known, rest)) }
    return rest.squeezed([2]).transposed
  }

  /// The rule of the leading steps, and the residuals of its first and last Ritz pair.
  ///
  /// Nodes are the eigenvalues of the tridiagonal matrix, weights the squared first entries of its eigenvectors.
  ///
  /// - Source: G. Golub, J. Welsch, *Calculation of Gauss quadrature rules*, Math. Comp. 23 (1969).
  func rule(of steps: Int) throws -> (rule: LanczosQuadrature.Rule, residuals: (first: Double, last: Double)) {
    var matrix = [Double](repeating: 0, count: steps * steps)
    for k in 0..<steps {
      matrix[k * steps + k] = diagonal[k]
      guard k + 1 < steps else { break }
      matrix[k * steps + k + 1] = offDiagonal[k]
      matrix[(k + 1) * steps + k] = offDiagonal[k]
    }
    let (values, vectors) = try symmetricEigen(Tensor(matrix, shape: [steps, steps]))
    let weights = square(vectors[0]).scalars
    let total = weights.reduce(0, +)
    let last = vectors[steps - 1].scalars
    let out = steps == diagonal.count && isInvariant ? 0 : offDiagonal[steps - 1]
    return (
      LanczosQuadrature.Rule(nodes: values.scalars, weights: weights.map { $0 / total }),
      (out * abs(last[0]), out * abs(last[steps - 1]))
    )
  }
}
