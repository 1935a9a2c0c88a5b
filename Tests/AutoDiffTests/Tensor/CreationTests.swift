import Testing

@testable import AutoDiff

@Suite struct CreationTests {
  @Test func numbers() {
    let x = Tensor(2.5)
    #expect(x.shape == [] && x.rank == 0 && x.count == 1 && x.scalarType == .float64 && x.scalar == 2.5)
    let y = Tensor(0.1, as: .float32)
    #expect(y.scalarType == .float32 && y.scalar == Double(Float(0.1)))
  }

  @Test func vectorsAndMatrices() {
    #expect(Tensor([1.0, 2, 3]).shape == [3])
    #expect(Tensor([1.0, 2, 3, 4, 5, 6], shape: [2, 3]).scalars == [1, 2, 3, 4, 5, 6])
    #expect(Tensor([[1.0, 2], [3, 4], [5, 6]]).shape == [3, 2])
    let blocks = Tensor([[[1.0, 2]], [[3, 4]], [[5, 6]]])
    #expect(blocks.shape == [3, 1, 2] && blocks.scalars == [1, 2, 3, 4, 5, 6])
    #expect(Tensor([[Double]]()).shape == [0, 0] && Tensor([[[Double]]]()).shape == [0, 0, 0])
    #expect(Tensor([Double]()).shape == [0])
    #expect(Tensor([[], []] as [[Double]]).shape == [2, 0])
  }

  /// Literals have the default type, whole numbers too.
  @Test func literals() {
    #expect(Tensor([1, 2, 3]).scalarType == .float64)
    #expect(Tensor([1.5, 2]).scalarType == .float64)
    #expect(Tensor([[1, 2]]).scalarType == .float64)
    #expect(Tensor([1, 2], shape: [2, 1]).scalarType == .float64)
    #expect(Tensor([1, 2] as [Float]).scalarType == .float32)
  }

  @Test func constants() {
    #expect(Tensor.zeros([2, 2]).scalars == [0, 0, 0, 0])
    #expect(Tensor.ones([3], as: .float32).floats == [1, 1, 1])
    #expect(Tensor.filled(2.5, [2]).scalars == [2.5, 2.5])
    #expect(Tensor.filled(2.5, []).scalar == 2.5)
    #expect(Tensor.zeros([0, 3]).scalars == [] && Tensor.zeros([0, 3]).shape == [0, 3])
    #expect(Tensor.zeros(like: Tensor([1, 2] as [Float])) == .zeros([2], as: .float32))
    #expect(Tensor.ones(like: .zeros([2, 0])).shape == [2, 0])
    #expect(Tensor.eye(3) == Tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1]]))
    #expect(Tensor.eye(0).shape == [0, 0])
  }

  @Test func ranges() {
    #expect(Tensor.range(to: 4).scalars == [0, 1, 2, 3])
    #expect(Tensor.range(from: 1, to: 2, by: 0.25).scalars == [1, 1.25, 1.5, 1.75])
    #expect(Tensor.range(from: 3, to: 0, by: -1).scalars == [3, 2, 1])
    #expect(Tensor.range(from: 3, to: 3).count == 0 && Tensor.range(from: 4, to: 3).count == 0)
    #expect(Tensor.range(to: 3, as: .float32).scalarType == .float32)
    #expect(Tensor.linspace(0, 1, count: 5).scalars == [0, 0.25, 0.5, 0.75, 1])
    #expect(Tensor.linspace(2, 7, count: 1).scalars == [2])
    #expect(Tensor.linspace(0, 0.1, count: 7).scalars.last == 0.1, "the end is hit exactly")
  }

  @Test func conversion() {
    let x = Tensor([0.1, 1e300, -2])
    let single = x.as(.float32)
    #expect(single.floats == [0.1, .infinity, -2])
    #expect(single.as(.float64).scalars[0] == Double(Float(0.1)))
    #expect(x.as(.float64) == x)
    #expect(x.transposedTwice == x)
  }

  @Test func numbersAdaptToTheType() {
    let x = Tensor([1, 2] as [Float])
    for y in [x + 1, 1 + x, x - 1, 1 - x, x * 2, 2 * x, x / 2, 2 / x, 1 / x, maximum(x, 0), minimum(x, 0), x .> 1] {
      #expect(y.scalarType == .float32)
    }
    var z = x
    z += 1
    z *= 2
    z -= 1
    z /= 3
    #expect(z == Tensor([1, 5.0 / 3] as [Float]))
  }

  // MARK: Errors

  @Test func entriesMustFillTheShape() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Tensor([1.0, 2, 3], shape: [2, 2])
    }
    #expect(result.message.contains("Tensor: the shape must hold all entries, but got 3 entries for [2, 2]."))
  }

  @Test func rowsMustAgree() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Tensor([[1.0, 2], [3]])
    }
    #expect(result.message.contains("shapes must agree, but got [2] and [1]."))
  }

  @Test func extentsMustNotBeNegative() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Tensor.zeros([2, -1])
    }
    #expect(result.message.contains("extents must not be negative, but got [2, -1]."))
  }

  @Test func stepsMustNotBeZero() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Tensor.range(to: 3, by: 0)
    }
    #expect(result.message.contains("range: bounds must be finite and the step not 0"))
  }
}

extension Tensor {
  fileprivate var transposedTwice: Tensor { expanded(at: 0).transposed.transposed.squeezed() }
}
