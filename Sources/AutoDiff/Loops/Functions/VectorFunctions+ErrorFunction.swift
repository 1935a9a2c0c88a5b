extension VectorFunctions {
  /// The error function.
  @inline(__always)
  static func erf<V: LaneVector>(_ x: V) -> V {
    #if AUTODIFF_LANES_512
      let y = V.isDouble ? erfByTable(x.magnitude) : erfByFloatTable(x.magnitude)
    #else
      let y = V.isDouble ? erfByExponential(x.magnitude) : erfByPowerOfTwo(x.magnitude)
    #endif
    return V(bits: y.bits | x.signBit)
  }

  /// The complementary error function 1 − erf x, exact in its tail.
  ///
  /// For x ≥ 0, e^(x²) erfc x lies near ½ / (x + 7/16) everywhere, and the quotient of the two is 1 + p / q with polynomials
  /// p and q: erfc x = ½ (q + p) / (q (x + 7/16)) e^(−x²). What is rounded off the sums and products is known and returned.
  @inline(__always)
  static func erfc<V: LaneVector>(_ x: V) -> V {
    let a = x.magnitude.limited(to: V.isDouble ? 27.3 : 10.2)
    let square = a * a
    let (n, r, tail) = exponentAndRemainder(-square, -remainderOfProduct(a, a, square))
    let growth = expm1OfRemainder(r, tail)
    let (p, q) = scaledErfc(a)
    let sum = q + p
    let above = sum.adding(sum, times: growth)
    let aboveTail = (sum - above).adding(sum, times: growth) + ((q - sum) + p)
    let offset = V(constant: 0.4375)
    let shifted = a + offset
    let added = shifted - a
    let shiftedTail = (a - (shifted - added)) + (offset - added)
    let below = q * shifted
    let belowTail = remainderOfProduct(q, shifted, below).adding(q, times: shiftedTail)
    let y = scaled(quotient(above, aboveTail, below, belowTail), n &- V.Bits(repeating: 1))
    return V.select(V.isLess(x, V(constant: 0)), V(constant: 2) - y, y)
  }

  /// The p and q of 2 e^(x²) erfc x (x + 7/16) = 1 + p / q, for 0 ≤ x ≤ 27.3 (10.2 for `Float`), and near them beyond.
  @inline(__always)
  static func scaledErfc<V: LaneVector>(_ x: V) -> (p: V, q: V) {
    let (x2, x4, x8) = powers(x)
    if V.isDouble {
      let p = x.cubic(x2, -0.12499999999999997, 0.5952810359920098, 1.351639493746034, 1.3600245919046703)
        .adding(
          x4, times: x.cubic(x2, 0.852256486261094, 0.36817682487444287, 0.11355326265371253, 0.024974839902115065)
        )
        .adding(
          x8,
          times: x.line(0.0037762210367230636, 0.00035610226787220875)
            .adding(x2, times: V(constant: 1.5859349296239602e-05)))
      let q = x.cubic(x2, 1.0, 3.3390975423952676, 5.184001328661021, 4.9408145035647655)
        .adding(x4, times: x.cubic(x2, 3.211497176902463, 1.493214345740879, 0.5053541632632932, 0.12367397156381177))
        .adding(
          x8,
          times: x.line(0.021117776846932126, 0.002298793084890042)
            .adding(x2, times: V(constant: 0.00012353522503160511)))
      return (p, q)
    }
    let p = x.cubic(x2, -0.125, 0.71259767, 0.7394581, 0.35965163).adding(x4, times: x.line(0.08925587, 0.008516261))
    let q = x.cubic(x2, 1.0, 2.4005673, 2.4780312, 1.3969227).adding(x4, times: x.line(0.44034344, 0.066332564))
    return (p, q)
  }

  /// The error function of 0 ≤ x for `Double`.
  ///
  /// erf x = 1 − e⁻ᵘ, where u = −log(1 − erf x) = x · (a smooth function), approximated by one formula over the whole range
  /// up to where erf x rounds to 1. The relative accuracy for small x is that of e⁻ᵘ − 1.
  @inline(__always)
  private static func erfByExponential<V: LaneVector>(_ x: V) -> V {
    let (u, uTail) = minusLogOfErfc(x.limited(to: 5.95))
    let (n, r, tail) = exponentAndRemainder(-u, -uTail)
    let minusPower = V(bits: (n &<< 52) &+ V(constant: -1).bits)
    return (V(constant: 1) + minusPower).adding(minusPower, times: expm1OfRemainder(r, tail))
  }

  /// The error function of 0 ≤ x for `Float`: 1 − 2⁻ᵛ, where v = −log₂(1 − erf x) = x · (a polynomial).
  @inline(__always)
  private static func erfByPowerOfTwo<V: LaneVector>(_ x: V) -> V {
    let x = x.limited(to: 3.95)
    let x2 = x * x
    let q = x.cubic(x2, 0.91844779, 0.14827558, -0.027627023, -0.00024001293)
      .adding(x2 * x2, times: x.cubic(x2, 0.0024131371, -0.0009172255, 0.00017085868, -1.3476573e-05))
    let v = sum(x * q.times(x, plus: 0.0029070286), x, times: 1.625, near: 2)
    // Subtracting leaves the nearest integer in the low bits, and is exact where the rest matters.
    let integers = V(constant: 0x1.8p23)
    let shifted = integers - v
    let f = (integers - shifted) - v
    let f2 = f * f
    let rest = f.line(0.0096180309, 0.0013390867).adding(f2, times: V(constant: 0.00015469725))
    let series = f.line(0.24022651, 0.055503570).adding(f2, times: rest)
    let growth = sum(f2 * series, f, times: 0.69314718, near: 0.5)
    let minusPower = V(bits: (shifted.bits &<< 23) &+ V(constant: -1).bits)
    return (V(constant: 1) + minusPower).adding(minusPower, times: growth)
  }

  /// small + x c in hardly more than one rounding; c lies near a power of two.
  @inline(__always)
  private static func sum<V: LaneVector>(_ small: V, _ x: V, times c: Double, near power: Double) -> V {
    #if AUTODIFF_FMA
      return small.adding(x, times: V(constant: c))
    #else
      // The product with the power is exact.
      return small.adding(x, times: V(constant: c - power)).adding(x, times: V(constant: power))
    #endif
  }

  /// −log(1 − erf x) for 0 ≤ x ≤ 5.95, in two parts where it is small.
  @inline(__always)
  private static func minusLogOfErfc<V: LaneVector>(_ x: V) -> (head: V, tail: V) {
    let rest = x * excessOfLogOfErfc(x).times(x, plus: 0.1283791670955126)
    let head = x + rest
    return (head, (x - head) + rest)
  }

  /// The q of −log(1 − erf x) = 2/√π x + x² q.
  @inline(__always)
  private static func excessOfLogOfErfc<V: LaneVector>(_ x: V) -> V {
    let (x2, x4, x8) = powers(x)
    // A quotient, because a polynomial needs twice as many terms.
    let above = x.cubic(x2, 0.6366197723675829, 1.2955222452930295, 1.155537282768614, 0.5924309509736462)
      .adding(
        x4, times: x.cubic(x2, 0.18360817036698696, 0.03271034423356354, 0.0026201309223872617, 1.7130753978256163e-07)
      )
      .adding(x8, times: V(constant: -3.6521029947354065e-09))
    let below = x.cubic(x2, 1.0, 1.8735667564257075, 1.5427016869183996, 0.7381660450708526)
      .adding(
        x4, times: x.line(0.2135499894436895, 0.03552845982392936).adding(x2, times: V(constant: 0.002624959666063169)))
    return above / below
  }

  @inline(__always)
  private static func powers<V: LaneVector>(_ x: V) -> (x2: V, x4: V, x8: V) {
    let x2 = x * x
    let x4 = x2 * x2
    return (x2, x4, x4 * x4)
  }
}
