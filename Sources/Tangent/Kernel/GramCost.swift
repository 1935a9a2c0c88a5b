/// What decides how much work the inner products of two sums of outer products are: their extents.
struct GramExtents {
  /// Examples, outputs and positions of both.
  var n: Double, m: Double, a: Double, b: Double, s: Double, t: Double
  /// Entries of the sides; p of those that both have.
  var l: Double, r: Double, p: Double
  /// Whether the left sides are rows of the identity, of which only equal ones meet.
  var hasRows: Bool
  /// Whether the rows are known, so that they can be sorted.
  var rowsAreKnown: Bool

  init(_ x: GradientFactors, _ y: GradientFactors) {
    (n, m) = (Double(x.exampleCount), Double(y.exampleCount))
    (a, b) = (Double(x.outputCount), Double(y.outputCount))
    (s, t) = (Double(x.positions), Double(y.positions))
    (l, r, p) = (Double(x.leftCount), Double(x.rightCount), Double(x.parallelCount))
    hasRows = x.form.hasRows
    rowsAreKnown = hasRows && !x.left.isTraced && !y.left.isTraced
  }

  /// The method of the least work.
  func cheapestMethod(_ outputs: KernelOutputs) -> KernelMethod {
    if rowsAreKnown { return .factored }
    return [.factored, .dense, .vectorProducts].min { cost(of: $0, outputs) < cost(of: $1, outputs) }!
  }

  /// About how many multiplications a method takes; work on single entries runs at the speed of memory, a tenth of that
  /// of a product, and counts ten times.
  func cost(of method: KernelMethod, _ outputs: KernelOutputs) -> Double {
    // Inner products of right sides per pair of examples, and entries of the result.
    let pairs = outputs.keepsAllPairs ? a * b : a
    let kept = outputs.keepsAllPairs ? a * b : outputs.keepsDiagonal ? a : 1
    let left = hasRows ? 1 : l
    let entries = p * l * r
    switch method {
    case .factored, .automatic:
      if rowsAreKnown { return (n * s + m * t) * 10 + n * m * pairs * r }
      let positionPairs = n * m * s * t * p
      return positionPairs * (left + pairs * r) + (s * t * p > 1 ? 10 : 1) * positionPairs * kept
    case .dense:
      return formingCost(n * a, s) + formingCost(m * b, t) + n * m * pairs * entries
    case .vectorProducts:
      return formingCost(m * b, t) + productCost(gradients: m * b, outputs)
    }
  }

  /// To form so many gradients in memory.
  func formingCost(_ gradients: Double, _ positions: Double) -> Double { gradients * p * l * r * (positions + 10) }

  /// To apply the outer products of n examples to so many directions in memory.
  func productCost(gradients: Double, _ outputs: KernelOutputs) -> Double {
    let sides = s * p * r
    return gradients * n * sides * ((hasRows ? 1 : l) + 10) + n * m * (outputs.keepsAllPairs ? a * b : a) * sides
  }

  /// With sums of the transposed form; see ``GradientFactors/transposedGram(_:_:)``.
  func transposedCost(theirsHaveRows: Bool, _ outputs: KernelOutputs) -> Double {
    let pairs = outputs.keepsAllPairs ? a * b : a
    return n * m * s * t * p * (b * ((hasRows ? 1 : l) + 10) + a * ((theirsHaveRows ? 1 : r) + 10) + 2 * pairs)
  }
}
