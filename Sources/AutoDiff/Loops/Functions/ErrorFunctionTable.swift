#if AUTODIFF_LANES_512
  extension VectorFunctions {
    /// The error function of 0 ≤ x, by a polynomial in each of sixteen intervals, up to where it rounds to 1.
    ///
    /// The choice of a coefficient is one instruction; a formula for the whole range takes half as long again.
    @inline(__always)
    static func erfByTable<V: LaneVector>(_ x: V) -> V {
      let a = x.limited(to: 6)
      let k = V.nearestInteger(a * V(constant: 64.0 / 25)).bits
      let r = a - V.entries(k, of: ErrorFunctionTable.doubleCenter)
      let z = r * r
      var odd = V.entries(k, of: ErrorFunctionTable.double13)
      odd = V.entries(k, of: ErrorFunctionTable.double11).adding(odd, times: z)
      odd = V.entries(k, of: ErrorFunctionTable.double9).adding(odd, times: z)
      odd = V.entries(k, of: ErrorFunctionTable.double7).adding(odd, times: z)
      odd = V.entries(k, of: ErrorFunctionTable.double5).adding(odd, times: z)
      odd = V.entries(k, of: ErrorFunctionTable.double3).adding(odd, times: z)
      odd = V.entries(k, of: ErrorFunctionTable.double1).adding(odd, times: z)
      var even = V.entries(k, of: ErrorFunctionTable.double12)
      even = V.entries(k, of: ErrorFunctionTable.double10).adding(even, times: z)
      even = V.entries(k, of: ErrorFunctionTable.double8).adding(even, times: z)
      even = V.entries(k, of: ErrorFunctionTable.double6).adding(even, times: z)
      even = V.entries(k, of: ErrorFunctionTable.double4).adding(even, times: z)
      even = V.entries(k, of: ErrorFunctionTable.double2).adding(even, times: z)
      return V.entries(k, of: ErrorFunctionTable.double0).adding(r, times: odd.adding(even, times: r))
    }

    /// The same for `Float`.
    @inline(__always)
    static func erfByFloatTable<V: LaneVector>(_ x: V) -> V {
      let a = x.limited(to: 3.99)
      let k = V.nearestInteger(a * V(constant: 128.0 / 33)).bits
      let r = a - V.entries(k, of: ErrorFunctionTable.floatCenter)
      var rest = V.entries(k, of: ErrorFunctionTable.float6)
      rest = V.entries(k, of: ErrorFunctionTable.float5).adding(rest, times: r)
      rest = V.entries(k, of: ErrorFunctionTable.float4).adding(rest, times: r)
      rest = V.entries(k, of: ErrorFunctionTable.float3).adding(rest, times: r)
      rest = V.entries(k, of: ErrorFunctionTable.float2).adding(rest, times: r)
      // The linear term comes last, for the sake of the first interval, where it is the largest.
      let y = V.entries(k, of: ErrorFunctionTable.float0).adding(r * r, times: rest)
      return y.adding(r, times: V.entries(k, of: ErrorFunctionTable.float1))
    }
  }

  /// The coefficients of erf in sixteen intervals.
  ///
  /// Interval k has a center c near k times the spacing, and there erf(c + r) = Σ tⱼ rʲ, where tⱼ is entry k of term j. The
  /// centers are chosen such that erf(c) is all but exactly a number of the type. The polynomials interpolate erf at the
  /// Chebyshev points of the interval (as odd ones in the first); their error is below 2⁻⁵⁵ relative to erf (2⁻²⁴ for `Float`,
  /// because of the rounding of 2/√π).
  ///
  /// - Source: Gal, Computing elementary functions: a new approach for achieving high accuracy and good performance (1986),
  ///   for the choice of the centers.
  enum ErrorFunctionTable {
    // Double: the intervals are 25/64 apart.

    @inline(__always) static var doubleCenter: SIMD16<Double> {
      SIMD16(
        0, 0.3906579613685608, 0.7812603116035461, 1.1718897819519043, 1.5625221729278564, 1.9531428813934326,
        2.3437761068344116, 2.734372854232788, 3.124966084957123, 3.5156147480010986, 3.9062182307243347,
        4.296878695487976, 4.687508642673492, 5.07814222574234, 5.468714237213135, 5.859410762786865)
    }
    @inline(__always) static var double0: SIMD16<Double> {
      SIMD16(
        0, 0.4193762111888909, 0.7307836122416633, 0.902541652360205, 0.9728767913993065, 0.9942579870738083,
        0.9990822563895944, 0.9998898117797207, 0.9999901010688484, 0.9999993367616772, 0.9999999669060253,
        0.9999999987732219, 0.9999999999662348, 0.9999999999993109, 0.9999999999999896, 0.9999999999999999)
    }
    @inline(__always) static var double1: SIMD16<Double> {
      SIMD16(
        1.1283791670955126, 0.9686698810708856, 0.6128804191622261, 0.2857770197683194, 0.09820547582058427,
        0.02487268967836258, 0.00464249100936543, 0.0006387402579336693, 6.477241144963551e-05, 4.839182198678039e-06,
        2.665354375104602e-07, 1.0814432134812975e-08, 3.234569658732199e-10, 7.129740859656028e-12,
        1.1589947542649687e-13, 1.3866130867331034e-15)
    }
    @inline(__always) static var double2: SIMD16<Double> {
      SIMD16(
        0, -0.37841860097827806, -0.478819147250393, -0.3348991693831609, -0.15344823347259326, -0.04857991678640181,
        -0.010880959503944286, -0.0017465540221994658, -0.00020241158902099766, -1.7012700305937778e-05,
        -1.041145585137602e-06, -4.646830304384777e-08, -1.5162073230530419e-09, -3.6205838116772846e-11,
        -6.338211112706805e-13, -8.124735641097385e-15)
    }
    @inline(__always) static var double3: SIMD16<Double> {
      SIMD16(
        -0.376126389031837, -0.22433513422221718, 0.045094791067648625, 0.16638426980009777, 0.12710901952483034,
        0.054964782540576435, 0.01545419160006312, 0.002970906518524333, 0.0004000954301120554, 3.8260339333023767e-05,
        2.6224494311646293e-06, 1.2950763019820987e-07, 4.630337632002921e-09, 1.2019568328992707e-10,
        2.272157865142568e-12, 3.127523795496292e-14)
    }
    @inline(__always) static var double4: SIMD16<Double> {
      SIMD16(
        0, 0.1699586867584686, 0.14199099715637095, 0.014141043632960495, -0.048155919535894105, -0.037483731277743605,
        -0.014483596010004502, -0.0034795983942980534, -0.0005576717952508715, -6.158340650872716e-05,
        -4.7748813600905215e-06, -2.627498542254483e-07, -1.0346971401033803e-08, -2.931167755433139e-10,
        -6.001617387965554e-12, -8.891899002556944e-14)
    }
    @inline(__always) static var double5: SIMD16<Double> {
      SIMD16(
        0.11283791670932337, 0.04074225463229858, -0.05790120959351384, -0.056543978755906214, -0.008034829044467128,
        0.012794998403130397, 0.008942265027704928, 0.0029145358016356656, 0.0005770535496441195, 7.512331106264106e-05,
        6.673956618099622e-06, 4.127494112469235e-07, 1.8011505845256743e-08, 5.59336763524759e-10,
        1.2446804724772746e-11, 1.9902257945471343e-13)
    }
    @inline(__always) static var double6: SIMD16<Double> {
      SIMD16(
        0, -0.0506277451276973, -0.022785626929097656, 0.018316825334775796, 0.01702644474131939, 0.0016655083200428137,
        -0.003123930104832408, -0.0017285829530621361, -0.0004523784449443251, -7.161263182989382e-05,
        -7.416675332168629e-06, -5.211114180822074e-07, -2.5383835763930983e-08, -8.686325468725541e-10,
        -2.1088895808244765e-11, -3.6500613495635395e-13)
    }
    @inline(__always) static var double7: SIMD16<Double> {
      SIMD16(
        -0.026866170609286227, -0.004049642050155621, 0.01887214683757711, 0.007329909108310814, -0.005688144726845256,
        -0.003975849830055774, -3.716993900354348e-05, 0.0006565172778007603, 0.0002665112400479168,
        5.40456185563148e-05, 6.688434808786088e-06, 5.414842080768703e-07, 2.9707819219824894e-08,
        1.1271218102420195e-09, 2.998767216261233e-11, 5.63677300788123e-13)
    }
    @inline(__always) static var double8: SIMD16<Double> {
      SIMD16(
        0, 0.011244303967283757, 0.0011966228484000692, -0.006072494670337265, -0.0014265625324021303,
        0.0015844564638080223, 0.0006911933846929121, -7.838024434960306e-05, -0.00011127143261979543,
        -3.215531729090004e-05, -4.94233177096875e-06, -4.70006680110914e-07, -2.937466837058421e-08,
        -1.2448029336882498e-09, -3.6480558367973743e-11, -7.475319951006166e-13)
    }
    @inline(__always) static var double9: SIMD16<Double> {
      SIMD16(
        0.005223974939619793, -0.00018871949763971945, -0.003877332554123426, 0.0001561378365122806,
        0.0016013690382493994, 8.537787632570541e-05, -0.0003527730535182446, -8.00293680326928e-05,
        2.544935955582964e-05, 1.4612406640108298e-05, 2.989655368540765e-06, 3.435024763900713e-07,
        2.4822039947837082e-08, 1.185555556346744e-09, 3.850201131152981e-11, 8.637201838438594e-13)
    }
    @inline(__always) static var double10: SIMD16<Double> {
      SIMD16(
        0, -0.001984033407637453, 0.0003929626038312023, 0.0010429275983258217, -0.000246748536463081,
        -0.00031504988856335806, 4.2472848946231316e-05, 5.770559488585372e-05, 3.876969126178373e-06,
        -4.558348611792566e-06, -1.4571066176839894e-06, -2.1162247684937607e-07, -1.8042124849672894e-08,
        -9.82031317195014e-10, -3.557757548213132e-11, -8.773873427752844e-13)
    }
    @inline(__always) static var double11: SIMD16<Double> {
      SIMD16(
        -0.0008547293317647133, 0.00017177880794405607, 0.0005786003799414778, -0.0002477297141241729,
        -0.00019193188494149706, 9.789346073839301e-05, 3.962726048777789e-05, -1.5590308016904115e-05,
        -6.367372214898974e-06, 5.222900955812444e-07, 5.456363595336554e-07, 1.0913559431542754e-07,
        1.1318595197689083e-08, 7.130850239577099e-10, 2.909804637134938e-11, 7.94283351439518e-13)
    }
    @inline(__always) static var double12: SIMD16<Double> {
      SIMD16(
        0, 0.00028504608262269347, -0.00013182686797370255, -0.00010896844479058876, 8.579142831434575e-05,
        1.6239068017342492e-05, -2.165200434174127e-05, -1.7494571867790218e-06, 2.7066929969814307e-06,
        3.9576025759053546e-07, -1.3248174181682902e-07, -4.6480241764446604e-08, -6.243559140558377e-09,
        -4.705505477227705e-10, -2.2143813800201213e-11, -6.825159098439264e-13)
    }
    @inline(__always) static var double13: SIMD16<Double> {
      SIMD16(
        0.00011857752779860681, -4.076580370226955e-05, -6.470998092768002e-05, 5.37723492842941e-05,
        6.296862922928212e-06, -1.8387797248955217e-05, 2.1977034046208343e-06, 2.8840592916365163e-06,
        -3.9861486674607823e-07, -2.825671755339567e-07, 2.782112654133285e-09, 1.5069686605072392e-08,
        2.8496831005980195e-09, 2.613970188028632e-10, 1.4195590148088851e-11, 4.909320504244e-13)
    }

    // Float: the intervals are 33/128 apart.

    @inline(__always) static var floatCenter: SIMD16<Double> {
      SIMD16(
        0, 0.2576904296875, 0.5155029296875, 0.77294921875, 1.0303955078125, 1.28759765625, 1.54736328125, 1.8037109375,
        2.0621337890625, 2.319091796875, 2.578125, 2.83544921875, 3.0933837890625, 3.35107421875, 3.60791015625,
        3.86572265625)
    }
    @inline(__always) static var float0: SIMD16<Double> {
      SIMD16(
        0, 0.28446254, 0.53401744, 0.7256568, 0.8549386, 0.9313837, 0.9713524, 0.9892534, 0.9964579, 0.9989608,
        0.9997337, 0.99993926, 0.99998784, 0.99999785, 0.99999964, 0.99999994)
    }
    @inline(__always) static var float1: SIMD16<Double> {
      SIMD16(
        1.1283791, 1.0558835, 0.865056, 0.6208485, 0.39026368, 0.21499823, 0.10294598, 0.043604676, 0.01605695,
        0.0052088066, 0.0014649323, 0.00036376962, 7.882815e-05, 1.4978196e-05, 2.5074823e-06, 3.651251e-07)
    }
    @inline(__always) static var float2: SIMD16<Double> {
      SIMD16(
        0, -0.2720911, -0.44593892, -0.47988433, -0.40212595, -0.2768312, -0.15929483, -0.07865023, -0.03311158,
        -0.0120797, -0.0037767785, -0.0010314501, -0.00024384558, -5.0192997e-05, -9.046756e-06, -1.4114682e-06)
    }
    @inline(__always) static var float3: SIMD16<Double> {
      SIMD16(
        -0.37612206, -0.30521515, -0.13509786, 0.040331624, 0.14614236, 0.16596508, 0.1300102, 0.08004088, 0.04016844,
        0.016939718, 0.0060029216, 0.0018284004, 0.0004765478, 0.00010712242, 2.0918458e-05, 3.5144606e-06)
    }
    @inline(__always) static var float4: SIMD16<Double> {
      SIMD16(
        0, 0.13002126, 0.18346612, 0.14437288, 0.05874945, -0.014570395, -0.047487278, -0.04596791, -0.03037897,
        -0.015615904, -0.006479369, -0.0022484623, -0.000655846, -0.00016277785, -3.472699e-05, -6.3241614e-06)
    }
    @inline(__always) static var float5: SIMD16<Double> {
      SIMD16(
        0.112155505, 0.077767454, 0.002865696, -0.056260664, -0.06770258, -0.04223428, -0.009750073, 0.009009022,
        0.012941158, 0.00939906, 0.004897527, 0.0020161606, 0.0006761042, 0.00018895812, 4.4726075e-05, 8.943706e-06)
    }
    @inline(__always) static var float6: SIMD16<Double> {
      SIMD16(
        0, -0.041135967, -0.049140982, -0.023842966, 0.0075759245, 0.021898137, 0.01757827, 0.006782892, -0.0008014413,
        -0.0030856044, -0.0024639629, -0.0012954775, -0.0005174847, -0.0001659471, -4.402243e-05, -9.714624e-06)
    }
  }
#endif
