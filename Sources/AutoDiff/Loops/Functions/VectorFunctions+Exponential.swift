extension VectorFunctions {
  /// eˣ.
  @inline(__always)
  static func exp<V: LaneVector>(_ x: V) -> V {
    #if AUTODIFF_LANES_512
      return expByTable(x, isPrecise: false)
    #else
      let inner = V.isLessOrEqual(x.magnitude, V(double: 708, float: 87))
      if !(!inner).isAnyTrue {
        let (n, r, _) = exponentAndRemainder(x)
        return V(bits: expOfRemainder(r).bits &+ (n &<< exponentShift(V.self)))
      }
      // A product that underflows takes a hundred times as long as others.
      let (zero, vanishes) = (V(constant: 0), V.isLess(x, leastExponent(V.self)))
      let (n, r, _) = exponentAndRemainder(V.select(vanishes, zero, x).limited(to: V.isDouble ? 1000 : 130))
      return V.select(vanishes, zero, scaled(expOfRemainder(r), n))
    #endif
  }

  /// Below it, eˣ is 0.
  @inline(__always)
  static func leastExponent<V: LaneVector>(_: V.Type) -> V { V(double: -745.2, float: -104) }

  /// eˣ as a part of other functions, whose errors add to its own.
  @inline(__always)
  static func preciseExp<V: LaneVector>(_ x: V) -> V {
    #if AUTODIFF_LANES_512
      return expByTable(x, isPrecise: true)
    #else
      return exp(x)
    #endif
  }

  /// eˣ − 1, exact near 0.
  @inline(__always)
  static func expm1<V: LaneVector>(_ x: V) -> V {
    let bounded = x.limited(from: -60).limited(to: V.isDouble ? 709.9 : 89)
    let (n, r, tail) = exponentAndRemainder(bounded)
    // Half of 2ⁿ, which is finite where n is one too large.
    let scale = V(bits: (n &<< exponentShift(V.self)) &+ V(constant: 0.5).bits)
    let y = scaledExpm1(scale, V(constant: 0.5), r, tail) * V(constant: 2)
    return V.select(V.isLess(x.magnitude, V(constant: V.isDouble ? 0x1p-54 : 0x1p-25)), x, y)
  }

  /// The hyperbolic tangent.
  @inline(__always)
  static func tanh<V: LaneVector>(_ x: V) -> V {
    #if AUTODIFF_LANES_512
      let y = V.isDouble ? tanhByExponential(x.magnitude) : tanhByFloatTable(x.magnitude)
    #else
      let y = tanhByExponential(x.magnitude)
    #endif
    return V(bits: y.bits | x.signBit)
  }

  /// The hyperbolic tangent of 0 ≤ x.
  @inline(__always)
  private static func tanhByExponential<V: LaneVector>(_ x: V) -> V {
    // tanh x = (1 - e) / (1 + e) with e = e^(-2x).
    let (scale, growth) = scaleAndGrowth(x.limited(to: V.isDouble ? 20 : 10), times: -2)
    let one = V(constant: 1)
    let below = (one + scale).adding(scale, times: growth)
    #if AUTODIFF_LANES_512
      // The sum is rounded, and what it contains of e is subtracted exactly.
      let y = (V(constant: 2) - below) / below
      // The rest of e, divided by 1 + e, which is 2 / (1 + tanh x).
      let rest = ((below - one) - scale).adding(-scale, times: growth)
      let first = rest.adding(rest, times: y)
      return y.adding(first.adding(first, times: y), times: V(constant: 0.5))
    #else
      // The scale is a power of two, so that its sum with 1 and its difference from 1 are exact.
      return (one - scale).adding(-scale, times: growth) / below
    #endif
  }

  /// 1 / (1 + e⁻ˣ), exact in both tails.
  @inline(__always)
  static func sigmoid<V: LaneVector>(_ x: V) -> V {
    let one = V(constant: 1)
    let e = preciseExp(-x.magnitude)
    let below = one + e
    let isNegative = V.isLess(x, V(constant: 0))
    let above = V.select(isNegative, e, one)
    let y = above / below
    // What the sum and the quotient have lost, divided by 1 + e, which is 1 / y or 1 / (1 - y).
    #if AUTODIFF_FMA
      let lost = above.adding(-y, times: below).adding(y, times: (below - one) - e)
    #else
      let lost = y * ((below - one) - e)
    #endif
    return y.adding(lost, times: V.select(isNegative, one - y, y))
  }

  /// eˣ = scale · (1 + growth) for -40 ≤ x ≤ 0, where the scale is exact; x is given as two factors, the second of which is
  /// a power of two but for its sign.
  @inline(__always)
  private static func scaleAndGrowth<V: LaneVector>(_ x: V, times factor: Double) -> (scale: V, growth: V) {
    #if AUTODIFF_LANES_512
      return scaleAndGrowthByTable(x, times: factor)
    #else
      let (n, r, tail) = exponentAndRemainder(x * V(constant: factor))
      let scale = V(bits: (n &<< exponentShift(V.self)) &+ V(constant: 1).bits)
      let (square, series) = expSeries(r)
      // The tail counts eʳ times, which is near enough to 1 here; in single precision it is not needed.
      return (scale, V.isDouble ? r + tail.adding(square, times: series) : r.adding(square, times: series))
    #endif
  }

  /// How far the exponent is from the lowest bit.
  @inline(__always)
  static func exponentShift<V: LaneVector>(_: V.Type) -> Int { V.isDouble ? 52 : 23 }

  /// x = n log 2 + r + tail with |r| ≤ log(2) / 2; n is the low bits of a pattern whose high bits do not matter.
  @inline(__always)
  static func exponentAndRemainder<V: LaneVector>(_ x: V) -> (n: V.Bits, r: V, tail: V) {
    // Adding a number whose last place is 1 rounds to an integer, and leaves it in the low bits.
    let integers = V(double: 0x1.8p52, float: 0x1.8p23)
    let shifted = integers.adding(x, times: V(constant: 1.4426950408889634))
    let n = shifted - integers
    // The first part of log 2 is so short that its product with n is exact.
    let high = x.adding(n, times: V(double: -0x1.62e42feep-1, float: -0x1.62e4p-1))
    let low = V(double: -1.9082149292705877e-10, float: -1.428606820309417e-06)
    let r = high.adding(n, times: low)
    let tail = (high - r).adding(n, times: low)
    return (shifted.bits, r, tail)
  }

  /// The same of x + small for a number |small| ≪ 1.
  @inline(__always)
  static func exponentAndRemainder<V: LaneVector>(_ x: V, _ small: V) -> (n: V.Bits, r: V, tail: V) {
    let (n, remainder, rest) = exponentAndRemainder(x)
    let tail = rest + small
    let r = remainder + tail
    return (n, r, tail - (r - remainder))
  }

  /// e^(r + tail) for |r| ≤ log(2) / 2 and a small tail, if any.
  @inline(__always)
  static func expOfRemainder<V: LaneVector>(_ r: V, _ tail: V? = nil) -> V {
    V(constant: 1) + expm1OfRemainder(r, tail)
  }

  /// e^(r + tail) − 1 for |r| ≤ log(2) / 2 and a small tail, if any.
  @inline(__always)
  static func expm1OfRemainder<V: LaneVector>(_ r: V, _ tail: V? = nil) -> V {
    let (square, series) = expSeries(r)
    guard let tail else { return r.adding(square, times: series) }
    // The tail counts e^r times; 1 + r is near enough.
    return r + tail.adding(tail, times: r).adding(square, times: series)
  }

  /// x 2ⁿ for a number x of moderate size; n is the low bits of a pattern whose high bits do not matter.
  @inline(__always)
  static func scaled<V: LaneVector>(_ x: V, _ n: V.Bits) -> V {
    #if AUTODIFF_LANES_512
      let integers = V(double: 0x1.8p52, float: 0x1.8p23)
      return x.timesPowerOfTwo(V(bits: n) - integers)
    #else
      // Two factors, because 2ⁿ may be out of range where the product is not.
      let (shift, one) = (exponentShift(V.self), V(constant: 1).bits)
      let half = n &>> 1
      return x * V(bits: (half &<< shift) &+ one) * V(bits: ((n &- half) &<< shift) &+ one)
    #endif
  }

  /// scale · e^(r + tail) − offset, for a scale that is a power of two.
  @inline(__always)
  static func scaledExpm1<V: LaneVector>(_ scale: V, _ offset: V, _ r: V, _ tail: V) -> V {
    let (square, series) = expSeries(r)
    // scale - offset + scale r is exact where the difference matters.
    return (scale - offset).adding(scale, times: r).adding(scale, times: tail.adding(square, times: series))
  }

  /// r² and the q of eʳ = 1 + r + r² q.
  @inline(__always)
  static func expSeries<V: LaneVector>(_ r: V) -> (square: V, series: V) {
    let z = r * r
    if V.isDouble {
      let even = V(constant: 2.762560172833128e-07).times(z, plus: 2.4801506466848822e-05)
        .times(z, plus: 0.001388888893047219).times(z, plus: 0.04166666666658049).times(z, plus: 0.5000000000000004)
      let odd = V(constant: 2.5053304121985507e-08).times(z, plus: 2.755740789012646e-06)
        .times(z, plus: 0.00019841269720059638).times(z, plus: 0.008333333333388333).times(z, plus: 0.16666666666666594)
      return (z, even.adding(odd, times: r))
    }
    let even = V(constant: 0.0013828479).times(z, plus: 0.04166782).times(z, plus: 0.49999997)
    let odd = V(constant: 0.008366863).times(z, plus: 0.16666542)
    return (z, even.adding(odd, times: r))
  }
}
