import Testing

@testable import AutoDiff

/// In-place operations write over memory of their own only.
@Suite struct InPlaceTests {
  private func address(_ x: Tensor) -> UnsafeRawPointer? { x.array.storage.map { UnsafeRawPointer($0.base) } }

  @Test(arguments: [ScalarType.float64, .float32])
  func memoryOfItsOwnIsReused(_ type: ScalarType) {
    var x = Tensor([1, 2, 3], as: type)
    let before = address(x)
    x += Tensor([10, 20, 30], as: type)
    x -= Tensor([1, 1, 1], as: type)
    x *= Tensor([2, 2, 2], as: type)
    x /= Tensor([4, 4, 4], as: type)
    x += 1
    x -= 2
    x *= 8
    x /= 2
    x.add(Tensor([1, 2, 3], as: type), scaledBy: -0.5)
    #expect(address(x) == before)
    #expect(x.scalars == [15.5, 37, 58.5])
  }

  @Test func copiesAndViewsKeepTheirValues() {
    var x = Tensor([[1, 2], [3, 4]])
    let copy = x
    let row = x[0]
    let transposed = x.transposed
    x += Tensor([[1, 1], [1, 1]])
    x *= 3
    #expect(copy.scalars == [1, 2, 3, 4] && row.scalars == [1, 2] && transposed.scalars == [1, 3, 2, 4])
    #expect(x.scalars == [6, 9, 12, 15])
  }

  @Test func aViewThatOutlivesItsTensorIsNotOverwritten() {
    var row = Tensor([[1, 2], [3, 4]])[1]
    let same = row
    row += 1
    #expect(row.scalars == [4, 5] && same.scalars == [3, 4])
  }

  @Test func theOperandMayBeTheTensorItself() {
    var x = Tensor([1, 2, 3])
    x += x
    x *= x
    #expect(x.scalars == [4, 16, 36])
  }

  @Test func operandsBroadcastAndMayBeStrided() {
    var x = Tensor([[1, 2], [3, 4]])
    x += Tensor([10, 20])
    x += Tensor([[1, 2], [3, 4]]).transposed
    #expect(x.scalars == [12, 25, 15, 28])
    var number = Tensor(1)
    number += Tensor([1, 2])
    #expect(number.scalars == [2, 3])
  }

  @Test func tracedTensorsAreRecorded() {
    let slope = gradient(
      of: { (x: Tensor) in
        var y = Tensor([1, 2])
        y += x
        y *= x
        return y.sum()
      }, at: Tensor([3, 5]))
    #expect(slope.scalars == [7, 12])
  }

  @Test func aProductIsAddedInPlace() {
    let (a, b) = (Tensor([[1, 2], [3, 4]]), Tensor([[5, 6], [7, 8]]))
    let product = Contraction(leftSummed: [1], rightSummed: [0])
    let kept = Tensor.ones([2, 2]) * 1
    let sum = product.evaluate(.two(a, b), addedTo: kept)
    #expect(kept.scalars == [1, 1, 1, 1] && sum.scalars == [20, 23, 44, 51])
    #expect(product.evaluate(.two(a, b), addedTo: Tensor.ones([2, 2]) * 1).scalars == [20, 23, 44, 51])
  }

  /// x xᵀ is symmetric and half of it is computed; the sum it is added to need not be symmetric.
  @Test func aGramMatrixIsAddedToAnySum() {
    var generator = RandomGenerator(seed: 1)
    let (x, y, dx) = (
      Tensor.normal([90, 40], using: &generator), Tensor.normal([90, 40], using: &generator),
      Tensor.normal([90, 40], using: &generator)
    )
    let found = directionalDerivative(of: { matmul($0[0], $0[1].transposed) }, at: [x, y], along: [dx, x])
    let expected = matmul(dx, y.transposed) + matmul(x, x.transposed)
    #expect(zip(found.scalars, expected.scalars).allSatisfy { abs($0 - $1) < 1e-12 })
  }
}
