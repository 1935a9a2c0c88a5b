import Foundation

@testable import AutoDiff

extension PrimitiveCatalogue {
  /// The variants of a reduction: every kind of choice of axes, and vectors longer than a register.
  private static func reduction(
    _ domain: Domain, _ primitive: ([Int]) -> any Primitive, _ combine: @escaping @Sendable ([Double]) -> Double
  ) -> [Variant] {
    let choices: [(shape: [Int], axes: [Int])] = [
      ([5], [0]), ([3, 2], [0]), ([3, 2], [1]), ([3, 2], [0, 1]), ([2, 3, 2], [1]), ([2, 3, 2], [0, 2]), ([1, 3], [0]),
      ([37], [0]), ([0, 3], [1]),
    ]
    return choices.map {
      Variant(
        primitive($0.axes), note: "over \($0.axes)", [Argument($0.shape, domain)],
        oracle: Oracles.reduction($0.axes, combine))
    }
  }

  /// The place of an extremal entry along an axis: alone, beside others, in rows longer than a register, in several tiles.
  private static func extremumPlace(
    isMaximum: Bool, _ isBetter: @escaping @Sendable (Double, Double) -> Bool
  ) -> [Variant] {
    let choices: [(shape: [Int], axis: Int)] = [
      ([5], 0), ([1], 0), ([37], 0), ([3, 2], 0), ([3, 2], 1), ([2, 3, 2], 1), ([3, 37], 0), ([2, 70], 0),
      ([3, 40], 1),
      ([3, 0], 0),
    ]
    return choices.map { shape, axis in
      Variant(
        ExtremumPlace(axis: axis, isMaximum: isMaximum), note: "over \(axis)", [Argument(shape, .grid(offset: 0))],
        oracle: Oracles.reduction([axis]) { row in
          Double(row.indices.reduce(0) { isBetter(row[$1], row[$0]) ? $1 : $0 })
        })
    }
  }

  /// Sums up to each entry: in rows, in columns, in more of them than are summed side by side.
  private static func cumulativeSums(isReversed: Bool) -> [Variant] {
    let choices: [(shape: [Int], axis: Int)] = [
      ([5], 0), ([1], 0), ([3, 2], 0), ([3, 2], 1), ([2, 3, 2], 1), ([3, 70], 0), ([0, 3], 0), ([2, 0], 0),
    ]
    return choices.map { shape, axis in
      Variant(
        CumulativeSum(axis: axis, isReversed: isReversed), note: "over \(axis)\(isReversed ? " from the end" : "")",
        [Argument(shape, .interval(-2...2))]
      ) { inputs in
        Naive(shape) { index in
          let places = isReversed ? index[axis]..<shape[axis] : 0..<index[axis] + 1
          return places.reduce(0) { sum, place in
            var index = index
            index[axis] = place
            return sum + inputs[0][index]
          }
        }
      }
    }
  }

  private static func illShapedReduction(_ name: String, _ primitive: any Primitive) -> [IllShapedCall] {
    [IllShapedCall("\(name): the axes must exist, but got axes [1] of [3].") { bind(primitive, [.ones([3])]) }]
  }

  private static let unitVectors: [Variant] = [[5], [3, 2], [2, 3, 2], [37], [0, 3]].map { (shape: [Int]) in
    Variant(
      UnitVector(axes: [shape.count - 1]), note: "over rows", [Argument(shape, .interval(0.5...2))],
      oracle: Oracles.rows { row in
        let square: Double = row.reduce(0) { $0 + $1 * $1 }
        return row.map { $0 / square.squareRoot() }
      })
  }

  static let reductions: [PrimitiveRow] = [
    PrimitiveRow(
      Sum.self,
      reduction(.interval(-2...2), { Sum(axes: $0) }) { $0.reduce(0, +) } + [
        Variant(
          Sum(axes: [0]), note: "over nothing", [Argument([0, 3], .dyadic)], oracle: Oracles.reduction([0]) { _ in 0 })
      ],
      points: [
        SpecialPoint(
          primitive: Sum(axes: [0]), inputs: [Tensor([.infinity, 1])], value: Tensor(.infinity), gradients: [.ones([2])]
        ),
        SpecialPoint(
          primitive: Sum(axes: [0]), inputs: [Tensor([.infinity, -.infinity])], value: Tensor(.nan), gradients: [nil]),
      ],
      illShaped: illShapedReduction("sum", Sum(axes: [1])) + [
        IllShapedCall("sum: an axis must lie in -1..<1, but got 1.") { Tensor.ones([3]).sum(axes: [1]) },
        IllShapedCall("sum: axes must be distinct, but got [0, -2].") { Tensor.ones([3, 2]).sum(axes: [0, -2]) },
        IllShapedCall("mean: needs at least one entry, but got [0].") { Tensor.ones([0]).mean() },
      ]),
    PrimitiveRow(
      Extremum.self,
      reduction(.grid(offset: 0), { Extremum(axes: $0, isMaximum: true) }) { $0.max() ?? -.infinity }
        + reduction(.grid(offset: 0), { Extremum(axes: $0, isMaximum: false) }) { $0.min() ?? .infinity },
      points: [
        SpecialPoint(
          primitive: Extremum(axes: [0], isMaximum: true), inputs: [Tensor([1, 3, 3, 2])], value: Tensor(3),
          gradients: [Tensor([0, 0.5, 0.5, 0])]),
        SpecialPoint(
          primitive: Extremum(axes: [0], isMaximum: false), inputs: [Tensor([1, 1, 1, 2])], value: Tensor(1),
          gradients: [Tensor([1, 1, 1, 0]) / 3]),
        SpecialPoint(
          primitive: Extremum(axes: [0], isMaximum: true), inputs: [Tensor([1, .nan, 3])], value: Tensor(.nan),
          gradients: [nil]),
        SpecialPoint(
          primitive: Extremum(axes: [0], isMaximum: true), inputs: [Tensor([-.infinity, .infinity, .infinity])],
          value: Tensor(.infinity), gradients: [Tensor([0, 0.5, 0.5])]),
        SpecialPoint(
          primitive: Extremum(axes: [0], isMaximum: true), inputs: [.zeros([0])], value: Tensor(-.infinity),
          gradients: [.zeros([0])]),
      ],
      illShaped: illShapedReduction("max", Extremum(axes: [1], isMaximum: true))
        + illShapedReduction("min", Extremum(axes: [1], isMaximum: false))),
    PrimitiveRow(
      ExtremumPlace.self,
      extremumPlace(isMaximum: true) { $0 > $1 } + extremumPlace(isMaximum: false) { $0 < $1 },
      points: [
        SpecialPoint(
          primitive: ExtremumPlace(axis: 0, isMaximum: true), inputs: [Tensor([1, 3, 3, 2])], value: Tensor(1),
          gradients: [.zeros([4])]),
        SpecialPoint(
          primitive: ExtremumPlace(axis: 0, isMaximum: false), inputs: [Tensor([0, -0.0, 1])], value: Tensor(0),
          gradients: [.zeros([3])]),
        SpecialPoint(
          primitive: ExtremumPlace(axis: 0, isMaximum: false), inputs: [Tensor([1, .nan, -.infinity, .nan])],
          value: Tensor(1), gradients: [.zeros([4])]),
        SpecialPoint(
          primitive: ExtremumPlace(axis: 0, isMaximum: true), inputs: [Tensor([-.infinity, -.infinity])],
          value: Tensor(0), gradients: [.zeros([2])]),
      ],
      illShaped: illShapedReduction("argmax", ExtremumPlace(axis: 1, isMaximum: true)) + [
        IllShapedCall("argmin: an axis must lie in -1..<1, but got 1.") { Tensor.ones([3]).argmin(axis: 1) },
        IllShapedCall(
          "argmin: the axis must have an entry, and no more than float64 can count, but got axis 0 of [0, 2]."
        ) { Tensor.ones([0, 2]).argmin(axis: 0) },
      ]),
    PrimitiveRow(
      CumulativeSum.self, cumulativeSums(isReversed: false) + cumulativeSums(isReversed: true),
      points: [
        SpecialPoint(
          primitive: CumulativeSum(axis: 0, isReversed: false), inputs: [Tensor([1, .infinity, 2])],
          value: Tensor([1, .infinity, .infinity]), gradients: [Tensor([3, 2, 1])])
      ],
      illShaped: [
        IllShapedCall("cumulativeSum: an axis must lie in -1..<1, but got 1.") {
          Tensor.ones([3]).cumulativeSum(axis: 1)
        }
      ]),
    PrimitiveRow(
      Norm.self,
      reduction(.interval(0.5...2), { Norm(axes: $0) }) { $0.reduce(0) { $0 + $1 * $1 }.squareRoot() },
      points: [
        SpecialPoint(
          primitive: Norm(axes: [0]), inputs: [.zeros([3])], value: Tensor(0), gradients: [.zeros([3])]),
        SpecialPoint(
          primitive: Norm(axes: [0]), inputs: [Tensor([3e200, 4e200])], value: Tensor(5e200),
          gradients: [Tensor([0.6, 0.8])]),
        SpecialPoint(
          primitive: Norm(axes: [0]), inputs: [Tensor([3e-200, 4e-200])], value: Tensor(5e-200),
          gradients: [Tensor([0.6, 0.8])]),
        SpecialPoint(
          primitive: Norm(axes: [0]), inputs: [Tensor([.infinity, 1])], value: Tensor(.infinity),
          gradients: [Tensor([1, 0])]),
        SpecialPoint(
          primitive: Norm(axes: [0]), inputs: [Tensor([.nan, 1])], value: Tensor(.nan), gradients: [nil]),
        SpecialPoint(
          primitive: Norm(axes: [1]), inputs: [Tensor([[0, 0], [3e-200, 4e-200], [3, -4], [1e200, 0]])],
          value: Tensor([0, 5e-200, 5, 1e200]), gradients: [Tensor([[0, 0], [0.6, 0.8], [0.6, -0.8], [1, 0]])]),
        .at(-3, 3, slope: -1, second: 0, Norm(axes: [])), .at(0, 0, slope: 0, second: 0, Norm(axes: [])),
      ], illShaped: illShapedReduction("norm", Norm(axes: [1]))),
    PrimitiveRow(
      UnitVector.self,
      unitVectors + [
        Variant(UnitVector(axes: [0]), note: "over columns", [Argument([3, 2], .interval(0.5...2))]) { inputs in
          let x = inputs[0]
          return Naive([3, 2]) { k in
            let column = (0..<3).map { x[[$0, k[1]]] }
            let square: Double = column.reduce(0) { $0 + $1 * $1 }
            return x[k] / square.squareRoot()
          }
        },
        Variant(UnitVector(axes: []), note: "of single entries", [Argument([3], .interval(-2 ... -0.5))]) { inputs in
          Naive(inputs[0].shape) { _ in -1 }
        },
      ],
      points: [
        SpecialPoint(
          primitive: UnitVector(axes: [0]), inputs: [.zeros([3])], value: .zeros([3]), gradients: [.zeros([3])]),
        SpecialPoint(
          primitive: UnitVector(axes: [0]), inputs: [Tensor([-.infinity, 1])], value: Tensor([-1, 0]),
          gradients: [.zeros([2])]),
        SpecialPoint(
          primitive: UnitVector(axes: [0]), inputs: [Tensor([3e200, 4e200])], value: Tensor([0.6, 0.8]),
          gradients: [nil]),
      ], illShaped: illShapedReduction("unitVector", UnitVector(axes: [1]))),
  ]

  private static func rows(_ primitive: any Primitive, _ oracle: @escaping Oracle) -> [Variant] {
    [[3], [2, 4], [2, 2, 3], [1], [37], [0, 3]].map { shape in
      Variant(primitive, [Argument(shape, .interval(-2...2))], oracle: oracle)
    }
  }

  private static func illShapedRow(
    _ name: String, _ primitive: any Primitive, _ count: Int = 1
  ) -> [IllShapedCall] {
    [
      IllShapedCall("\(name): needs at least one axis, but got [].") {
        bind(primitive, (0..<count).map { _ in .ones([]) })
      }
    ]
  }

  private static let infinite = -Double.infinity
  private static func softmaxDeviations(isTransposed: Bool) -> [Variant] {
    [[3], [2, 4], [40, 3], [1], [100], [0, 3]].map { (shape: [Int]) in
      Variant(
        SoftmaxDeviation(isTransposed: isTransposed), note: isTransposed ? "transposed" : "",
        [Argument(shape, .interval(-2...2)), Argument(shape, .interval(-2...2))]
      ) { inputs in
        let v = inputs[1]
        let y = inputs[0].mappingRows { row in
          let total: Double = row.map { Foundation.exp($0) }.reduce(0, +)
          return row.map { Foundation.exp($0) / total }
        }
        func sums(_ x: Naive) -> Naive {
          x.mappingRows { row in
            let sum: Double = row.reduce(0, +)
            return row.map { _ in sum }
          }
        }
        let (weighted, plain) = (sums(Naive(shape) { y[$0] * v[$0] }), sums(v))
        return Naive(shape) { isTransposed ? v[$0] - y[$0] * plain[$0] : v[$0] - weighted[$0] }
      }
    }
  }

  private static let expOfMinus100 = 3.720075976020836e-44

  static let softmax: [PrimitiveRow] = [
    PrimitiveRow(
      Softmax.self,
      rows(
        Softmax(),
        Oracles.rows { row in
          let total = row.map { Foundation.exp($0) }.reduce(0, +)
          return row.map { Foundation.exp($0) / total }
        }),
      points: [
        SpecialPoint(
          primitive: Softmax(), inputs: [Tensor([1000, 1000, 0])], value: Tensor([0.5, 0.5, 0]),
          gradients: [.zeros([3])]),
        SpecialPoint(
          primitive: Softmax(), inputs: [Tensor([infinite, 0, 0])], value: Tensor([0, 0.5, 0.5]),
          gradients: [.zeros([3])]),
        SpecialPoint(
          primitive: Softmax(), inputs: [Tensor([infinite, infinite])], value: Tensor([0.5, 0.5]),
          gradients: [.zeros([2])]),
        SpecialPoint(
          primitive: Softmax(), inputs: [Tensor([.infinity, 3, .infinity])], value: Tensor([0.5, 0, 0.5]),
          gradients: [.zeros([3])]),
        SpecialPoint(
          primitive: Softmax(), inputs: [Tensor([-1000, -1000])], value: Tensor([0.5, 0.5]), gradients: [.zeros([2])]),
        SpecialPoint(
          primitive: Softmax(), inputs: [Tensor([.nan, 1])], value: Tensor([.nan, .nan]), gradients: [nil]),
      ], illShaped: illShapedRow("softmax", Softmax())),
    PrimitiveRow(
      LogSoftmax.self,
      rows(
        LogSoftmax(),
        Oracles.rows { row in
          let total = row.map { Foundation.exp($0) }.reduce(0, +)
          return row.map { $0 - Foundation.log(total) }
        }),
      points: [
        SpecialPoint(
          primitive: LogSoftmax(), inputs: [Tensor([1000, 0])], value: Tensor([0, -1000]), gradients: [Tensor([-1, 1])]),
        SpecialPoint(
          primitive: LogSoftmax(), inputs: [Tensor([1e300, -1e300])], value: Tensor([0, -2e300]),
          gradients: [Tensor([-1, 1])]),
        SpecialPoint(
          primitive: LogSoftmax(), inputs: [Tensor([infinite, 0])], value: Tensor([infinite, 0]),
          gradients: [Tensor([1, -1])]),
        SpecialPoint(
          primitive: LogSoftmax(), inputs: [Tensor([-1000, -1000])],
          value: Tensor([-Foundation.log(2), -Foundation.log(2)]), gradients: [.zeros([2])]),
      ], illShaped: illShapedRow("logSoftmax", LogSoftmax())),
    PrimitiveRow(
      SoftmaxDeviation.self,
      softmaxDeviations(isTransposed: false) + softmaxDeviations(isTransposed: true),
      points: [
        SpecialPoint(
          primitive: SoftmaxDeviation(), inputs: [Tensor([100, 0]), Tensor([1, 0])],
          value: Tensor([expOfMinus100, -1]), gradients: [nil, nil]),
        SpecialPoint(
          primitive: SoftmaxDeviation(isTransposed: true), inputs: [Tensor([100, 0]), Tensor([1, 0])],
          value: Tensor([expOfMinus100, -expOfMinus100]), gradients: [nil, nil]),
        SpecialPoint(
          primitive: SoftmaxDeviation(), inputs: [Tensor([infinite, .nan]), .zeros([2])], value: .zeros([2]),
          gradients: [nil, nil]),
      ],
      illShaped: illShapedRow("softmaxDeviation", SoftmaxDeviation(), 2) + [
        IllShapedCall("softmaxDeviation: shapes must agree, but got [3] and [2].") {
          bind(SoftmaxDeviation(), .ones([3]), .ones([2]))
        }
      ]),
    PrimitiveRow(
      LogSumExp.self,
      rows(LogSumExp()) { inputs in
        inputs[0].reduced([inputs[0].shape.count - 1]) { row in
          Foundation.log(row.map { Foundation.exp($0) }.reduce(0, +))
        }
      },
      points: [
        SpecialPoint(
          primitive: LogSumExp(), inputs: [Tensor([1000, 1000])], value: Tensor(1000 + Foundation.log(2)),
          gradients: [Tensor([0.5, 0.5])]),
        SpecialPoint(
          primitive: LogSumExp(), inputs: [Tensor([-1000, -1000])], value: Tensor(-1000 + Foundation.log(2)),
          gradients: [Tensor([0.5, 0.5])]),
        SpecialPoint(
          primitive: LogSumExp(), inputs: [Tensor([infinite, 3])], value: Tensor(3), gradients: [Tensor([0, 1])]),
        SpecialPoint(
          primitive: LogSumExp(), inputs: [Tensor([infinite, infinite])], value: Tensor(infinite),
          gradients: [Tensor([0.5, 0.5])]),
        SpecialPoint(
          primitive: LogSumExp(), inputs: [Tensor([.infinity, 3])], value: Tensor(.infinity),
          gradients: [Tensor([1, 0])]),
        SpecialPoint(primitive: LogSumExp(), inputs: [.zeros([0])], value: Tensor(infinite), gradients: [.zeros([0])]),
        SpecialPoint(primitive: LogSumExp(), inputs: [Tensor([.nan, 3])], value: Tensor(.nan), gradients: [nil]),
      ], illShaped: illShapedRow("logsumexp", LogSumExp())),
  ]

  // MARK: Layer normalization

  private static func moments(_ row: [Double], _ epsilon: Double) -> (mean: Double, factor: Double) {
    let mean = row.reduce(0, +) / Double(row.count)
    let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(row.count)
    return (mean, 1 / (variance + epsilon).squareRoot())
  }

  private static func illShapedNormalization(
    _ name: String, _ primitive: any Primitive, _ count: Int
  ) -> [IllShapedCall] {
    [[], [2, 0]].map { shape in
      IllShapedCall("\(name): needs a last axis that is not empty, but got \(shape).") {
        bind(primitive, (0..<count).map { _ in .ones(shape) })
      }
    }
  }

  static let layerNorm: [PrimitiveRow] = [
    PrimitiveRow(
      LayerNorm.self,
      rows(
        LayerNorm(epsilon: 0.1),
        Oracles.rows { row in
          let (mean, factor) = moments(row, 0.1)
          return row.map { ($0 - mean) * factor }
        }),
      points: [
        SpecialPoint(
          primitive: LayerNorm(epsilon: 1), inputs: [Tensor([5, 5, 5])], value: .zeros([3]), gradients: [.zeros([3])]),
        SpecialPoint(
          primitive: LayerNorm(epsilon: 3), inputs: [Tensor([1e8, 1e8 + 2])], value: Tensor([-0.5, 0.5]),
          gradients: [.zeros([2])]),
        SpecialPoint(
          primitive: LayerNorm(epsilon: 1), inputs: [Tensor([.nan, 1])], value: Tensor([.nan, .nan]), gradients: [nil]),
      ], illShaped: illShapedNormalization("layerNorm", LayerNorm(epsilon: 1), 1)),
    PrimitiveRow(
      LayerNormProduct.self,
      [[3], [2, 4], [2, 2, 3], [1], [37], [0, 3]].map { shape in
        Variant(
          LayerNormProduct(epsilon: 0.5), [Argument(shape, .interval(-2...2)), Argument(shape, .interval(-2...2))]
        ) { inputs in
          let (x, v) = (inputs[0], inputs[1])
          let n = x.mappingRows { row in
            let (mean, factor) = moments(row, 0.5)
            return row.map { ($0 - mean) * factor }
          }
          let factors = x.mappingRows { row in row.map { _ in moments(row, 0.5).factor } }
          func means(_ y: Naive) -> Naive { y.mappingRows { row in row.map { _ in moments(row, 0).mean } } }
          let weighted = means(Naive(shape) { n[$0] * v[$0] })
          let plain = means(v)
          return Naive(shape) { factors[$0] * (v[$0] - plain[$0] - n[$0] * weighted[$0]) }
        }
      },
      illShaped: illShapedNormalization("layerNormProduct", LayerNormProduct(epsilon: 1), 2) + [
        IllShapedCall("layerNormProduct: shapes must agree, but got [3] and [1, 3].") {
          bind(LayerNormProduct(epsilon: 1), .ones([3]), .ones([1, 3]))
        }
      ]),
    PrimitiveRow(
      InverseDeviation.self,
      rows(InverseDeviation(epsilon: 0.5)) { inputs in
        inputs[0].reduced([inputs[0].shape.count - 1]) { moments($0, 0.5).factor }
      },
      points: [
        SpecialPoint(
          primitive: InverseDeviation(epsilon: 0.25), inputs: [Tensor([5, 5, 5])], value: Tensor(2),
          gradients: [.zeros([3])])
      ], illShaped: illShapedNormalization("inverseDeviation", InverseDeviation(epsilon: 1), 1)),
  ]
}
