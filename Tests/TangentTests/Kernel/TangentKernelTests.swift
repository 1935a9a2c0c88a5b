import AutoDiff
import Layers
import Tangent
import Testing

@Suite struct TangentKernelTests {
  // MARK: The definition

  @Test(arguments: Model.catalogue) func isTheContractionOfGradients(_ model: Model) {
    let kernel = tangentKernel(of: model.f, at: model.parameters, on: model.examples)
    expectClose(kernel, naiveKernel(of: model.f, at: model.parameters, on: model.examples))
  }

  @Test(arguments: Model.catalogue) func takesTwoSetsOfExamples(_ model: Model) {
    let kernel = tangentKernel(of: model.f, at: model.parameters, on: model.examples, and: model.others)
    expectClose(kernel, naiveKernel(of: model.f, at: model.parameters, on: model.examples, and: model.others))
  }

  @Test(arguments: Model.catalogue) func isTheSumOfItsLayers(_ model: Model) {
    let parts = layerwiseTangentKernels(of: model.f, at: model.parameters, on: model.examples, and: model.others)
    #expect(parts.count == model.parameters.count)
    for (leaf, part) in parts.enumerated() {
      expectClose(
        part, naiveKernel(of: model.f, at: model.parameters, on: model.examples, and: model.others, leaf: leaf))
    }
  }

  @Test(arguments: Model.catalogue) func partsOfTheOutputAxesAreParts(_ model: Model) {
    for others in [nil, model.others] {
      func kernel(_ outputs: KernelOutputs) -> Tensor {
        tangentKernel(of: model.f, at: model.parameters, on: model.examples, and: others, outputs: outputs)
      }
      let full = naiveKernel(of: model.f, at: model.parameters, on: model.examples, and: others)
      let count = full.shape[2]
      let diagonal = stack((0..<count).map { full[0..., 0..., $0, $0] }, axis: -1)
      expectClose(kernel(.outputDiagonal), diagonal)
      expectClose(kernel(.traceSum), diagonal.sum(axes: [2]))
      expectClose(kernel(.traceMean), diagonal.mean(axes: [2]))
    }
  }

  @Test func isSymmetricToTheLastBit() {
    let model = Model.catalogue[2]
    let kernel = tangentKernel(of: model.f, at: model.parameters, on: model.examples, outputs: .traceSum)
    #expect(kernel == kernel.transposed)
  }

  @Test func onNoExamplesIsEmpty() {
    let model = Model.catalogue[2]
    let none = model.examples[0..<0]
    #expect(tangentKernel(of: model.f, at: model.parameters, on: none).shape == [0, 0, 2, 2])
    #expect(tangentKernel(of: model.f, at: model.parameters, on: none, and: model.others).shape == [0, 3, 2, 2])
    #expect(tangentKernel(of: model.f, at: model.parameters, on: none, outputs: .traceMean).shape == [0, 0])
  }

  @Test func singlePrecisionStaysSingle() {
    let model = Model.catalogue[2]
    let single = tangentKernel(
      of: model.f, at: model.parameters.map { $0.as(.float32) }, on: model.examples.as(.float32))
    #expect(single.scalarType == .float32)
    expectClose(
      single.as(.float64), tangentKernel(of: model.f, at: model.parameters, on: model.examples), tolerance: 1e-5)
  }

  // MARK: Any tree, any model

  struct Pieces: TensorTree {
    var first: Tensor
    var rest: [String: Tensor]
    var scale: Tensor?

    mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
      first.forEachTensor(body)
      rest.forEachTensor(body)
      scale.forEachTensor(body)
    }
  }

  @Test(arguments: [true, false]) func parametersMayBeAnyTree(isScaled: Bool) {
    var random = RandomGenerator(seed: 4)
    let p = Pieces(
      first: .normal([3, 4], using: &random),
      rest: ["b": .normal([4], using: &random), "a": .normal([4, 2], using: &random)],
      scale: isScaled ? Tensor(1.3) : nil)
    let x = Tensor.normal([4, 3], using: &random)
    let f = { (x: Tensor, p: Pieces) in
      let y = matmul(tanh(matmul(x, p.first) + p.rest["b"]!), p.rest["a"]!)
      return p.scale.map { y * $0 } ?? y
    }
    expectClose(tangentKernel(of: f, at: p, on: x), naiveKernel(of: f, at: p, on: x))
  }

  /// A layer whose example is a tree: rows of which some do not count.
  private struct MaskedMean: Layer {
    func callAsFunction(_ x: [String: Tensor], _ p: Parameters) -> Tensor {
      let rows = tanh(Dense(4)(x["rows"]!, p.inner)) * x["mask"]!.expanded(at: 1)
      return Dense(1)(rows.sum(axes: [0]), p.outer)
    }
  }

  @Test func examplesOfALayerMayBeATree() {
    var random = RandomGenerator(seed: 6)
    let x = [
      "rows": Tensor.normal([3, 5, 2], using: &random),
      "mask": Tensor([[1, 1, 0, 0, 1], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]]),
    ]
    let net = MaskedMean()
    let p = net.initialized(like: x.mapTensors { $0[0] }, seed: 0)
    let gradients = vmap { (x: [String: Tensor]) in jacobian(of: { net(x, $0) }, at: p).flattenedEntries }(x)
    let kernel = tangentKernel(of: net, at: p, on: x)
    expectClose(kernel.reshaped(to: [3, 3]), matmul(gradients, gradients.transposed))
    let parts = layerwiseTangentKernels(of: net, at: p, on: x)
    expectClose(parts.dropFirst().reduce(parts[0]) { $0 + $1 }, kernel)
    let one = higherKernel(order: 2, of: net, at: p, on: x)
    expectClose(one, kernel.reshaped(to: [3, 3]))
  }

  @Test func layersGiveTheirParametersKernels() {
    var random = RandomGenerator(seed: 5)
    let x = Tensor.normal([5, 3], using: &random)
    let net = Sequential {
      Dense(6, parameterization: .neuralTangent(weightScale: 1.4, biasScale: 0.2))
      Erf()
      Dense(4)
      Relu()
      Dense(2, bias: false, parameterization: .neuralTangent())
    }
    let p = net.initialized(like: x[0], seed: 0)
    let f = { (x: Tensor, p: Parameters) in net(x, p) }
    expectClose(tangentKernel(of: net, at: p, on: x), naiveKernel(of: f, at: p, on: x))
    let parts = layerwiseTangentKernels(of: net, at: p, on: x, outputs: .traceMean)
    #expect(parts.count == p.named.count)
    for (leaf, part) in parts.enumerated() {
      let full = naiveKernel(of: f, at: p, on: x, leaf: leaf)
      expectClose(part, (full[0..., 0..., 0, 0] + full[0..., 0..., 1, 1]) / 2)
    }
  }

  @Test func theLimitOfOneLayerIsKnown() {
    // For f = W x / √d the kernel is x · x′ / d times the identity.
    var random = RandomGenerator(seed: 6)
    let x = Tensor.normal([4, 8], using: &random)
    let net = Dense(3, bias: false, parameterization: .neuralTangent())
    let kernel = tangentKernel(of: net, at: net.initialized(like: x[0], seed: 0), on: x)
    let products = matmul(x, x.transposed) / 8
    expectClose(kernel, products.reshaped(to: [4, 4, 1, 1]) * Tensor.eye(3))
  }

  // MARK: Under other transforms

  @Test func canBeDifferentiated() throws {
    let model = Model.catalogue[2]
    try checkDerivatives(
      of: { tangentKernel(of: model.f, at: $0, on: model.examples, outputs: .traceSum) }, at: model.parameters
    ).requirePassed()
    // And in the examples.
    try checkDerivatives(
      of: { tangentKernel(of: model.f, at: model.parameters, on: $0, and: model.others) }, at: model.examples
    ).requirePassed()
  }

  @Test(arguments: Model.catalogue) func itsForwardDerivativeIsThatOfTheDefinition(_ model: Model) {
    var random = RandomGenerator(seed: 8)
    let direction = model.parameters.map { Tensor.normal($0.shape, using: &random) }
    let tangent = jvp(
      of: { tangentKernel(of: model.f, at: $0, on: model.examples) }, at: model.parameters, along: direction
    ).tangent
    let quotient = differenceQuotient(
      of: { naiveKernel(of: model.f, at: $0, on: model.examples) }, at: model.parameters, along: direction)
    let scale = naiveKernel(of: model.f, at: model.parameters, on: model.examples).norm().scalar
    #expect((tangent - quotient).norm().scalar <= 1e-9 * max(scale, quotient.norm().scalar))
  }

  @Test func canBeBatchedOverParameters() {
    // Kernels of several networks at once.
    let model = Model.catalogue[2]
    var random = RandomGenerator(seed: 9)
    let models = (0..<3).map { _ in model.parameters.map { Tensor.normal($0.shape, using: &random) } }
    let stacked = model.parameters.indices.map { leaf in stack(models.map { $0[leaf] }) }
    let kernels = vmap { (p: [Tensor]) in tangentKernel(of: model.f, at: p, on: model.examples) }(stacked)
    expectClose(kernels, stack(models.map { tangentKernel(of: model.f, at: $0, on: model.examples) }))
  }

  @Test func canBeBatchedOverExamplesAndDirections() {
    let model = Model.catalogue[2]
    let sets = stack([model.examples, model.examples * 0.5])
    let kernels = vmap { (x: Tensor) in
      tangentKernel(of: model.f, at: model.parameters, on: x, outputs: .outputDiagonal)
    }(sets)
    expectClose(
      kernels,
      stack((0..<2).map { tangentKernel(of: model.f, at: model.parameters, on: sets[$0], outputs: .outputDiagonal) }))
    let directions = model.parameters.map { stack([$0, square($0)]) }
    let derivative = { (v: [Tensor]) in
      jvp(
        of: { tangentKernel(of: model.f, at: $0, on: model.examples, outputs: .traceSum) }, at: model.parameters,
        along: v
      ).tangent
    }
    expectClose(
      vmap(derivative)(directions),
      stack([derivative(model.parameters), derivative(model.parameters.map { square($0) })]))
  }

  // MARK: Errors

  @Test func needsExamplesAndParameters() async {
    let single = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = tangentKernel(of: { (x: Tensor, p: Tensor) in x * p }, at: Tensor(1), on: Tensor(2))
    }
    #expect(
      single.message.contains("tangentKernel: the examples need a leading axis, but got a single number."))
    let none = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = tangentKernel(of: { (x: Tensor, _: [Tensor]) in x }, at: [], on: Tensor([1, 2]))
    }
    #expect(none.message.contains("tangentKernel: the parameters must have at least one leaf"))
  }
}
