import Foundation

/// Values of a function along a line, x + h·d for a ladder of steps ±h, from which its derivatives are estimated: every
/// entry of the value by itself, so that large entries do not hide small ones.
struct LineSamples {
  /// The entries of f(x + h·d) for a step h; nil where f throws, entries not finite where they leave the domain.
  typealias Line = (_ step: Double) -> [Double]?

  /// The ratio of neighboring steps.
  static let ratio = 4.0

  /// From large to small.
  let steps: [Double]
  /// The entries of f(x).
  let center: [Double]
  private let forward: [[Double]?]
  private let backward: [[Double]?]
  /// The standard deviation of the rounding error of every entry.
  let noise: [Double]
  /// The largest magnitude of every entry near x.
  let peaks: [Double]

  /// Samples a line.
  ///
  /// - Parameters:
  ///   - center: f(x).
  ///   - offset: multiplies all steps, for a second opinion from other points.
  ///   - line: f along the line, on which a step of 1 changes x by its own magnitude.
  init(center: [Double], offset: Double = 1, _ line: Line) {
    // Down to 10⁻¹¹ of x, where kinks and edges of the domain may still be told apart from rounding.
    let steps = (1...18).map { offset * pow(Self.ratio, -Double($0)) }
    let forward = steps.map { line($0) }
    let backward = steps.map { line(-$0) }
    let spacing = offset * 0x1p-40
    let row: [[Double]?] = (-3...3).map { (k: Int) in k == 0 ? center : line(Double(k) * spacing) }
    var near: [[Double]?] = []
    for (k, step) in steps.enumerated() where step <= 1 / 64 { near += [forward[k], backward[k]] }
    near.append(center)
    let peaks = center.indices.map { entry in
      near.reduce(0.0) { peak, values in
        guard let value = values?[entry], value.isFinite else { return peak }
        return max(peak, value.magnitude)
      }
    }
    noise = center.indices.map { entry in
      // Not less than half a unit of the value: where a function saturates, what is left of its argument moves in steps
      // of that size, too seldom for the differences to see.
      let floor = Double.ulpOfOne / 2 * peaks[entry]
      let points = row.compactMap { $0?[entry] }.filter(\.isFinite)
      if points.count != row.count { return 8 * floor }
      if points.contains(where: { $0 != center[entry] }) { return max(floor, Self.noise(points)) }
      // Constant near by, but not on either side farther out: a staircase, whose steps are its rounding errors.
      func firstChange(_ values: [[Double]?]) -> Double? {
        for case let value? in values.reversed() {
          let change = (value[entry] - center[entry]).magnitude
          if change > 0, change.isFinite { return change }
        }
        return nil
      }
      guard let right = firstChange(forward), let left = firstChange(backward) else { return floor }
      return max(floor, right, left)
    }
    (self.steps, self.center, self.forward, self.backward, self.peaks) = (steps, center, forward, backward, peaks)
  }

  /// The rounding error from the fourth differences of values at neighboring points, where the function itself is a
  /// straight line to the last digit.
  ///
  /// - Source: Moré and Wild, Estimating computational noise, SIAM J. Sci. Comput. 33 (2011), eq. 2.4.
  private static func noise(_ points: [Double]) -> Double {
    var differences = points
    for _ in 0..<4 { differences = zip(differences.dropFirst(), differences).map { $0 - $1 } }
    let mean = differences.map { $0 * $0 }.reduce(0, +) / Double(differences.count)
    return (mean / 70).squareRoot()
  }

  // MARK: Derivatives

  /// An estimate of the derivative of one entry, and how far it can be trusted.
  struct Estimate {
    var value: Double
    /// From the finite step, from rounding, and from a kink that may lie between the points.
    var error: Double
  }

  /// Which points a difference is taken from.
  private enum Side { case both, right, left }

  private func sample(_ k: Int, _ entry: Int, _ side: Side) -> (plus: Double, minus: Double, width: Double)? {
    let plus = side == .left ? center[entry] : forward[k]?[entry] ?? .nan
    let minus = side == .right ? center[entry] : backward[k]?[entry] ?? .nan
    guard plus.isFinite, minus.isFinite else { return nil }
    return (plus, minus, side == .both ? 2 * steps[k] : steps[k])
  }

  /// The derivative of one entry: central differences, extrapolated to h = 0 from neighboring steps; of all steps and
  /// extrapolations the one with the smallest estimate of its error. Coarse steps may look exact by accident, across a
  /// pole or several kinks for instance, and are left out where they contradict finer ones. Where the domain ends at x,
  /// the differences are taken on one side.
  ///
  /// - Returns: nil if no two neighboring steps stay in the domain.
  /// - Source: Ridders, Accurate computation of F′(x) and F′(x)F″(x), Adv. Eng. Software 4 (1982).
  func derivative(_ entry: Int) -> Estimate? {
    if let both = derivative(entry, .both) { return both }
    let sides = [derivative(entry, .right), derivative(entry, .left)].compactMap { $0 }
    return sides.min { $0.error < $1.error }
  }

  private func derivative(_ entry: Int, _ side: Side) -> Estimate? {
    var candidates: [Estimate] = []
    var previous: [Double] = []
    var previousBend: Double?
    var previousChange: Double?
    for (k, h) in steps.enumerated() {
      guard let (plus, minus, width) = sample(k, entry, side) else {
        (previous, previousBend, previousChange) = ([], nil, nil)
        continue
      }
      var row = [(plus - minus) / width]
      let rounding = 4 * max(noise[entry], Double.ulpOfOne * max(plus.magnitude, minus.magnitude)) / width
      var kink = 0.0
      if side == .both {
        // The right slope minus the left one is odd in h for a smooth function; what is left of it after extrapolation
        // is a kink, by half of which the central difference may be wrong.
        let bend = (plus - 2 * center[entry] + minus) / h
        if let previousBend { kink = ((Self.ratio * bend - previousBend) / (Self.ratio - 1)).magnitude / 2 }
        previousBend = bend
      }
      // Where the differences do not draw together, as where a slope has no limit, their distance bounds nothing.
      var isSettling = false
      if let coarser = previous.first {
        let change = (row[0] - coarser).magnitude
        isSettling = previousChange.map { change <= 0.5 * $0 + rounding } ?? false
        previousChange = change
      }
      for column in 0..<min(previous.count, 4) {
        let (fine, coarse) = (row[column], previous[column])
        let power = side == .both ? 2 * column + 2 : column + 1
        let value = fine + (fine - coarse) / (pow(Self.ratio, Double(power)) - 1)
        row.append(value)
        let truncation = max((value - fine).magnitude, (value - coarse).magnitude)
        if isSettling { candidates.append(Estimate(value: value, error: truncation + rounding + kink)) }
      }
      previous = row
    }
    guard var best = candidates.last else { return nil }
    // Where all finer steps say that the derivative lies.
    var bounds = (-Double.infinity, Double.infinity)
    for candidate in candidates.reversed() {
      let reach = 4 * candidate.error
      let (low, high) = (candidate.value - reach, candidate.value + reach)
      guard high >= bounds.0, low <= bounds.1 else { continue }
      bounds = (max(bounds.0, low), min(bounds.1, high))
      if candidate.error < best.error { best = candidate }
    }
    return best
  }

  /// What makes the derivative of an entry hard to see.
  enum Obstacle { case kink(left: Double, right: Double, distance: Double), jump, rounding }

  /// Why the error of ``derivative(_:)`` is as large as it is.
  func obstacle(_ entry: Int) -> Obstacle {
    // The bend of the finest steps that show one.
    var bends: [(step: Double, isSeen: Bool, left: Double, right: Double)] = []
    for k in steps.indices.reversed() {
      guard let (plus, minus, _) = sample(k, entry, .both) else { continue }
      let (right, left) = ((plus - center[entry]) / steps[k], (center[entry] - minus) / steps[k])
      let rounding = 16 * max(noise[entry], Double.ulpOfOne * peaks[entry]) / steps[k]
      bends.append((steps[k], (right - left).magnitude > rounding, left, right))
    }
    guard let seen = bends.firstIndex(where: \.isSeen), seen + 1 < bends.count else {
      return isErratic(entry) ? .jump : .rounding
    }
    let (fine, coarse) = (bends[seen], bends[seen + 1])
    let growth = (coarse.right - coarse.left) / (fine.right - fine.left)
    // A jump makes slopes of opposite size grow as h shrinks; a kink leaves them; curvature shrinks them with h.
    if growth < 0.5 { return .jump }
    if growth < 2 { return .kink(left: coarse.left, right: coarse.right, distance: fine.step) }
    return isErratic(entry) ? .jump : .rounding
  }

  /// Whether an entry varies along the line, but so irregularly that nothing can be said of its derivative, as at a jump.
  private func isErratic(_ entry: Int) -> Bool {
    func largestChange(_ values: [[Double]?]) -> Double {
      let entries = values.compactMap { $0?[entry] }.filter(\.isFinite)
      return entries.reduce(0.0) { peak, value in max(peak, (value - center[entry]).magnitude) }
    }
    let variation = largestChange(forward + backward)
    // Near a jump the finest steps change the value as much as the coarsest.
    let finest = largestChange(forward.suffix(1) + backward.suffix(1))
    return variation > 1e-3 * peaks[entry] && max(noise[entry], finest) > 0.1 * variation
  }

  // MARK: Taylor remainders

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

  /// The observed order of f(x + h·d) − f(x) − h·`first` [− h²/2·`second`] for a range of entries: 2 [3] if the
  /// derivatives are right, 1 [2] if the last of them is wrong.
  func remainder(_ entries: Range<Int>, first: [Double], second: [Double]? = nil) -> Remainder {
    let sizes = steps.enumerated().map { k, h -> (size: Double, isResolved: Bool) in
      guard let plus = forward[k], entries.allSatisfy({ plus[$0].isFinite }) else { return (0, false) }
      var rest: [Double] = []
      var terms: [Double] = []
      for entry in entries {
        let slope = first[entry]
        let curvature = second?[entry] ?? 0
        rest.append(plus[entry] - center[entry] - h * slope - h * h / 2 * curvature)
        let rounding = Double.ulpOfOne * h * (slope.magnitude + h * curvature.magnitude)
        terms.append(2 * noise[entry] + rounding)
      }
      return (norm(rest), norm(rest) > 30 * norm(terms))
    }
    guard let last = sizes.lastIndex(where: \.isResolved) else { return .exact }
    // The smallest steps whose remainder is more than rounding; there the asymptotic order shows.
    let start = sizes[...last].lastIndex { !$0.isResolved }.map { $0 + 1 } ?? 0
    guard last - start >= 3 else { return .unresolved }
    var slopes: [Double] = []
    for k in last - 3..<last {
      let shrinking: Double = Foundation.log(sizes[k].size / sizes[k + 1].size)
      slopes.append(shrinking / Foundation.log(steps[k] / steps[k + 1]))
    }
    slopes.sort()
    return .shrinking(
      slope: slopes[1], isSteady: slopes[2] - slopes[0] < 0.4,
      coefficient: sizes[last].size / pow(steps[last], second == nil ? 1 : 2)
        / Double(max(entries.count, 1)).squareRoot())
  }
}

/// The largest magnitude; not-a-number counts as infinite.
func largest(_ values: some Sequence<Double>) -> Double {
  values.reduce(0) { $1.isNaN ? .infinity : max($0, $1.magnitude) }
}

private func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
