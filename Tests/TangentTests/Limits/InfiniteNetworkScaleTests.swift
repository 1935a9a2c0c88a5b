import AutoDiff
import Foundation
import Tangent
import Testing

/// Kernels of infinite networks on inputs of every size, also where their squares are no numbers.
@Suite struct InfiniteNetworkScaleTests {
  private static func examples(_ n: Int, _ d: Int, seed: UInt64) -> Tensor {
    var random = RandomGenerator(seed: seed)
    return .normal([n, d], using: &random)
  }

  /// ReLU networks without biases are homogeneous in their inputs.
  @Test func scalingOfInputs() throws {
    let (x, factors) = (Self.examples(4, 3, seed: 10), Tensor([1, 1e-3, 40, 1e5]))
    let network = InfiniteNetwork(depth: 3, .leakyRelu(0.1), parameterization: .neuralTangent(biasScale: 0))
    let (plain, scaled) = (try network.kernels(x), try network.kernels(x * factors.expanded(at: 1)))
    let products = outer(factors, factors)
    expectClose(scaled.nngp / products, plain.nngp, tolerance: 1e-13)
    expectClose(scaled.ntk / products, plain.ntk, tolerance: 1e-13)
  }

  /// Units do not matter: with inputs and biases 2ᵏ times as large, the kernels of positively homogeneous activations are 4ᵏ
  /// times as large, bit by bit, as far as numbers reach.
  @Test func unitsDoNotMatter() throws {
    let x = concatenate([
      Self.examples(3, 3, seed: 20), .zeros([1, 3]), Tensor([[1, -1, 2], [-1, 1, -2], [1, -1, 2.00000001]]),
    ])
    for activation in [DualActivation.relu, .leakyRelu(0.2), .abs, .identity] {
      func kernels(_ scale: Double) throws -> InfiniteNetwork.Kernels {
        try InfiniteNetwork(
          depth: 2, activation, parameterization: .neuralTangent(weightScale: 1.5, biasScale: 0.1 * scale)
        ).kernels(x * scale)
      }
      let plain = try kernels(1)
      for scale in [0x1p-480, 0x1p-300, 0x1p-20, 0x1p40, 0x1p270, 0x1p500] {
        let scaled = try kernels(scale)
        #expect(scaled.nngp / scale / scale == plain.nngp, "\(activation) at \(scale)")
        #expect(scaled.ntk / scale / scale == plain.ntk, "\(activation) at \(scale)")
      }
    }
  }

  /// The step does not see how long inputs are, even where their squares are no numbers; only 0 is 0.
  @Test func smallInputsAreNotZero() throws {
    let x = concatenate([Self.examples(3, 3, seed: 21), .zeros([1, 3])])
    let network = InfiniteNetwork([.step, .relu], parameterization: .neuralTangent(biasScale: 0))
    let plain = try network.kernels(x)
    for scale in [0x1p-1000, 0x1p-600, 0x1p-400, 0x1p400] {
      let scaled = try network.kernels(x * scale)
      #expect(scaled.nngp == plain.nngp, "\(scale)")
      #expect(scaled.ntk == plain.ntk, "\(scale)")
    }
    // The kink's derivative, which biases that start at 0 show: also behind a square that vanishes.
    for activations in [[DualActivation.relu], [.monomial(2), .relu]] {
      let network = InfiniteNetwork(activations, parameterization: .neuralTangent(biases: .zero))
      let one = Tensor([[1.0]])
      expectClose(try network.ntk(one * 0x1p-1000), try network.ntk(one * 0x1p-200), tolerance: 1e-13)
    }
  }

  /// For large inputs erf is the sign, 2 · step − 1, whose mean product is 4 E[step step] − 1.
  @Test func largeInputsOfErf() throws {
    let x = concatenate([Self.examples(3, 2, seed: 22), Tensor([[1, 2], [-1, -2]])])
    for bias in [0, 0.5] {
      let steps =
        try InfiniteNetwork(
          depth: 1, .step, parameterization: .leCun(weightVariance: 1, biasVariance: 0)
        ).ntk(x) * 4 - 1
      for scale in [0x1p60, 0x1p300, 0x1p500] {
        let found = try InfiniteNetwork(
          depth: 1, .erf, parameterization: .leCun(weightVariance: 1, biasVariance: bias)
        ).kernels(x * scale)
        expectClose(found.ntk, steps, tolerance: 1e-14)
        expectClose(found.nngp, steps + bias, tolerance: 1e-14)
      }
    }
  }

  /// Inputs of one direction and all sizes: what sin and erf leave of their angle, which is close to 0 but not 0, by the
  /// series and by its leading term √((p − q)²/6) for small variances p and q (for erf 2p/(1 + 2p) in their place).
  @Test func anglesBetweenInputsOfAllSizes() throws {
    let sizes = [1e-9, 1e-6, 1e-4, 0.01, 0.1, 0.2, 0.25, 0.3, 1, 1.5, -0.001, -0.5]
    let x = Tensor(sizes.map { [$0] })
    let parameterization = LimitParameterization.neuralTangent(biasScale: 0)
    for (closed, series) in [
      (DualActivation.sin, DualActivation.smooth("sin", { sin($0) })), (.erf, .smooth("erf", { erf($0) })),
    ] {
      for next in [[DualActivation.step], [.relu], [.sin, .abs], [.erf, .relu]] {
        let a = try InfiniteNetwork([closed] + next, parameterization: parameterization).kernels(x)
        let b = try InfiniteNetwork([series] + next, parameterization: parameterization).kernels(x)
        // Relative to the sizes, as |Σ(x, z)|² ≤ Σ(x, x) Σ(z, z).
        for (found, expected) in [(a.nngp, b.nngp), (a.ntk, b.ntk)] {
          let roots = Tensor(sizes.indices.map { found[$0, $0].scalar.squareRoot() })
          expectClose(found / outer(roots, roots), expected / outer(roots, roots), tolerance: 1e-13)
        }
      }
      let angles =
        (0.5 - (try InfiniteNetwork([closed, .step], parameterization: parameterization).nngp(x))) * (2 * Double.pi)
      for (i, j) in [(0, 1), (1, 2), (2, 0)] {
        let (p, q) = (sizes[i] * sizes[i], sizes[j] * sizes[j])
        let distance = closed.name == "sin" ? p - q : 2 * p / (1 + 2 * p) - 2 * q / (1 + 2 * q)
        #expect(Swift.abs(angles[i, j].scalar - Swift.abs(distance) / 6.0.squareRoot()) < 3e-15)
      }
    }
  }

  /// What is small beside the rest of an activation may be all that separates its images: 1 + x takes small inputs to nearly
  /// equal ones, x + x² takes opposite ones to nearly opposite ones, and a ReLU behind it sees the angles.
  @Test(arguments: [1e-1, 1e-3, 1e-5, 1e-7, 3e-8, 1e-8, 1e-9, 1e-12]) func smallPartsKeepAngles(size: Double) throws {
    var random = RandomGenerator(seed: 21)
    let angles = [0, 1e-6, Double.pi] + Tensor.uniform([6], in: 0..<6, using: &random).scalars
    let x = Tensor(angles.map { [cos($0), sin($0)] }) * (size * 2.0.squareRoot())
    let q = size * size
    let constant = DualActivation.smooth("1 + x") { $0 + 1 }
    let squared = DualActivation.smooth("x + x²") { $0 + square($0) }
    for (activation, isConstant) in [(constant, true), (squared, false)] {
      let found = try InfiniteNetwork(
        [activation, .relu], parameterization: .neuralTangent(weightScale: 1, biasScale: 0)
      ).kernels(x)
      // E[σσ] for u = v, 1 − c′, 1 + c′ and E[σ′σ′].
      let moment = isConstant ? 1 + q : q + 3 * q * q
      let expected = angles.map { a in
        angles.map { b -> (Double, Double) in
          let (minus, plus) = (2 * pow(sin((a - b) / 2), 2), 2 * pow(cos((a - b) / 2), 2))
          let c = 1 - minus
          let near = isConstant ? q * minus / (1 + q) : (minus + 2 * q * minus * plus) / (1 + 3 * q)
          let far = isConstant ? 2 - near : (plus + q * (4 + 2 * c * c)) / (1 + 3 * q)
          let slope = isConstant ? 1 : 1 + 4 * q * c
          let theta = 2 * atan2(near.squareRoot(), far.squareRoot())
          let nngp = moment * (sin(theta) + (.pi - theta) * cos(theta)) / (2 * .pi)
          let tangent = moment * (far - near) / 2 + slope * q * c
          return (nngp, nngp + tangent * (1 - theta / .pi) / 2)
        }
      }
      expectClose(found.nngp / moment, Tensor(expected.map { $0.map { $0.0 / moment } }), tolerance: 1e-13)
      expectClose(found.ntk / moment, Tensor(expected.map { $0.map { $0.1 / moment } }), tolerance: 1e-13)
    }
  }
}
