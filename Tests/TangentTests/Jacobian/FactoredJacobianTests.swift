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
