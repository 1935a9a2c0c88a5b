import AutoDiff
import Foundation
import Layers
import Testing

@testable import Tangent

/// The deterministic kernels of infinite width.
@Suite struct LimitKernelTests {
  /// An activation that is steep on the scale of the grid is resolved, or it is said that it is not; grids that miss its
  /// slope altogether agree with each other, which is no convergence. With ‖x‖ = s, K^(2) → E[tanh² sg] + s² E[tanh′² sg].
  @Test(arguments: [3.0, 10, 100, 300, 1000]) func steepActivationsAreNotMissed(size: Double) throws {
    let network = HierarchyNetwork(depth: 1, width: 1) { tanh($0) }
    let x = Tensor([[size * 0.6, size * 0.8]])
    // By a sum over a grid that is fine for any of these sizes.
    let step = 1e-4
    var exact = 0.0
    for k in -90_000...90_000 {
      let g = Double(k) * step
      let t = Foundation.tanh(size * g)
      let slope = 1 / Foundation.cosh(min(300, abs(size * g)))
      let density = Foundation.exp(-g * g / 2) / (2 * Double.pi).squareRoot()
      exact += step * density * (t * t + size * size * slope * slope * slope * slope)
    }
    do {
      let found = try network.limitKernel(order: 2, on: x, tolerance: 1e-6, mostNodes: 1 << 14)
      let error = abs(found.value.scalar - exact)
      #expect(error <= 1e-5 * exact, "\(found.value.scalar) for \(exact)")
    } catch LimitError.quadratureNotConverged {
      #expect(size > 50)
    }
  }

  private static let x = Tensor([[0.8, -0.6], [0.3, 0.7], [-0.5, 0.4]])

  private static func network(_ activation: DualActivation, depth: Int = 1) -> HierarchyNetwork {
    HierarchyNetwork(
      depth: depth, width: 1, weightScale: 1.3, outputScale: 0.8, activation: activation.function)
  }

  @Test(arguments: [DualActivation.tanh, .erf, .softplus(sharpness: 2), .sin])
  func theSecondIsTheTangentKernelOfInfiniteWidth(activation: DualActivation) throws {
    let net = Self.network(activation)
    let limit = try net.infinitelyWide(activation).ntk(Self.x)
    let found = try net.limitKernel(order: 2, on: Self.x, tolerance: 1e-9)
    expectClose(found.value, limit, tolerance: 1e-9)
    #expect(found.method == .quadrature && found.standardError == .zeros([3, 3]))
    #expect(found.systematicError.max().scalar < 1e-8 * limit.max().scalar)
  }

  @Test func theFourthOfLinearNeuronsIsKnown() throws {
    // φ = a w·x: K^(4) of a neuron is (2 x₁₂ u₃ + x₁₃ u₂ + x₂₃ u₁) u₄ + a² (2 x₁₂ x₃₄ + x₁₃ x₂₄ + x₂₃ x₁₄), u = w·x.
    let net = Self.network(.identity)
    let g = matmul(Self.x, Self.x.transposed)
    let pairs = tensordot(g, g, axes: ([], []))
    let sum = pairs * 2 + pairs.permuted([0, 2, 1, 3]) + pairs.permuted([2, 0, 1, 3])
    let expected = sum * (1.3 * 1.3 + 0.8 * 0.8)
    expectClose(try net.limitKernel(order: 4, on: Self.x).value, expected, tolerance: 1e-8)
    var random = RandomGenerator(seed: 3)
    let neurons = try net.limitKernel(order: 4, on: Self.x, neurons: 4000, using: &random)
    let networks = net.limitKernel(order: 4, on: Self.x, widths: [8, 16, 32], networks: 40, using: &random)
    for found in [neurons, networks] {
      expectWithin(found, expected)
      #expect(found.standardError.max().scalar < 0.2 * expected.max().scalar)
    }
    #expect(neurons.samples == 4000 && networks.samples == 120)
  }

  @Test(arguments: [4, 6]) func randomNeuronsAgreeWithQuadrature(order: Int) throws {
    let net = Self.network(.tanh)
    let x = Self.x[0..<(order == 4 ? 2 : 1)]
    let exact = try net.limitKernel(order: order, on: x, tolerance: 1e-7)
    var random = RandomGenerator(seed: UInt64(order))
    let neurons = try net.limitKernel(order: order, on: x, neurons: 3000, using: &random)
    expectWithin(neurons, exact.value)
    #expect(neurons.standardError.max().scalar < 0.25 * exact.value.max().scalar)
    expectClose(exact.value, exact.value.permuted([1, 0] + Array(2..<order)))
    // A coarser tolerance is kept as well.
    let coarse = try net.limitKernel(order: order, on: x, tolerance: 1e-3)
    #expect(coarse.samples < exact.samples)
    #expect(distance(coarse.value, exact.value) <= 1e-3 * abs(exact.value).max().scalar)
  }

  @Test func finiteNetworksTendToThem() throws {
    // Depth 1 against quadrature; depth 2 against the tangent kernel of infinite width.
    var random = RandomGenerator(seed: 9)
    let fourth = Self.network(.tanh).limitKernel(
      order: 4, on: Self.x, widths: [32, 64, 128], networks: 60, using: &random)
    expectWithin(fourth, try Self.network(.tanh).limitKernel(order: 4, on: Self.x, tolerance: 1e-7).value)
    let deep = Self.network(.tanh, depth: 2)
    let second = deep.limitKernel(order: 2, on: Self.x, widths: [32, 64, 128], networks: 60, using: &random)
    expectWithin(second, try deep.infinitelyWide(.tanh).ntk(Self.x))
    #expect(second.method == .networks && second.standardError.min().scalar > 0)
    #expect(second.systematicError.shape == [3, 3])
  }

  @Test func oddOrdersVanish() throws {
    let net = Self.network(.tanh)
    var random = RandomGenerator(seed: 10)
    let (exact, neurons) = (
      try net.limitKernel(order: 3, on: Self.x),
      try net.limitKernel(order: 5, on: Self.x[0..<2], neurons: 2, using: &random)
    )
    #expect(exact.value == .zeros([3, 3, 3]) && exact.systematicError == .zeros([3, 3, 3]) && exact.samples == 0)
    #expect(neurons.value == .zeros([2, 2, 2, 2, 2]))
    // Those of networks are random, with mean 0 and variance of the order 1/m.
    let networks = net.limitKernel(order: 3, on: Self.x, widths: [32, 64], networks: 40, using: &random)
    expectWithin(networks, .zeros([3, 3, 3]))
    #expect(networks.standardError.min().scalar > 0)
  }

  @Test func theInterceptIsThatOfAWeightedLine() {
    // Exact for lines; for others the least squares with weights m.
    let widths = [8, 32, 64]
    let c = HierarchyNetwork.interceptCoefficients(widths)
    let sum: Double = c.reduce(0, +)
    #expect((sum - 1).magnitude < 1e-14)
    let weighted = zip(c, widths).map { $0 / Double($1) }
    #expect(weighted.reduce(0, +).magnitude < 1e-14)
    let y = [1.0, -2, 0.5]
    let (s0, s1, s2) = (104.0, 3.0, 1.0 / 8 + 1 / 32.0 + 1 / 64.0)
    let (t0, t1) = (8.0 - 64 + 32, 1.0 - 2 + 0.5)
    let intercept = (s2 * t0 - s1 * t1) / (s0 * s2 - s1 * s1)
    #expect((zip(c, y).map(*).reduce(0, +) - intercept).magnitude < 1e-12)
  }

  /// Lines are met exactly however close the widths are: Σ c = 1 and Σ c/m = 0 with c of the size of m/(difference of m).
  @Test(arguments: [[8, 9], [1000, 1001], [1_000_000, 1_000_001], [99_999, 100_000, 100_003]])
  func closeWidthsKeepTheirDigits(_ widths: [Int]) {
    let c = HierarchyNetwork.interceptCoefficients(widths)
    if widths.count == 2 {
      // The line through two points, (m₂ y₂ − m₁ y₁)/(m₂ − m₁).
      let step = Double(widths[1] - widths[0])
      #expect((c[0] * step / Double(-widths[0]) - 1).magnitude < 1e-14)
      #expect((c[1] * step / Double(widths[1]) - 1).magnitude < 1e-14)
    }
    let size: Double = c.reduce(0) { $0 + $1.magnitude }
    let sum: Double = c.reduce(0, +)
    #expect((sum - 1).magnitude < 1e-15 * size)
    let weighted = zip(c, widths).map { $0 / Double($1) }
    #expect(weighted.reduce(0, +).magnitude < 1e-14 * size / Double(widths[0]))
  }

  @Test func singleNumbersStaySingle() throws {
    let single = try Self.network(.tanh).limitKernel(order: 2, on: Self.x.as(.float32))
    #expect(single.value.scalarType == .float32)
    expectClose(
      single.value.as(.float64), try Self.network(.tanh).limitKernel(order: 2, on: Self.x).value, tolerance: 1e-6)
  }

  @Test func kinksAreNotIntegratedSilently() {
    #expect(throws: LimitError.self) {
      _ = try Self.network(.abs).limitKernel(order: 2, on: Self.x, tolerance: 1e-10, mostNodes: 4000)
    }
  }

  @Test func whatMakesNoSenseStops() async {
    let depth = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = try Self.network(.tanh, depth: 2).limitKernel(order: 2, on: Self.x)
    }
    #expect(depth.message.contains("limitKernel: needs one hidden layer, an order of at least 2 and examples [n, d]"))
    let widths = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var random = RandomGenerator(seed: 0)
      _ = Self.network(.tanh).limitKernel(order: 2, on: Self.x, widths: [8, 8], networks: 2, using: &random)
    }
    #expect(widths.message.contains("needs an order of at least 2, examples [n, d], two widths and 2 networks"))
  }

  /// Expects all entries to lie within 5 standard errors, and what is known of the systematic error.
  private func expectWithin(
    _ found: LimitKernelEstimate, _ expected: Tensor, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let excess = abs(found.value - expected) - found.standardError * 5 - found.systematicError * 2
    #expect(
      excess.max().scalar <= 1e-12, "\(found.value) ± \(found.standardError), not \(expected)",
      sourceLocation: sourceLocation)
  }
}
