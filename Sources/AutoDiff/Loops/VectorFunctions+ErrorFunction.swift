extension VectorFunctions {
  /// The error function.
  ///
  /// erf x = 1 − e⁻ᵘ for x ≥ 0, where u = −log(1 − erf x) = x · (a smooth function), approximated by one polynomial over
  /// the whole range up to where erf x rounds to 1. The relative accuracy for small x is that of `expm1`.
  @inline(__always)
  static func erf<V: LaneVector>(_ x: V) -> V {
    let a = x.magnitude.limited(to: V.isDouble ? 5.95 : 3.95)
    let (n, r, _) = exponentAndRemainder(-minusLogOfErfc(a))
    let (square, series) = expSeries(r)
    let scale = V(bits: (n &<< exponentShift(V.self)) &+ V(constant: 1).bits)
    let y = (V(constant: 1) - scale).adding(-scale, times: r.adding(square, times: series))
    return V(bits: y.bits | x.signBit)
  }

  /// −log(1 − erf x) for 0 ≤ x ≤ 5.95 (3.95 for `Float`).
  @inline(__always)
  private static func minusLogOfErfc<V: LaneVector>(_ x: V) -> V {
    let z = x * x
    if V.isDouble {
      // A quotient, because a polynomial needs twice as many terms, and the divider is idle otherwise.
      let even = V(constant: -3.6521029947354065e-09).times(z, plus: 0.0026201309223872617)
        .times(z, plus: 0.18360817036698696).times(z, plus: 1.155537282768614)
        .times(z, plus: 0.6366197723675829)
      let odd = V(constant: 1.7130753978256163e-07).times(z, plus: 0.03271034423356354)
        .times(z, plus: 0.5924309509736462).times(z, plus: 1.2955222452930295)
      let evenBelow = V(constant: 0.002624959666063169).times(z, plus: 0.2135499894436895)
        .times(z, plus: 1.5427016869183996).times(z, plus: 1.0)
      let oddBelow = V(constant: 0.03552845982392936).times(z, plus: 0.7381660450708526)
        .times(z, plus: 1.8735667564257075)
      let rest = even.adding(odd, times: x) / evenBelow.adding(oddBelow, times: x)
      return (z * rest).adding(x, times: V(constant: 1.1283791670955126))
    }
    let even = V(constant: 1.1933429e-06).times(z, plus: 0.00016748274).times(z, plus: 0.0017993588)
      .times(z, plus: -0.019117694).times(z, plus: 0.6366198)
    let odd = V(constant: -2.135503e-05).times(z, plus: -0.0007406898).times(z, plus: -0.0002530646)
      .times(z, plus: 0.102771275)
    // The first coefficient in two parts, because its rounding would be seen.
    return (x * even.adding(odd, times: x).times(x, plus: -5.8635382771399236e-08)).adding(
      x, times: V(constant: 1.1283792))
  }
}
