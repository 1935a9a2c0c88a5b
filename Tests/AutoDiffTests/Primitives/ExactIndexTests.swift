import Testing

@testable import AutoDiff

/// Positions are exact, or they stop: `Float` rounds whole numbers from 2²⁴ on.
@Suite struct ExactIndexTests {
  static let limit = 1 << 24

  /// A table that is larger than `Float` can count, whose last entries differ.
  private static func longTable() -> Tensor {
    concatenate([.zeros([limit], as: .float32), Tensor([1, 2, 3], as: .float32)])
  }

  @Test func indicesBeyondFloatAreExact() {
    let table = Self.longTable()
    #expect(table.gathered(at: [Self.limit - 1, Self.limit, Self.limit + 1, Self.limit + 2]).floats == [0, 1, 2, 3])
    let sum = gradient(of: { dot($0.gathered(at: [Self.limit + 1]), Tensor([5], as: .float32)) }, at: table)
    #expect(sum.scalarType == .float32)
    #expect(sum[Self.limit..<Self.limit + 3].floats == [0, 5, 0])
    let scattered = Tensor([7], as: .float32).scatterAdded(at: Tensor([Double(Self.limit + 1)]), extent: Self.limit + 3)
    #expect(scattered[Self.limit..<Self.limit + 3].floats == [0, 7, 0])
  }

  @Test func positionsOfPoolingAreExact() {
    // The last row holds the largest entries, in odd columns, beyond 2²⁴ places.
    let (rows, columns) = (4100, 4100)
    let entries = (0..<columns).map { (i: Int) -> Double in i % 2 == 1 ? Double(i) : 0 }
    let last = Tensor(entries, as: .float32).reshaped(to: [1, columns])
    let others = Tensor.zeros([rows - 1, columns], as: .float32)
    let image = concatenate([others, last]).reshaped(to: [rows, columns, 1])
    let y = maxPool(image, window: (2, 2))
    let odd = (0..<columns / 2).map { (i: Int) -> Float in Float(2 * i + 1) }
    #expect(y[rows / 2 - 1].flattened.floats == odd)
    let gradient = gradient(of: { maxPool($0, window: (2, 2)).sum() }, at: image)
    let places = (0..<columns).map { (i: Int) -> Float in Float(i % 2) }
    #expect(gradient[rows - 1].flattened.floats == places)
  }

  @Test(arguments: ScalarType.allCases, ScalarType.allCases)
  func indicesMayBeOfEitherType(table: ScalarType, indices: ScalarType) {
    let x = Tensor([[1, 2, 3], [4, 5, 6]], as: table)
    let places = Tensor([2, 0], as: indices)
    let picked = x.gathered(at: places, axis: 1)
    #expect(picked == Tensor([[3, 1], [6, 4]], as: table))
    #expect(picked.scatterAdded(at: places, axis: 1, extent: 3) == Tensor([[1, 0, 3], [4, 0, 6]], as: table))
    // Under every transform.
    let function = { (x: Tensor) in square(x.gathered(at: places, axis: 1)) }
    #expect(gradient(of: { function($0).sum() }, at: x) == Tensor([[2, 0, 6], [8, 0, 12]], as: table))
    let forward = jvp(of: function, at: x, along: .ones(like: x))
    #expect(forward.tangent == Tensor([[6, 2], [12, 8]], as: table))
    let each = vmap { (row: Tensor, place: Tensor) in row.gathered(at: place) }(
      x, places[..., TensorIndex.newAxis][0..<2])
    #expect(each == Tensor([[3], [4]], as: table))
    let hessianProduct = hvp(of: { function($0).sum() }, at: x, along: .ones(like: x))
    #expect(hessianProduct == Tensor([[2, 0, 2], [2, 0, 2]], as: table))
  }

  @Test func roundedIndicesStop() async {
    let gather = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let table = Tensor.zeros([1 << 24 + 8], as: .float32)
      _ = table.gathered(at: Tensor([3, 16_777_217], as: .float32))
    }
    #expect(
      gather.message.contains(
        "gathered: indices of float32 must be less than 16777216, where it rounds, but got 16777216 at position 1. "
          + "Hold them in a tensor of float64."))
    let scatter = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Tensor.ones([1]).scatterAdded(at: Tensor([1e30], as: .float32), extent: 1 << 25)
    }
    #expect(scatter.message.contains("scatterAdded: indices of float32 must be less than 16777216"))
  }

  @Test func permutationsAreExact() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var generator = RandomGenerator(seed: 0)
      _ = Tensor.permutation(1 << 24 + 1, as: .float32, using: &generator)
    }
    #expect(
      result.message.contains(
        "permutation: the count must lie in 0...16777216, where float32 is exact, but got 16777217."))
  }

  /// A primitive that takes one scalar type still does.
  @Test func otherPrimitivesTakeOneType() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = matmul(Tensor([[1]], as: .float32), Tensor([[1]]))
    }
    #expect(result.message.contains("all inputs must have one scalar type, but got float32 and float64."))
  }
}
