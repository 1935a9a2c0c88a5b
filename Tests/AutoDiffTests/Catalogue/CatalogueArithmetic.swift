@testable import AutoDiff

/// The variants of an elementwise primitive: a single number, a matrix, a vector longer than any register, no entries.
func elementwise(
  _ primitive: any Primitive, note: String = "", _ domains: [Domain], _ oracle: @escaping Oracle
) -> [Variant] {
  [[], [2, 3], [37], [2, 0]].map { shape in
    Variant(primitive, note: note, domains.map { Argument(shape, $0) }, oracle: oracle)
  }
}

func unary(
  _ primitive: any Primitive, note: String = "", _ range: ClosedRange<Double>,
  _ value: @escaping @Sendable (Double) -> Double
) -> [Variant] {
  elementwise(primitive, note: note, [.interval(range)], Oracles.unary(value))
}

func binary(
  _ primitive: any Primitive, note: String = "", _ a: ClosedRange<Double>, _ b: ClosedRange<Double>,
  _ value: @escaping @Sendable (Double, Double) -> Double
) -> [Variant] {
  elementwise(primitive, note: note, [.interval(a), .interval(b)], Oracles.binary(value))
}

/// A call with two inputs of different shapes.
func illShapedPair(_ primitive: @escaping @autoclosure @Sendable () -> any Primitive) -> [IllShapedCall] {
  [
    IllShapedCall("\(primitive().name): shapes must agree, but got [2] and [3].") {
      bind(primitive(), [.ones([2]), .ones([3])])
    },
    IllShapedCall("\(primitive().name): all inputs must have one scalar type, but got float64 and float32.") {
      bind(primitive(), [.ones([2]), .ones([2], as: .float32)])
    },
  ]
}

/// A call with two inputs where one is expected.
func illShapedSingle(_ primitive: @escaping @autoclosure @Sendable () -> any Primitive) -> [IllShapedCall] {
  [
    IllShapedCall("\(primitive().name): takes one input, but got 2.") {
      bind(primitive(), [.ones([2]), .ones([2])])
    }
  ]
}

extension PrimitiveCatalogue {
  static let arithmetic: [PrimitiveRow] = [
    PrimitiveRow(
      Add.self, binary(Add(), -2...2, -2...2) { $0 + $1 }, illShaped: illShapedPair(Add())),
    PrimitiveRow(
      Subtract.self, binary(Subtract(), -2...2, -2...2) { $0 - $1 },
      points: [.at([.infinity, 1], .infinity, slopes: [1, -1], Subtract())], illShaped: illShapedPair(Subtract())),
    PrimitiveRow(
      Multiply.self, binary(Multiply(), -2...2, -2...2) { $0 * $1 },
      points: [.at([1e200, 1e-200], 1, slopes: [1e-200, 1e200], Multiply())], illShaped: illShapedPair(Multiply())),
    PrimitiveRow(
      ChainProduct.self,
      binary(ChainProduct(), -2...2, -2...2) { $0 * $1 }
        + binary(ChainProduct(isBilinear: true), note: "bilinear", -2...2, -2...2) { $0 * $1 },
      points: [
        .at([0, .infinity], 0, slopes: [.infinity, 0], ChainProduct()),
        .at([0, .nan], 0, slopes: [.nan, 0], ChainProduct()),
        .at([.infinity, 0], .nan, slopes: [0, .infinity], ChainProduct()),
        .at([.infinity, 0], 0, slopes: [0, .infinity], ChainProduct(isBilinear: true)),
        .at([2, .infinity], .infinity, slopes: [.infinity, 2], ChainProduct()),
      ], illShaped: illShapedPair(ChainProduct())),
    PrimitiveRow(
      Divide.self, binary(Divide(), -2...2, 0.6...2) { $0 / $1 },
      points: [
        .at([1, .infinity], 0, slopes: [0, 0], Divide()),
        .at([1e300, 1e300], 1, slopes: [1e-300, -1e-300], Divide()),
        .at([1, 0], .infinity, slopes: [.infinity, -.infinity], Divide()),
      ], illShaped: illShapedPair(Divide())),
    PrimitiveRow(
      AddScaled.self, binary(AddScaled(factor: -0.7), -2...2, -2...2) { $0 - 0.7 * $1 },
      points: [.at([1, .infinity], -.infinity, slopes: [1, -2], AddScaled(factor: -2))],
      illShaped: illShapedPair(AddScaled(factor: 2))),
    PrimitiveRow(
      DivideByConstant.self, unary(DivideByConstant(divisor: 3), -2...2) { $0 / 3 },
      points: [
        .at(.infinity, .infinity, slope: 0.5, second: 0, DivideByConstant(divisor: 2)),
        .at(1e-300, 5e-301, slope: 0.5, second: 0, DivideByConstant(divisor: 2)),
      ], illShaped: illShapedSingle(DivideByConstant(divisor: 2))),
    PrimitiveRow(
      Negate.self, unary(Negate(), -2...2) { -$0 },
      points: [.at(.infinity, -.infinity, slope: -1, second: 0, Negate())], illShaped: illShapedSingle(Negate())),
    PrimitiveRow(
      Scale.self, unary(Scale(factor: -1.75), -2...2) { $0 * -1.75 },
      points: [.at(.infinity, .infinity, slope: 2, second: 0, Scale(factor: 2))],
      illShaped: illShapedSingle(Scale(factor: 2))),
    PrimitiveRow(
      Offset.self, unary(Offset(offset: 0.3), -2...2) { $0 + 0.3 },
      points: [.at(-.infinity, -.infinity, slope: 1, second: 0, Offset(offset: 2))],
      illShaped: illShapedSingle(Offset(offset: 2))),
    PrimitiveRow(
      Reciprocal.self, unary(Reciprocal(), 0.6...2) { 1 / $0 },
      points: [
        .at(.infinity, 0, slope: 0, second: 0, Reciprocal()),
        .at(0, .infinity, slope: -.infinity, Reciprocal()),
        .at(1e-100, 1e100, slope: -1e200, second: 2e300, Reciprocal()),
        .at(-4, -0.25, slope: -0.0625, second: -0.03125, Reciprocal()),
      ], illShaped: illShapedSingle(Reciprocal())),
    PrimitiveRow(
      Square.self, unary(Square(), -2...2) { $0 * $0 },
      points: [
        .at(-.infinity, .infinity, slope: -.infinity, second: 2, Square()), .at(0, 0, slope: 0, second: 2, Square()),
        .at(1e200, .infinity, slope: 2e200, second: 2, Square()),
      ], illShaped: illShapedSingle(Square())),
  ]
}
