import Foundation

// Functions of the rows along the last axis.

extension Enclosure {
  /// Calls `body` with the ends of every row, which it replaces by those of the result.
  private func rowwise(_ body: (_ lower: inout [Double], _ upper: inout [Double]) -> Void) -> Enclosure {
    let columns = shape.last!
    let (allLower, allUpper) = (lower.scalars, upper.scalars)
    var (newLower, newUpper): ([Double], [Double]) = ([], [])
    for start in stride(from: 0, to: allLower.count, by: max(1, columns)) {
      var (low, high) = (Array(allLower[start..<start + columns]), Array(allUpper[start..<start + columns]))
      body(&low, &high)
      newLower += low
      newUpper += high
    }
    return Enclosure(lower: Tensor(newLower).reshaped(to: shape), upper: Tensor(newUpper).reshaped(to: shape))
  }

  /// eˣ / Σ eˣ grows with its own entry and falls with the others.
  fileprivate var softmax: Enclosure {
    rowwise { low, high in
      let top = high.max() ?? 0
      let (small, large) = (low.map { exp($0 - top) }, high.map { exp($0 - top) })
      let (others, fewer) = (sumsOfOthers(large), sumsOfOthers(small))
      low = low.indices.map { small[$0] / (small[$0] + others[$0]) }
      high = high.indices.map { large[$0] / (large[$0] + fewer[$0]) }
    }.widened(forRowsOf: magnitude)
  }

  /// x − log Σ eˣ, which does the same.
  var logSoftmax: Enclosure {
    rowwise { low, high in
      let top = high.max() ?? 0
      let (others, fewer) = (
        sumsOfOthers(high.map { exp($0 - top) }), sumsOfOthers(low.map { exp($0 - top) })
      )
      low = low.indices.map { -log1p(others[$0] * exp(top - low[$0])) }
      high = high.indices.map { -log1p(fewer[$0] * exp(top - high[$0])) }
    }.widened(forRowsOf: magnitude)
  }

  /// Widened by what sums lose, and exponentials, whose error is that of the exponent: entries of at most this magnitude.
  private func widened(forRowsOf magnitude: Tensor) -> Enclosure {
    let largest: Double = shape.product == 0 ? 0 : magnitude.max().scalar
    return widened((Double(shape.last! + 16) + 2 * largest) * Rounding.unit)
  }
}

/// The sum of all entries but one, for each; nothing is subtracted.
private func sumsOfOthers(_ entries: [Double]) -> [Double] {
  var (before, after) = (entries, entries)
  var sum = 0.0
  for k in entries.indices {
    before[k] = sum
    sum += entries[k]
  }
  sum = 0
  for k in entries.indices.reversed() {
    after[k] = sum
    sum += entries[k]
  }
  return entries.indices.map { before[$0] + after[$0] }
}

extension SlopeBounds {
  private var last: [Int] { [scale.rank - 1] }
  private var up: Double { Rounding.up(terms: scale.shape.last!) }

  /// Of the sum over each row, with weights of at most these magnitudes.
  func rowCombination(_ weights: Tensor) -> SlopeBounds {
    SlopeBounds(
      scale: (scale * weights).norm(axes: last) * up, rows: (rows * weights).sum(axes: last) * up)
  }

  /// Of one value per row, written to all places of the row.
  func repeatedAlongRows(_ shape: [Int]) -> SlopeBounds {
    func repeated(_ x: Tensor) -> Tensor { x.expanded(at: -1).broadcast(to: shape) }
    return SlopeBounds(
      scale: repeated(scale * (Double(shape.last!).squareRoot() * Rounding.up)), rows: repeated(rows))
  }

  /// After every row has been multiplied by a matrix of at most this norm, [..., 1].
  func timesRowMatrices(ofNorm norm: Tensor) -> SlopeBounds {
    let bound = (scale.max(axes: last, keepingAxes: true) * norm * Rounding.up).broadcast(to: scale.shape)
    return SlopeBounds(scale: bound, rows: bound)
  }

  /// After 1 − 1 yᵀ or its transpose, for positive y of at most this size that sum to 1 along each row.
  func deviation(by y: Tensor, isTransposed: Bool) -> SlopeBounds {
    let norm = y.norm(axes: last, keepingAxes: true) * (Double(scale.shape.last!).squareRoot() * up)
    let sums =
      isTransposed ? rows.sum(axes: last, keepingAxes: true) * y : (rows * y).sum(axes: last, keepingAxes: true)
    return SlopeBounds(scale: timesRowMatrices(ofNorm: norm).scale, rows: (rows + sums) * up)
  }
}

extension ValueBounds {
  /// Of eˣ / Σ eˣ along the last axis.
  ///
  /// Its Jacobian diag(y) − y yᵀ has the row sums of magnitudes 2 yᵢ (1 − yᵢ) ≤ 1/2, which bound its norm.
  var softmax: ValueBounds {
    let y = range.softmax
    let last = [shape.count - 1]
    let most = y.upper * (1 - y.lower)
    let norm = minimum(most.max(axes: last, keepingAxes: true) * 2, 0.5) * Rounding.up
    let up = Rounding.up(terms: shape.last!)
    let moved = slopes.mapValues { slope in
      let others = (slope.rows * y.upper).sum(axes: last, keepingAxes: true)
      return SlopeBounds(
        scale: slope.timesRowMatrices(ofNorm: norm).scale, rows: (most * slope.rows + y.upper * others) * up)
    }
    return ValueBounds(initial: initial.softmax, range: y, slopes: moved)
  }

  /// What is known of (x − mean) · r with r = 1 / √(variance + ε) along the last axis.
  struct Standardized {
    var initial: Enclosure, range: Enclosure
    /// Where r lies at the center of the ball, repeated along the row.
    var initialInverseDeviation: Enclosure
    /// The largest r in the ball: [..., 1].
    var inverseDeviation: Tensor
  }

  /// The bounds of layer normalization before its slopes.
  func standardized(epsilon: Double, for primitive: String) throws(BoundError) -> Standardized {
    let (last, columns) = ([shape.count - 1], Double(shape.last!))
    let target = shape
    func mean(_ z: Enclosure) -> Enclosure {
      z.image(terms: target.last!) { $0.sum(axes: last, keepingAxes: true) } * (1 / columns)
    }
    func spread(_ z: Enclosure) -> Enclosure { z.rearranged { $0.broadcast(to: target) } }
    let centered = initial + -spread(mean(initial))
    let squares = Enclosure(lower: square(centered.leastMagnitude), upper: square(centered.magnitude)).widened()
    let variance = mean(squares)
    // ‖x − mean‖ falls by no more than x moves.
    let length = sqrt(maximum(variance.lower, 0) * columns) * (1 / Rounding.up)
    let least = square(maximum(length - deviation * Rounding.up, 0)) * (1 / columns) + epsilon
    try ValueBounds(constant: least).require(primitive, "needs rows that are not constant") { least, _ in least > 0 }
    let offset = Enclosure(lower: variance.lower + epsilon, upper: variance.upper + epsilon).widened()
    let inverse = try ValueBounds(initial: offset, range: offset, slopes: [:]).applying(.power(1, -0.5), for: primitive)
    let most = Tensor(columns.squareRoot() * Rounding.up).broadcast(to: shape)
    return Standardized(
      initial: centered * spread(inverse.initial), range: Enclosure(lower: -most, upper: most),
      initialInverseDeviation: spread(inverse.initial),
      inverseDeviation: sqrt(1 / least) * Rounding.up(terms: shape.last!))
  }
}
