import Foundation

/// A positive quantity of random networks of one width: its mean over some draws, with the standard error.
struct WidthAverage {
  let width: Int
  /// The mean and its standard error.
  let mean: Double, error: Double

  /// - Parameter samples: one for each draw, at least one.
  init(width: Int, _ samples: [Double]) {
    self.width = width
    let n = Double(samples.count)
    let mean = samples.reduce(0, +) / n
    self.mean = mean
    error = (samples.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (n * max(1, n - 1))).squareRoot()
  }

  /// The slope of log mean over log width with its standard error, by least squares; nil for fewer than two widths with a
  /// positive mean.
  ///
  /// Points weigh what their errors say, and the slope's error comes from theirs. Where the draws of some width do not
  /// differ, all weigh the same, and it comes from their distances to the line.
  static func slope(_ points: [WidthAverage]) -> (value: Double, error: Double)? {
    let usable = points.filter { $0.mean > 0 && $0.mean.isFinite }
    guard usable.count > 1 else { return nil }
    let isWeighted = usable.allSatisfy { $0.error > 0 }
    let weighted = usable.map {
      (x: log(Double($0.width)), y: log($0.mean), w: isWeighted ? ($0.mean / $0.error) * ($0.mean / $0.error) : 1)
    }
    let total = weighted.reduce(0) { $0 + $1.w }
    let (x, y) = (
      weighted.reduce(0) { $0 + $1.w * $1.x } / total, weighted.reduce(0) { $0 + $1.w * $1.y } / total
    )
    let spread = weighted.reduce(0) { $0 + $1.w * ($1.x - x) * ($1.x - x) }
    let slope = weighted.reduce(0) { $0 + $1.w * ($1.x - x) * ($1.y - y) } / spread
    if isWeighted { return (slope, 1 / spread.squareRoot()) }
    let rest = weighted.reduce(0) { sum, point in
      let off = point.y - y - slope * (point.x - x)
      return sum + off * off
    }
    return (slope, (rest / (spread * Double(max(1, usable.count - 2)))).squareRoot())
  }
}
