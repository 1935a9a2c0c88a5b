import AutoDiff
import Foundation
import Tangent
import Testing

@Suite struct InfiniteNetworkTests {
  private static func examples(_ n: Int, _ d: Int, seed: UInt64) -> Tensor {
    var random = RandomGenerator(seed: seed)
    return .normal([n, d], using: &random)
  }

  /// Networks of every parameterization, with the table of scales as the theory has it.
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let network: InfiniteNetwork
    let scales: [[Double]]
    var dividesByInputs = true
  }

  static let cases: [Case] = [
    Case(
      testDescription: "LeCun, three layers",
      network: InfiniteNetwork(
        [.relu, .erf, .relu], parameterization: .leCun(weightVariance: 1.5, biasVariance: 0.5)),
      scales: [[1.5, 0.5, 0, 0], [1.5, 0.5, 1, 0], [1.5, 0.5, 1, 0], [1.5, 0.5, 1, 0]]),
    Case(
      testDescription: "Jacot, four layers",
      network: InfiniteNetwork(
        [.sin, .cos, .leakyRelu(0.2), .monomial(2)],
        parameterization: .neuralTangent(weightScale: 1.2, biasScale: 0.4)),
      scales: Array(repeating: [1.44, 0.16, 1.44, 0.16], count: 5)),
    Case(
      testDescription: "Jacot with biases that start at zero, smooth",
      network: InfiniteNetwork(
        [.tanh, .gelu, .relu],
        parameterization: .neuralTangent(weightScale: 1.2, biasScale: 0.4, biases: .zero)),
      scales: Array(repeating: [1.44, 0, 1.44, 0.16], count: 4)),
    Case(
      testDescription: "signs",
      network: InfiniteNetwork(depth: 1, .softplus(), parameterization: .signOutputs),
      scales: [[1, 0, 1, 0], [1, 0, 0, 0]], dividesByInputs: false),
    Case(
      testDescription: "hierarchy",
      network: InfiniteNetwork(
        depth: 2, .tanh, parameterization: .hierarchy(weightVariance: 0.5, outputVariance: 2)),
      scales: [[0.5, 0, 1, 0], [0.5, 0, 1, 0], [2, 0, 1, 0]], dividesByInputs: false),
    Case(
      testDescription: "linear",
      network: InfiniteNetwork([], parameterization: .neuralTangent(weightScale: 1.2, biasScale: 0.4)),
      scales: [[1.44, 0.16, 1.44, 0.16]]),
    Case(
      testDescription: "steps",
      network: InfiniteNetwork(depth: 2, .step), scales: Array(repeating: [1, 1, 1, 1], count: 3)),
  ]

  @Test(arguments: cases) func kernelsFollowTheRecursion(_ example: Case) throws {
    let x = Self.examples(6, 3, seed: 5)
    let naive = try InfiniteNetwork.naive(
      example.network.activations, scales: example.scales, x, dividesByInputs: example.dividesByInputs)
    let found = try example.network.kernels(x)
    // The twin knows correlations to 10⁻¹⁶ only, so its angles near 0 to 10⁻⁸; on the diagonal they are exact.
    expectClose(found.nngp, naive.nngp, tolerance: 1e-12)
    expectClose(found.ntk, naive.ntk, tolerance: 1e-12)
    expectClose(try example.network.nngp(x), naive.nngp, tolerance: 1e-12)

    let terms = try example.network.layerwiseTangentKernels(x)
    #expect(terms.count == example.network.activations.count + 1)
    expectClose(terms.map { $0.weights + $0.biases }.reduce(Tensor.zeros([6, 6]), +), found.ntk)
  }

  @Test(arguments: cases) func kernelsAreSymmetricAndPositive(_ example: Case) throws {
    let x = Self.examples(30, 4, seed: 6)
    let kernels = try example.network.kernels(x)
    for kernel in [kernels.nngp, kernels.ntk] {
      #expect(kernel == kernel.transposed)
      let values = try symmetricEigenvalues(kernel).scalars
      #expect(values.min()! > -1e-12 * values.max()!)
    }
    // The same matrix as one of two sets of examples, and of a part of them.
    expectClose(try example.network.ntk(x, x), kernels.ntk, tolerance: 1e-13)
    expectClose(try example.network.ntk(x[3..<10], x), kernels.ntk[3..<10], tolerance: 1e-13)
  }

  @Test(arguments: DeepReference.all.indices) func nearlyEqualAndOppositeInputsKeepTheirDigits(_ index: Int) throws {
    let reference = DeepReference.all[index]
    let found = try reference.network.kernels(Tensor(reference.rows.map { DeepReference.examples[$0] }))
    expectClose(found.nngp, Tensor(reference.nngp), tolerance: 4e-15)
    expectClose(found.ntk, Tensor(reference.ntk), tolerance: 8e-15)
  }

  /// ReLU's kernels behind smooth layers at nearly equal inputs: what the series carry agrees with erf's closed form.
  @Test func seriesCarryAngles() throws {
    let x = Tensor(DeepReference.examples)
    for last in [DualActivation.relu, .abs, .step] {
      let closed = InfiniteNetwork([.erf, .sin, last, .relu])
      let series = InfiniteNetwork([.smooth("erf", { erf($0) }), .smooth("sin", { sin($0) }), last, .relu])
      let (a, b) = (try closed.kernels(x), try series.kernels(x))
      expectClose(a.nngp, b.nngp, tolerance: 1e-13)
      expectClose(a.ntk, b.ntk, tolerance: 1e-13)
      let unbiased = LimitParameterization.neuralTangent(biasScale: 0)
      let (c, d) = (
        try InfiniteNetwork([.erf, last], parameterization: unbiased).kernels(x),
        try InfiniteNetwork([.smooth("erf", { erf($0) }), last], parameterization: unbiased).kernels(x)
      )
      expectClose(c.nngp, d.nngp, tolerance: 1e-13)
      expectClose(c.ntk, d.ntk, tolerance: 1e-13)
    }
  }

  // MARK: The text's formulas

  @Test func shallowReluKernelsOfTheText() throws {
    let x = Self.examples(5, 3, seed: 7)
    let d = 3.0
    var (values, slopes) = (Tensor.zeros([5, 5]), Tensor.zeros([5, 5]))
    for i in 0..<5 {
      for j in 0..<5 where i != j {
        let norms = x[i].norm().scalar * x[j].norm().scalar
        let theta = acos(dot(x[i], x[j]).scalar / norms)
        values[i, j] = Tensor(norms * (sin(theta) + (.pi - theta) * cos(theta)) / (2 * .pi * d))
        slopes[i, j] = Tensor((.pi - theta) / (2 * .pi))
      }
      values[i, i] = square(x[i]).sum() / (2 * d)
      slopes[i, i] = Tensor(0.5)
    }
    let product = matmul(x, x.transposed)
    expectClose(try InfiniteNetwork(depth: 1, .relu, parameterization: .leCun()).ntk(x), values)
    expectClose(
      try InfiniteNetwork(depth: 1, .relu, parameterization: .neuralTangent(biases: .zero)).ntk(x),
      (1 + product / d) * slopes + values + 1)
    let sign = InfiniteNetwork(depth: 1, .relu, parameterization: .signOutputs)
    expectClose(try sign.ntk(x), product * slopes)
    expectClose(try sign.nngp(x), values * d)
  }

  /// Exercise 11.37: expectations over uᵀx + β with a common β are those of inputs with one more entry √d.
  @Test func randomBiasesAreOneMoreInput() throws {
    let x = Self.examples(5, 3, seed: 8)
    let longer = concatenate([x, .filled(3.0.squareRoot(), [5, 1])], axis: 1) * (4.0 / 3).squareRoot()
    for activation in [DualActivation.relu, .erf, .arctan] {
      let biased = InfiniteNetwork(depth: 1, activation, parameterization: .leCun(biasVariance: 1))
      let plain = InfiniteNetwork(depth: 1, activation, parameterization: .leCun())
      expectClose(try biased.ntk(x), try plain.ntk(longer), tolerance: 1e-12)
      // The output's bias adds to the covariance and has no part in the limit of K/n.
      expectClose(try biased.nngp(x), try plain.nngp(longer) + 1, tolerance: 1e-12)
    }
  }

  /// A linear network of any depth: both kernels are multiples of xᵀz/d.
  @Test func deepLinearNetworks() throws {
    let x = Self.examples(4, 3, seed: 9)
    let product = matmul(x, x.transposed) / 3
    let found = try InfiniteNetwork(
      depth: 5, .identity, parameterization: .neuralTangent(weightScale: 1.5, biasScale: 0)
    ).kernels(x)
    let scale = pow(1.5, 12.0)
    expectClose(found.nngp, product * scale)
    expectClose(found.ntk, product * (6 * scale))
  }

  // MARK: Sizes, types, transforms

  /// More pairs than fit into a tile.
  @Test func tilesDoNotMatter() throws {
    let (x, z) = (Self.examples(400, 3, seed: 11), Self.examples(170, 3, seed: 12))
    let network = InfiniteNetwork([.relu, .erf])
    let whole = try network.ntk(x)
    #expect(whole == whole.transposed)
    #expect(try withThreadLimit(1) { try network.ntk(x) } == whole)
    for rows in [0..<7, 80..<90, 200..<201, 390..<400] {
      expectClose(whole[rows], try network.ntk(x[rows], x), tolerance: 1e-13)
    }
    let cross = try network.kernels(x, z)
    expectClose(cross.nngp, try network.nngp(z, x).transposed, tolerance: 1e-13)
    expectClose(cross.ntk, try network.ntk(z, x).transposed, tolerance: 1e-13)
  }

  /// Many nearly equal and nearly opposite examples: every pair's angle comes from a difference.
  @Test func crowdedInputs() throws {
    var x = Self.examples(1, 5, seed: 13) + Self.examples(60, 5, seed: 14) * 1e-9
    x[30...] = -x[30...]
    let network = InfiniteNetwork(depth: 2, .relu, parameterization: .neuralTangent(biasScale: 0))
    let kernel = try network.ntk(x)
    // Traced inputs take all angles from differences.
    let direct = try jvp(of: { try network.ntk($0) }, at: x, along: .zeros(like: x)).value
    expectClose(kernel, direct, tolerance: 1e-15)
  }

  @Test func emptyInputs() throws {
    let network = InfiniteNetwork([.relu, .tanh])
    let x = Self.examples(3, 2, seed: 15)
    #expect(try network.ntk(.zeros([0, 2])).shape == [0, 0])
    #expect(try network.ntk(x, .zeros([0, 2])).shape == [3, 0])
    #expect(try network.ntk(.zeros([0, 2]), x).shape == [0, 3])
    #expect(try network.ntk(.zeros([2, 0])) == (try network.ntk(.zeros([2, 3]))))
  }

  @Test func singlePrecision() throws {
    let x = Self.examples(5, 3, seed: 16).as(.float32)
    for network in [InfiniteNetwork([.relu, .erf]), InfiniteNetwork([.tanh])] {
      let (single, double) = (try network.kernels(x), try network.kernels(x.as(.float64)))
      #expect(single.ntk == double.ntk.as(.float32))
      #expect(single.nngp == double.nngp.as(.float32))
    }
  }

  @Test(arguments: cases) func kernelsDifferentiate(_ example: Case) throws {
    let x = Self.examples(2, 2, seed: 17)
    let report = try checkDerivatives(
      of: { (x: Tensor) in
        // At x = z the angle has no derivative, so a pair of different examples.
        let kernels = try example.network.kernels(x[0..<1], x[1...])
        return [kernels.nngp, kernels.ntk]
      }, at: x, orders: 1...1)
    #expect(report.passed, "\(example): \(report)")
  }

  /// Where inputs coincide or are opposite, smooth networks have derivatives of all orders.
  @Test func smoothKernelsDifferentiateAtEqualInputs() throws {
    let x = Tensor([[1, 2], [-1, -2]])
    let networks: [(InfiniteNetwork, order: Int)] = [
      (InfiniteNetwork([.erf, .sin]), 2), (InfiniteNetwork([.cos, .monomial(3)], parameterization: .leCun()), 1),
      (InfiniteNetwork([.tanh], parameterization: .neuralTangent(biasScale: 0)), 1),
    ]
    for (network, order) in networks {
      let report = try checkDerivatives(
        of: { (z: Tensor) in
          let kernels = try network.kernels(x, z)
          return [kernels.nngp, kernels.ntk]
        }, at: x, orders: 1...order)
      #expect(report.passed, "\(network.activations): \(report)")
    }
  }

  @Test func closedFormsRunInsideVmap() throws {
    let (x, z) = (Self.examples(4, 2, seed: 18), Self.examples(3, 2, seed: 19))
    let network = InfiniteNetwork([.relu, .erf, .sin, .monomial(2), .step])
    let rows = try vmap { (x: Tensor) in try network.nngp(x.expanded(at: 0), z)[0] }(x)
    expectClose(rows, try network.nngp(x, z), tolerance: 1e-13)
  }

  // MARK: Errors

  @Test func inputsMustBeFinite() {
    let network = InfiniteNetwork(depth: 1, .relu)
    let x = Tensor([[1, 2], [3, .nan]])
    #expect(throws: LimitError.inputNotFinite(input: "x", example: 1)) { try network.ntk(x) }
    #expect(throws: LimitError.inputNotFinite(input: "z", example: 1)) { try network.ntk(x[0..<1], x) }
  }

  @Test func kernelsMustBeFinite() {
    let (x, network) = (Tensor([[1, 0], [1e30, 2]], as: .float32), InfiniteNetwork(depth: 1, .relu))
    let error = LimitError.kernelNotFinite(kernel: "nngp", row: 1, column: 1)
    #expect(throws: error) { try network.kernels(x) }
    #expect("\(error)".contains("entry [1, 1] of the nngp is too large"))
    // K = 4 x² where the covariance is 2 x².
    let double = LimitParameterization.neuralTangent(weightScale: 2.0.squareRoot(), biasScale: 0)
    #expect(throws: LimitError.kernelNotFinite(kernel: "ntk", row: 0, column: 0)) {
      try InfiniteNetwork(depth: 1, .relu, parameterization: double).ntk(Tensor([[1.1e19]], as: .float32))
    }
    #expect(throws: LimitError.momentNotFinite(activation: "relu", layer: 1, example: 0)) {
      try InfiniteNetwork([.relu, .step], parameterization: .neuralTangent(weightScale: 1e100)).nngp(Tensor([[1.0]]))
    }
  }

  @Test func errorsNameTheLayer() {
    let network = InfiniteNetwork(
      [.erf, .smooth("steep", { exp(square($0) * 10) })], parameterization: .neuralTangent(biasScale: 0))
    let error = LimitError.momentNotFinite(activation: "steep", layer: 2, example: 1)
    #expect(throws: error) { try network.nngp(Tensor([[0, 0], [1, 2]])) }
    #expect("\(error)".contains("that of steep in hidden layer 2 is not for example 1."))
  }

  @Test func wrongUseStops() async {
    let first = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = InfiniteNetwork(depth: 2, .relu, parameterization: .signOutputs)
    }
    #expect(first.message.contains("InfiniteNetwork: ±1 outputs are defined for one hidden layer, but got 2."))
    let second = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = try InfiniteNetwork(depth: 2, .relu).ntk(Tensor([[1, 2]]), Tensor([[1, 2, 3]]))
    }
    #expect(second.message.contains("ntk: examples must be [n, d] and [m, d], but got [1, 2] and [1, 3]."))
    let third = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = try InfiniteNetwork([.smooth("sum", { $0.sum() })]).ntk(Tensor([[1, 2]]))
    }
    #expect(third.message.contains("DualActivation: the activation must act entry by entry"))
  }
}
