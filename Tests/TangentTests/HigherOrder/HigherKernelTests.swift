import AutoDiff
import Layers
import Tangent
import Testing

@Suite struct HigherKernelTests {
  /// Two hidden layers of tanh.
  static let net = Sequential {
    Dense(7, parameterization: .neuralTangent())
    Tanh()
    Dense(6)
    Tanh()
    Dense(1)
  }
  static let x: Tensor = {
    var random = RandomGenerator(seed: 41)
    return .normal([4, 3], using: &random)
  }()
  static let p = net.initialized(like: x[0], seed: 3)

  private func slope(_ example: Int, _ p: Parameters) -> Parameters {
    gradient(of: { Self.net(Self.x[example], $0).sum() }, at: p)
  }

  @Test func theSecondIsTheTangentKernel() {
    expectClose(
      higherKernel(order: 2, of: Self.net, at: Self.p, on: Self.x),
      naiveKernel(of: { Self.net($0, $1) }, at: Self.p, on: Self.x).reshaped(to: [4, 4]))
  }

  @Test(arguments: 3...5) func eachIsTheDerivativeOfTheOneBefore(order: Int) {
    let kernel = higherKernel(order: order, of: Self.net, at: Self.p, on: Self.x)
    #expect(kernel.shape == [Int](repeating: 4, count: order))
    let quotients = (0..<4).map { example in
      differenceQuotient(
        of: { higherKernel(order: order - 1, of: Self.net, at: $0, on: Self.x) }, at: Self.p,
        along: slope(example, Self.p))
    }
    expectClose(kernel, stack(quotients, axis: -1), tolerance: 1e-6)
  }

  @Test func theThirdIsMadeOfHessianVectorProducts() {
    // K(a, b, c) = g_aᵀ H_b g_c + g_bᵀ H_a g_c.
    let slopes = (0..<4).map { slope($0, Self.p) }
    let terms = Tensor(
      (0..<4).map { a in
        (0..<4).map { b in
          (0..<4).map { c in
            hvp(of: { Self.net(Self.x[b], $0).sum() }, at: Self.p, along: slopes[c]).innerProduct(slopes[a]).scalar
          }
        }
      })
    expectClose(higherKernel(order: 3, of: Self.net, at: Self.p, on: Self.x), terms + terms.permuted([1, 0, 2]))
  }

  @Test(arguments: 3...5) func theFirstTwoArgumentsAreAlike(order: Int) {
    let kernel = higherKernel(order: order, of: Self.net, at: Self.p, on: Self.x)
    expectClose(kernel, kernel.permuted([1, 0] + Array(2..<order)))
  }

  @Test func gradientFlowMovesTheKernelByTheThird() {
    // dK/dt = −(1/n) Σ_b K(·, ·, b) (f_b − y_b) along the gradient flow of the squared loss.
    let y = Tensor([0.5, -1, 2, 0]).reshaped(to: [4, 1])
    let flow = gradient(of: { squaredLoss(Self.net.batched(Self.x, $0), y) }, at: Self.p).scaled(by: -1)
    let rate = jvp(of: { higherKernel(order: 2, of: Self.net, at: $0, on: Self.x) }, at: Self.p, along: flow).tangent
    let residual = (Self.net.batched(Self.x, Self.p) - y).reshaped(to: [4])
    let third = higherKernel(order: 3, of: Self.net, at: Self.p, on: Self.x)
    expectClose(rate, -matmul(third, residual) / 4)
  }

  @Test func ofALinearModelVanishFromTheThirdOn() {
    let model = { (x: Tensor, p: Tensor) in dot(x, p) }
    #expect(higherKernel(order: 3, of: model, at: Tensor([1, 2, 3]), on: Self.x) == .zeros([4, 4, 4]))
    #expect(higherKernel(order: 4, of: model, at: Tensor([1, 2, 3]), on: Self.x) == .zeros([4, 4, 4, 4]))
  }

  @Test func ofAQuadraticModelAreKnown() {
    // f = pᵀ A p / 2 for the example A: K(A, B) = pᵀ A B p, and K(A, B, C) is its derivative along C p.
    var random = RandomGenerator(seed: 43)
    let root = Tensor.normal([2, 3, 3], using: &random)
    let a = root + root.permuted([0, 2, 1])
    let p = Tensor.normal([3], using: &random)
    let model = { (x: Tensor, p: Tensor) in dot(p, matmul(x, p)) / 2 }
    let images = (0..<2).map { matmul(a[$0], p) }
    let second = Tensor((0..<2).map { i in (0..<2).map { dot(images[i], images[$0]).scalar } })
    expectClose(higherKernel(order: 2, of: model, at: p, on: a), second)
    let third = Tensor(
      (0..<2).map { i in
        (0..<2).map { j in
          (0..<2).map { k in
            (dot(matmul(a[i], images[k]), images[j]) + dot(images[i], matmul(a[j], images[k]))).scalar
          }
        }
      })
    expectClose(higherKernel(order: 3, of: model, at: p, on: a), third)
  }

  @Test func needOneOutputAndAnOrder() async {
    let outputs = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let net = Dense(2)
      let x = Tensor.ones([3, 2])
      _ = higherKernel(order: 3, of: net, at: net.initialized(like: x[0], seed: 0), on: x)
    }
    #expect(outputs.message.contains("higherKernel: the model must have one output, but got shape [2]."))
    let order = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = higherKernel(order: 1, of: { (x: Tensor, p: Tensor) in x * p }, at: Tensor(1), on: Tensor([1, 2]))
    }
    #expect(order.message.contains("higherKernel: the order must be at least 2, but got 1."))
  }
}
