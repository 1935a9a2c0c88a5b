import AutoDiff
import Layers
import Tangent
import Testing

@Suite struct FactoredJacobianTests {
  private func jacobian(_ model: Model) -> FactoredJacobian<[Tensor]> {
    FactoredJacobian(of: model.f, at: model.parameters, on: model.examples)
  }

  /// All outputs for all examples.
  private func outputs(_ model: Model, _ p: [Tensor]) -> Tensor {
    vmap { (x: Tensor) in model.f(x, p) }(model.examples)
  }

  @Test(arguments: Model.catalogue) func hasTheModelsOutputs(_ model: Model) {
    let jacobian = jacobian(model)
    expectClose(jacobian.outputs, outputs(model, model.parameters))
    #expect(jacobian.exampleCount == 4)
    #expect(jacobian.outputShape == model.f(model.examples[0], model.parameters).shape)
    #expect(jacobian.outputCount == jacobian.outputShape.reduce(1, *))
  }

  @Test(arguments: Model.catalogue) func itsDenseFormHoldsTheGradients(_ model: Model) {
    let naive = naiveGradients(of: model.f, at: model.parameters, on: model.examples)
    let jacobian = jacobian(model)
    for (leaf, parameter) in model.parameters.enumerated() {
      let shape = [4] + jacobian.outputShape + parameter.shape
      expectClose(jacobian.dense[leaf], stack(naive.map { stack($0.map { $0[leaf] }) }).reshaped(to: shape))
    }
  }

  @Test(arguments: Model.catalogue) func jvpIsTheForwardDerivative(_ model: Model) {
    var random = RandomGenerator(seed: 31)
    let direction = model.parameters.map { Tensor.normal($0.shape, using: &random) }
    expectClose(
      jacobian(model).jvp(direction), jvp(of: { outputs(model, $0) }, at: model.parameters, along: direction).tangent)
  }

  @Test(arguments: Model.catalogue) func vjpIsThePullback(_ model: Model) {
    var random = RandomGenerator(seed: 32)
    let jacobian = jacobian(model)
    let direction = Tensor.normal(jacobian.outputs.shape, using: &random)
    expectClose(
      jacobian.vjp(direction), vjp(of: { outputs(model, $0) }, at: model.parameters).pullback(direction))
  }

  @Test(arguments: Model.catalogue) func squaredNormsAreThoseOfTheGradients(_ model: Model) {
    let naive = naiveGradients(of: model.f, at: model.parameters, on: model.examples)
    let norms = naive.map { $0.map { $0.map { dot($0, $0).scalar }.reduce(0, +) } }
    let jacobian = jacobian(model)
    expectClose(jacobian.squaredNorms, Tensor(norms).reshaped(to: [4] + jacobian.outputShape))
  }

  @Test(arguments: Model.catalogue) func gramIsTheKernel(_ model: Model) {
    let others = FactoredJacobian(of: model.f, at: model.parameters, on: model.others)
    expectClose(jacobian(model).gram(), naiveKernel(of: model.f, at: model.parameters, on: model.examples))
    expectClose(
      jacobian(model).gram(with: others),
      naiveKernel(of: model.f, at: model.parameters, on: model.examples, and: model.others))
  }

  @Test func gramsOfDifferentModelsHaveTheirOwnOutputs() {
    let model = Model.catalogue[2]
    let first = { (x: Tensor, p: [Tensor]) in model.f(x, p)[0..<1] }
    let gram = FactoredJacobian(of: first, at: model.parameters, on: model.examples).gram(with: jacobian(model))
    expectClose(gram, naiveKernel(of: model.f, at: model.parameters, on: model.examples)[0..., 0..., 0..<1, 0...])
  }

  // MARK: Parts

  @Test(arguments: Model.catalogue) func partsJoinToTheWhole(_ model: Model) {
    let whole = jacobian(model)
    let parts = [0..<1, 1..<1, 1..<4].map { whole[examples: $0] }
    let joined = FactoredJacobian(concatenating: parts)
    expectClose(joined.outputs, whole.outputs)
    expectClose(joined.gram(), whole.gram())
    expectClose(joined.dense, whole.dense)
    #expect(joined.byteCount == whole.byteCount)
    // Jacobians of their own, which may have other positions.
    let separate = [0..<2, 2..<4].map {
      FactoredJacobian(of: model.f, at: model.parameters, on: model.examples[$0])
    }
    expectClose(FactoredJacobian(concatenating: separate).gram(), whole.gram())
  }

  @Test(arguments: Model.catalogue) func manyDirectionsGoTogether(_ model: Model) {
    var random = RandomGenerator(seed: 33)
    let jacobian = jacobian(model)
    let directions = model.parameters.map { Tensor.normal([3] + $0.shape, using: &random) }
    expectClose(
      vmap { (v: [Tensor]) in jacobian.jvp(v) }(directions),
      stack((0..<3).map { k in jacobian.jvp(directions.map { $0[k] }) }))
    let outputs = Tensor.normal([3] + jacobian.outputs.shape, using: &random)
    let pulled = vmap { (u: Tensor) in jacobian.vjp(u) }(outputs)
    for k in 0..<3 { expectClose(pulled.map { $0[k] }, jacobian.vjp(outputs[k])) }
  }

  @Test(arguments: Model.catalogue) func restrictedToLeavesItIsThatOfTheOthersFixed(_ model: Model) {
    let jacobian = jacobian(model)
    for leaf in model.parameters.indices {
      expectClose(
        jacobian.restricted(toLeaves: [leaf]).gram(),
        naiveKernel(of: model.f, at: model.parameters, on: model.examples, leaf: leaf))
    }
    expectClose(jacobian.leafSquaredNorms.reduce(jacobian.squaredNorms * 0) { $0 + $1 }, jacobian.squaredNorms)
    #expect(jacobian.restricted(toLeaves: []).gram().scalars.allSatisfy { $0 == 0 })
  }

  @Test func pathsNameParameters() async {
    let net = Sequential {
      Dense(3)
      Tanh()
      Dense(2)
    }
    var random = RandomGenerator(seed: 34)
    let x = Tensor.normal([4, 3], using: &random)
    let p = net.initialized(like: x[0], seed: 0)
    let jacobian = FactoredJacobian(of: { net($0, $1) }, at: p, on: x)
    let layers = layerwiseTangentKernels(of: net, at: p, on: x)
    expectClose(jacobian.restricted(to: "2").gram(), layers[2] + layers[3])
    expectClose(jacobian.restricted(to: "0.weight", "2.bias").gram(), layers[0] + layers[3])
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let net = Dense(3)
      let x = Tensor.ones([2, 2])
      _ = FactoredJacobian(of: { net($0, $1) }, at: net.initialized(like: x[0], seed: 0), on: x).restricted(to: "weigh")
    }
    #expect(result.message.contains("there must be a parameter at or under \"weigh\""))
  }

  @Test func severalOutputsHaveBlocks() {
    struct Heads: TensorTree {
      var mean: Tensor
      var spread: Tensor
      mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
        body(&mean)
        body(&spread)
      }
    }
    let model = Model.catalogue[2]
    let f = { (x: Tensor, p: [Tensor]) in
      let y = model.f(x, p)
      return Heads(mean: y, spread: sin(y[0..<1]))
    }
    let jacobian = FactoredJacobian(of: f, at: model.parameters, on: model.examples)
    #expect(jacobian.outputRanges == [0..<2, 2..<3])
    let alone = FactoredJacobian(of: { f($0, $1).spread }, at: model.parameters, on: model.examples)
    expectClose(
      jacobian.gram()[0..., 0..., jacobian.outputRanges[0], jacobian.outputRanges[1]],
      FactoredJacobian(of: model.f, at: model.parameters, on: model.examples).gram(with: alone))
  }

  @Test func canBeDifferentiated() throws {
    let model = Model.catalogue[2]
    let direction = model.parameters
    try checkDerivatives(
      of: { (p: [Tensor]) in FactoredJacobian(of: model.f, at: p, on: model.examples).jvp(direction) },
      at: model.parameters
    ).requirePassed()
    try checkDerivatives(
      of: { (p: [Tensor]) in FactoredJacobian(of: model.f, at: p, on: model.examples).squaredNorms },
      at: model.parameters
    ).requirePassed()
  }

  @Test func aTransposedDirectionMustFit() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let jacobian = FactoredJacobian(
        of: { (x: Tensor, p: Tensor) in matmul(x, p) }, at: Tensor.ones([2, 3]), on: Tensor.ones([4, 2]))
      _ = jacobian.vjp(.ones([4, 2]))
    }
    #expect(result.message.contains("FactoredJacobian.vjp: needs shape [4, 3], but got [4, 2]."))
  }
}
