import AutoDiff
import Layers
import Tangent
import Testing

/// The network of the hierarchy by name.
@Suite struct HierarchyNetworkTests {
  private static let x: Tensor = {
    var random = RandomGenerator(seed: 61)
    let rows = Tensor.normal([3, 5], using: &random)
    return rows / sqrt(square(rows).sum(axes: [1], keepingAxes: true))
  }()

  @Test(arguments: 1...3) func followsItsEquations(depth: Int) {
    let net = HierarchyNetwork(depth: depth, width: 4) { softplus($0, sharpness: 3) }
    let p = net.initialized(like: Self.x[0], seed: 5)
    #expect(p.named.map(\.path) == (1...depth).map { "W\($0)" } + ["a"])
    var h = Self.x[1].scalars
    for layer in 1...depth {
      let weight = p[at: "W\(layer)"]!
      #expect(weight.shape == [4, h.count])
      h = (0..<4).map { row in
        let sum = zip(weight[row].scalars, h).map(*).reduce(0, +)
        return log(Tensor(1) + exp(Tensor(3 * sum))).scalar / 3 / 2
      }
    }
    let value = zip(p[at: "a"]!.scalars, h).map(*).reduce(0, +)
    expectClose(net(Self.x[1], p), Tensor(value))
  }

  @Test func beginsWithTheVariancesAskedFor() {
    let net = HierarchyNetwork(depth: 2, width: 400, weightScale: 1.5, outputScale: 0.25) { tanh($0) }
    let p = net.initialized(like: Self.x[0], seed: 6)
    for (path, scale) in [("W2", 1.5), ("a", 0.25)] {
      let weight = p[at: path]!
      let variance = square(weight).mean().scalar / (scale * scale)
      // The standard error of a variance of N normal numbers is √(2/N).
      #expect((variance - 1).magnitude < 4 * (2 / Double(weight.count)).squareRoot(), "\(path): \(variance)")
    }
  }

  @Test func theKernelTendsToThatOfInfiniteWidth() throws {
    // At rate m^(−1/2) with fluctuations of mean nearly zero: the mean over seeds lies within its standard errors.
    let net = HierarchyNetwork(depth: 2, width: 256, weightScale: 1.3, outputScale: 0.8) { tanh($0) }
    let limit = try net.infinitelyWide(.tanh).ntk(Self.x)
    let kernels = stack(
      (0..<24).map { higherKernel(order: 2, of: net, at: net.initialized(like: Self.x[0], seed: $0), on: Self.x) })
    let mean = kernels.mean(axes: [0])
    let deviation = sqrt(square(kernels - mean).mean(axes: [0]) / 23)
    // Beside the fluctuations the mean is off by a few 1/m.
    let excess = (abs(mean - limit) - deviation * 4).max().scalar
    #expect(excess < 4.0 / 256 * limit.max().scalar, "\(mean) and \(limit)")
    #expect(deviation.max().scalar < 0.05 * limit.max().scalar)
  }

  @Test func refusesWhatMakesNoSense() async {
    let depth = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = HierarchyNetwork(depth: 0, width: 3) { tanh($0) }
    }
    #expect(depth.message.contains("HierarchyNetwork: depth and width must be positive, but got 0 and 3."))
    let example = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = HierarchyNetwork(depth: 1, width: 3) { tanh($0) }.initialized(like: Tensor.ones([2, 2]), seed: 0)
    }
    #expect(example.message.contains("HierarchyNetwork: an example must be a vector, but got shape [2, 2]."))
  }
}
