extension VectorFunctions {
  /// The error function.
  @inline(__always)
  static func erf<V: LaneVector>(_ x: V) -> V {
    #if AUTODIFF_LANES_512
      let y = V.isDouble ? erfByTable(x.magnitude) : erfByFloatTable(x.magnitude)
    #else
      let y = erfByExponential(x.magnitude)
    #endif
    return V(bits: y.bits | x.signBit)
  }

  /// The complementary error function 1 − erf x, exact in its tail.
  ///
  /// erfc x = e^(−x²) g(x) for x ≥ 0, where g is smooth, and approximated by one quotient over the whole range.
  @inline(__always)
  static func erfc<V: LaneVector>(_ x: V) -> V {
    let a = x.magnitude.limited(to: V.isDouble ? 27.3 : 10.2)
    let square = a * a
    let (n, r, tail) = exponentAndRemainder(-square, -remainderOfProduct(a, a, square))
    let (above, below) = scaledErfc(a)
    let one = V(constant: 1)
    let reciprocal = one / below.times(a, plus: 1)
    let quotient = above.times(a, plus: 1) * reciprocal
    // What rounding has lost from the quotient, times e^(r + tail) in the form 1 + growth.
    let lost = (one - quotient).adding(above.adding(-quotient, times: below), times: a) * reciprocal
    let growth = expm1OfRemainder(r, tail)
    let y = scaled(quotient + lost.adding(lost, times: growth).adding(quotient, times: growth), n)
    return V.select(V.isLess(x, V(constant: 0)), V(constant: 2) - y, y)
  }

  /// The p and q of e^(x²) erfc x = (1 + x p) / (1 + x q), for 0 ≤ x ≤ 27.3 (10.2 for `Float`).
  @inline(__always)
  private static func scaledErfc<V: LaneVector>(_ x: V) -> (p: V, q: V) {
    let (x2, x4, x8) = powers(x)
    if V.isDouble {
      let p = x.cubic(x2, 2.340787322469634, 2.7163673403826163, 2.0191907741045108, 1.054804388069796)
        .adding(
          x4, times: x.cubic(x2, 0.4027821726741327, 0.1137062742609289, 0.023461802623689212, 0.0033992821754929036)
        )
        .adding(x8, times: x.line(0.0003144904282277234, 1.4282933009879993e-05))
      let q = x.cubic(x2, 3.469166489565147, 5.630902534393785, 5.6560701743586215, 3.9157837353899576)
        .adding(
          x4, times: x.cubic(x2, 1.9673807291500163, 0.7344265867441815, 0.20453900105229939, 0.04186367229820591)
        )
        .adding(
          x8,
          times: x.line(0.006037728702000468, 0.0005574197705861477).adding(
            x2, times: V(constant: 2.531583961558122e-05)))
      return (p, q)
    }
    let p = x.cubic(x2, 1.2390531301498413, 0.7322708368301392, 0.22953401505947113, 0.03286169469356537)
    let q = x.cubic(x2, 2.3674328327178955, 2.403623342514038, 1.326612114906311, 0.4068645238876343)
      .adding(x4, times: V(constant: 0.05824515223503113))
    return (p, q)
  }

  /// The error function of 0 ≤ x.
  ///
  /// erf x = 1 − e⁻ᵘ, where u = −log(1 − erf x) = x · (a smooth function), approximated by one formula over the whole range
  /// up to where erf x rounds to 1. The relative accuracy for small x is that of e⁻ᵘ − 1.
  @inline(__always)
  private static func erfByExponential<V: LaneVector>(_ x: V) -> V {
    let (n, r, _) = exponentAndRemainder(-minusLogOfErfc(x.limited(to: V.isDouble ? 5.95 : 3.95)))
    let minusPower = V(bits: (n &<< exponentShift(V.self)) &+ V(constant: -1).bits)
    return (V(constant: 1) + minusPower).adding(minusPower, times: expm1OfRemainder(r))
  }

  /// −log(1 − erf x) for 0 ≤ x ≤ 5.95 (3.95 for `Float`).
  @inline(__always)
  private static func minusLogOfErfc<V: LaneVector>(_ x: V) -> V {
    let (x2, x4, x8) = powers(x)
    if V.isDouble {
      // A quotient, because a polynomial needs twice as many terms.
      let above = x.cubic(x2, 0.6366197723675829, 1.2955222452930295, 1.155537282768614, 0.5924309509736462)
        .adding(
          x4,
          times: x.cubic(x2, 0.18360817036698696, 0.03271034423356354, 0.0026201309223872617, 1.7130753978256163e-07)
        )
        .adding(x8, times: V(constant: -3.6521029947354065e-09))
      let below = x.cubic(x2, 1.0, 1.8735667564257075, 1.5427016869183996, 0.7381660450708526)
        .adding(
          x4,
          times: x.line(0.2135499894436895, 0.03552845982392936).adding(x2, times: V(constant: 0.002624959666063169)))
      return (x2 * (above / below)).adding(x, times: V(constant: 1.1283791670955126))
    }
    let rest = x.cubic(x2, 0.6366198, 0.102771275, -0.019117694, -0.0002530646)
      .adding(x4, times: x.cubic(x2, 0.0017993588, -0.0007406898, 0.00016748274, -2.135503e-05))
      .adding(x8, times: V(constant: 1.1933429e-06))
    // The first coefficient in two parts, because its rounding would be seen.
    return (x * rest.times(x, plus: -5.8635382771399236e-08)).adding(x, times: V(constant: 1.1283792))
  }

  @inline(__always)
  private static func powers<V: LaneVector>(_ x: V) -> (x2: V, x4: V, x8: V) {
    let x2 = x * x
    let x4 = x2 * x2
    return (x2, x4, x4 * x4)
  }
}
