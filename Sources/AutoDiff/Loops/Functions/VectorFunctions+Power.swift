extension VectorFunctions {
  /// xʸ with the special cases of IEEE 754: 1 where y = 0 or x = 1, whatever the other is; for negative x the sign of the
  /// power where y is an integer and not-a-number elsewhere; the limits for zeros and infinities.
  @inline(__always)
  static func pow<V: LaneVector>(_ x: V, _ y: V) -> V {
    let (one, zero, infinity) = (V(constant: 1), V(constant: 0), V(repeating: .infinity))
    let a = x.magnitude
    let (logHead, logTail) = logInTwoParts(a)
    // No finite exponent beyond this makes a difference, and the parts of an infinite one would not be numbers.
    let exponent = y.limited(from: -0x1p70).limited(to: 0x1p70)
    let product = exponent * logHead
    // Beyond this the power is 0 or infinite; the remainder of an infinite product would not be a number.
    let limit = V(double: 760, float: 130)
    let isModerate = V.isLess(product.magnitude, limit)
    let rest = remainderOfProduct(exponent, logHead, product).adding(exponent, times: logTail)
    let (n, r, tail) = exponentAndRemainder(
      product.limited(from: V.isDouble ? -1000 : -130).limited(to: V.isDouble ? 1000 : 130),
      V.select(isModerate, rest, zero))
    let size = scaled(expOfRemainder(r, tail), n)

    let isWhole = isInteger(y.magnitude)
    let isOdd = isWhole & !isInteger(y.magnitude * V(constant: 0.5))
    let signed = V(bits: size.bits | V.select(isOdd, V(bits: x.signBit), zero).bits)
    let isFiniteNegative = V.isLess(x, zero) & V.isLess(a, infinity)
    let real = V.select(isFiniteNegative & !isWhole, V(repeating: .nan), signed)
    let isOne = V.isEqual(y, zero) | V.isEqual(x, one)
    return V.select(isOne, one, real)
  }

  /// Whether a number that is not negative is an integer.
  @inline(__always)
  private static func isInteger<V: LaneVector>(_ a: V) -> V.Mask {
    // From here on all numbers are integers, and sums with smaller ones are rounded to integers.
    let integers = V(double: 0x1p52, float: 0x1p23)
    return V.isEqual((a + integers) - integers, a) | V.isLessOrEqual(integers, a)
  }

  /// log a for a ≥ 0 as a sum of two numbers, to about 12 more bits than one has.
  ///
  /// With s = f / (2 + f), log(1 + f) = 2 s + 2/3 s³ + s⁵ Q(s²); the first two terms are computed in two parts.
  @inline(__always)
  private static func logInTwoParts<V: LaneVector>(_ a: V) -> (head: V, tail: V) {
    let (one, two, zero) = (V(constant: 1), V(constant: 2), V(constant: 0))
    let isSubnormal = V.isLess(a, V(repeating: .leastNormalMagnitude))
    let (exponent, mantissa) = exponentAndMantissa(V.select(isSubnormal, a * V(constant: 0x1p54), a))
    let k = number(exponent) - V.select(isSubnormal, V(constant: 54), zero)

    let f = mantissa - one
    let below = two + f
    let belowTail = f - (below - two)
    let reciprocal = one / below
    let s = f * reciprocal
    let sTail = (-remainderOfProduct(s, below, f) - s * belowTail) * reciprocal

    let square = s * s
    let squareTail = remainderOfProduct(s, s, square).adding(s * two, times: sTail)
    let cube = square * s
    let cubeTail = remainderOfProduct(square, s, cube).adding(squareTail, times: s).adding(square, times: sTail)
    let third = cube * V(constant: 0.6666666666666666)
    let thirdTail = remainderOfProduct(cube, V(constant: 0.6666666666666666), third)
      .adding(cube, times: V(double: 3.700743415417188e-17, float: -1.9868216e-08))
      .adding(cubeTail, times: V(constant: 0.6666666666666666))
      .adding(cube * square, times: powSeries(square))

    // The sums are arranged by falling size, so that what each of them rounds off is known exactly.
    let high = k * V(double: 0x1.62e42feep-1, float: 0x1.62e4p-1)
    let first = high + two * s
    let firstTail = two * s - (first - high)
    let second = first + third
    let secondTail = third - (second - first)
    let low = k * V(double: 1.9082149292705877e-10, float: 1.428606820309417e-06)
    let lowTail = remainderOfProduct(k, V(double: 1.9082149292705877e-10, float: 1.428606820309417e-06), low)
    let sum = second + low
    let tail = ((low - (sum - second)) + firstTail) + (secondTail + (thirdTail + (lowTail.adding(two, times: sTail))))
    let head = sum + tail
    // At 0 and infinity the logarithm is infinite and has no tail.
    let isFinite = V.isLess(a, V(repeating: .infinity)) & V.isLess(zero, a)
    let special = V.select(V.isEqual(a, zero), V(repeating: -.infinity), a)
    return (V.select(isFinite, head, special), V.select(isFinite, tail - (head - sum), zero))
  }

  /// Q of ``logInTwoParts(_:)``.
  @inline(__always)
  private static func powSeries<V: LaneVector>(_ z: V) -> V {
    if V.isDouble {
      let square = z * z
      let even = V(constant: 0.11803205306319642).times(square, plus: 0.15384675159182282)
        .times(square, plus: 0.22222222225817437).times(square, plus: 0.4)
      let odd = V(constant: 0.1078863726661792).times(square, plus: 0.13330847476006424)
        .times(square, plus: 0.18181817499411876).times(square, plus: 0.28571428571421564)
      return even.adding(odd, times: z)
    }
    return V(constant: 0.23054428).times(z, plus: 0.28562084).times(z, plus: 0.40000015)
  }
}
