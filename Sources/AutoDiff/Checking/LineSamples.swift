import Foundation

/// A function of a list of tensors.
typealias TensorsFunction = ([Tensor]) throws -> [Tensor]

/// Values of a function along a line, x + h·d for a ladder of steps ±h, from which its derivatives are estimated.
struct LineSamples {
  /// From large to small, with a constant ratio.
  let steps: [Double]
  /// The entries of every leaf of f(x).
  let center: [[Double]]
  /// The entries at x + h·d, or nil where one is not finite: there the line leaves the domain.
  private let forward: [[[Double]]?]
  private let backward: [[[Double]]?]
  /// The standard deviation of the rounding error of an entry, for every leaf.
  let noise: [Double]
  /// The largest entry of every leaf along the line.
  let peaks: [Double]
  private let epsilon: Double

  /// - Parameter d: of the magnitude of x, so that the steps are relative.
  init(of f: TensorsFunction, at x: [Tensor], along d: [Tensor], epsilon: Double) rethrows {
    func value(_ step: Double) throws -> [[Double]]? {
      let leaves = try f(zip(x, d).map { $0 + $1 * step }).map(\.scalars)
      return leaves.allSatisfy { $0.allSatisfy(\.isFinite) } ? leaves : nil
    }
    self.epsilon = epsilon
    // Double precision has room for many octaves, so it takes two at a time.
    steps =
      epsilon < 1e-10
      ? (1...15).map { exp2(-2 * Double($0)) }
      : (1...14).map { exp2(-Double($0)) }
    let center = try f(x).map(\.scalars)
    self.center = center
    forward = try steps.map { try value($0) }
    backward = try steps.map { try value(-$0) }
    let spacing = epsilon < 1e-10 ? 0x1p-40 : 0x1p-16
    let row = try (-3...3).map { $0 == 0 ? center : try value(Double($0) * spacing) }
    let near = zip(steps, zip(forward, backward)).filter { $0.0 <= 1 / 64 }.flatMap { [$0.1.0, $0.1.1] } + [center]
    let peaks: [Double] = center.indices.map { leaf in
      near.reduce(0.0) { (peak: Double, sample: [[Double]]?) -> Double in max(peak, largest(sample?[leaf] ?? [])) }
    }
    self.peaks = peaks
    noise = center.indices.map { leaf in
      // Not less than half a unit of the largest value near by: where a function saturates, what is left of its
      // argument moves in steps of that size, too seldom for the differences to see.
      let floor = epsilon / 2 * peaks[leaf]
      let points = row.compactMap { $0?[leaf] }
      return points.count == row.count ? max(floor, Self.noise(points)) : 8 * floor
    }
  }

  /// The rounding error from the fourth differences of values at neighboring points, where the function itself is a
  /// straight line to the last digit. The largest over all entries.
  ///
  /// - Source: Moré and Wild, Estimating computational noise, SIAM J. Sci. Comput. 33 (2011), eq. 2.4.
  private static func noise(_ points: [[Double]]) -> Double {
    var worst = 0.0
    for entry in points[0].indices {
      var differences = points.map { $0[entry] }
      for _ in 0..<4 { differences = zip(differences.dropFirst(), differences).map { $0 - $1 } }
      let mean = differences.map { $0 * $0 }.reduce(0, +) / Double(differences.count)
      worst = max(worst, (mean / 70).squareRoot())
    }
    return worst
  }

  /// An estimate of df/dh, and how far it can be trusted.
  struct Estimate {
    var values: [Double]
    /// The part of the error that comes from the finite step.
    var truncation: Double
    /// The part that comes from rounding.
    var rounding: Double
    var error: Double { truncation + rounding }
  }

  /// The derivative along the line of one leaf: central differences, extrapolated to h = 0 from neighboring steps; of
  /// all steps and extrapolations the one with the smallest estimate of its error. Coarse steps may look exact by
  /// accident, across a pole for instance, and are left out where they contradict finer ones.
  ///
  /// - Returns: nil if no two neighboring steps stay in the domain.
  /// - Source: Ridders, Accurate computation of F′(x) and F′(x)F″(x), Adv. Eng. Software 4 (1982).
  func derivative(_ leaf: Int) -> Estimate? {
    var candidates: [Estimate] = []
    var previous: [[Double]] = []
    let ratio = steps[0] / steps[1]
    for (k, h) in steps.enumerated() {
      guard let plus = forward[k]?[leaf], let minus = backward[k]?[leaf] else {
        previous = []
        continue
      }
      var row = [zip(plus, minus).map { ($0 - $1) / (2 * h) }]
      let rounding = 4 * max(noise[leaf], epsilon * max(largest(plus), largest(minus))) / h
      for column in 0..<min(previous.count, 4) {
        let (fine, coarse) = (row[column], previous[column])
        let gain = pow(ratio, Double(2 * column + 2)) - 1
        let extrapolated = zip(fine, coarse).map { $0 + ($0 - $1) / gain }
        row.append(extrapolated)
        let truncation = max(largestDifference(extrapolated, fine), largestDifference(extrapolated, coarse))
        candidates.append(Estimate(values: extrapolated, truncation: truncation, rounding: rounding))
      }
      previous = row
    }
    guard var best = candidates.last else { return nil }
    for candidate in candidates.reversed() where candidate.error < best.error {
      if largestDifference(candidate.values, best.values) <= 4 * (candidate.error + best.error) { best = candidate }
    }
    return best
  }

  /// Whether a leaf varies along the line, but so irregularly that nothing can be said of its derivative, as at a jump.
  ///
  /// - Parameter magnitude: variations far smaller than this do not count.
  func isErratic(_ leaf: Int, magnitude: Double) -> Bool {
    let variation = (forward + backward).reduce(0) {
      max($0, $1.map { largestDifference($0[leaf], center[leaf]) } ?? 0)
    }
    return variation > 1e-3 * magnitude && noise[leaf] > 0.1 * variation
  }

  /// How a Taylor remainder shrinks with the step.
  enum Remainder {
    /// It is rounding error at every step, as for linear functions.
    case exact
    /// Too few steps show more than rounding error.
    case unresolved
    /// Like h to the power `slope`, the median over the smallest steps; `isSteady` if all of them show about the same.
    /// `coefficient` is the remainder over h^(expected − 1) at the smallest step.
    case shrinking(slope: Double, isSteady: Bool, coefficient: Double)
  }

  /// The observed order of f(x + h·d) − f(x) − h·`first` [− h²/2·`second`]: 2 [3] if the derivatives are right, 1 [2] if
  /// the last of them is wrong.
  func remainder(_ leaf: Int, first: [Double], second: [Double]? = nil) -> Remainder {
    let sizes = steps.enumerated().map { k, h -> (size: Double, isResolved: Bool) in
      guard let plus = forward[k]?[leaf] else { return (0, false) }
      // In two steps with types, because the compiler takes seconds for it as one.
      let rest = plus.indices.map { (i: Int) -> Double in
        let curve: Double = h * h / 2 * (second?[i] ?? 0)
        return plus[i] - center[leaf][i] - h * first[i] - curve
      }
      let scale = Double(rest.count).squareRoot()
      let rounding = scale * (2 * noise[leaf] + epsilon * h * (largest(first) + h * largest(second ?? [])))
      return (norm(rest), norm(rest) > 30 * rounding)
    }
    guard let last = sizes.lastIndex(where: \.isResolved) else { return .exact }
    // The smallest steps whose remainder is more than rounding; there the asymptotic order shows.
    let start = sizes[...last].lastIndex { !$0.isResolved }.map { $0 + 1 } ?? 0
    guard last - start >= 3 else { return .unresolved }
    let slopes = (last - 3..<last).map { k in
      Foundation.log(sizes[k].size / sizes[k + 1].size) / Foundation.log(steps[k] / steps[k + 1])
    }.sorted()
    return .shrinking(
      slope: slopes[1], isSteady: slopes[2] - slopes[0] < 0.4,
      coefficient: sizes[last].size / pow(steps[last], second == nil ? 1 : 2) / Double(max(first.count, 1)).squareRoot()
    )
  }
}

/// The largest magnitude; not-a-number counts as infinite.
func largest(_ values: [Double]) -> Double { values.reduce(0) { $1.isNaN ? .infinity : max($0, $1.magnitude) } }

/// The largest distance of two entries at the same place.
func largestDifference(_ a: [Double], _ b: [Double]) -> Double {
  zip(a, b).reduce(0) { max($0, ($1.0 - $1.1).magnitude) }
}

private func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
