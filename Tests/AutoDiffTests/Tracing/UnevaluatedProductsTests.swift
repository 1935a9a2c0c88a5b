import AutoDiff
import TestSupport
import Testing

/// Sums of outer products that a contraction takes side by side.
@Suite struct UnevaluatedProductsTests {
  /// A tensor of shape [3, 4, 5] by its sides, in several divisions of its axes.
  static let divisions: [(left: [Int], right: [Int])] = [
    ([0], [1, 2]), ([1], [0, 2]), ([2, 0], [1]), ([1, 2], [0]), ([0, 1], [2]),
  ]

  private static func products(_ division: (left: [Int], right: [Int])) -> OuterProducts {
    var random = RandomGenerator(seed: 81)
    let shape = [3, 4, 5]
    func side(_ axes: [Int]) -> Tensor { .normal([2] + axes.map { shape[$0] }, using: &random) }
    return OuterProducts(
      left: side(division.left), right: side(division.right), leftAxes: division.left, rightAxes: division.right,
      shape: shape
    ).scaled(by: 1.5)
  }

  @Test(arguments: divisions) func contractionsAgreeWithTheEvaluatedTensor(division: (left: [Int], right: [Int])) {
    let products = Self.products(division)
    let trace = UnevaluatedProducts()
    defer { trace.close() }
    let tensor = trace.tensor(products)!
    guard case .values(let left) = products.left else { return }
    var evaluated = Tensor.zeros([3, 4, 5])
    for i in 0..<3 {
      for j in 0..<4 {
        for k in 0..<5 {
          let index = [i, j, k]
          func entry(_ side: Tensor, _ axes: [Int], _ t: Int) -> Double {
            let row = side[t].reshaped(to: axes.map { [3, 4, 5][$0] })
            return axes.reduce(row) { $0[index[$1]] }.scalar
          }
          let sum = (0..<2).map { entry(left, division.left, $0) * entry(products.right, division.right, $0) }
          evaluated[i, j, k] = Tensor(1.5 * sum.reduce(0, +))
        }
      }
    }
    expectClose(tensor * 1, evaluated)
    expectClose(tanh(tensor), tanh(evaluated))

    // Against other tensors over one, two and all axes, from either side.
    var random = RandomGenerator(seed: 82)
    let other = Tensor.normal([4, 2, 5, 3], using: &random)
    let partner = [3, 0, 2]  // which axis of the other has the extent of the tensor's
    for axes in [[], [0], [1], [2], [0, 1], [2, 0], [1, 2], [2, 1, 0]] as [[Int]] {
      let others = axes.map { partner[$0] }
      expectClose(
        tensordot(tensor, other, axes: (axes, others)), tensordot(evaluated, other, axes: (axes, others)))
      expectClose(
        tensordot(other, tensor, axes: (others, axes)), tensordot(other, evaluated, axes: (others, axes)))
    }
    // With axes in parallel it is evaluated first.
    expectClose(matmul(tensor, tensor.permuted([0, 2, 1])), matmul(evaluated, evaluated.permuted([0, 2, 1])))
  }

  @Test func derivativesAndBatchesGoThrough() {
    let products = Self.products(([0], [1, 2]))
    guard case .values(let left) = products.left else { return }
    func value(_ sides: [Tensor], _ x: Tensor) -> Tensor {
      let trace = UnevaluatedProducts()
      defer { trace.close() }
      let part = OuterProducts(
        left: sides[0], right: sides[1], leftAxes: [0], rightAxes: [1, 2], shape: [3, 4, 5])
      return tensordot(x, trace.tensor(part)!, axes: ([0], [1])).sum()
    }
    func naive(_ sides: [Tensor], _ x: Tensor) -> Tensor {
      tensordot(x, tensordot(sides[0], sides[1], axes: ([0], [0])), axes: ([0], [1])).sum()
    }
    let sides = [left.reshaped(to: [2, 3]), products.right.reshaped(to: [2, 4, 5])]
    let x = cos(Tensor.range(to: 24)).reshaped(to: [6, 4])
    expectClose(gradient(of: { value($0, x[0]) }, at: sides), gradient(of: { naive($0, x[0]) }, at: sides))
    expectClose(vmap { value(sides, $0) }(x), vmap { naive(sides, $0) }(x))
    expectClose(
      directionalDerivative(of: { value($0, x[0]) }, at: sides, along: sides),
      directionalDerivative(of: { naive($0, x[0]) }, at: sides, along: sides))
  }

  @Test func whatDoesNotPayIsRefused() {
    let trace = UnevaluatedProducts()
    let wide = OuterProducts(
      left: Tensor.ones([9, 3]), right: Tensor.ones([9, 4]), leftAxes: [0], rightAxes: [1], shape: [3, 4])
    #expect(trace.tensor(wide) == nil)
    let rows = OuterProducts(rows: Tensor([0, 2]), axis: 0, right: Tensor.ones([2, 9]), shape: [9, 9])
    #expect(trace.tensor(rows) == nil)
    let parallel = OuterProducts(
      left: Tensor.ones([1, 9, 9]), right: Tensor.ones([1, 9, 9]), leftAxes: [1], rightAxes: [2], parallelAxes: [0],
      shape: [9, 9, 9])
    #expect(trace.tensor(parallel) == nil)
  }
}
