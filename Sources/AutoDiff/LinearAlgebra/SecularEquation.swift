/// The equation f(λ) = 1/ρ + Σⱼ zⱼ² / (dⱼ − λ) = 0, whose roots are the eigenvalues of diag(d) + ρ z zᵀ.
///
/// - Source: R.-C. Li, *Solving secular equations stably and efficiently*, LAPACK working note 89 (1993): rational
///   interpolation in the two neighbouring poles, with the nearer pole as the origin.
struct SecularEquation<T: LoopScalar> {
  /// The poles d, ascending and distinct, and infinities up to a whole number of vectors.
  let poles: UnsafePointer<T>
  /// zⱼ², positive, and zeros up to a whole number of vectors.
  let weights: UnsafePointer<T>
  let count: Int
  /// ρ > 0.
  let rho: T

  private struct Value {
    /// The sum of the poles up to number i, and of those behind it, with derivatives.
    var left: T = 0, leftSlope: T = 0, right: T = 0, rightSlope: T = 0
  }

  /// Root number i, counted from 0 at the smallest.
  ///
  /// - Parameter distances: Overwritten with dⱼ − λ to nearly full relative precision, which the difference of the
  ///   rounded numbers would not have; as many entries as `poles`.
  /// - Returns: λ, or nil when the iteration does not converge.
  @inline(__always)
  func root(_ i: Int, distances: UnsafeMutablePointer<T>) -> T? {
    let isLast = i == count - 1
    let (lower, upper) = isLast ? (max(0, i - 1), i) : (i, i + 1)
    let inverse = 1 / rho
    if count == 1 {
      distances[0] = -rho * weights[0]
      return poles[0] + rho * weights[0]
    }
    // The interval of the root, halved once; its nearer end becomes the origin.
    var origin = poles[i]
    shift(by: origin, into: distances)
    let gap: T
    if isLast {
      var total: T = 0
      for j in 0..<count { total += weights[j] }
      gap = rho * total
    } else {
      gap = distances[i + 1]
    }
    let middle = evaluate(distances, at: gap / 2, split: i)
    let atMiddle = inverse + (middle.left + middle.right)
    // What the other poles contribute at the middle, for a first guess with the two neighbours exact.
    let others =
      atMiddle - weights[lower] / (distances[lower] - gap / 2) - weights[upper] / (distances[upper] - gap / 2)
    var (low, high): (T, T) = atMiddle > 0 ? (0, gap / 2) : (gap / 2, gap)
    if !isLast, atMiddle <= 0 {
      origin = poles[i + 1]
      shift(by: origin, into: distances)
      (low, high) = (-gap / 2, 0)
    }
    var x = solve(
      others, (distances[lower], weights[lower]), (distances[upper], weights[upper]), beyondPoles: isLast)
    if !(x > low && x < high) { x = low + (high - low) / 2 }

    var previous = T.infinity
    var usesFixedWeight = !isLast
    for iteration in 0..<200 {
      let value = evaluate(distances, at: x, split: isLast ? i - 1 : i)
      let f = inverse + (value.left + value.right)
      let slope = value.leftSlope + value.rightSlope
      let noise = T.ulpOfOne * (4 * (abs(value.left) + abs(value.right)) + inverse + abs(x) * slope)
      if f < 0 { low = max(low, x) } else { high = min(high, x) }
      let (d1, d2) = (distances[lower] - x, distances[upper] - x)
      if abs(f) <= noise { return finish(x, origin, distances) }
      if abs(f) > abs(previous) / 10 { usesFixedWeight.toggle() }
      previous = f
      // Interpolation by c + s₁/(d₁ − x) + s₂/(d₂ − x): value and slope agree, and either each sum keeps its own slope
      // or the weight of the nearer pole is exact.
      var (s1, s2): (T, T) = (d1 * d1 * value.leftSlope, d2 * d2 * value.rightSlope)
      if usesFixedWeight, !isLast {
        if distances[lower] == 0 {
          s1 = weights[lower]
          s2 = d2 * d2 * (value.rightSlope + (value.leftSlope - s1 / (d1 * d1)))
        } else {
          s2 = weights[upper]
          s1 = d1 * d1 * (value.leftSlope + (value.rightSlope - s2 / (d2 * d2)))
        }
      }
      let c = f - s1 / d1 - s2 / d2
      let a = c * (d1 + d2) + s1 + s2
      let b = d1 * d2 * f
      var step = Self.quadraticRoot(c, a, b, larger: isLast)
      // The step must lead uphill where f is negative.
      if !(step * f < 0) { step = -f / slope }
      var next = x + step
      if !(next > low && next < high) || iteration > 40 && iteration % 2 == 0 {
        next = low + (high - low) / 2
      }
      if abs(next - x) <= T.ulpOfOne * abs(next) || next == low || next == high {
        return finish(next == 0 ? x : next, origin, distances)
      }
      x = next
    }
    return nil
  }

  @inline(__always)
  private func finish(_ x: T, _ origin: T, _ distances: UnsafeMutablePointer<T>) -> T {
    shiftInPlace(distances, by: x)
    return origin + x
  }

  /// The root of c + s₁/(p₁ − x) + s₂/(p₂ − x) between the poles or beyond both.
  @inline(__always)
  private func solve(
    _ c: T, _ first: (pole: T, weight: T), _ second: (pole: T, weight: T), beyondPoles: Bool
  ) -> T {
    Self.quadraticRoot(
      c, c * (first.pole + second.pole) + first.weight + second.weight,
      c * first.pole * second.pole + first.weight * second.pole + second.weight * first.pole, larger: beyondPoles)
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

  @inline(__always)
  private func shiftInPlace(_ distances: UnsafeMutablePointer<T>, by x: T) {
    let o = T.Lanes(repeating: x)
    for j in stride(from: 0, to: count, by: T.Lanes.count) { (T.Lanes(distances + j) - o).store(distances + j) }
  }

  /// The two sums and their slopes at x; pole `split` is the last one of the left sum.
  @inline(__always)
  private func evaluate(_ distances: UnsafePointer<T>, at x: T, split: Int) -> Value {
    let lanes = T.Lanes.count
    let position = T.Lanes(repeating: x)
    var value = Value()
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
