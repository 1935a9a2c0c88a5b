import AutoDiff
import Layers
import Tangent
import Testing

@Suite struct MeanTangentKernelTests {
  private static let net = Sequential([Dense(6), Layers.Tanh(), Dense(2)])
  private static func examples() -> Tensor {
    var random = RandomGenerator(seed: 2)
    return .normal([4, 3], using: &random)
  }

  /// Mean and standard error by their definitions, from all kernels at once.
  @Test(arguments: KernelOutputs.allCases) func momentsFollowTheirDefinition(_ outputs: KernelOutputs) {
    let x = Self.examples()
    let z = outputs == .exampleDiagonal ? nil : x[1...] * 0.5
    let kernels = stack(
      (3..<10).map { seed in
        tangentKernel(
          of: Self.net, at: Self.net.initialized(like: x[0], seed: seed), on: x, and: z, outputs: outputs)
      })
    let mean = kernels.mean(axes: [0])
    let found = meanTangentKernel(of: Self.net, seeds: 3..<10, on: x, and: z, outputs: outputs)
    #expect(found.count == 7)
    expectClose(found.mean, mean)
    expectClose(found.standardError, sqrt(square(kernels - mean).sum(axes: [0]) / (6 * 7)))
  }

  /// A constant kernel has no error, and nothing cancels where its values are large.
  @Test func constantKernelsHaveNoError() {
    let x = Self.examples() * 1e8
    let found = meanTangentKernel(
      of: { (x: Tensor, w: Tensor) in dot(x, w) }, seeds: [1, 2, 3] as [UInt64], on: x
    ) { seed in
      var random = RandomGenerator(seed: seed)
      return .normal([3], using: &random)
    }
    #expect(found.standardError == .zeros([4, 4, 1, 1]) || found.standardError == .zeros([4, 4]))
  }

  @Test func oneSeedStops() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = meanTangentKernel(
        of: { (x: Tensor, w: Tensor) in dot(x, w) }, seeds: [1] as [UInt64], on: Tensor([[1.0]])
      ) { _ in Tensor([1]) }
    }
    #expect(result.message.contains("meanTangentKernel: a standard error needs at least two seeds, but got 1."))
  }
}
