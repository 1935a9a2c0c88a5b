/// x times a distribution function, and the derivative of that.
///
/// A derivative s of this kind has s(x) + s(−x) = 1. It is computed for −|x|, where nothing is lost in its tail.
extension VectorFunctions {
  /// x Φ(x), with Φ the distribution function of the standard normal law.
  @inline(__always)
  static func gelu<V: LaneVector>(_ x: V) -> V {
    let (a, power, ratio) = normalTail(x)
    let lost = a * (power * ratio)
    return V.select(V.isLess(x, V(constant: 0)), -lost, x - lost)
  }

  /// Φ(x) + x φ(x), with φ the density.
  @inline(__always)
  static func geluSlope<V: LaneVector>(_ x: V) -> V {
    let (a, power, ratio) = normalTail(x)
    let slope = power * ratio.adding(-a, times: V(constant: 0.3989422804014327))
    return V.select(V.isLess(x, V(constant: 0)), slope, V(constant: 1) - slope)
  }

  /// a = |x|, limited where Φ(−a) becomes 0, then e^(−a²/2), and Φ(−a) divided by that.
  @inline(__always)
  private static func normalTail<V: LaneVector>(_ x: V) -> (a: V, power: V, ratio: V) {
    let a = x.magnitude.limited(to: V.isDouble ? 39 : 14.6)
    let half = V(constant: -0.5)
    let square = a * a
    let (n, r, tail) = exponentAndRemainder(square * half, remainderOfProduct(a, a, square) * half)
    let s = a * V(constant: 0.7071067811865476)
    let (p, q) = scaledErfc(s)
    let ratio = (q + p) / ((q * (s + V(constant: 0.4375))) * V(constant: 4))
    return (a, scaled(expOfRemainder(r, tail), n), ratio)
  }

  /// σ(x) + x σ(x) σ(−x), the derivative of x σ(x), with σ the logistic function.
  @inline(__always)
  static func siluSlope<V: LaneVector>(_ x: V) -> V {
    let one = V(constant: 1)
    let a = x.magnitude.limited(to: 1000)
    let e = preciseExp(-a)
    let r = one / (one + e)
    let slope = (e * r) * one.adding(-a, times: r)
    return V.select(V.isLess(x, V(constant: 0)), slope, one - slope)
  }
}
