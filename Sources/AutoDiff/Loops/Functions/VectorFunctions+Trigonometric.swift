import Foundation

extension VectorFunctions {
  /// The sine.
  @inline(__always)
  static func sin<V: LaneVector>(_ x: V) -> V {
    // sin x = (-1)ⁿ sin(x - nπ).
    let n = V.nearestInteger(x * V(constant: 0.3183098861837907))
    let (r, tail) = remainder(x, n.number)
    let y = V(bits: sinOfRemainder(r, tail).bits ^ (n.bits &<< signShift(V.self)))
    #if AUTODIFF_FMA
      return replacingLarge(x, y) { Foundation.sin($0) }
    #else
      return replacingLarge(x, V.select(V.isEqual(x, V(constant: 0)), x, y)) { Foundation.sin($0) }
    #endif
  }

  /// The cosine.
  @inline(__always)
  static func cos<V: LaneVector>(_ x: V) -> V {
    // cos x = sin(x + π/2) = (-1)ⁿ sin(x - (n - ½)π).
    let n = V.nearestInteger(V(constant: 0.5).adding(x, times: V(constant: 0.3183098861837907)))
    let (r, tail) = remainder(x, n.number - V(constant: 0.5))
    let y = V(bits: sinOfRemainder(r, tail).bits ^ (n.bits &<< signShift(V.self)))
    return replacingLarge(x, y) { Foundation.cos($0) }
  }

  /// The tangent.
  @inline(__always)
  static func tan<V: LaneVector>(_ x: V) -> V {
    let n = V.nearestInteger(x * V(constant: 0.6366197723675814))
    let (r, tail) = remainderAndTail(x, n.number, period: 0.5)
    let (sine, cosine) = sinAndCosOfEighth(r, tail)
    // Where n is odd, tan x = -1 / tan r.
    let parity = n.bits &<< signShift(V.self)
    let isEven = V.isEqual(V(bits: parity | V(constant: 1).bits), V(constant: 1))
    let y = quotient(
      V.select(isEven, sine.head, cosine.head), V.select(isEven, sine.tail, cosine.tail),
      V.select(isEven, cosine.head, sine.head), V.select(isEven, cosine.tail, sine.tail))
    let signed = V.select(V.isEqual(x, V(constant: 0)), x, V(bits: y.bits ^ parity))
    return replacingLarge(x, signed) { Foundation.tan($0) }
  }

  /// The inverse tangent.
  @inline(__always)
  static func arctan<V: LaneVector>(_ x: V) -> V {
    // arctan a = b + arctan t with |t| ≤ tan(π/8): t = a, (a - 1) / (a + 1) or -1 / a, and b = 0, π/4 or π/2.
    let (a, one, zero) = (x.magnitude, V(constant: 1), V(constant: 0))
    let isMedium = V.isLess(V(constant: 0.41421356), a)
    let isLarge = V.isLess(V(constant: 2.4142135), a)
    let above = V.select(isLarge, -one, V.select(isMedium, a - one, a))
    let below = V.select(isLarge, a, V.select(isMedium, a + one, one))
    let base = V.select(
      isLarge, V(constant: 1.5707963267948966), V.select(isMedium, V(constant: 0.7853981633974483), zero))
    let rest = V.select(
      isLarge, V(double: 6.123233995736766e-17, float: -4.371139e-08),
      V.select(isMedium, V(double: 3.061616997868383e-17, float: -2.1855694e-08), zero))
    let t = above / below
    let y = base + (t + rest.adding(t, times: arctanSeries(t * t)))
    return V(bits: y.bits | x.signBit)
  }

  /// z P of arctan t = t + t z P, where z = t².
  @inline(__always)
  private static func arctanSeries<V: LaneVector>(_ z: V) -> V {
    if V.isDouble {
      let square = z * z
      let even = V(constant: -0.017851008517844148).times(square, plus: -0.050378792282139366)
        .times(square, plus: -0.06663070317707852).times(square, plus: -0.0909089758376654)
        .times(square, plus: -0.14285714280056988).times(square, plus: -0.3333333333333319)
      let odd = V(constant: 0.03802143825445217).times(square, plus: 0.058476179749633664)
        .times(square, plus: 0.07692057301362146).times(square, plus: 0.11111110776837506)
        .times(square, plus: 0.19999999999952187)
      return z * even.adding(odd, times: z)
    }
    return z
      * V(constant: -0.06088825).times(z, plus: 0.10598752).times(z, plus: -0.14244346).times(z, plus: 0.19998527)
      .times(z, plus: -0.33333316)
  }

  /// sin(r + tail) for |r| ≤ π/2 and a small tail, if any.
  @inline(__always)
  private static func sinOfRemainder<V: LaneVector>(_ r: V, _ tail: V?) -> V {
    let z = r * r
    let square = z * z
    let series = (square * sineTail(z, square)).adding(z, times: V(double: -0.16666666666666666, float: -0.1666666))
    guard let tail else {
      // The product is arranged so that -0 stays -0.
      return r.adding(r, times: series)
    }
    // The tail counts cos r times, and 1 - r²/2 + r⁴/24 is near enough.
    let cosine = z.cubic(square, 1, -0.5, 0.041666666666666664, 0)
    return r + (tail * cosine).adding(r, times: series)
  }

  /// The q of sin r = r - r z / 6 + r z² q for |r| ≤ π/2, where z = r².
  @inline(__always)
  private static func sineTail<V: LaneVector>(_ z: V, _ square: V) -> V {
    if V.isDouble {
      let even = V(constant: 2.7202418968188954e-15).times(square, plus: 1.6058937752682302e-10)
        .times(square, plus: 2.7557319211182134e-06).times(square, plus: 0.008333333333333207)
      let odd = V(constant: -7.642920038221595e-13).times(square, plus: -2.505210685315723e-08)
        .times(square, plus: -0.00019841269841211368)
      return even.adding(odd, times: z)
    }
    return V(constant: 2.6060957e-06).times(z, plus: -0.00019809777).times(z, plus: 0.008333069)
  }

  /// The sine and cosine of r + tail for |r| ≤ π/4 and a small tail.
  @inline(__always)
  private static func sinAndCosOfEighth<V: LaneVector>(
    _ r: V, _ tail: V
  ) -> (sine: (head: V, tail: V), cosine: (head: V, tail: V)) {
    let (z, one) = (r * r, V(constant: 1))
    let square = z * z
    let rest = tail.adding(r * z, times: sineSeries(z, square))
    let sine = r + rest
    let shortOfOne = (r * tail).adding(z, times: V(constant: 0.5).adding(z, times: cosineSeries(z, square)))
    let cosine = one - shortOfOne
    return ((sine, (r - sine) + rest), (cosine, (one - cosine) - shortOfOne))
  }

  /// The sine and cosine of r for |r| ≤ π/4, each to about one unit in the last place.
  @inline(__always)
  static func sinAndCosOfEighth<V: LaneVector>(_ r: V) -> (sine: V, cosine: V) {
    let z = r * r
    let square = z * z
    let shortOfOne = z * V(constant: 0.5).adding(z, times: cosineSeries(z, square))
    return (r.adding(r * z, times: sineSeries(z, square)), V(constant: 1) - shortOfOne)
  }

  /// The q of sin r = r + r z q for |r| ≤ π/4, where z = r².
  @inline(__always)
  private static func sineSeries<V: LaneVector>(_ z: V, _ square: V) -> V {
    if V.isDouble {
      return z.cubic(
        square, -0.1666666666666663, 0.00833333333332184, -0.00019841269829358512, 2.7557313538505747e-06
      )
      .adding(square * square, times: z.line(-2.5050734387811853e-08, 1.5895433208568663e-10))
    }
    return V(constant: -0.00019518095).times(z, plus: 0.008332188).times(z, plus: -0.16666655)
  }

  /// The q of cos r = 1 - z / 2 - z² q for |r| ≤ π/4, where z = r².
  @inline(__always)
  private static func cosineSeries<V: LaneVector>(_ z: V, _ square: V) -> V {
    if V.isDouble {
      return z.cubic(
        square, -0.041666666666666595, 0.0013888888888873325, -2.4801587288983695e-05, 2.755731421008427e-07
      )
      .adding(square * square, times: z.line(-2.0875704272874995e-09, 1.135868345914925e-11))
    }
    return V(constant: -2.4432327e-05).times(z, plus: 0.001388731).times(z, plus: -0.041666646)
  }

  /// x − n · period, for sin and cos, whose period with a change of sign is π. Where operations are fused, one number is
  /// exact enough.
  @inline(__always)
  private static func remainder<V: LaneVector>(_ x: V, _ n: V) -> (r: V, tail: V?) {
    #if AUTODIFF_FMA
      let parts = minusPiInParts(V.self)
      return (x.adding(n, times: parts.0).adding(n, times: parts.1).adding(n, times: parts.2), nil)
    #else
      return remainderAndTail(x, n, period: 1)
    #endif
  }

  /// x − n · period · π as a sum of two numbers, for a period that is a power of two.
  @inline(__always)
  private static func remainderAndTail<V: LaneVector>(_ x: V, _ n: V, period: Double) -> (r: V, tail: V) {
    let parts = minusPiInParts(V.self, times: period)
    let high = x.adding(n, times: parts.0)
    let second = n * parts.1
    let r = high + second
    #if AUTODIFF_FMA
      return (r, ((high - r) + second + remainderOfProduct(n, parts.1, second)).adding(n, times: parts.2))
    #else
      // The third part may be as large as what the others leave.
      let third = n * parts.2
      let sum = r + third
      return (sum, ((high - r) + second) + ((r - sum) + third).adding(n, times: parts.3))
    #endif
  }

  /// -π in parts, times a power of two. With fused operations their products with n need not be exact; without, the parts
  /// are so short that they are. All have one sign, so that -0 stays -0.
  @inline(__always)
  private static func minusPiInParts<V: LaneVector>(_: V.Type, times s: Double = 1) -> (V, V, V, V) {
    let f = Float(s)
    #if AUTODIFF_FMA
      return (
        V(double: -0x1.921fb54442d18p+1 * s, float: -0x1.921fb4p+1 * f),
        V(double: -0x1.1a62633145c06p-53 * s, float: -0x1.4442dp-23 * f),
        V(double: -0x1.c1cd129024e08p-106 * s, float: -0x1.846988p-47 * f), V(constant: 0)
      )
    #else
      return (
        V(double: -0x1.921fb544p+1 * s, float: -0x1.92p+1 * f),
        V(double: -0x1.0b4611a6p-33 * s, float: -0x1.fb4p-11 * f),
        V(double: -0x1.3198a2ep-68 * s, float: -0x1.444p-23 * f),
        V(double: -0x1.b839a252049c1p-103 * s, float: -0x1.68c234p-38 * f)
      )
    #endif
  }

  /// The largest argument that ``remainder(_:_:)`` reduces exactly enough.
  @inline(__always)
  private static func largestReduced<V: LaneVector>(_: V.Type) -> V {
    #if AUTODIFF_FMA
      V(double: 0x1p27, float: 0x1p18)
    #else
      V(double: 0x1p20, float: 0x1p13)
    #endif
  }

  /// Where ``remainder(_:_:)`` is exact enough. It is not for what is infinite or not a number.
  @inline(__always)
  static func isReduced<V: LaneVector>(_ x: V) -> V.Mask { V.isLessOrEqual(x.magnitude, largestReduced(V.self)) }

  /// y, where arguments that are too large for ``remainder(_:_:)`` are left to the C library, one by one.
  @inline(__always)
  private static func replacingLarge<V: LaneVector>(_ x: V, _ y: V, _ f: (Double) -> Double) -> V {
    let large = !isReduced(x)
    if !large.isAnyTrue { return y }
    var entries = x
    withUnsafeMutableBytes(of: &entries) { replaceEach($0.bindMemory(to: V.Element.self), f) }
    return V.select(large, entries, y)
  }

  /// Not inlined, and given memory: a vector as an argument would make the optimizer take all vectors apart.
  @inline(never)
  private static func replaceEach<T: LoopScalar>(_ x: UnsafeMutableBufferPointer<T>, _ f: (Double) -> Double) {
    for i in x.indices { x[i] = T(f(Double(x[i]))) }
  }

  /// How far the sign is from the lowest bit.
  @inline(__always)
  private static func signShift<V: LaneVector>(_: V.Type) -> Int { V.isDouble ? 63 : 31 }
}

extension LaneVector {
  /// The integer nearest to a number, which must not exceed 2⁵¹ (2²² for `Float`): as a number, and in the low bits of a
  /// pattern whose high bits do not matter.
  @inline(__always)
  static func nearestInteger(_ x: Self) -> (number: Self, bits: Bits) {
    // Adding a number whose last place is 1 rounds to an integer, and leaves it in the low bits.
    let integers = Self(double: 0x1.8p52, float: 0x1.8p23)
    let shifted = integers + x
    return (shifted - integers, shifted.bits)
  }
}
