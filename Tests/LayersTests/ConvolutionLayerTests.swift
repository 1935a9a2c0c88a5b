import AutoDiff
import Layers
import Testing

@Suite struct ConvolutionLayerTests {
  private func image(_ shape: [Int], seed: UInt64 = 1) -> Tensor {
    var generator = RandomGenerator(seed: seed)
    return Tensor.normal(shape, using: &generator)
  }

  @Test func statesItsParameters() {
    let layer = Convolution2D(6, window: (3, 2), groups: 2)
    let p = layer.initialized(like: image([5, 5, 4]), seed: 0)
    #expect(p.named.map(\.path) == ["weight", "bias"])
    #expect(p.leaves.map(\.shape) == [[3, 2, 2, 6], [6]])
    #expect(
      Convolution2D(6, window: (3, 2), bias: false).initialized(like: image([5, 5, 4]), seed: 0).leaves.count == 1)
  }

  @Test func isTheConvolutionWithABias() {
    let layer = Convolution2D(3, window: (2, 2), strides: (2, 1), padding: .same, dilation: (1, 2))
    var p = layer.initialized(like: image([5, 6, 2]), seed: 3)
    p.set("bias", to: Tensor([1, 2, 3]))
    let x = image([5, 6, 2])
    let expected =
      convolution(x, p.leaves[0], strides: (2, 1), padding: .same, dilation: (1, 2)) + Tensor([1, 2, 3])
    #expect(layer(x, p) == expected)
    #expect(expected.shape == [3, 6, 3])
  }

  /// Of either parameterization the outputs have the variance of the inputs.
  @Test(arguments: [Parameterization.leCun, .neuralTangent(weightScale: 1, biasScale: 0)])
  func keepsTheVariance(_ parameterization: Parameterization) {
    let layer = Convolution2D(400, window: (3, 3), parameterization: parameterization)
    let x = image([3, 3, 50])
    let y = layer(x, layer.initialized(like: x, seed: 5))
    let ratio = square(y).mean().scalar / square(x).mean().scalar
    #expect(abs(ratio - 1) < 0.2)
  }

  @Test func poolsAndAverages() {
    let x = image([4, 6, 2])
    let none = Parameters()
    #expect(MaxPool2D()(x, none) == maxPool(x, window: (2, 2)))
    #expect(MaxPool2D(window: (3, 2), strides: (1, 1))(x, none).shape == [2, 5, 2])
    #expect(AveragePool2D(window: (2, 3), padding: .same, dividedBy: .window)(x, none).shape == [2, 2, 2])
    let whole = AveragePool2D(window: (4, 6))(x, none).reshaped(to: [2])
    #expect(GlobalAveragePool()(x, none).isApproximatelyEqual(to: whole, tolerance: 1e-14))
  }

  /// A batch is a loop over images, in value and in gradient.
  @Test func batchesImages() {
    let net = Sequential {
      Convolution2D(3, window: (3, 3), padding: .same)
      Relu()
      MaxPool2D()
      Convolution2D(2, window: (2, 2))
      GlobalAveragePool()
    }
    let images = image([4, 6, 6, 1])
    let p = net.initialized(like: images[0], seed: 2)
    let loop = stack((0..<4).map { net(images[$0], p) })
    #expect(net.batched(images, p).isApproximatelyEqual(to: loop, tolerance: 1e-14))
    let batched = gradient(of: { square(net.batched(images, $0)).sum() }, at: p)
    let summed = gradient(of: { p in square(stack((0..<4).map { net(images[$0], p) })).sum() }, at: p)
    for (a, b) in zip(batched.leaves, summed.leaves) { #expect(a.isApproximatelyEqual(to: b, tolerance: 1e-13)) }
    let perExample = vmap { (x: Tensor) in gradient(of: { square(net(x, $0)).sum() }, at: p) }(images)
    for (a, b) in zip(perExample.leaves, batched.leaves) {
      #expect(a.sum(axes: [0]).isApproximatelyEqual(to: b, tolerance: 1e-13))
    }
  }
}
