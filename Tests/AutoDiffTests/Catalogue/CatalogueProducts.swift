import Foundation

@testable import AutoDiff

extension PrimitiveCatalogue {
  private static func contraction(
    _ note: String, _ a: [Int], _ b: [Int], batch: ([Int], [Int]) = ([], []), summed: ([Int], [Int]) = ([], [])
  ) -> Variant {
    Variant(
      Contraction(leftBatch: batch.0, rightBatch: batch.1, leftSummed: summed.0, rightSummed: summed.1), note: note,
      [Argument(a, .interval(-2...2)), Argument(b, .interval(-2...2))],
      oracle: Oracles.contraction(
        (leftBatch: batch.0, rightBatch: batch.1, leftSummed: summed.0, rightSummed: summed.1)))
  }

  static let products: [PrimitiveRow] = [
    PrimitiveRow(
      Contraction.self,
      [
        contraction("a b", [2, 3], [3, 4], summed: ([1], [0])),
        contraction("a bᵀ", [2, 3], [4, 3], summed: ([1], [1])),
        contraction("aᵀ b", [3, 2], [3, 4], summed: ([0], [0])),
        contraction("aᵀ bᵀ", [3, 2], [4, 3], summed: ([0], [1])),
        contraction("matrix times vector", [2, 3], [3], summed: ([1], [0])),
        contraction("vector times matrix", [3], [3, 4], summed: ([0], [0])),
        contraction("dot", [5], [5], summed: ([0], [0])),
        contraction("outer", [2], [3]),
        contraction("numbers", [], []),
        contraction("number times vector", [], [3]),
        contraction("batched", [2, 2, 3], [2, 3, 4], batch: ([0], [0]), summed: ([2], [1])),
        contraction("batched, axes exchanged", [3, 2, 2], [4, 2, 3], batch: ([2], [1]), summed: ([0], [2])),
        contraction("two batch axes", [2, 3, 2, 2], [3, 2, 2], batch: ([0, 1], [1, 0]), summed: ([3], [2])),
        contraction("two summed axes", [2, 3, 4], [4, 3, 2], summed: ([1, 2], [1, 0])),
        contraction("two summed axes, crossed", [3, 2, 4], [3, 4, 2], summed: ([2, 0], [1, 0])),
        contraction("entry by entry", [2, 3], [2, 3], batch: ([0, 1], [0, 1])),
        contraction("wide", [3, 19], [19, 17], summed: ([1], [0])),
        contraction("nothing summed over", [2, 0], [0, 3], summed: ([1], [0])),
        contraction("no rows", [0, 3], [3, 2], summed: ([1], [0])),
        contraction("no batch", [0, 2, 3], [0, 3, 2], batch: ([0], [0]), summed: ([2], [1])),
      ],
      illShaped: [
        IllShapedCall("contraction: paired axes must have equal extents, but got axes [1] of [2, 3] and [0] of [4, 5].")
        {
          bind(
            Contraction(leftBatch: [], rightBatch: [], leftSummed: [1], rightSummed: [0]),
            [.ones([2, 3]), .ones([4, 5])])
        },
        IllShapedCall("matmul: inner extents must agree, but got [2, 3] and [4, 5].") {
          matmul(.ones([2, 3]), .ones([4, 5]))
        },
        IllShapedCall(
          "matmul: inner extents must agree, but got [2, 3] and [4, 3]. Transpose the right factor?"
        ) { matmul(.ones([2, 3]), .ones([4, 3])) },
        IllShapedCall("matmul: both factors need at least one axis, but got [] and [2].") {
          matmul(.ones([]), .ones([2]))
        },
        IllShapedCall("matmul: shapes must agree or broadcast, but got [2] and [3].") {
          matmul(.ones([2, 1, 4]), .ones([3, 4, 1]))
        },
        IllShapedCall("dot: shapes must agree, but got [2] and [3].") { dot(.ones([2]), .ones([3])) },
        IllShapedCall("tensordot: paired axes must have equal extents, but got axes [0] of [2] and [0] of [3].") {
          tensordot(.ones([2]), .ones([3]), axes: ([0], [0]))
        },
        IllShapedCall("einsum: needs a tensor for each of the 2 terms in \"ij,jk\", but got 1.") {
          einsum("ij,jk", .ones([2, 2]))
        },
        IllShapedCall("einsum: the term \"ij\" needs 2 axes in \"ij->i\", but got [3].") {
          einsum("ij->i", .ones([3]))
        },
        IllShapedCall("einsum: the axis j must have one extent in \"ij,jk->ik\", but got 3 and 2.") {
          einsum("ij,jk->ik", .ones([2, 3]), .ones([2, 2]))
        },
        IllShapedCall("einsum: the axis k of the result must be an axis of a factor in \"ij->ik\".") {
          einsum("ij->ik", .ones([2, 3]))
        },
        IllShapedCall("einsum: the axes of the result must be distinct in \"ij->ii\".") {
          einsum("ij->ii", .ones([2, 3]))
        },
        IllShapedCall("einsum: the formula must consist of letters and ..., as in \"bij,bjk->bik\", but got \"i1->i\".")
        {
          einsum("i1->i", .ones([2, 3]))
        },
        IllShapedCall("einsum: all inputs must have one scalar type, but got float64 and float32.") {
          einsum("i,i", .ones([2]), .ones([2], as: .float32))
        },
      ])
  ]

  static let conversions: [PrimitiveRow] = [
    PrimitiveRow(
      Convert.self,
      [
        Variant(Convert(to: .float32), note: "to float32", [Argument([2, 3], .dyadic)]) { $0[0] },
        Variant(Convert(to: .float64), note: "to float64", [Argument([2, 3], .dyadic, as: .float32)]) { $0[0] },
        Variant(Convert(to: .float32), note: "to float32", [Argument([], .dyadic)]) { $0[0] },
        Variant(Convert(to: .float64), note: "to float64", [Argument([0], .dyadic, as: .float32)]) { $0[0] },
      ],
      points: [
        SpecialPoint(
          primitive: Convert(to: .float32), inputs: [Tensor([1e300, -.infinity, 1e-300, 0.1])],
          value: Tensor([.infinity, -.infinity, 0, 0.1] as [Float]), gradients: [.ones([4])])
      ]),
    PrimitiveRow(
      StopGradient.self,
      [
        Variant(StopGradient(), [Argument([2, 3], .interval(-2...2))], order: 0) { $0[0] },
        Variant(StopGradient(), [Argument([], .interval(-2...2))], order: 0) { $0[0] },
      ],
      points: [.at(3, 3, slope: 0, second: 0, StopGradient())]),
  ]
}
