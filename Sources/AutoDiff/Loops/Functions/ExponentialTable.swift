#if AUTODIFF_LANES_512
  /// x = n log 2 + r with |r| ≤ log(2) / 32, where n is a multiple of 1/16. One instruction looks up the power of two that
  /// belongs to the fraction of n, one multiplies by the rest, and a short polynomial gives e^r.
  extension VectorFunctions {
    /// eˣ; a precise one takes into account how far the powers in the table are rounded.
    @inline(__always)
    static func expByTable<V: LaneVector>(_ x: V, isPrecise: Bool) -> V {
      // Results that underflow take a hundred times as long, unless their exponent is far below all that numbers have.
      let vanishes = V.isLess(x, VectorFunctions.leastExponent(V.self))
      let x = V.select(vanishes, V(double: -6000, float: -700), x).limited(to: V.isDouble ? 800 : 120)
      let n = nearestSixteenth(x, times: 1.4426950408889634)
      let r = x.adding(n.number, times: V(double: -0x1.62e42feep-1, float: -0x1.62e4p-1))
        .adding(n.number, times: V(double: -1.9082149292705877e-10, float: -1.428606820309417e-06))
      let square = r * r
      let tail = V.entries(n.bits, of: V.isDouble ? ExponentialTable.tails : ExponentialTable.floatTails)
      let growth = (isPrecise ? r + tail : r).adding(square, times: shortSeries(r, square))
      let power = V.entries(n.bits, of: ExponentialTable.powers)
      return power.adding(power, times: growth).timesPowerOfTwo(n.number)
    }

    /// e^(factor · x) = scale · (1 + growth) for results from e⁻⁴⁰ to 1, for `Double`; the growth is relatively exact near 0.
    @inline(__always)
    static func scaleAndGrowthByTable<V: LaneVector>(_ x: V, times factor: Double) -> (scale: V, growth: V) {
      let n = nearestSixteenth(x, times: 1.4426950408889634 * factor)
      let r = x.adding(n.number, times: V(constant: -0.6931471805599453 / factor))
      let scale = V.entries(n.bits, of: ExponentialTable.powers).timesPowerOfTwo(n.number)
      // What is missing in log 2 matters in the linear term only.
      let line = V.entries(n.bits, of: ExponentialTable.tails)
        .adding(n.number, times: V(constant: -2.3190468138462996e-17)).adding(r, times: V(constant: factor))
      let square = r * r
      return (scale, line.adding(square, times: longSeries(r, square, factor)))
    }

    /// The multiple of 1/16 nearest to x · factor: as a number, and in sixteenths in the low bits of a pattern.
    @inline(__always)
    private static func nearestSixteenth<V: LaneVector>(_ x: V, times factor: Double) -> (number: V, bits: V.Bits) {
      let sixteenths = V(double: 0x1.8p48, float: 0x1.8p19)
      let shifted = sixteenths.adding(x, times: V(constant: factor))
      return (shifted - sixteenths, shifted.bits)
    }

    /// The q of e^r = 1 + r + r² q, with an error that is small beside 1.
    @inline(__always)
    private static func shortSeries<V: LaneVector>(_ r: V, _ square: V) -> V {
      if !V.isDouble { return r.line(0.5000162, 0.16667059) }
      let high = r.line(0.04166666665966962, 0.00833347220123205).adding(
        square, times: V(constant: 0.001388912934293545))
      return r.line(0.5000000000000006, 0.1666666666440884).adding(square, times: high)
    }

    /// The q of e^(f r) = 1 + f r + r² q for `Double`, with an error that is small beside r.
    @inline(__always)
    private static func longSeries<V: LaneVector>(_ r: V, _ square: V, _ f: Double) -> V {
      let f2 = f * f
      let (f3, f4) = (f2 * f, f2 * f2)
      return r.cubic(
        square, 0.5000000000000003 * f2, 0.16666666666666677 * f3, 0.04166666666187142 * f4,
        0.008333333332415222 * f4 * f
      )
      .adding(square * square, times: r.line(0.0013889092923000355 * f4 * f2, 0.00019841554334004734 * f4 * f3))
    }
  }

  enum ExponentialTable {
    /// 2^(k/16).
    @inline(__always) static var powers: SIMD16<Double> {
      SIMD16(
        1, 1.0442737824274138, 1.0905077326652577, 1.1387886347566916, 1.189207115002721, 1.241857812073484,
        1.2968395546510096, 1.3542555469368927, 1.4142135623730951, 1.4768261459394993, 1.5422108254079407,
        1.6104903319492543, 1.681792830507429, 1.7562521603732995, 1.8340080864093424, 1.9152065613971474)
    }

    /// By what part of themselves the powers are too small.
    @inline(__always) static var tails: SIMD16<Double> {
      SIMD16(
        0, 8.189317638195514e-17, -2.7939114859515733e-17, 7.826573258636075e-17, 3.3484623336251524e-17,
        3.7508542013031266e-17, 1.9572585293112036e-17, 5.68648095791174e-17, -6.835808657661923e-17,
        -2.3591094770850053e-17, 5.1548301170786783e-17, 1.5341410053603723e-17, 4.875160526227061e-17,
        1.685487290628973e-17, 1.790126907604513e-17, -5.5450656186394274e-17)
    }

    /// The same of the powers rounded to `Float`.
    @inline(__always) static var floatTails: SIMD16<Double> {
      SIMD16(
        0, 4.6285468e-08, -1.19921575e-08, 4.729782e-08, 3.193418e-08, 3.6210572e-08, -3.0990723e-08, -7.475213e-09,
        1.7114271e-08, -3.0476834e-08, 5.233334e-09, 6.1075918e-09, -1.4719606e-08, -5.258795e-09, -6.1282597e-09,
        5.1406093e-09)
    }
  }
#endif
