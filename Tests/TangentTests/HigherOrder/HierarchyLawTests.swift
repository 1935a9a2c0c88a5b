import AutoDiff
import Foundation
import Layers
import Tangent
import Testing

/// What the theory of the hierarchy says of widths and times.
@Suite struct HierarchyLawTests {
  private static let x: Tensor = {
    var random = RandomGenerator(seed: 83)
    let rows = Tensor.normal([3, 4], using: &random)
    return rows / rows.norm(axes: [1], keepingAxes: true)
  }()

  @Test func kernelsFallWithTheWidth() {
    // (11): like m^(1 − r/2) for even r and m^((1 − r)/2) for odd r.
    let (widths, seeds) = ([32, 64, 128, 256], 10)
    var logarithms = [[Double]](repeating: [], count: 4)
    for width in widths {
      let net = HierarchyNetwork(depth: 2, width: width) { tanh($0) }
      var sums = [0.0, 0, 0, 0]
      for seed in 0..<seeds {
        let p = net.initialized(like: Self.x[0], seed: UInt64(seed))
        for order in 2...5 {
          sums[order - 2] += log(abs(higherKernel(order: order, of: net, at: p, on: Self.x)).max().scalar)
        }
      }
      for k in 0..<4 { logarithms[k].append(sums[k] / Double(seeds)) }
    }
    for (k, expected) in [0, -1, -1, -2].enumerated() {
      let found = slope(widths.map { log(Double($0)) }, logarithms[k])
      #expect(
        // The narrow networks are not yet on the line.
        (found.value - Double(expected)).magnitude < 3 * found.error + 0.2 && found.error < 0.2,
        "K^(\(k + 2)): \(found)")
    }
  }

  @Test func theKernelMovesWithOneOverTheWidth() throws {
    // Corollary 2.4, at a fixed time and for the same change of the outputs.
    let (widths, seeds) = ([32, 64, 128, 256], 8)
    let change = Tensor([1.0, -0.5, 0.8])
    let logarithms = try widths.map { width in
      let net = HierarchyNetwork(depth: 2, width: width) { tanh($0) }
      let all = try (0..<seeds).map { seed in
        let p = net.initialized(like: Self.x[0], seed: UInt64(seed))
        let y = net.batched(Self.x, p) + change
        let end = try gradientFlow(of: { squaredLoss(net.batched(Self.x, $0), y) }, from: p, at: [1]).finalState
        func kernel(_ p: Parameters) -> Tensor { higherKernel(order: 2, of: net, at: p, on: Self.x) }
        return log(distance(kernel(end), kernel(p)))
      }
      return all.reduce(0, +) / Double(seeds)
    }
    let found = slope(widths.map { log(Double($0)) }, logarithms)
    #expect((found.value + 1).magnitude < 3 * found.error + 0.1 && found.error < 0.2, "\(found)")
  }

  @Test func errorsGrowWithTimeAsProved() throws {
    // They begin like t^p: what level p leaves out is the (p − 1)-fold integral of K^(p+1). Later those of even levels grow
    // no faster than (1 + t) t^(p−1) min(t, n/λ), (18).
    let net = HierarchyNetwork(depth: 2, width: 128) { tanh($0) }
    let p = net.initialized(like: Self.x[0], seed: 4)
    let y = net.batched(Self.x, p) + Tensor([1.0, -0.5, 0.8])
    let times = [1.0 / 32, 1.0 / 16, 0.25, 1, 4, 8]
    let comparison = try compareHierarchy(
      levels: [2, 3, 4], of: net, from: p, on: Self.x, targets: y, at: times,
      solver: ODESolver(relativeTolerance: 1e-12, absoluteTolerance: 1e-15))
    let kernel = higherKernel(order: 2, of: net, at: p, on: Self.x)
    let smallest = try symmetricEigenvalues(kernel).min().scalar
    for (level, errors) in zip(2...4, comparison.outputErrors) {
      let order = log2(errors[1] / errors[0])
      #expect((order - Double(level)).magnitude < 0.2, "level \(level): order \(order)")
      guard level.isMultiple(of: 2) else { continue }
      let shares = zip(times, errors).map { time, error in
        error / ((1 + time) * pow(time, Double(level - 1)) * min(time, 3 / smallest))
      }
      #expect(shares.allSatisfy { $0 < 1.5 * shares[0] }, "level \(level): \(shares)")
    }
  }

  @Test func theFlowOfAWideNetworkIsAsExactAsItsTolerance() throws {
    // The truth beside truncations: parameters of size 1 that move by m^(−1/2) or less.
    let net = HierarchyNetwork(depth: 2, width: 256) { tanh($0) }
    let p = net.initialized(like: Self.x[0], seed: 5)
    let y = net.batched(Self.x, p) + Tensor([1.0, -0.5, 0.8])
    func outputs(_ tolerance: Double) throws -> Tensor {
      let solver = ODESolver(relativeTolerance: tolerance, absoluteTolerance: tolerance * 1e-4)
      let found = try compareHierarchy(levels: [2], of: net, from: p, on: Self.x, targets: y, at: [2], solver: solver)
      expectClose(net.batched(Self.x, found.parameters[0]), found.truth.outputs[0], tolerance: 1e-13)
      return found.truth.outputs[0]
    }
    let exact = try outputs(1e-12)
    for tolerance in [1e-6, 1e-8] { #expect(distance(try outputs(tolerance), exact) < 10 * tolerance) }
  }
}
