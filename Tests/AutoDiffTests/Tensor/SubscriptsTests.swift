import Testing

@testable import AutoDiff

@Suite struct SubscriptsTests {
  /// 0, 1, … 23 in the shape [2, 3, 4]: the entry at [i, j, k] is 12 i + 4 j + k.
  private let t = Tensor.range(to: 24).reshaped(to: [2, 3, 4])

  @Test func indices() {
    #expect(t[1] == Tensor.range(from: 12, to: 24).reshaped(to: [3, 4]))
    #expect(t[1, 2] == Tensor([20, 21, 22, 23]))
    #expect(t[1, 2, 3].scalar == 23 && t[1, 2, 3].shape == [])
    #expect(t[-1, -1, -1].scalar == 23 && t[-2, 0, -4].scalar == 0)
  }

  @Test func ranges() {
    #expect(t[0, 0, 1..<3] == Tensor([1, 2]))
    #expect(t[0, 0, 1...3] == Tensor([1, 2, 3]))
    #expect(t[0, 0, 2...] == Tensor([2, 3]))
    #expect(t[0, 0, ..<2] == Tensor([0, 1]))
    #expect(t[0, 0, ...2] == Tensor([0, 1, 2]))
    #expect(t[0, 0, (-2)...] == Tensor([2, 3]))
    #expect(t[0..<1].shape == [1, 3, 4] && t[0..<0].shape == [0, 3, 4])
    #expect(t[0, .all, 0] == Tensor([0, 4, 8]))
  }

  @Test func steps() {
    let v = Tensor.range(to: 7)
    #expect(v[stride(from: 0, to: 7, by: 2)] == Tensor([0, 2, 4, 6]))
    #expect(v[stride(from: 1, to: 7, by: 3)] == Tensor([1, 4]))
    #expect(v[stride(from: 5, through: 1, by: -2)] == Tensor([5, 3, 1]))
    #expect(v[stride(from: 6, to: 0, by: -1)] == Tensor([6, 5, 4, 3, 2, 1]))
    #expect(v[stride(from: 6, through: 0, by: -1)] == Tensor([6, 5, 4, 3, 2, 1, 0]))
    #expect(v[stride(from: 3, to: 3, by: 1)].shape == [0])
    #expect(v[TensorIndex.range(nil, nil, step: 3)] == Tensor([0, 3, 6]))
    #expect(v[TensorIndex.range(nil, nil, step: -1)] == Tensor([6, 5, 4, 3, 2, 1, 0]))
    #expect(v[TensorIndex.range(-3, nil, step: 2)] == Tensor([4, 6]))
    #expect(t[0, stride(from: 0, to: 3, by: 2), stride(from: 0, to: 4, by: 2)] == Tensor([[0, 2], [8, 10]]))
  }

  @Test func ellipsisAndNewAxis() {
    #expect(t[..., 0] == Tensor([[0, 4, 8], [12, 16, 20]]))
    #expect(t[0, ..., 1] == Tensor([1, 5, 9]))
    #expect(t[...] == t)
    #expect(t[..., 1, 2] == Tensor([6, 18]))
    #expect(t[1, 2, TensorIndex.ellipsis] == Tensor([20, 21, 22, 23]))
    #expect(t[1, 2, 3, TensorIndex.ellipsis].scalar == 23)
    #expect(t[.newAxis, 0].shape == [1, 3, 4])
    #expect(t[..., .newAxis].shape == [2, 3, 4, 1])
    #expect(t[0, .newAxis, 1..<2].shape == [1, 1, 4])
  }

  @Test func assignment() {
    var v = Tensor.zeros([2, 3])
    v[0] = Tensor([1, 2, 3])
    v[1, 1] = Tensor(5)
    #expect(v == Tensor([[1, 2, 3], [0, 5, 0]]))
    v[..., 2] = Tensor(9)
    #expect(v == Tensor([[1, 2, 9], [0, 5, 9]]))
    v[0..<2, stride(from: 0, to: 3, by: 2)] = Tensor([[-1, -2], [-3, -4]])
    #expect(v == Tensor([[-1, 2, -2], [-3, 5, -4]]))
    v[stride(from: 1, through: 0, by: -1)] = Tensor([[1, 1, 1], [2, 2, 2]])
    #expect(v == Tensor([[2, 2, 2], [1, 1, 1]]))
    v[0, 0...1] += Tensor([10, 20])
    #expect(v == Tensor([[12, 22, 2], [1, 1, 1]]))
    v[0..<0] = Tensor(7)
    #expect(v == Tensor([[12, 22, 2], [1, 1, 1]]))
  }

  @Test func assignmentHasValueSemantics() {
    let original = Tensor([1, 2, 3])
    var copy = original
    copy[0] = Tensor(9)
    let view = original[0..<2]
    var other = view
    other[1] = Tensor(7)
    #expect(original == Tensor([1, 2, 3]) && copy == Tensor([9, 2, 3]))
    #expect(view == Tensor([1, 2]) && other == Tensor([1, 7]))
  }

  /// What is overwritten may be anything, even not a number.
  @Test func assignmentReplacesNotANumber() {
    var v = Tensor([.nan, .infinity, 1])
    v[0] = Tensor(2)
    v[1] = Tensor(3)
    #expect(v == Tensor([2, 3, 1]))
    v[2] = Tensor(.nan)
    #expect(v.scalars[0] == 2 && v.scalars[2].isNaN)
  }

  @Test func assignmentIsDifferentiable() {
    let f = { (x: [Tensor]) -> Tensor in
      var y = x[0]
      y[1] = x[1] * 3
      return (y * Tensor([1, 10, 100])).sum()
    }
    #expect(gradient(of: f, at: [Tensor([1, 2, 3]), Tensor(4)]) == [Tensor([1, 0, 100]), Tensor(30)])
  }

  @Test func slicingIsDifferentiable() {
    let g = gradient(
      of: { (x: Tensor) in (x[1..., stride(from: 2, through: 0, by: -2)] * Tensor([1, 2])).sum() }, at: .ones([2, 3]))
    #expect(g == Tensor([[0, 0, 0], [2, 0, 1]]))
  }

  // MARK: Errors

  @Test func anIndexMustLieInTheAxis() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Tensor.ones([2, 3])[0, 3]
    }
    #expect(result.message.contains("subscript: an index must lie in -3..<3, but got 3 on axis 1 of [2, 3]."))
  }

  @Test func aRangeMustLieInTheAxis() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Tensor.ones([2, 3])[0..<3]
    }
    #expect(
      result.message.contains(
        "subscript: a range must lie in 0...2 and its step not be 0, but got 0..<3 by 1 on axis 0"))
  }

  @Test func positionsMustNotBeMoreThanAxes() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Tensor.ones([2])[0, 0]
    }
    #expect(
      result.message.contains("subscript: at most one ellipsis and one position per axis, but got 2 positions for [2].")
    )
  }

  @Test func anAssignedPartMustFit() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var x = Tensor.ones([2, 3])
      x[0] = Tensor([1, 2])
    }
    #expect(result.message.contains("subscript: shapes must agree or broadcast, but got [2] and [3]."))
  }
}
