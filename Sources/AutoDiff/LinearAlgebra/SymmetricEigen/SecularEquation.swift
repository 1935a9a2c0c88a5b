/// The equation f(λ) = 1/ρ + Σⱼ zⱼ² / (dⱼ − λ) = 0, whose roots are the eigenvalues of diag(d) + ρ z zᵀ.
///
/// - Source: R.-C. Li, *Solving secular equations stably and efficiently*, LAPACK working note 89 (1993): rational
///   interpolation in the two neighboring poles, with the nearer pole as the origin.
struct SecularEquation<T: LoopScalar> {
  /// The poles d, ascending and distinct, and infinities up to a whole number of vectors.
  let poles: UnsafePointer<T>
  /// zⱼ², positive, and zeros up to a whole number of vectors.
  let weights: UnsafePointer<T>
  let count: Int
  /// ρ > 0.
  let rho: T

  private struct Sums {
    /// The sum of the poles up to number i, and of those behind it, with derivatives.
    var left: T = 0, leftSlope: T = 0, right: T = 0, rightSlope: T = 0
  }

  /// Bisection alone would end before.
  static var iterationLimit: Int { 200 }

  /// Root number i, counted from 0 at the smallest.
  ///
  /// - Parameter distances: Overwritten with dⱼ − λ to nearly full relative precision, which the difference of the
  ///   rounded numbers would not have; as many entries as `poles`.
  /// - Returns: λ, or nil when the iteration does not converge.
  func root(_ i: Int, distances: UnsafeMutablePointer<T>) -> T? {
    if count == 1 {
      distances[0] = -rho * weights[0]
      return poles[0] + rho * weights[0]
    }
    var search = bracket(i, distances)
    var previous = T.infinity
    var keepsWeight = !search.isLast
    for iteration in 0..<Self.iterationLimit {
      let x = search.x
      let sums = evaluate(distances, at: x, split: search.lower)
      let f = 1 / rho + (sums.left + sums.right)
      let slope = sums.leftSlope + sums.rightSlope
      if f < 0 { search.low = max(search.low, x) } else { search.high = min(search.high, x) }
      let size = T(4) * (abs(sums.left) + abs(sums.right))
      let noise: T = T.ulpOfOne * (size + 1 / rho + abs(x) * slope)
      if abs(f) <= noise { return finish(x, search.origin, distances) }
      // Whichever interpolation has gained less than a digit gives way to the other one.
      if abs(f) > abs(previous) / 10 { keepsWeight.toggle() }
      previous = f

      var next = x + step(f, sums, distances, search, keepsWeight: keepsWeight && !search.isLast)
      if !(next > search.low && next < search.high) || iteration > 40 && iteration % 2 == 0 { next = search.middle }
      let isAtEnd = next == search.low || next == search.high
      if abs(next - x) <= T.ulpOfOne * abs(next) || isAtEnd {
        return finish(next == 0 ? x : next, search.origin, distances)
      }
      search.x = next
    }
    return nil
  }

  /// Where a root is looked for. All but `origin` is counted from `origin`, the pole nearest to the root.
  private struct Search {
    var origin: T
    var low: T
    var high: T
    var x: T
    /// The poles on both sides, or, for the last root, the two below.
    let lower: Int
    let upper: Int
    let isLast: Bool

    var middle: T { low + (high - low) / 2 }
  }

  /// Halves the interval of root i, moves the origin to its nearer end, and guesses.
  private func bracket(_ i: Int, _ distances: UnsafeMutablePointer<T>) -> Search {
    let isLast = i == count - 1
    let (lower, upper) = isLast ? (i - 1, i) : (i, i + 1)
    shift(by: poles[i], into: distances)
    let gap: T
    if isLast {
      var sum = T(0)
      for j in 0..<count { sum += weights[j] }
      gap = rho * sum
    } else {
      gap = distances[i + 1]
    }
    let sums = evaluate(distances, at: gap / 2, split: i)
    let f = 1 / rho + (sums.left + sums.right)
    // The other poles count as they do in the middle, the two neighbors exactly.
    let (below, above) = (distances[lower] - gap / 2, distances[upper] - gap / 2)
    let others = f - weights[lower] / below - weights[upper] / above
    var search = Search(origin: poles[i], low: 0, high: gap / 2, x: 0, lower: lower, upper: upper, isLast: isLast)
    if f <= 0, isLast { (search.low, search.high) = (gap / 2, gap) }
    if f <= 0, !isLast {
      search.origin = poles[i + 1]
      (search.low, search.high) = (-gap / 2, 0)
      shift(by: search.origin, into: distances)
    }
    let (p1, p2) = (distances[lower], distances[upper])
    let guess = Self.quadraticRoot(
      others, others * (p1 + p2) + weights[lower] + weights[upper],
      others * p1 * p2 + weights[lower] * p2 + weights[upper] * p1, larger: isLast)
    search.x = guess > search.low && guess < search.high ? guess : search.middle
    return search
  }

  /// The way to the root of c + s₁/(p₁ − x) + s₂/(p₂ − x), which has the value and the slope of f.
  ///
  /// - Parameter keepsWeight: Whether the weight of the nearer pole is its true one; else each of the two sums keeps its
  ///   own slope.
  private func step(
    _ f: T, _ sums: Sums, _ distances: UnsafePointer<T>, _ search: Search, keepsWeight: Bool
  ) -> T {
    let (d1, d2) = (distances[search.lower] - search.x, distances[search.upper] - search.x)
    var (s1, s2): (T, T) = (d1 * d1 * sums.leftSlope, d2 * d2 * sums.rightSlope)
    if keepsWeight, distances[search.lower] == 0 {
      s1 = weights[search.lower]
      s2 = d2 * d2 * (sums.rightSlope + (sums.leftSlope - s1 / (d1 * d1)))
    } else if keepsWeight {
      s2 = weights[search.upper]
      s1 = d1 * d1 * (sums.leftSlope + (sums.rightSlope - s2 / (d2 * d2)))
    }
    let c = f - s1 / d1 - s2 / d2
    let step = Self.quadraticRoot(c, c * (d1 + d2) + s1 + s2, d1 * d2 * f, larger: search.isLast)
    // f increases, so the step must lead up where it is negative.
    return step * f < 0 ? step : -f / (sums.leftSlope + sums.rightSlope)
  }

  @inline(__always)
  private func finish(_ x: T, _ origin: T, _ distances: UnsafeMutablePointer<T>) -> T {
    let position = T.Lanes(repeating: x)
    for j in stride(from: 0, to: count, by: T.Lanes.count) {
      (T.Lanes(distances + j) - position).store(distances + j)
    }
    return origin + x
  }

  /// A root of c x² − a x + b = 0 without cancellation.
  @inline(__always)
  private static func quadraticRoot(_ c: T, _ a: T, _ b: T, larger: Bool) -> T {
    let root = abs(a * a - 4 * b * c).squareRoot()
    if larger { return a >= 0 ? (a + root) / (2 * c) : 2 * b / (a - root) }
    return a <= 0 ? (a - root) / (2 * c) : 2 * b / (a + root)
  }

  @inline(__always)
  private func shift(by origin: T, into distances: UnsafeMutablePointer<T>) {
    let o = T.Lanes(repeating: origin)
    for j in stride(from: 0, to: count, by: T.Lanes.count) { (T.Lanes(poles + j) - o).store(distances + j) }
  }

  /// The two sums and their slopes at x; pole `split` is the last one of the left sum.
  @inline(never)
  private func evaluate(_ distances: UnsafePointer<T>, at x: T, split: Int) -> Sums {
    let lanes = T.Lanes.count
    let position = T.Lanes(repeating: x)
    var value = Sums()
    let whole = (split + 1) / lanes * lanes
    sum(distances, position, 0, whole, &value.left, &value.leftSlope)
    let next = min(count, whole + lanes)
    for j in whole..<next {
      let t = 1 / (distances[j] - x)
      let term = weights[j] * t
      if j <= split {
        value.left += term
        value.leftSlope += term * t
      } else {
        value.right += term
        value.rightSlope += term * t
      }
    }
    sum(distances, position, next, count, &value.right, &value.rightSlope)
    return value
  }

  @inline(__always)
  private func sum(
    _ distances: UnsafePointer<T>, _ position: T.Lanes, _ start: Int, _ end: Int, _ value: inout T, _ slope: inout T
  ) {
    let one = T.Lanes(repeating: 1)
    var values = T.Lanes(repeating: 0)
    var slopes = T.Lanes(repeating: 0)
    for j in stride(from: start, to: end, by: T.Lanes.count) {
      let t = one / (T.Lanes(distances + j) - position)
      let term = T.Lanes(weights + j) * t
      values = values + term
      slopes = slopes.adding(term, times: t)
    }
    value += values.sum()
    slope += slopes.sum()
  }
}
