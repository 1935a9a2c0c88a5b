import Foundation

@testable import AutoDiff

extension PrimitiveCatalogue {
  static let exponential: [PrimitiveRow] = [
    PrimitiveRow(
      Exp.self, unary(Exp(), -2...2) { Foundation.exp($0) },
      points: [
        .at(0, 1, slope: 1, second: 1, Exp()), .at(-.infinity, 0, slope: 0, second: 0, Exp()),
        .at(.infinity, .infinity, slope: .infinity, second: .infinity, Exp()), .at(.nan, .nan, slope: .nan, Exp()),
        .at(710, .infinity, slope: .infinity, Exp()), .at(1e-300, 1, slope: 1, second: 1, Exp()),
        .at(-700, 9.859676543759770e-305, slope: 9.859676543759770e-305, second: 9.859676543759770e-305, Exp()),
      ], illShaped: illShapedSingle(Exp())),
    PrimitiveRow(
      Expm1.self, unary(Expm1(), -2...2) { Foundation.expm1($0) },
      points: [
        .at(0, 0, slope: 1, second: 1, Expm1()), .at(1e-20, 1e-20, slope: 1, second: 1, Expm1()),
        .at(-1e-300, -1e-300, slope: 1, second: 1, Expm1()), .at(-.infinity, -1, slope: 0, second: 0, Expm1()),
        .at(.infinity, .infinity, slope: .infinity, Expm1()), .at(.nan, .nan, Expm1()),
        .at(-50, -1, slope: 1.928749847963918e-22, second: 1.928749847963918e-22, Expm1()),
      ], illShaped: illShapedSingle(Expm1())),
    PrimitiveRow(
      Log.self, unary(Log(), 0.6...3) { Foundation.log($0) },
      points: [
        .at(1, 0, slope: 1, second: -1, Log()), .at(0, -.infinity, slope: .infinity, Log()),
        .at(.infinity, .infinity, slope: 0, second: 0, Log()), .at(-1, .nan, Log()), .at(.nan, .nan, Log()),
        .at(1e-300, -690.77552789821368, slope: 1e300, Log()), .at(1e300, 690.77552789821368, slope: 1e-300, Log()),
        .at(.leastNonzeroMagnitude, -744.44007192138127, Log()),
      ], illShaped: illShapedSingle(Log())),
    PrimitiveRow(
      Log1p.self, unary(Log1p(), -0.5...2) { Foundation.log1p($0) },
      points: [
        .at(0, 0, slope: 1, second: -1, Log1p()), .at(1e-20, 1e-20, slope: 1, second: -1, Log1p()),
        .at(-1, -.infinity, slope: .infinity, Log1p()), .at(.infinity, .infinity, slope: 0, second: 0, Log1p()),
        .at(-2, .nan, Log1p()), .at(.nan, .nan, Log1p()),
      ], illShaped: illShapedSingle(Log1p())),
    PrimitiveRow(
      Sqrt.self, unary(Sqrt(), 0.6...3) { $0.squareRoot() },
      points: [
        .at(4, 2, slope: 0.25, second: -0.03125, Sqrt()), .at(0, 0, slope: .infinity, Sqrt()),
        .at(.infinity, .infinity, slope: 0, second: 0, Sqrt()), .at(-1, .nan, Sqrt()), .at(.nan, .nan, Sqrt()),
        .at(1e300, 1e150, slope: 5e-151, Sqrt()), .at(1e-300, 1e-150, slope: 5e149, Sqrt()),
      ], illShaped: illShapedSingle(Sqrt())),
    PrimitiveRow(
      Power.self,
      [3, -2, 1.5, -0.5, 0].flatMap { exponent in
        unary(Power(exponent: exponent), note: "\(exponent)", 0.6...2) { Foundation.pow($0, exponent) }
      } + unary(Power(exponent: 3), note: "of negative numbers", -2 ... -0.6) { $0 * $0 * $0 },
      points: [
        .at(0, 0, slope: 0, second: 0, Power(exponent: 3)), .at(-2, -8, slope: 12, second: -12, Power(exponent: 3)),
        .at(0, 1, slope: 0, second: 0, Power(exponent: 0)), .at(0, 0, slope: 0, Power(exponent: 1.5)),
        .at(.infinity, 0, slope: 0, second: 0, Power(exponent: -1.5)), .at(0, .infinity, Power(exponent: -1.5)),
        .at(.infinity, .infinity, slope: .infinity, second: .infinity, Power(exponent: 3)),
        .at(.nan, .nan, Power(exponent: 3)), .at(-1, .nan, Power(exponent: 0.3)),
        .at(1e100, 1e300, slope: 3e200, second: 6e100, Power(exponent: 3)),
      ], illShaped: illShapedSingle(Power(exponent: 3))),
    PrimitiveRow(
      PowerSlope.self,
      [3, 2, 1, 0.5, 0, -0.5, -1, -2, -3, 1.7].flatMap { p in
        binary(PowerSlope(coefficient: 0.75, exponent: p), note: "\(p)", -2...2, 0.6...2) {
          0.75 * $0 * Foundation.pow($1, p)
        }
      }
        + binary(
          PowerSlope(coefficient: 2, exponent: -1, isOneSided: true), note: "of one side", -2...2, 0.6...2
        ) { 2 * $0 / $1 },
      points: [
        .at([1, -0.0], -.infinity, slopes: [-.infinity, -.infinity], PowerSlope(coefficient: 1, exponent: -1)),
        .at(
          [1, -0.0], .infinity, slopes: [.infinity, -.infinity],
          PowerSlope(coefficient: 1, exponent: -1, isOneSided: true)),
        .at([0, 0], 0, slopes: [.infinity, 0], PowerSlope(coefficient: 1, exponent: -1, isOneSided: true)),
        .at([1, -1], .nan, slopes: [.nan, .nan], PowerSlope(coefficient: 1, exponent: -1, isOneSided: true)),
        .at([3, 0], 6, slopes: [2, 0], PowerSlope(coefficient: 2, exponent: 0)),
        .at([1e200, 1e120], 1e-40, slopes: [nil, nil], PowerSlope(coefficient: 1, exponent: -2)),
      ], illShaped: illShapedPair(PowerSlope(coefficient: 1, exponent: 2))),
    PrimitiveRow(
      PowerDerivative.self,
      binary(PowerDerivative(shift: 1, factors: [[0, 1]]), note: "b aᵇ⁻¹", 0.6...2, -2...2) {
        $1 * Foundation.pow($0, $1 - 1)
      }
        + binary(PowerDerivative(shift: 2, factors: [[-1, 2], [], [0.5]]), note: "with logarithms", 0.6...2, -2...2) {
          let l = Foundation.log($0)
          return Foundation.pow($0, $1 - 2) * (2 * $1 - 1 + 0.5 * l * l)
        },
      points: [
        .at([0, 0], 0, slopes: [0, .infinity], PowerDerivative(shift: 1, factors: [[0, 1]])),
        .at([0, 1], 1, slopes: [0, -.infinity], PowerDerivative(shift: 1, factors: [[0, 1]])),
        .at([0, 0], 0, slopes: [.infinity, 0], PowerDerivative(shift: 0, factors: [[], [1]])),
        .at([-2, 3], 12, slopes: [-12, nil], PowerDerivative(shift: 1, factors: [[0, 1]])),
        .at([1e-200, 1e-200], 1, slopes: [nil, nil], PowerDerivative(shift: 1, factors: [[0, 1]])),
      ], illShaped: illShapedPair(PowerDerivative(shift: 1, factors: [[0, 1]]))),
    PrimitiveRow(
      PowerOfTensors.self, binary(PowerOfTensors(), 0.6...2, -2...2) { Foundation.pow($0, $1) },
      points: [
        .at([0, 0], 1, slopes: [0, 0], PowerOfTensors()), .at([0, 2], 0, slopes: [0, 0], PowerOfTensors()),
        .at([0, 1], 0, slopes: [1, 0], PowerOfTensors()),
        .at([2, 0], 1, slopes: [0, Foundation.log(2)], PowerOfTensors()),
        .at([0, -1], .infinity, slopes: [-.infinity, -.infinity], PowerOfTensors()),
        .at([-2, 3], -8, slopes: [12, nil], PowerOfTensors()), .at([3, 2], 9, slopes: [6, nil], PowerOfTensors()),
      ], illShaped: illShapedPair(PowerOfTensors())),
  ]

  static let trigonometric: [PrimitiveRow] = [
    PrimitiveRow(
      Sin.self, unary(Sin(), -3...3) { Foundation.sin($0) },
      points: [
        .at(0, 0, slope: 1, second: 0, Sin()), .at(1e-300, 1e-300, slope: 1, second: -1e-300, Sin()),
        .at(.infinity, .nan, Sin()), .at(1e6, -0.34999350217129294, slope: 0.93675212753314479, Sin()),
      ], illShaped: illShapedSingle(Sin())),
    PrimitiveRow(
      SinSlope.self, binary(SinSlope(), -2...2, -3...3) { $0 * Foundation.cos($1) },
      points: [.at([2, 0], 2, slopes: [1, 0], SinSlope())], illShaped: illShapedPair(SinSlope())),
    PrimitiveRow(
      Cos.self, unary(Cos(), -3...3) { Foundation.cos($0) },
      points: [
        .at(0, 1, slope: 0, second: -1, Cos()), .at(1e-300, 1, slope: -1e-300, second: -1, Cos()),
        .at(-.infinity, .nan, Cos()), .at(1e6, 0.93675212753314479, slope: 0.34999350217129294, Cos()),
      ], illShaped: illShapedSingle(Cos())),
    PrimitiveRow(
      CosSlope.self, binary(CosSlope(), -2...2, -3...3) { -$0 * Foundation.sin($1) },
      points: [.at([2, 0], 0, slopes: [0, -2], CosSlope())], illShaped: illShapedPair(CosSlope())),
    PrimitiveRow(
      Tan.self, unary(Tan(), -1...1) { Foundation.tan($0) },
      points: [
        .at(0, 0, slope: 1, second: 0, Tan()), .at(1e-300, 1e-300, slope: 1, second: 2e-300, Tan()),
        .at(.infinity, .nan, Tan()),
      ], illShaped: illShapedSingle(Tan())),
    PrimitiveRow(
      Arctan.self, unary(Arctan(), -3...3) { Foundation.atan($0) },
      points: [
        .at(0, 0, slope: 1, second: 0, Arctan()), .at(.infinity, .pi / 2, slope: 0, Arctan()),
        .at(-.infinity, -.pi / 2, slope: 0, Arctan()), .at(1e200, .pi / 2, slope: 0, Arctan()),
        .at(1e-300, 1e-300, slope: 1, Arctan()), .at(.nan, .nan, Arctan()),
      ], illShaped: illShapedSingle(Arctan())),
    PrimitiveRow(
      ArctanSlope.self,
      binary(ArctanSlope(order: 1), note: "1", -2...2, -3...3) { $0 / (1 + $1 * $1) }
        + binary(ArctanSlope(order: 2), note: "2", -2...2, -3...3) {
          -2 * $0 * $1 / ((1 + $1 * $1) * (1 + $1 * $1))
        },
      points: [
        .at([2, 0], 2, slopes: [1, 0], ArctanSlope(order: 1)),
        .at([2, .infinity], 0, slopes: [0, 0], ArctanSlope(order: 1)),
        .at([1, 1e100], 1e-200, slopes: [1e-200, -2e-300], ArctanSlope(order: 1)),
      ], illShaped: illShapedPair(ArctanSlope(order: 1))),
  ]
}
