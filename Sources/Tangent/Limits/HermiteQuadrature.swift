import AutoDiff
import Foundation

/// The Hermite series of t ↦ g(s t) for many deviations s, to a checked error.
///
/// The coefficients E[g(s t) h_k(t)] are sums by the trapezoidal rule, which for functions that are analytic near the line
/// converges exponentially. The number of terms is doubled, and the nodes become denser with it, until
/// - the coefficients agree with those of the level before: ‖a − a′‖₂ ≤ tolerance · ‖g‖, and
/// - they hold the function's second moment (Parseval): 1 − Σ a_k² / ‖g‖² ≤ tolerance,
///
/// where ‖g‖² = E[g(s t)²]. By Cauchy's inequality E[g(u) g(v)] then comes, for every correlation, with an error of at most
/// 3 · tolerance · ‖g(u)‖ ‖g(v)‖.
///
/// - Parameters:
///   - g: a function of every entry.
///   - deviations: [count].
/// - Complexity: count · nodes · terms multiplications with about 12 √terms nodes and, for a moment, (count + nodes) · terms
///   numbers (200 MB for 16384 terms); the terms needed grow with (s/a)², where a is the distance of the nearest singularity
///   from the line.
/// - Source: Trefethen and Weideman, The exponentially convergent trapezoidal rule, SIAM Review 2014.
func hermiteSeries(
  of g: (Tensor) -> Tensor, _ deviations: Tensor, _ request: DualRequest
) throws(LimitError) -> HermiteSeries {
  let mostTerms = 16384
  var before: Tensor?
  var reached = Double.infinity
  var terms = 16
  let edges = HermiteRule.edges(of: g, deviations).scalars
  while terms <= mostTerms {
    let rule = HermiteRule(terms: terms)
    let samples = g(deviations.expanded(at: 1) * rule.nodes)
    let moments = matmul(square(samples), rule.weights).scalars
    if let example = moments.firstIndex(where: { !$0.isFinite }) {
      throw .momentNotFinite(activation: request.activation, layer: request.layer, example: example)
    }
    // What is cut off does not depend on the number of terms.
    let cut = moments.indices.reduce(0) { moments[$1] > 0 ? max($0, edges[$1] / moments[$1].squareRoot()) : $0 }
    guard cut <= request.tolerance else {
      throw .quadratureNotConverged(
        activation: request.activation, layer: request.layer, tolerance: request.tolerance, reached: cut, terms: terms)
    }
    let coefficients = matmul(samples, rule.matrix)
    if let before {
      let squares = square(coefficients)
      let held = squares.sum(axes: [1]).scalars
      let moved = square(coefficients[.all, 0..<terms / 2] - before).sum(axes: [1]).scalars
      reached = 0
      for k in moments.indices where moments[k] > 0 {
        reached = max(reached, (moved[k] / moments[k]).squareRoot(), abs(1 - held[k] / moments[k]))
      }
      if reached <= request.tolerance { return trimmed(coefficients, squares.scalars, moments, request.tolerance / 8) }
    }
    before = coefficients
    terms *= 2
  }
  throw .quadratureNotConverged(
    activation: request.activation, layer: request.layer, tolerance: request.tolerance, reached: reached,
    terms: mostTerms)
}

/// The coefficients [count, terms] without the last ones, which together hold no more than a share `tolerance` of the
/// coefficients of their parity, the constant apart, for any function.
///
/// The second moment is no measure: where it is nearly all constant or all odd, the small rest alone keeps 1 − c′ or 1 + c′ of
/// the images from 0, and a kink in the next layer takes the root of that.
private func trimmed(
  _ coefficients: Tensor, _ squares: [Double], _ moments: [Double], _ tolerance: Double
) -> HermiteSeries {
  let (count, terms) = (coefficients.shape[0], coefficients.shape[1])
  // The largest share of each order among the examples, of the second moment and of all orders of its parity from 1 on.
  var shares = [Double](repeating: 0, count: terms)
  var sharesOfParity = shares
  for example in 0..<count where moments[example] > 0 {
    for parity in 0...1 {
      let orders = stride(from: parity, to: terms, by: 2)
      let sum = orders.reduce(0) { $1 > 0 ? $0 + squares[example * terms + $1] : $0 }
      for k in orders {
        let square = squares[example * terms + k]
        shares[k] = max(shares[k], square / moments[example])
        // A smaller sum is rounding.
        let whole = sum > 1e-28 * moments[example] ? min(sum, moments[example]) : moments[example]
        sharesOfParity[k] = max(sharesOfParity[k], square / whole)
      }
    }
  }
  func part(_ parity: Int) -> Tensor? {
    let orders = Array(stride(from: parity, to: terms, by: 2))
    // Rounding leaves about 10⁻³² of each order.
    var (kept, rest) = (orders.count, 0.0)
    while kept > 0, rest + sharesOfParity[orders[kept - 1]] <= tolerance / 2 || shares[orders[kept - 1]] < 1e-31 {
      kept -= 1
      rest += sharesOfParity[orders[kept]]
    }
    guard kept > 0 else { return nil }
    return coefficients[.all, stride(from: parity, to: 2 * kept, by: 2)].transposed
  }
  return HermiteSeries(even: part(0), odd: part(1))
}

/// The trapezoidal rule for products with Hermite polynomials under the normal density φ.
private struct HermiteRule {
  /// [nodes].
  let nodes: Tensor
  /// h φ(t): [nodes].
  let weights: Tensor
  /// h φ(t) h_k(t): [nodes, terms].
  let matrix: Tensor

  /// Beyond it φ^{1/2} is less than 10⁻¹⁸; h_k φ^{1/2} is less than 1 everywhere.
  private static let reach = 13.0

  /// h_k φ^{1/2} oscillates with frequencies up to √k, and products of two of them must be summed exactly; what is added
  /// resolves a smooth function beside it.
  init(terms: Int) {
    let half = Int((Self.reach * (1.4 * Double(terms).squareRoot() + 6) / Double.pi).rounded(.up))
    let step = Self.reach / Double(half)
    let points = (-half...half).map { Double($0) * step }
    let count = points.count
    let root = points.map { exp(-$0 * $0 / 4) / (2 * Double.pi).squareRoot().squareRoot() }
    // The Hermite functions ψ_k = h_k φ^{1/2} by their stable recurrence, one order for all nodes after the other.
    let entries = [Double](unsafeUninitializedCapacity: terms * count) { entries, initialized in
      for j in 0..<count { entries[j] = step * root[j] * root[j] }
      for k in 1..<terms {
        let (up, down) = (1 / Double(k).squareRoot(), (Double(k - 1) / Double(k)).squareRoot())
        let (last, row) = (max(k - 2, 0) * count, k * count)
        for j in 0..<count {
          entries[row + j] = points[j] * up * entries[row - count + j] - down * entries[last + j]
        }
      }
      initialized = terms * count
    }
    nodes = Tensor(points)
    weights = Tensor(Array(entries[..<count]))
    matrix = Tensor(entries, shape: [terms, count]).transposed
  }

  /// |g(s t)| φ^{1/2} at the ends of the rule, which bounds what is cut off of a function that grows no faster than
  /// φ^{−1/4}.
  static func edges(of g: (Tensor) -> Tensor, _ deviations: Tensor) -> Tensor {
    let ends = deviations.expanded(at: 1) * Tensor([-reach, reach])
    let values = g(ends)
    guard values.shape == ends.shape else {
      stop(
        "DualActivation", "the activation must act entry by entry", got: "shape \(values.shape) for \(ends.shape)")
    }
    return abs(values).max(axes: [1]) * exp(-reach * reach / 4)
  }
}
