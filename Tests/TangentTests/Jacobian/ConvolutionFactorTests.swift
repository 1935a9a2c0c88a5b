import AutoDiff
import Layers
import Testing

@testable import Tangent

/// Per-example gradients of a convolution's weights: products of patches and cotangents where there are few places, in
/// memory where there are many.
@Suite struct ConvolutionFactorTests {
  /// A net in which both occur: many places in the first layers, one in the last.
  static let net = Sequential {
    Convolution2D(3, window: (3, 3), padding: .same, parameterization: .neuralTangent(biasScale: 0.3))
    Tanh()
    MaxPool2D()
    Convolution2D(4, window: (2, 2), strides: (1, 1))
    Tanh()
    Convolution2D(5, window: (2, 2))
    Flatten()
    Dense(2)
  }

  static func images(_ count: Int, seed: UInt64) -> Tensor {
    var generator = RandomGenerator(seed: seed)
    return Tensor.normal([count, 6, 7, 2], using: &generator)
  }

  static let parameters = net.initialized(like: images(1, seed: 0)[0], seed: 1)

  /// [n, outputs, all parameters], one example at a time.
  private func gradients(_ images: Tensor) -> Tensor {
    stack(
      (0..<images.shape[0]).map { k in
        let leaves = jacobian(of: { Self.net(images[k], $0) }, at: Self.parameters).leaves
        return concatenate(leaves.map { $0.reshaped(to: [2, $0.count / 2]) }, axis: 1)
      })
  }

  private func expectEqual(_ a: Tensor, _ b: Tensor, tolerance: Double = 1e-12, _ comment: Comment? = nil) {
    #expect(a.isApproximatelyEqual(to: b, tolerance: tolerance), comment)
  }

  @Test func weightsStayFactoredWherePlacesAreFew() {
    let jacobian = FactoredJacobian(of: { Self.net($0, $1) }, at: Self.parameters, on: Self.images(3, seed: 2))
    let weights = zip(Self.parameters.named, jacobian.storage).filter { $0.0.tensor.rank == 4 }.map { $0.1 }
    #expect(weights.map(\.isDense) == [true, true, false])
    #expect(weights.map(\.positions) == [[], [], [1]])
    // Never more than the smaller of the two, and the rest of the way to it.
    for (storage, weight) in zip(weights, Self.parameters.leaves.filter { $0.rank == 4 }) {
      #expect(storage.entryCount <= 3 * 2 * weight.count)
    }
  }

  @Test func kernelIsThatOfTheJacobian() {
    let (a, b) = (Self.images(4, seed: 3), Self.images(3, seed: 4))
    let (ga, gb) = (gradients(a), gradients(b))
    let expected = tensordot(ga, gb, axes: ([2], [2])).permuted([0, 2, 1, 3])
    expectEqual(tangentKernel(of: Self.net, at: Self.parameters, on: a, and: b), expected)
    let full = tensordot(ga, ga, axes: ([2], [2])).permuted([0, 2, 1, 3])
    expectEqual(tangentKernel(of: Self.net, at: Self.parameters, on: a), full)
    let traces = (0..<2).map { full[TensorIndex.all, TensorIndex.all, $0, $0] }
    expectEqual(tangentKernel(of: Self.net, at: Self.parameters, on: a, outputs: .traceSum), traces[0] + traces[1])
    expectEqual(
      tangentKernel(of: Self.net, at: Self.parameters, on: a, outputs: .outputDiagonal), stack(traces, axis: 2))
  }

  /// All methods for every block, whichever is the cheapest one, also in very small pieces.
  @Test func factorsAndDenseGradientsGiveTheSame() {
    let jacobian = FactoredJacobian(of: { Self.net($0, $1) }, at: Self.parameters, on: Self.images(3, seed: 5))
    for block in jacobian.blocks {
      for factors in block.factors {
        for outputs in [KernelOutputs.full, .traceSum, .outputDiagonal] {
          for method in KernelMethod.allCases {
            for bytes in [1 << 26, 3000, 1] {
              let request = GramRequest(outputs: outputs, method: method, temporaryBytes: bytes)
              expectEqual(factors.gram(factors, request), request.gram(factors.dense, factors.dense), "\(method)")
            }
          }
        }
      }
    }
  }

  @Test func productsWithDirections() {
    let images = Self.images(3, seed: 6)
    let jacobian = FactoredJacobian(of: { Self.net($0, $1) }, at: Self.parameters, on: images)
    let function = { (p: Parameters) in vmap { Self.net($0, p) }(images) }
    var generator = RandomGenerator(seed: 7)
    let direction = Self.parameters.mapTensors { Tensor.normal($0.shape, using: &generator) }
    expectEqual(jacobian.jvp(direction), jvp(of: function, at: Self.parameters, along: direction).tangent)
    let outputs = Tensor.normal([3, 2], using: &generator)
    let pulled = vjp(of: function, at: Self.parameters).pullback(outputs)
    for (a, b) in zip(jacobian.vjp(outputs).leaves, pulled.leaves) { expectEqual(a, b) }
  }

  /// An outer transform differentiates the factors, patches included.
  @Test func kernelMovesWithTheParameters() {
    let images = Self.images(3, seed: 8)
    var generator = RandomGenerator(seed: 9)
    let direction = Self.parameters.mapTensors { Tensor.normal($0.shape, using: &generator) }
    let kernel = { (p: Parameters) in tangentKernel(of: Self.net, at: p, on: images) }
    let tangent = jvp(of: kernel, at: Self.parameters, along: direction).tangent
    let step = 1e-5
    func moved(_ sign: Double) -> Tensor {
      let leaves = zip(Self.parameters.leaves, direction.leaves).map { $0 + $1 * (sign * step) }
      return kernel(Self.parameters.replacingLeaves(with: leaves))
    }
    expectEqual(tangent, (moved(1) - moved(-1)) / (2 * step), tolerance: 1e-7)
  }

  @Test func groupsAndSharedWeights() {
    let net = { (x: Tensor, w: [Tensor]) -> Tensor in
      let y = tanh(convolution(x, w[0], padding: .same, groups: 2))
      return convolution(tanh(convolution(y, w[1], padding: .same)), w[1]).flattened
    }
    var generator = RandomGenerator(seed: 10)
    let weights = [[3, 3, 1, 2], [2, 2, 2, 2]].map { Tensor.normal($0, using: &generator) }
    let images = Tensor.normal([3, 3, 3, 2], using: &generator)
    let all = stack(
      (0..<3).map { k in
        let leaves = jacobian(of: { net(images[k], $0) }, at: weights).leaves
        return concatenate(leaves.map { $0.reshaped(to: [8, $0.count / 8]) }, axis: 1)
      })
    expectEqual(
      tangentKernel(of: net, at: weights, on: images),
      tensordot(all, all, axes: ([2], [2])).permuted([0, 2, 1, 3]))
  }
}
