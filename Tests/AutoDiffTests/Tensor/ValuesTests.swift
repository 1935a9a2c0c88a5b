import Testing

@testable import AutoDiff

@Suite struct ValuesTests {
  @Test func readingNumbers() {
    #expect(Tensor(3).scalar == 3 && Tensor([[4.0]]).scalar == 4)
    #expect(Tensor([[1, 2], [3, 4]]).transposed.scalars == [1, 3, 2, 4], "row-major whatever the layout")
    #expect(Tensor.ones([2]).broadcast(to: [2, 2]).scalars == [1, 1, 1, 1])
    #expect(Tensor([1, 2] as [Float]).floats == [1, 2])
    #expect(Tensor.zeros([0]).scalars.isEmpty)
  }

  @Test func equality() {
    #expect(Tensor([1, 2]) == Tensor([1, 2]))
    #expect(Tensor([1, 2]) != Tensor([1, 3]))
    #expect(Tensor([1, 2]) != Tensor([[1, 2]]))
    #expect(Tensor([1, 2]) != Tensor([1, 2] as [Float]))
    #expect(Tensor(.nan) != Tensor(.nan) && Tensor(-0.0) == Tensor(0.0))
    #expect(Tensor.zeros([0, 2]) == .zeros([0, 2]) && Tensor.zeros([0, 2]) != .zeros([2, 0]))
    #expect(Tensor([[1, 2], [3, 4]]).transposed == Tensor([[1, 3], [2, 4]]))
  }

  @Test func approximateEqualityReportsTheWorstEntry() {
    let a = Tensor([[1, 2], [3, 4]])
    var b = a
    b[1, 0] = Tensor(3.5)
    b[0, 1] = Tensor(2.1)
    let difference = a.difference(from: b)
    #expect(difference.relative == 0.125 && difference.index == [1, 0])
    #expect(difference.description == "relative difference 0.125, worst at [1, 0]: 3.0 and 3.5")
    #expect(!a.isApproximatelyEqual(to: b) && a.isApproximatelyEqual(to: b, tolerance: 0.13))
    #expect(a.difference(from: a).relative == 0 && a.difference(from: a).index == nil)
    #expect(a.isApproximatelyEqual(to: a * (1 + 1e-9)) && !a.isApproximatelyEqual(to: a * (1 + 1e-7)))
  }

  @Test func approximateEqualityComparesShapesFirst() {
    let difference = Tensor([1, 2]).difference(from: Tensor([[1, 2]]))
    #expect(difference.relative == .infinity && difference.description == "shapes [2] and [1, 2]")
  }

  @Test func approximateEqualityOfSpecialNumbers() {
    #expect(Tensor([.nan, .infinity]).isApproximatelyEqual(to: Tensor([.nan, .infinity])))
    #expect(!Tensor([.nan, 1]).isApproximatelyEqual(to: Tensor([1, 1]), tolerance: 100))
    #expect(!Tensor([.infinity, 1]).isApproximatelyEqual(to: Tensor([-.infinity, 1]), tolerance: 100))
    #expect(!Tensor([.infinity]).isApproximatelyEqual(to: Tensor([1]), tolerance: 100))
    #expect(Tensor([0]).isApproximatelyEqual(to: Tensor([0])))
    #expect(Tensor([1, 2] as [Float]).isApproximatelyEqual(to: Tensor([1.0001, 2])), "the coarser type decides")
  }

  @Test func finiteness() {
    #expect(Tensor([1, -2]).isFinite && Tensor.zeros([0]).isFinite)
    #expect(!Tensor([1, .nan]).isFinite && !Tensor([-.infinity]).isFinite)
    #expect(Tensor([1e308, 1e308]).isFinite, "although their sum is not")
    #expect(Tensor([1, 2]).allSatisfy { $0 > 0 } && !Tensor([1, -2]).allSatisfy { $0 > 0 })
  }

  @Test func bytesGoThereAndBack() {
    for type in ScalarType.allCases {
      let x = Tensor([[1, -0.5], [1e10, 3]], as: type).transposed
      let bytes = x.rowMajorBytes
      #expect(bytes.count == 4 * type.byteCount)
      #expect(Tensor(rowMajorBytes: bytes, shape: [2, 2], as: type) == x)
    }
  }

  @Test func inPlaceAdditionHasValueSemantics() {
    let original = Tensor([1, 2, 3])
    var sum = original
    sum.add(Tensor([10, 20, 30]))
    #expect(sum == Tensor([11, 22, 33]) && original == Tensor([1, 2, 3]))
    sum.add(Tensor([1, 1, 1]), scaledBy: -2)
    #expect(sum == Tensor([9, 20, 31]))
    sum.add(sum)
    #expect(sum == Tensor([18, 40, 62]))
    let view = sum[0..<2]
    sum.add(Tensor([1, 1, 1]))
    #expect(view == Tensor([18, 40]) && sum == Tensor([19, 41, 63]))
    var part = Tensor([1, 2, 3, 4])[1..<3]
    part.add(part.reversedForTest)
    #expect(part == Tensor([5, 5]))
    var column = Tensor([[1, 2], [3, 4]])[..., 0]
    column.add(Tensor([1, 1]))
    #expect(column == Tensor([2, 4]))
    var single = Tensor([1, 2] as [Float])
    single.add(Tensor([1, 1] as [Float]), scaledBy: 0.5)
    #expect(single == Tensor([1.5, 2.5] as [Float]))
    var number = Tensor(1)
    number.add(Tensor(2))
    #expect(number == Tensor(3))
  }

  @Test func inPlaceAdditionIsDifferentiable() {
    let f = { (x: [Tensor]) -> Tensor in
      var y = x[0] * 2
      y.add(x[1], scaledBy: 3)
      var z = Tensor([1, 1])
      z.add(y)
      return z.sum()
    }
    #expect(gradient(of: f, at: [Tensor([1, 2]), Tensor([3, 4])]) == [Tensor([2, 2]), Tensor([3, 3])])
  }

  // MARK: Errors

  @Test func onlyOneNumberIsAScalar() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Tensor([1.0, 2]).scalar
    }
    #expect(result.message.contains("scalar: the tensor must hold one number, but got shape [2]."))
  }

  @Test func floatsAreOfTheirType() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Tensor([1.0, 2]).floats
    }
    #expect(result.message.contains("floats: the scalar type must be float32, but got float64."))
  }
}

extension Tensor {
  fileprivate var reversedForTest: Tensor { self[stride(from: count - 1, through: 0, by: -1)] }
}
