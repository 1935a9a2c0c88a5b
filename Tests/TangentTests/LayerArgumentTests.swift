import AutoDiff
import Layers
import Tangent
import TestSupport
import Testing

/// Whatever takes a model f(x, p) takes a layer as well, and means the same by it.
@Suite struct LayerArgumentTests {
  private let net = Sequential([Dense(3), Tanh(), Dense(2)])
  private let x = Tensor([[0.1, -0.4], [0.7, 0.2], [-0.3, 0.9]])
  private var p: Parameters { net.initialized(like: x[0], seed: 1) }
  private var f: (Tensor, Parameters) -> Tensor { { [net] in net($0, $1) } }

  @Test func jacobiansAndOperators() throws {
    let (p, f) = (p, f)
    #expect(FactoredJacobian(of: net, at: p, on: x).gram() == FactoredJacobian(of: f, at: p, on: x).gram())
    func expectSame(_ layer: some SymmetricOperator, _ function: some SymmetricOperator) throws {
      let vectors = Tensor.eye(function.dimension)
      #expect(try layer.product(with: vectors) == function.product(with: vectors))
    }
    try expectSame(TangentKernelOperator(of: net, at: p, on: x), TangentKernelOperator(of: f, at: p, on: x))
    let loss = { (y: Tensor) in square(y).sum() }
    try expectSame(
      GaussNewtonOperator(of: net, at: p, on: x, loss: loss), GaussNewtonOperator(of: f, at: p, on: x, loss: loss))
    let law = OutputDistribution.categorical
    try expectSame(
      FisherOperator(of: net, at: p, on: x, distribution: law), FisherOperator(of: f, at: p, on: x, distribution: law))
    try expectSame(
      HessianOperator(ofOutput: 1, of: net, at: p, for: x[0]), HessianOperator(ofOutput: 1, of: f, at: p, for: x[0]))
  }

  @Test func bracketsAndStarts() throws {
    let (p, f) = (p, f)
    let brackets = try [
      lipschitzEstimates(of: net, at: p, on: x, radius: 0.1), lipschitzEstimates(of: f, at: p, on: x, radius: 0.1),
    ].map(\.largestLipschitz)
    #expect(brackets[0] == brackets[1])
    let y = Tensor.ones([3, 2])
    let starts = try [
      TrainingStart(of: net, from: p, on: x, targets: y), TrainingStart(of: f, from: p, on: x, targets: y),
    ]
    #expect(starts[0].smallestEigenvalue == starts[1].smallestEigenvalue)
  }

  /// A lazy model of a function that does not throw is one too, so that kernels of any order take it: αʳ of them.
  @Test func lazyModelsHaveHigherKernels() {
    let p = p
    let single = { [net] (x: Tensor, p: Parameters) in net(x, p)[0] }
    let kernel = higherKernel(order: 3, of: lazyModel(single, around: p, scale: 2), at: p, on: x)
    expectClose(kernel, higherKernel(order: 3, of: single, at: p, on: x) * 8, tolerance: 1e-13)
  }
}
