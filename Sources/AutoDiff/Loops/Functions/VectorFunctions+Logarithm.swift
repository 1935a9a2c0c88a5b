extension VectorFunctions {
  /// The natural logarithm; −∞ at 0, not-a-number below.
  @inline(__always)
  static func log<V: LaneVector>(_ x: V) -> V {
    let isNormal = V.isLessOrEqual(V(repeating: .leastNormalMagnitude), x) & V.isLess(x, V(repeating: .infinity))
    let one = V(constant: 1)
    if !(!isNormal).isAnyTrue {
      let (exponent, mantissa) = exponentAndMantissa(x)
      return logOfParts(number(exponent), mantissa - one)
    }
    let (exponent, mantissa) = exponentAndMantissa(V.select(isNormal, x, x * V(constant: 0x1p54)))
    let k = number(exponent) - V.select(isNormal, V(constant: 0), V(constant: 54))
    return logOfSpecial(x, else: logOfParts(k, mantissa - one))
  }

  /// log(1 + x), exact near 0.
  @inline(__always)
  static func log1p<V: LaneVector>(_ x: V) -> V {
    let y = V.select(V.isLess(x.magnitude, V(constant: V.isDouble ? 0x1p-54 : 0x1p-25)), x, logOfOnePlus(x))
    return logOfSpecial(x + V(constant: 1), else: y)
  }

  /// log(1 + e^{ax}) / a for a > 0, without overflow and exact in the lower tail.
  @inline(__always)
  static func softplus<V: LaneVector>(_ x: V, sharpness a: V) -> V {
    x.limited(from: 0) + logOfOnePlus(preciseExp(-(x * a).magnitude)) / a
  }

  /// log(1 + x) where 1 + x is positive and finite.
  @inline(__always)
  static func logOfOnePlus<V: LaneVector>(_ x: V) -> V {
    let one = V(constant: 1)
    let sum = one + x
    // What the rounding of the sum has lost; where x is the larger one, nothing that matters is lost from 1.
    let lost = V.select(V.isLess(x, one), x - (sum - one), one - (sum - x))
    let (exponent, mantissa) = exponentAndMantissa(sum)
    // 2⁻ᵏ/2, which is a normal number for every k.
    let half = V(bits: V(constant: 2).bits &- (exponent &<< exponentShift(V.self)))
    let f = (mantissa - one).adding(lost * V(constant: 0.5), times: half)
    return logOfParts(number(exponent), f)
  }

  /// x = 2ᵏ m with √½ ≤ m < √2 for normal numbers x.
  @inline(__always)
  static func exponentAndMantissa<V: LaneVector>(_ x: V) -> (exponent: V.Bits, mantissa: V) {
    let shift = exponentShift(V.self)
    let exponent = (x.bits &- V(constant: 0.7071067811865476).bits) &>> shift
    return (exponent, V(bits: x.bits &- (exponent &<< shift)))
  }

  /// A small integer as a floating-point number.
  @inline(__always)
  static func number<V: LaneVector>(_ n: V.Bits) -> V {
    let integers = V(double: 0x1.8p52, float: 0x1.8p23)
    return V(bits: n &+ integers.bits) - integers
  }

  /// k log 2 + log(1 + f) for √½ ≤ 1 + f < √2.
  ///
  /// - Source: the arrangement of terms is that of FreeBSD's `e_log.c` (Sun Microsystems 1993): with s = f / (2 + f),
  ///   log(1 + f) = f − f²/2 + s (f²/2 + R), where R = log((1 + s) / (1 − s)) / s − 2.
  @inline(__always)
  static func logOfParts<V: LaneVector>(_ k: V, _ f: V) -> V {
    let s = f / (V(constant: 2) + f)
    let halfSquare = f * f * V(constant: 0.5)
    let r = logSeries(s * s)
    let low = V(double: 1.9082149292705877e-10, float: 1.428606820309417e-06)
    let small = (s * (halfSquare + r)).adding(k, times: low)
    return (f - (halfSquare - small)).adding(k, times: V(double: 0x1.62e42feep-1, float: 0x1.62e4p-1))
  }

  /// R of ``logOfParts(_:_:)`` as a function of s².
  @inline(__always)
  static func logSeries<V: LaneVector>(_ z: V) -> V {
    if V.isDouble {
      let square = z * z
      let even = V(constant: 0.1479824744300925).times(square, plus: 0.18183572310758575)
        .times(square, plus: 0.2857142874368027).times(square, plus: 0.6666666666666735)
      let odd = V(constant: 0.1531383331959265).times(square, plus: 0.2222219842975938)
        .times(square, plus: 0.3999999999940937)
      return z * even.adding(odd, times: z)
    }
    return z * V(constant: 0.24278815).times(z, plus: 0.28498793).times(z, plus: 0.40000972).times(z, plus: 0.6666666)
  }

  /// The limits of the logarithm at 0 and infinity, and not-a-number for negative numbers.
  @inline(__always)
  static func logOfSpecial<V: LaneVector>(_ x: V, else y: V) -> V {
    let finite = V.select(V.isLess(x, V(repeating: .infinity)), y, x)
    let atZero = V.select(V.isEqual(x, V(constant: 0)), V(repeating: -.infinity), finite)
    return V.select(V.isLess(x, V(constant: 0)), V(repeating: .nan), atZero)
  }
}
