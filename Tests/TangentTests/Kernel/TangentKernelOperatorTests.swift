import AutoDiff
import Tangent
import Testing

/// Products with a kernel that is not formed.
@Suite struct TangentKernelOperatorTests {
  @Test(arguments: Model.catalogue) func productsAreThoseOfTheKernel(_ model: Model) throws {
    var random = RandomGenerator(seed: 71)
    for outputs in [KernelOutputs.flattened, .traceSum, .traceMean] {
      let kernel = tangentKernel(of: model.f, at: model.parameters, on: model.examples, outputs: outputs)
      let implicit = try TangentKernelOperator(
        of: model.f, at: model.parameters, on: model.examples, outputs: outputs)
      #expect(implicit.dimension == kernel.shape[0] && implicit.keepsJacobian)
      let vectors = Tensor.normal([kernel.shape[0], 3], using: &random)
      expectClose(try implicit.product(with: vectors), matmul(kernel, vectors), tolerance: 1e-11)
    }
  }

  /// A budget in which neither the kernel nor the Jacobian fits.
  @Test(arguments: [KernelOutputs.flattened, .traceMean]) func theJacobianMayBeTooLarge(
    _ outputs: KernelOutputs
  ) throws {
    var random = RandomGenerator(seed: 72)
    let p = [Tensor.normal([20, 64], using: &random), Tensor.normal([64, 2], using: &random)]
    let x = Tensor.normal([500, 20], using: &random)
    let f = { (x: Tensor, p: [Tensor]) in matmul(tanh(matmul(x, p[0])), p[1]) }
    let small = try TangentKernelOperator(of: f, at: p, on: x, outputs: outputs, budget: 1 << 20)
    let large = try TangentKernelOperator(of: f, at: p, on: x, outputs: outputs)
    #expect(!small.keepsJacobian && large.keepsJacobian)
    let vectors = Tensor.normal([small.dimension, 2], using: &random)
    expectClose(try small.product(with: vectors), try large.product(with: vectors), tolerance: 1e-11)
  }

  @Test func lanczosAndConjugateGradientsTakeIt() throws {
    let model = Model.catalogue[2]
    var random = RandomGenerator(seed: 73)
    let kernel = tangentKernel(of: model.f, at: model.parameters, on: model.examples, outputs: .flattened)
    let implicit = try TangentKernelOperator(of: model.f, at: model.parameters, on: model.examples)
    let ends = try lanczos(implicit, count: 1, using: &random)
    let eigenvalues = try symmetricEigenvalues(kernel).scalars
    #expect((ends.largest.values[0] - eigenvalues.last!).magnitude <= 1e-6 * eigenvalues.last!)
    let labels = Tensor.normal([kernel.shape[0], 1], using: &random)
    let solved = try conjugateGradients(implicit, labels, ridge: 0.5)
    expectClose(
      matmul(kernel, solved.solution) + solved.solution * 0.5, labels, tolerance: 1e-6)
  }

  @Test func onlyMatricesAreOperators() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let model = Model.catalogue[2]
      _ = try TangentKernelOperator(of: model.f, at: model.parameters, on: model.examples, outputs: .full)
    }
    #expect(result.message.contains("TangentKernelOperator: the kernel must be a matrix"))
  }

  @Test(arguments: Model.catalogue) func outputKernelsAreProductsOfOutputs(_ model: Model) {
    let f = { (x: Tensor) in model.f(x, model.parameters) }
    let (a, b) = (vmap(f)(model.examples).reshaped(to: [4, -1]), vmap(f)(model.others).reshaped(to: [3, -1]))
    expectClose(outputKernel(of: f, on: model.examples, and: model.others), matmul(a, b.transposed))
    expectClose(
      outputKernel(of: f, on: model.examples, and: model.others, outputs: .full),
      a.reshaped(to: [4, 1, -1, 1]) * b.reshaped(to: [1, 3, 1, -1]))
    expectClose(
      outputKernel(of: f, on: model.examples, outputs: .outputDiagonal), a.expanded(at: 1) * a.expanded(at: 0))
    expectClose(
      outputKernel(of: f, on: model.examples, outputs: .exampleDiagonal), a.expanded(at: 2) * a.expanded(at: 1))
  }
}
