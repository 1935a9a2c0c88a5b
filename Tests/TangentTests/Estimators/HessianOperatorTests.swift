import AutoDiff
import Layers
import Tangent
import Testing

@Suite struct HessianOperatorTests {
  @Test(arguments: Model.ofEveryType, ScalarType.allCases)
  func isTheDenseHessian(model: Model, type: ScalarType) throws {
    let p = model.parameters(as: type)
    let a = HessianOperator(of: { coupledLoss(model.outputs($0)) }, at: p)
    #expect(a.dimension == p.entryCount && a.scalarType == type)
    // Against double precision in either case.
    let dense = hessian(of: { coupledLoss(model.outputs($0)) }, at: model.parameters)
    expectClose(try a.dense().as(.float64), dense, tolerance: type == .float64 ? 1e-12 : 2e-4)
  }

  @Test(arguments: Model.catalogue) func ofOneOutputForOneExample(model: Model) throws {
    let p = model.parameters
    let x = model.examples[1]
    for k in 0..<model.f(x, p).count {
      let a = HessianOperator(ofOutput: k, of: model.f, at: p, for: x)
      expectClose(try a.dense(), hessian(of: { model.f(x, $0).flattened[k] }, at: p), .analytic, "output \(k)")
    }
  }

  /// Where nothing may be kept, vectors are multiplied one by one.
  @Test func theBudgetDoesNotChangeProducts() throws {
    let p = SmallClassifier.parameters()
    var random = RandomGenerator(seed: 1)
    let v = Tensor.normal([40, 70], using: &random)
    let whole = HessianOperator(of: { SmallClassifier.loss($0) }, at: p).product(with: v)
    let single = HessianOperator(of: { SmallClassifier.loss($0) }, at: p, budget: 0).product(with: v)
    let some = HessianOperator(of: { SmallClassifier.loss($0) }, at: p, budget: 100_000).product(with: v)
    expectClose(single, whole, .exact)
    expectClose(some, whole, .exact)
    for k in [0, 63, 64, 69] {
      let direction = p.replacingEntries(with: v[TensorIndex.all, k])
      let product = hvp(of: { SmallClassifier.loss($0) }, at: p, along: direction).flattenedEntries
      expectClose(whole[TensorIndex.all, k], product, .analytic, "vector \(k)")
    }
  }

  /// A network of layers, with its own tree of parameters, and the eigenpairs at both ends.
  @Test(arguments: ScalarType.allCases) func eigenpairsAreThoseOfTheDenseHessian(type: ScalarType) throws {
    let net = Sequential {
      Dense(6)
      Tanh()
      Dense(3)
    }
    let (x, y) = (SmallClassifier.examples(type), SmallClassifier.labels(type))
    let p = net.initialized(like: x[0], seed: 3)
    let loss = { (p: Parameters) in crossEntropy(vmap { (x: Tensor) in net(x, p) }(x), y) }
    let a = HessianOperator(of: loss, at: p)
    #expect(a.dimension == 51 && a.scalarType == type)
    var random = RandomGenerator(seed: 2)
    let result = try lanczos(a, count: 3, using: &random)
    #expect(result.stoppingReason != .productLimit)
    let eigenvalues = try symmetricEigenvalues(hessian(of: loss, at: p).as(.float64)).scalars
    let tolerance = (type == .float64 ? 1e-12 : 1e-5) * eigenvalues[50]
    for k in 0..<3 {
      #expect(abs(result.largest.values[k] - eigenvalues[50 - k]) < tolerance)
      #expect(abs(result.smallest.values[k] - eigenvalues[k]) < tolerance)
    }
  }

  @Test func noParametersAreNoObstacle() {
    let a = HessianOperator(of: { (_: [Tensor]) in Tensor(2) }, at: [Tensor]())
    #expect(a.dimension == 0 && a.product(with: .zeros([0, 3])).shape == [0, 3])
  }

  @Test func whatTheLossThrowsComesThrough() {
    #expect(throws: SpectralFunctionError.self) {
      try HessianOperator(
        of: { (_: Tensor) throws -> Tensor in throw SpectralFunctionError.notFinite(node: 0, value: 0) }, at: Tensor(1))
    }
  }

  @Test func mixedTypesAndMissingOutputsStop() async {
    let mixed = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = HessianOperator(of: { $0[0] }, at: [Tensor(1), Tensor(1, as: .float32)])
    }
    #expect(
      mixed.message.contains(
        "HessianOperator: all parameters must have one scalar type, but got float32 and float64."))
    let missing = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = HessianOperator(ofOutput: 2, of: { (x: Tensor, p: Tensor) in x * p }, at: Tensor(1), for: Tensor([1.0, 2]))
    }
    #expect(missing.message.contains("HessianOperator: the output must be one of 2, but got 2."))
  }

  /// Products are functions of the parameters too, of those that the loss captures, and work inside programs.
  @Test func productsAreDifferentiable() {
    let x = Tensor([0.3, -0.7, 1.1])
    let ones = Tensor.ones([3, 1])
    let product = { (a: Tensor) in HessianOperator(of: { p in sin(p).sum() }, at: a).product(with: ones).sum() }
    expectClose(gradient(of: product, at: x), -cos(x), .analytic)
    expectClose(jvp(of: product, at: x, along: x).tangent, -dot(cos(x), x), .analytic)
    expectClose(compiled(product)(x), product(x), .analytic)
    let captured = { (c: Tensor) in
      HessianOperator(of: { p in (c * square(p)).sum() }, at: x).product(with: .ones([3, 2])).sum()
    }
    expectClose(gradient(of: captured, at: x), .ones([3]) * 4, .analytic)
  }
}
