@testable import AutoDiff

extension PrimitiveCatalogue {
  private static let anything = Domain.interval(-2...2)

  private static func reshape(_ source: [Int], _ target: [Int]) -> Variant {
    Variant(
      Reshape(target: target), note: "to \(target)", [Argument(source, anything)], oracle: Oracles.reshape(target))
  }
  private static func permute(_ source: [Int], _ axes: [Int]) -> Variant {
    Variant(Permute(axes: axes), note: "by \(axes)", [Argument(source, anything)], oracle: Oracles.permute(axes))
  }
  private static func broadcast(_ source: [Int], _ target: [Int]) -> Variant {
    Variant(
      Broadcast(target: target), note: "to \(target)", [Argument(source, anything)], oracle: Oracles.broadcast(target))
  }

  private static let argsorts: [Variant] = [true, false].flatMap { isDescending in
    [([5], 0), ([1], 0), ([37], 0), ([3, 4], 0), ([3, 4], 1), ([2, 3, 2], 1), ([0, 3], 0)].map {
      (shape: [Int], axis: Int) in
      Variant(
        Argsort(axis: axis, isDescending: isDescending), note: "along \(axis)\(isDescending ? ", falling" : "")",
        [Argument(shape, .grid(offset: 0))]
      ) { inputs in
        // The place of an entry is the number of those that come before it.
        var places = inputs[0]
        for index in Naive.indices(of: shape) {
          var target = index
          target[axis] = (0..<shape[axis]).count { other in
            var rival = index
            rival[axis] = other
            return isDescending ? inputs[0][rival] > inputs[0][index] : inputs[0][rival] < inputs[0][index]
          }
          places[target] = Double(index[axis])
        }
        return places
      }
    }
  }

  static let shape: [PrimitiveRow] = [
    PrimitiveRow(
      Argsort.self, argsorts,
      points: [
        SpecialPoint(
          primitive: Argsort(axis: 0, isDescending: false), inputs: [Tensor([2, .nan, -0.0, 0, .infinity, .nan, -1])],
          value: Tensor([6, 2, 3, 0, 4, 1, 5]), gradients: [.zeros([7])]),
        SpecialPoint(
          primitive: Argsort(axis: 0, isDescending: true), inputs: [Tensor([2, .nan, -0.0, 0, .infinity, .nan, -1])],
          value: Tensor([4, 0, 2, 3, 6, 1, 5]), gradients: [.zeros([7])]),
      ],
      illShaped: [
        IllShapedCall("argsort: an axis must lie in -1..<1, but got 1.") { Tensor.ones([3]).argsort(axis: 1) },
        IllShapedCall("sorted: an axis must lie in -1..<1, but got -2.") { Tensor.ones([3]).sorted(axis: -2) },
        IllShapedCall(
          "gatheredAlong: indices must have the extents of the tensor but for the axis, but got [3, 2] for axis 1 of [2, 3]."
        ) { Tensor.ones([2, 3]).gatheredAlong(axis: 1, at: .zeros([3, 2])) },
        IllShapedCall("gatheredAlong: indices must be whole numbers in 0..<3, but got 3.0 at position 1.") {
          Tensor.ones([2, 3]).gatheredAlong(axis: 1, at: Tensor([[0, 3], [1, 2]]))
        },
      ]),
    PrimitiveRow(
      Reshape.self,
      [
        reshape([2, 3], [3, 2]), reshape([2, 3], [6]), reshape([4], [2, 1, 2]), reshape([1, 1], []),
        reshape([], [1, 1]),
        reshape([0, 2], [4, 0]),
      ],
      illShaped: [
        IllShapedCall("reshaped: the number of entries must stay the same, but got [2, 3] and [4].") {
          Tensor.ones([2, 3]).reshaped(to: [4])
        },
        IllShapedCall("reshaped: the extent -1 must be inferable, but got [2, 3] and [-1, 4].") {
          Tensor.ones([2, 3]).reshaped(to: [-1, 4])
        },
        IllShapedCall("reshaped: extents must not be negative, but got [2, -3].") {
          Tensor.ones([2, 3]).reshaped(to: [2, -3])
        },
      ]),
    PrimitiveRow(
      Permute.self,
      [
        permute([2, 3], [1, 0]), permute([2, 3, 4], [2, 0, 1]), permute([2, 1, 3], [1, 2, 0]), permute([3], [0]),
        permute([], []), permute([0, 3], [1, 0]),
      ],
      illShaped: [
        IllShapedCall("permuted: the axes must be a permutation of 0..<2, but got [0].") {
          Tensor.ones([2, 3]).permuted([0])
        },
        IllShapedCall("permuted: an axis must lie in -2..<2, but got 2.") { Tensor.ones([2, 3]).permuted([0, 2]) },
        IllShapedCall("transposed: the rank must be at least 2, but got [3].") { Tensor.ones([3]).transposed },
      ]),
    PrimitiveRow(
      Broadcast.self,
      [
        broadcast([3], [2, 3]), broadcast([2, 1], [2, 3]), broadcast([2, 1, 2], [3, 2, 4, 2]), broadcast([], [2, 2]),
        broadcast([1], [1, 1]), broadcast([1, 3], [0, 3]), broadcast([2, 0], [3, 2, 0]), broadcast([1], [0]),
      ],
      illShaped: [
        IllShapedCall(
          "broadcast: every extent must be 1 or that of the target, counted from the last axis, but got [2] and [2, 3]."
        ) { Tensor.ones([2]).broadcast(to: [2, 3]) },
        IllShapedCall("broadcast: every extent must be 1 or that of the target") {
          Tensor.ones([1, 2]).broadcast(to: [2])
        },
      ]),
  ]

  private static func slice(_ source: [Int], _ starts: [Int], _ counts: [Int], _ steps: [Int]) -> Variant {
    Variant(
      Slice(starts: starts, counts: counts, steps: steps), note: "\(starts) by \(steps) to \(counts)",
      [Argument(source, anything)], oracle: Oracles.slice(starts, counts, steps))
  }
  private static func place(_ source: [Int], _ target: [Int], _ starts: [Int], _ steps: [Int]) -> Variant {
    Variant(
      EmbedInZeros(target: target, starts: starts, steps: steps), note: "at \(starts) by \(steps) of \(target)",
      [Argument(source, anything)], oracle: Oracles.place(target, starts, steps))
  }
  private static func replaceSlice(_ piece: [Int], _ whole: [Int], _ starts: [Int], _ steps: [Int]) -> Variant {
    Variant(
      ReplaceSlice(starts: starts, steps: steps), note: "at \(starts) by \(steps)",
      [Argument(piece, anything), Argument(whole, anything)], oracle: Oracles.replaceSlice(starts, steps))
  }
  private static func concatenate(_ shapes: [[Int]], _ axis: Int) -> Variant {
    Variant(
      Concatenate(axis: axis), note: "along \(axis)", shapes.map { Argument($0, anything) },
      oracle: Oracles.concatenate(axis))
  }

  static let slicing: [PrimitiveRow] = [
    PrimitiveRow(
      Slice.self,
      [
        slice([4, 3], [1, 0], [2, 3], [1, 1]), slice([7], [1], [3], [2]), slice([7], [6], [4], [-2]),
        slice([3, 4, 2], [2, 3, 1], [3, 2, 1], [-1, -3, 1]), slice([4, 3], [2, 1], [1, 1], [1, 1]),
        slice([3], [0], [0], [1]), slice([0, 2], [0, 1], [0, 1], [1, 1]), slice([], [], [], []),
      ],
      illShaped: [
        IllShapedCall("slice: one range per axis, but got 1 for [2, 3].") {
          bind(Slice(starts: [0], counts: [1], steps: [1]), [.ones([2, 3])])
        },
        IllShapedCall("slice: the range must lie within the axis, but got 1 to 3 on axis 0 of [3].") {
          bind(Slice(starts: [1], counts: [3], steps: [1]), [.ones([3])])
        },
      ]),
    PrimitiveRow(
      EmbedInZeros.self,
      [
        place([2, 3], [4, 5], [1, 2], [1, 1]), place([3], [7], [1], [2]), place([4], [7], [6], [-2]),
        place([2, 2], [3, 4], [2, 3], [-2, -3]), place([0], [3], [0], [1]), place([], [], [], []),
        place([2, 0], [3, 0], [1, 0], [1, 1]), place([1], [4], [2], [1]),
      ],
      illShaped: [
        IllShapedCall("embedInZeros: the input must fit into the target, but got [3] and [4].") {
          bind(EmbedInZeros(target: [4], starts: [2], steps: [1]), [.ones([3])])
        },
        IllShapedCall("embedInZeros: ranks must agree, but got [3] and [4, 4].") {
          bind(EmbedInZeros(target: [4, 4], starts: [0, 0], steps: [1, 1]), [.ones([3])])
        },
        IllShapedCall("padded: needs a pair of widths ≥ 0 for every axis") { Tensor.ones([2, 2]).padded([(1, 1)]) },
      ]),
    PrimitiveRow(
      ReplaceSlice.self,
      [
        replaceSlice([2, 3], [4, 5], [1, 2], [1, 1]), replaceSlice([3], [7], [1], [2]),
        replaceSlice([4], [7], [6], [-2]),
        replaceSlice([2, 2], [3, 4], [2, 3], [-2, -3]), replaceSlice([0], [3], [0], [1]), replaceSlice([], [], [], []),
        replaceSlice([2, 0], [3, 0], [1, 0], [1, 1]), replaceSlice([1], [4], [2], [1]),
        replaceSlice([3], [3], [0], [1]), replaceSlice([1, 1], [1, 1], [0, 0], [1, 1]),
      ],
      illShaped: [
        IllShapedCall("replaceSlice: the part must lie within the whole, but got [3] and [4].") {
          bind(ReplaceSlice(starts: [2], steps: [1]), [.ones([3]), .ones([4])])
        },
        IllShapedCall("replaceSlice: ranks must agree, but got [3] and [4, 4].") {
          bind(ReplaceSlice(starts: [0, 0], steps: [1, 1]), [.ones([3]), .ones([4, 4])])
        },
      ]),
    PrimitiveRow(
      Concatenate.self,
      [
        concatenate([[2, 3], [1, 3]], 0), concatenate([[2, 1], [2, 3], [2, 2]], 1), concatenate([[3], [0], [2]], 0),
        concatenate([[1], [1]], 0), concatenate([[2, 1, 2], [2, 2, 2]], 1), concatenate([[0, 2], [0, 1]], 1),
      ],
      illShaped: [
        IllShapedCall("concatenate: shapes must agree but for axis 0, but got [2, 3], [2, 4].") {
          AutoDiff.concatenate([.ones([2, 3]), .ones([2, 4])])
        },
        IllShapedCall("concatenate: an axis must lie in -1..<1, but got 1.") {
          AutoDiff.concatenate([.ones([2]), .ones([2])], axis: 1)
        },
        IllShapedCall("concatenate: needs at least one tensor.") { AutoDiff.concatenate([]) },
        IllShapedCall("stack: shapes must agree, but got [2] and [3].") { stack([.ones([2]), .ones([3])]) },
      ]),
  ]

  private static func gather(_ table: [Int], _ indices: [Int], axis: Int, batchRank: Int = 0) -> Variant {
    Variant(
      Gather(axis: axis, batchRank: batchRank), note: "axis \(axis), batch rank \(batchRank)",
      [Argument(table, anything), Argument(indices, .indices(max(1, table[axis])))],
      oracle: Oracles.gather(axis, batchRank))
  }
  private static func scatter(_ x: [Int], _ indices: [Int], axis: Int, extent: Int, batchRank: Int = 0) -> Variant {
    Variant(
      ScatterAdd(axis: axis, extent: extent, batchRank: batchRank),
      note: "axis \(axis), extent \(extent), batch rank \(batchRank)",
      [Argument(x, anything), Argument(indices, .indices(extent))], oracle: Oracles.scatterAdd(axis, extent, batchRank))
  }

  static let indexing: [PrimitiveRow] = [
    PrimitiveRow(
      Gather.self,
      [
        gather([4, 3], [5], axis: 0), gather([2, 4], [2, 3], axis: 1), gather([3, 2, 2], [], axis: 1),
        gather([2, 4, 3], [2, 3], axis: 1, batchRank: 1), gather([2, 2, 4], [2, 3], axis: 2, batchRank: 1),
        gather([5], [0], axis: 0), gather([4], [3], axis: 0),
      ],
      illShaped: [
        IllShapedCall("gathered: the axis must exist in the table, but got axis 1, table [2], indices [3].") {
          bind(Gather(axis: 1, batchRank: 0), [.ones([2]), .ones([3])])
        },
        IllShapedCall("gathered: indices must be whole numbers in 0..<2, but got 2.0 at position 1.") {
          Tensor.ones([2, 3]).gathered(at: [1, 2])
        },
        IllShapedCall("gathered: indices must be whole numbers in 0..<2, but got 0.5 at position 0.") {
          Tensor.ones([2, 3]).gathered(at: Tensor([0.5]))
        },
        IllShapedCall("gathered: an axis must lie in -2..<2, but got -3.") {
          Tensor.ones([2, 3]).gathered(at: [1], axis: -3)
        },
      ]),
    PrimitiveRow(
      ScatterAdd.self,
      [
        scatter([5, 3], [5], axis: 0, extent: 4), scatter([2, 2, 3], [2, 3], axis: 1, extent: 4),
        scatter([3, 2], [], axis: 1, extent: 3), scatter([2, 3, 2], [2, 3], axis: 1, extent: 4, batchRank: 1),
        scatter([2, 2, 3], [2, 3], axis: 2, extent: 2, batchRank: 1), scatter([0], [0], axis: 0, extent: 3),
        scatter([6], [6], axis: 0, extent: 2),
      ],
      illShaped: [
        IllShapedCall(
          "scatterAdded: values must have the indices' shape at the axis, but got axis 0, values [2, 3], indices [3]."
        ) { Tensor.ones([2, 3]).scatterAdded(at: Tensor([0, 1, 2]), extent: 4) },
        IllShapedCall("scatterAdded: indices must be whole numbers in 0..<2, but got -1.0 at position 0.") {
          Tensor.ones([1, 3]).scatterAdded(at: Tensor([-1]), extent: 2)
        },
      ]),
  ]
}
