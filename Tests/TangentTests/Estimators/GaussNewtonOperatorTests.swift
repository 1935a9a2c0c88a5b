import AutoDiff
import Tangent
import Testing

@Suite struct GaussNewtonOperatorTests {
  /// Jᵀ H J with both factors in memory.
  @Test(arguments: Model.ofEveryType, ScalarType.allCases)
  func isTheProductOfDenseFactors(model: Model, type: ScalarType) throws {
    let p = model.parameters(as: type)
    let a = try GaussNewtonOperator(of: model.f, at: p, on: model.examples.as(type), loss: coupledLoss)
    #expect(a.dimension == p.entryCount && a.scalarType == type)
    let (outputs, j) = (model.outputs(model.parameters), model.denseJacobian(model.parameters))
    let curvature = hessian(of: { coupledLoss($0.reshaped(to: outputs.shape)) }, at: outputs.flattened)
    let expected = matmul(j.transposed, matmul(curvature, j))
    expectClose(try a.dense().as(.float64), expected, tolerance: type == .float64 ? 1e-12 : 2e-4)
  }

  @Test func isTheHessianOfALinearModel() throws {
    for model in Model.catalogue.prefix(2) {
      let a = try GaussNewtonOperator(of: model.f, at: model.parameters, on: model.examples, loss: coupledLoss)
      let dense = hessian(of: { coupledLoss(model.outputs($0)) }, at: model.parameters)
      expectClose(try a.dense(), dense, .analytic, model.name)
    }
    let curved = Model.catalogue[2]
    let a = try GaussNewtonOperator(of: curved.f, at: curved.parameters, on: curved.examples, loss: coupledLoss)
    let dense = hessian(of: { coupledLoss(curved.outputs($0)) }, at: curved.parameters)
    #expect((try a.dense() - dense).norm().scalar > 0.01 * dense.norm().scalar)
  }

  /// Examples, parameters and outputs that are no single tensors.
  @Test func trees() throws {
    var random = RandomGenerator(seed: 4)
    let x = Pair(Tensor.normal([5, 3], using: &random), Tensor.normal([5], using: &random))
    let p = ["first": Tensor.normal([3, 2], using: &random), "second": Tensor.normal([2], using: &random)]
    let f = { (x: Pair<Tensor, Tensor>, p: [String: Tensor]) -> [Tensor] in
      let hidden = tanh(matmul(x.first, p["first"]!))
      return [hidden * x.second, dot(hidden, p["second"]!)]
    }
    let loss = { (y: [Tensor]) in square(y[0]).sum() * 0.5 + square(y[1]).sum() + dot(y[0].sum(axes: [1]), y[1]) }
    let a = try GaussNewtonOperator(of: f, at: p, on: x, loss: loss)
    let run = { (p: [String: Tensor]) in vmap { (x: Pair<Tensor, Tensor>) in f(x, p) }(x) }
    let outputs = run(p)
    let j = jacobian(of: { run(p.replacingEntries(with: $0)).flattenedEntries }, at: p.flattenedEntries)
    expectClose(try a.dense(), matmul(j.transposed, matmul(hessian(of: loss, at: outputs), j)), .analytic)
  }

  /// A damped step of second order: (G + λ I) δ = g.
  @Test func conjugateGradientsSolveWithIt() throws {
    let p = SmallClassifier.parameters()
    let a = try GaussNewtonOperator(of: SmallClassifier.f, at: p, on: SmallClassifier.examples()) { outputs in
      -logSoftmax(outputs).mean()
    }
    let g = gradient(of: { SmallClassifier.loss($0) }, at: p).flattenedEntries
    let step = try conjugateGradients(a, g, ridge: 0.1)
    #expect(step.stoppingReason == .converged)
    expectClose(step.solution, try choleskySolve(a.dense() + Tensor.eye(40) * 0.1, g), tolerance: 1e-8)
  }

  @Test func noExampleStops() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = try GaussNewtonOperator(
        of: { (x: Tensor, p: Tensor) in x * p }, at: Tensor(1), on: Tensor.zeros([0]), loss: { $0.sum() })
    }
    #expect(result.message.contains("GaussNewtonOperator: needs an example, but got none."))
  }
}
