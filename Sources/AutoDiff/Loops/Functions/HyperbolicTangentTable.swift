#if AUTODIFF_LANES_512
  extension VectorFunctions {
    /// The hyperbolic tangent of 0 ≤ x for `Float`, by a polynomial in each of sixteen intervals, up to where it rounds to 1.
    @inline(__always)
    static func tanhByFloatTable<V: LaneVector>(_ x: V) -> V {
      let a = x.limited(to: 9.07)
      let k = V.nearestInteger(a * V(constant: 128.0 / 75)).bits
      let r = a - V.entries(k, of: HyperbolicTangentTable.center)
      let z = r * r
      var odd = V.entries(k, of: HyperbolicTangentTable.term7)
      odd = V.entries(k, of: HyperbolicTangentTable.term5).adding(odd, times: z)
      odd = V.entries(k, of: HyperbolicTangentTable.term3).adding(odd, times: z)
      odd = V.entries(k, of: HyperbolicTangentTable.term1).adding(odd, times: z)
      var even = V.entries(k, of: HyperbolicTangentTable.term6)
      even = V.entries(k, of: HyperbolicTangentTable.term4).adding(even, times: z)
      even = V.entries(k, of: HyperbolicTangentTable.term2).adding(even, times: z)
      return V.entries(k, of: HyperbolicTangentTable.term0).adding(r, times: odd.adding(even, times: r))
    }
  }

  /// The coefficients of tanh in sixteen intervals for `Float`, 75/128 apart.
  ///
  /// They are arranged as those of ``ErrorFunctionTable``; the polynomials' error is below 2⁻²⁵ relative to tanh.
  /// The last center is where tanh is the largest number below 1, so that tanh ∞ becomes 1.
  enum HyperbolicTangentTable {
    @inline(__always) static var center: SIMD16<Double> {
      SIMD16(
        0, 0.5863037109375, 1.17138671875, 1.7568359375, 2.34326171875, 2.928466796875, 3.5162353515625,
        4.100341796875, 4.68798828125, 5.2720947265625, 5.859619140625, 6.44384765625, 7.03271484375, 7.61865234375,
        8.20166015625, 8.664306640625)
    }
    @inline(__always) static var term0: SIMD16<Double> {
      SIMD16(
        0, 0.527232, 0.8247162, 0.94214857, 0.98173106, 0.9942963, 0.99823606, 0.9994512, 0.99983054, 0.9999473,
        0.9999837, 0.99999493, 0.99999845, 0.9999995, 0.9999998, 0.99999994)
    }
    @inline(__always) static var term1: SIMD16<Double> {
      SIMD16(
        1.0, 0.7220264, 0.31984317, 0.11235608, 0.036204133, 0.011374843, 0.0035247665, 0.0010972611, 0.00033888436,
        0.00010537894, 3.254261e-05, 1.011586e-05, 3.1154502e-06, 9.651225e-07, 3.007381e-07, 1.1921718e-07)
    }
    @inline(__always) static var term2: SIMD16<Double> {
      SIMD16(
        0, -0.3806755, -0.26378003, -0.10585606, -0.035542715, -0.0113099655, -0.0035185497, -0.0010966592,
        -0.000338827, -0.00010537341, -3.254209e-05, -1.0115812e-05, -3.1154461e-06, -9.651222e-07, -3.007381e-07,
        -1.192174e-07)
    }
    @inline(__always) static var term3: SIMD16<Double> {
      SIMD16(
        -0.33333, -0.03997193, 0.110929295, 0.062280152, 0.022825345, 0.0074538416, 0.0023374206, 0.00073030347,
        0.00022580808, 7.024153e-05, 2.1694017e-05, 6.7438054e-06, 2.0769573e-06, 6.434141e-07, 2.0049198e-07,
        7.9478156e-08)
    }
    @inline(__always) static var term4: SIMD16<Double> {
      SIMD16(
        0, 0.1479709, -0.0035424356, -0.0233974, -0.010561456, -0.003641265, -0.0011603902, -0.00036432824,
        -0.00011282052, -3.511116e-05, -1.084562e-05, -3.3716217e-06, -1.0384066e-06, -3.2168614e-07, -1.002396e-07,
        -3.9728604e-08)
    }
    @inline(__always) static var term5: SIMD16<Double> {
      SIMD16(
        0.13314031, -0.04857711, -0.02694958, 0.0037765622, 0.0035643207, 0.0013887478, 0.00045757953, 0.00014509443,
        4.5068264e-05, 1.4038937e-05, 4.337805e-06, 1.3486319e-06, 4.1536913e-07, 1.2867757e-07, 4.0096918e-08,
        1.5893296e-08)
    }
    @inline(__always) static var term6: SIMD16<Double> {
      SIMD16(
        0, -0.032272164, 0.017172247, 0.002017464, -0.0007529296, -0.000420086, -0.00014948164, -4.8433205e-05,
        -1.5142891e-05, -4.726511e-06, -1.4613246e-06, -4.5441564e-07, -1.3996517e-07, -4.336073e-08, -1.3511612e-08,
        -5.4165152e-09)
    }
    @inline(__always) static var term7: SIMD16<Double> {
      SIMD16(
        -0.050352328, 0.029198468, -0.0033382555, -0.0019205762, -1.1932643e-05, 9.4237475e-05, 4.00594e-05,
        1.3555011e-05, 4.2922334e-06, 1.3448739e-06, 4.1629795e-07, 1.2949997e-07, 3.9892008e-08, 1.2358839e-08,
        3.8511727e-09, 1.5400349e-09)
    }
  }
#endif
