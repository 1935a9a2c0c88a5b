import Testing

@testable import AutoDiff

/// The public functions of convolution and pooling, and what batching makes of them. The laws of their primitives are the
/// catalogue's.
@Suite struct ConvolutionTransformTests {
  private func noise(_ shape: [Int], seed: UInt64) -> Tensor {
    var generator = RandomGenerator(seed: seed)
    return Tensor.normal(shape, using: &generator)
  }

  @Test func samePaddingIsTheLeastThatKeepsTheExtent() {
    let (x, w) = (noise([5, 6, 2], seed: 1), noise([3, 2, 2, 3], seed: 2))
    #expect(
      convolution(x, w, padding: .same)
        == convolution(x, w, padding: .explicit(top: 1, bottom: 1, left: 0, right: 1)))
    #expect(convolution(x, w, strides: (2, 2), padding: .same).shape == [3, 3, 3])
    #expect(convolution(x, w, padding: .explicit(1)).shape == [5, 7, 3])
    #expect(averagePool(x, window: (2, 2), padding: .same).shape == [3, 3, 2])
  }

  /// Weights apply as they are: an impulse at the corner reads the first entry of the window.
  @Test func isACorrelation() {
    let x = Tensor([1, 0, 0, 0], shape: [2, 2, 1])
    let w = Tensor([1, 2, 3, 4], shape: [2, 2, 1, 1])
    #expect(convolution(x, w).scalars == [1])
    #expect(convolution(x, w, padding: .explicit(1)).scalars == [4, 3, 0, 2, 1, 0, 0, 0, 0])
  }

  /// One convolution of the loops serves any number of images and of weights.
  @Test func batchingIsOneConvolution() {
    let (x, w) = (noise([2, 3, 5, 5, 2], seed: 3), noise([4, 3, 3, 2, 3], seed: 4))
    let result = vmap { (w: Tensor) in vmap { (x: Tensor) in vmap { convolution($0, w) }(x) }(x) }(w)
    #expect(result.shape == [4, 2, 3, 3, 3, 3])
    for k in 0..<4 {
      #expect(result[k].isApproximatelyEqual(to: convolution(x, w[k]), tolerance: 1e-14))
    }
  }

  /// Gradients for each pair of an image and a set of weights of its own.
  @Test func gradientsForEachExample() {
    let (x, w) = (noise([12, 5, 4, 2], seed: 5), noise([12, 2, 2, 2, 3], seed: 6))
    let loss = { (x: Tensor, w: Tensor) in square(tanh(convolution(x, w, strides: (2, 1), padding: .same))).sum() }
    let (dx, dw) = (
      vmap { (x: Tensor, w: Tensor) in gradient(of: { loss($0, w) }, at: x) }(x, w),
      vmap { (x: Tensor, w: Tensor) in gradient(of: { loss(x, $0) }, at: w) }(x, w)
    )
    let shared = vmap({ (x: Tensor, w: Tensor) in gradient(of: { loss(x, $0) }, at: w) }, axes: (0, nil))(x, w[0])
    for k in 0..<12 {
      #expect(dx[k].isApproximatelyEqual(to: gradient(of: { loss($0, w[k]) }, at: x[k]), tolerance: 1e-13))
      #expect(dw[k].isApproximatelyEqual(to: gradient(of: { loss(x[k], $0) }, at: w[k]), tolerance: 1e-13))
      #expect(shared[k].isApproximatelyEqual(to: gradient(of: { loss(x[k], $0) }, at: w[0]), tolerance: 1e-13))
    }
  }

  @Test func maxPoolTakesTheFirstOfEqualEntries() {
    let x = Tensor([2, 2, 1, 2], shape: [2, 2, 1])
    #expect(maxPool(x, window: (2, 2)).scalars == [2])
    #expect(gradient(of: { maxPool($0, window: (2, 2)).sum() }, at: x).scalars == [1, 0, 0, 0])
  }

  /// Σ max(x)³ has the second derivative 6 max(x) where the largest entries are, and 0 elsewhere.
  @Test func maxPoolToTheSecondOrder() {
    let x = noise([4, 4, 1], seed: 7)
    let positions = maxPool(x, window: (2, 2))
    let isLargest = (x.reshaped(to: [2, 2, 2, 2, 1]) .== positions.reshaped(to: [2, 1, 2, 1, 1])).flattened
    let hessian = hessian(
      of: { pow(maxPool($0.reshaped(to: [4, 4, 1]), window: (2, 2)), 3).sum() }, at: x.flattened)
    let expected = Tensor.eye(16) * (6 * x.flattened * isLargest)
    #expect(hessian.isApproximatelyEqual(to: expected, tolerance: 1e-13))
  }

  @Test func averagesWithAndWithoutPadding() {
    let x = Tensor.ones([2, 2, 1])
    #expect(averagePool(x, window: (2, 2), padding: .explicit(1)).scalars == [1, 1, 1, 1])
    #expect(averagePool(x, window: (2, 2), padding: .explicit(1), dividedBy: .window).allSatisfy { $0 == 0.25 })
  }
}
