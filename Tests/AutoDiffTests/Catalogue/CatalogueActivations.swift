import Foundation

@testable import AutoDiff

extension PrimitiveCatalogue {
  private static let twoOverRootPi = 2 / Double.pi.squareRoot()
  private static let expOfMinus40 = 4.248354255291589e-18
  private static let expOfMinus80 = 1.8048513878454153e-35

  static let activations: [PrimitiveRow] = [
    PrimitiveRow(
      Tanh.self, unary(Tanh(), -2...2) { Foundation.tanh($0) },
      points: [
        .at(0, 0, slope: 1, second: 0, Tanh()), .at(1e-20, 1e-20, slope: 1, second: -2e-20, Tanh()),
        .at(.infinity, 1, slope: 0, second: 0, Tanh()), .at(-.infinity, -1, slope: 0, second: 0, Tanh()),
        .at(800, 1, slope: 0, second: 0, Tanh()),
        .at(40, 1, slope: 4 * expOfMinus80, second: -8 * expOfMinus80, Tanh()), .at(.nan, .nan, slope: .nan, Tanh()),
      ], illShaped: illShapedSingle(Tanh())),
    PrimitiveRow(
      TanhSlope.self,
      elementwise(TanhSlope(), [.interval(-2...2), .interval(-1...1), .interval(-0.9...0.9)]) { inputs in
        Naive(inputs[0].shape) { inputs[0][$0] * (1 - inputs[2][$0] * inputs[2][$0]) }
      },
      points: [
        .at([3, 40, 1], 12 * expOfMinus80, slopes: [4 * expOfMinus80, 0, -6], TanhSlope()),
        .at([3, -.infinity, -1], 0, slopes: [0, 0, 6], TanhSlope()),
        .at([0, .nan, .nan], 0, slopes: [.nan, 0, nil], TanhSlope()),
      ],
      illShaped: [
        IllShapedCall("tanhSlope: shapes must agree, but got [2] and [3] and [2].") {
          bind(TanhSlope(), [.ones([2]), .ones([3]), .ones([2])])
        }
      ]),
    PrimitiveRow(
      Sigmoid.self, unary(Sigmoid(), -3...3) { 1 / (1 + Foundation.exp(-$0)) },
      points: [
        .at(0, 0.5, slope: 0.25, second: 0, Sigmoid()), .at(.infinity, 1, slope: 0, second: 0, Sigmoid()),
        .at(-.infinity, 0, slope: 0, second: 0, Sigmoid()), .at(1000, 1, slope: 0, second: 0, Sigmoid()),
        .at(-1000, 0, slope: 0, second: 0, Sigmoid()), .at(.nan, .nan, Sigmoid()),
        .at(40, 1, slope: expOfMinus40, second: -expOfMinus40, Sigmoid()),
        .at(-40, expOfMinus40, slope: expOfMinus40, second: expOfMinus40, Sigmoid()),
        .at(-700, 9.859676543759770e-305, slope: 9.859676543759770e-305, Sigmoid()),
      ], illShaped: illShapedSingle(Sigmoid())),
    PrimitiveRow(
      SigmoidSlope.self,
      binary(SigmoidSlope(), -2...2, -3...3) { $0 / (2 + Foundation.exp($1) + Foundation.exp(-$1)) },
      points: [
        .at([2, 0], 0.5, slopes: [0.25, 0], SigmoidSlope()), .at([2, .infinity], 0, slopes: [0, 0], SigmoidSlope()),
        .at([2, -.infinity], 0, slopes: [0, 0], SigmoidSlope()),
        .at([2, .nan], .nan, slopes: [.nan, .nan], SigmoidSlope()),
        .at([1, 40], expOfMinus40, slopes: [expOfMinus40, -expOfMinus40], SigmoidSlope()),
      ], illShaped: illShapedPair(SigmoidSlope())),
    PrimitiveRow(
      Softplus.self,
      [1, 2.5].flatMap { a in
        unary(Softplus(sharpness: a), note: "\(a)", -2...2) { Foundation.log(1 + Foundation.exp(a * $0)) / a }
      },
      points: [
        .at(0, Foundation.log(2), slope: 0.5, second: 0.25, Softplus(sharpness: 1)),
        .at(0, Foundation.log(2) / 4, slope: 0.5, second: 1, Softplus(sharpness: 4)),
        .at(.infinity, .infinity, slope: 1, second: 0, Softplus(sharpness: 1)),
        .at(-.infinity, 0, slope: 0, second: 0, Softplus(sharpness: 1)),
        .at(1000, 1000, slope: 1, second: 0, Softplus(sharpness: 1)),
        .at(-1000, 0, slope: 0, second: 0, Softplus(sharpness: 3)), .at(.nan, .nan, Softplus(sharpness: 1)),
        .at(-40, expOfMinus40, slope: expOfMinus40, second: expOfMinus40, Softplus(sharpness: 1)),
        .at(-10, expOfMinus40 / 4, slope: expOfMinus40, second: 4 * expOfMinus40, Softplus(sharpness: 4)),
      ],
      illShaped: illShapedSingle(Softplus(sharpness: 1)) + [
        IllShapedCall("softplus: the sharpness must be positive, but got 0.0.") { softplus(.ones([2]), sharpness: 0) }
      ]),
    PrimitiveRow(
      Erf.self, unary(Erf(), -1.5...1.5) { Foundation.erf($0) },
      points: [
        .at(0, 0, slope: twoOverRootPi, second: 0, Erf()),
        .at(1e-20, twoOverRootPi * 1e-20, slope: twoOverRootPi, second: -2 * twoOverRootPi * 1e-20, Erf()),
        .at(.infinity, 1, slope: 0, second: 0, Erf()), .at(-.infinity, -1, slope: 0, second: 0, Erf()),
        .at(1e200, 1, slope: 0, second: 0, Erf()), .at(.nan, .nan, Erf()),
        .at(6, 1, slope: twoOverRootPi * Foundation.exp(-36), second: -12 * twoOverRootPi * Foundation.exp(-36), Erf()),
      ], illShaped: illShapedSingle(Erf())),
    PrimitiveRow(
      ErfSlope.self,
      binary(ErfSlope(), -2...2, -1.5...1.5) { $0 * 2 / Double.pi.squareRoot() * Foundation.exp(-$1 * $1) },
      points: [
        .at([1, .infinity], 0, slopes: [0, 0], ErfSlope()), .at([1, -.infinity], 0, slopes: [0, 0], ErfSlope()),
        .at([1, 0], twoOverRootPi, slopes: [twoOverRootPi, 0], ErfSlope()),
      ], illShaped: illShapedPair(ErfSlope())),
    PrimitiveRow(
      Erfc.self, unary(Erfc(), -1.5...1.5) { Foundation.erfc($0) },
      points: [
        .at(0, 1, slope: -twoOverRootPi, second: 0, Erfc()), .at(.infinity, 0, slope: 0, second: 0, Erfc()),
        .at(-.infinity, 2, slope: 0, second: 0, Erfc()), .at(.nan, .nan, Erfc()),
        .at(
          10, 2.088487583762545e-45, slope: -twoOverRootPi * Foundation.exp(-100),
          second: 20 * twoOverRootPi * Foundation.exp(-100), Erfc()),
      ], illShaped: illShapedSingle(Erfc())),
    PrimitiveRow(
      Relu.self, elementwise(Relu(), [.grid(offset: 0.25)], Oracles.unary { max($0, 0) }),
      points: [
        .at(0, 0, slope: 0, second: 0, Relu()), .at(.infinity, .infinity, slope: 1, second: 0, Relu()),
        .at(-.infinity, 0, slope: 0, second: 0, Relu()), .at(.nan, .nan, Relu()),
        .at(1e-300, 1e-300, slope: 1, second: 0, Relu()),
      ], illShaped: illShapedSingle(Relu())),
    PrimitiveRow(
      ReluSlope.self,
      [
        Variant(
          ReluSlope(), [Argument([2, 3], .interval(-2...2)), Argument([2, 3], .grid(offset: 0.25))],
          oracle: Oracles.binary { $1 > 0 ? $0 : 0 })
      ],
      points: [
        .at([3, 0], 0, slopes: [0, 0], ReluSlope()), .at([3, .infinity], 3, slopes: [1, 0], ReluSlope()),
        .at([.infinity, -1], 0, slopes: [0, 0], ReluSlope()),
      ], illShaped: illShapedPair(ReluSlope())),
    PrimitiveRow(
      Gelu.self, unary(Gelu(), -2...2) { $0 * 0.5 * Foundation.erfc(-$0 / 2.0.squareRoot()) },
      points: [
        .at(0, 0, slope: 0.5, second: 2 / (2 * Double.pi).squareRoot(), Gelu()), .at(1e-20, 5e-21, slope: 0.5, Gelu()),
        .at(.infinity, .infinity, slope: 1, second: 0, Gelu()), .at(-.infinity, 0, slope: 0, second: 0, Gelu()),
        .at(1e10, 1e10, slope: 1, second: 0, Gelu()), .at(-1e10, 0, slope: 0, second: 0, Gelu()),
        .at(1e200, 1e200, slope: 1, second: 0, Gelu()), .at(.nan, .nan, Gelu()),
        .at(-10, -7.619853024160489e-23, Gelu()),
        .at(-30, -1.4720141781444561e-196, Gelu()),
      ], illShaped: illShapedSingle(Gelu())),
    PrimitiveRow(
      GeluSlope.self,
      binary(GeluSlope(), -2...2, -2...2) { v, x in
        let density = Foundation.exp(-x * x / 2) / (2 * Double.pi).squareRoot()
        return v * (0.5 * Foundation.erfc(-x / 2.0.squareRoot()) + x * density)
      },
      points: [
        .at([2, 0], 1, slopes: [0.5, 4 / (2 * Double.pi).squareRoot()], GeluSlope()),
        .at([2, .infinity], 2, slopes: [1, 0], GeluSlope()), .at([2, -.infinity], 0, slopes: [0, 0], GeluSlope()),
        .at([2, .nan], .nan, slopes: [.nan, .nan], GeluSlope()),
        .at(
          [1, -6], -3.54687094539020148e-8, slopes: [-3.54687094539020148e-8, -2.06580016893991707e-7], GeluSlope()),
      ], illShaped: illShapedPair(GeluSlope())),
    PrimitiveRow(
      Silu.self, unary(Silu(), -3...3) { $0 / (1 + Foundation.exp(-$0)) },
      points: [
        .at(0, 0, slope: 0.5, second: 0.5, Silu()), .at(1e-20, 5e-21, slope: 0.5, second: 0.5, Silu()),
        .at(.infinity, .infinity, slope: 1, second: 0, Silu()), .at(-.infinity, 0, slope: 0, second: 0, Silu()),
        .at(1e5, 1e5, slope: 1, second: 0, Silu()), .at(-1e5, 0, slope: 0, second: 0, Silu()), .at(.nan, .nan, Silu()),
        .at(-40, -40 * expOfMinus40, slope: -39 * expOfMinus40, second: -38 * expOfMinus40, Silu()),
      ], illShaped: illShapedSingle(Silu())),
    PrimitiveRow(
      SiluSlope.self,
      binary(SiluSlope(), -2...2, -3...3) { v, x in
        let s = 1 / (1 + Foundation.exp(-x))
        return v * (s + x * s * (1 - s))
      },
      points: [
        .at([2, 0], 1, slopes: [0.5, 1], SiluSlope()), .at([2, .infinity], 2, slopes: [1, 0], SiluSlope()),
        .at([2, -.infinity], 0, slopes: [0, 0], SiluSlope()),
        .at([2, .nan], .nan, slopes: [.nan, .nan], SiluSlope()),
        .at([1, -40], -39 * expOfMinus40, slopes: [-39 * expOfMinus40, -38 * expOfMinus40], SiluSlope()),
      ], illShaped: illShapedPair(SiluSlope())),
  ]
}
