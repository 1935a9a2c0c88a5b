@testable import AutoDiff

extension PrimitiveCatalogue {
  /// Two arguments whose entries never come close.
  private static let apart: [Domain] = [.grid(offset: 0), .grid(offset: 0.25)]

  private static func compare(
    _ relation: Compare.Relation, _ value: @escaping @Sendable (Double, Double) -> Bool
  ) -> [Variant] {
    elementwise(Compare(relation: relation), note: "\(relation)", apart, Oracles.binary { value($0, $1) ? 1 : 0 })
  }

  static let comparison: [PrimitiveRow] = [
    PrimitiveRow(
      Compare.self,
      compare(.less) { $0 < $1 } + compare(.lessOrEqual) { $0 <= $1 } + compare(.equal) { $0 == $1 }
        + compare(.notEqual) { $0 != $1 },
      points: [
        .at([1, 1], 0, slopes: [0, 0], Compare(relation: .less)),
        .at([1, 1], 1, slopes: [0, 0], Compare(relation: .lessOrEqual)),
        .at([-0.0, 0], 1, slopes: [0, 0], Compare(relation: .equal)),
        .at([.nan, .nan], 0, slopes: [0, 0], Compare(relation: .equal)),
        .at([.nan, 1], 1, slopes: [0, 0], Compare(relation: .notEqual)),
        .at([.nan, 1], 0, slopes: [0, 0], Compare(relation: .lessOrEqual)),
        .at([-.infinity, .infinity], 1, slopes: [0, 0], Compare(relation: .less)),
      ], illShaped: illShapedPair(Compare(relation: .less))),
    PrimitiveRow(
      Maximum.self, elementwise(Maximum(), apart, Oracles.binary { max($0, $1) }),
      points: [
        .at([2, 2], 2, slopes: [0.5, 0.5], Maximum()), .at([.infinity, 1], .infinity, slopes: [1, 0], Maximum()),
        .at([.nan, 1], .nan, slopes: [nil, nil], Maximum()), .at([1, .nan], .nan, slopes: [nil, nil], Maximum()),
        .at([-.infinity, -.infinity], -.infinity, slopes: [0.5, 0.5], Maximum()),
      ], illShaped: illShapedPair(Maximum())),
    PrimitiveRow(
      Minimum.self, elementwise(Minimum(), apart, Oracles.binary { min($0, $1) }),
      points: [
        .at([2, 2], 2, slopes: [0.5, 0.5], Minimum()), .at([-.infinity, 1], -.infinity, slopes: [1, 0], Minimum()),
        .at([.nan, 1], .nan, slopes: [nil, nil], Minimum()), .at([1, .nan], .nan, slopes: [nil, nil], Minimum()),
      ], illShaped: illShapedPair(Minimum())),
    PrimitiveRow(
      Clamp.self,
      elementwise(Clamp(min: -0.8, max: 0.7), [.grid(offset: 0)], Oracles.unary { min(max($0, -0.8), 0.7) }),
      points: [
        .at(1, 1, slope: 1, second: 0, Clamp(min: -1, max: 1)),
        .at(-1, -1, slope: 1, second: 0, Clamp(min: -1, max: 1)),
        .at(.infinity, 1, slope: 0, second: 0, Clamp(min: -1, max: 1)), .at(.nan, .nan, Clamp(min: -1, max: 1)),
      ], illShaped: illShapedSingle(Clamp(min: -1, max: 1))),
    PrimitiveRow(
      Abs.self, elementwise(Abs(), [.grid(offset: 0.25)], Oracles.unary { abs($0) }),
      points: [
        .at(0, 0, slope: 0, second: 0, Abs()), .at(-.infinity, .infinity, slope: -1, second: 0, Abs()),
        .at(.nan, .nan, Abs()), .at(-1e-300, 1e-300, slope: -1, second: 0, Abs()),
      ], illShaped: illShapedSingle(Abs())),
    PrimitiveRow(
      Sign.self, elementwise(Sign(), [.grid(offset: 0.25)], Oracles.unary { $0 < 0 ? -1 : 1 }),
      points: [
        .at(0, 0, slope: 0, second: 0, Sign()), .at(-.infinity, -1, slope: 0, second: 0, Sign()),
        .at(.nan, .nan, slope: 0, Sign()), .at(1e-300, 1, slope: 0, second: 0, Sign()),
      ], illShaped: illShapedSingle(Sign())),
    PrimitiveRow(
      Select.self,
      [[], [2, 3], [37], [0]].map { (shape: [Int]) in
        Variant(
          Select(), [Argument(shape, .mask), Argument(shape, .interval(-2...2)), Argument(shape, .interval(-2...2))]
        ) { inputs in Naive(inputs[0].shape) { inputs[0][$0] != 0 ? inputs[1][$0] : inputs[2][$0] } }
      },
      points: [
        .at([1, 3, .nan], 3, slopes: [0, 1, 0], Select()), .at([0, .infinity, 4], 4, slopes: [0, 0, 1], Select()),
        // Any number other than 0 chooses the first branch.
        .at([-0.5, 3, 4], 3, slopes: [0, 1, 0], Select()), .at([.nan, 3, 4], 3, slopes: [0, 1, 0], Select()),
      ],
      illShaped: [
        IllShapedCall("select: shapes must agree, but got [2] and [2] and [3].") {
          bind(Select(), [.ones([2]), .ones([2]), .ones([3])])
        },
        IllShapedCall("select: shapes must agree or broadcast, but got [2] and [3].") {
          select(.ones([2]), .ones([3]), .ones([3]))
        },
      ]),
  ]
}
