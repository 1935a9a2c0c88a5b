import Testing

@testable import AutoDiff

@Suite struct JacobianTests {
  private static func f(_ x: Tensor) -> Tensor { stack([x.sum() * x, sin(x), exp(x * 0.5)]) }

  @Test func forwardIsReverse() {
    var generator = RandomGenerator(seed: 31)
    let x = Tensor.normal([2, 2], using: &generator)
    let forward = jacobian(of: Self.f, at: x, mode: .forward)
    #expect(forward.shape == [3, 2, 2, 2, 2])
    expectClose(forward, jacobian(of: Self.f, at: x, mode: .reverse), .analytic, seed: 31)
    expectClose(forward, jacobian(of: Self.f, at: x), .analytic, seed: 31)
    // Entry by entry.
    for (column, index) in Naive.indices(of: x.shape).enumerated() {
      let unit = Tensor((0..<4).map { $0 == column ? 1.0 : 0 }, shape: [2, 2])
      expectClose(
        forward[..., index[0], index[1]], jvp(of: Self.f, at: x, along: unit).tangent, .analytic, seed: 31)
    }
  }

  @Test(arguments: [DifferentiationMode.forward, .reverse], [1, 2, 3, 5, 100])
  func chunksGiveTheSame(mode: DifferentiationMode, chunk: Int) {
    var generator = RandomGenerator(seed: 32)
    let x = Tensor.normal([5], using: &generator)
    let whole = jacobian(of: Self.f, at: x, mode: mode)
    expectClose(jacobian(of: Self.f, at: x, mode: mode, chunk: chunk), whole, .exact, seed: 32)
  }

  @Test(arguments: [DifferentiationMode.forward, .reverse])
  func ofATree(mode: DifferentiationMode) {
    let x = ["a": Tensor([1.0, 2, 3]), "b": Tensor(4), "c": .zeros([0]), "unused": Tensor([1.0, 1])]
    let result = jacobian(
      of: { (x: [String: Tensor]) in x["a"]!.sum() * x["b"]! * Tensor([1.0, 2]) }, at: x, mode: mode)
    #expect(result["a"]! == Tensor([[4.0, 4, 4], [8, 8, 8]]))
    #expect(result["b"]! == Tensor([6.0, 12]))
    #expect(result["c"]!.shape == [2, 0])
    #expect(result["unused"]! == .zeros([2, 2]))
  }

  @Test(arguments: [DifferentiationMode.forward, .reverse])
  func edges(mode: DifferentiationMode) {
    #expect(jacobian(of: { (x: Tensor) in x * 3 }, at: Tensor(2), mode: mode) == Tensor(3))
    #expect(jacobian(of: { (_: Tensor) in Tensor([1.0, 2]) }, at: .ones([3]), mode: mode) == .zeros([2, 3]))
    #expect(jacobian(of: { (x: Tensor) in x }, at: .ones([3]), mode: mode) == .eye(3))
    #expect(jacobian(of: { (x: Tensor) in x[0..<0] }, at: .ones([3]), mode: mode).shape == [0, 3])
    let single = jacobian(of: { (x: Tensor) in x * x }, at: Tensor([1, 2] as [Float]), mode: mode)
    #expect(single == Tensor([[2.0, 0], [0, 4]], as: .float32))
  }

  @Test func hessianIsSymmetricAndRight() {
    var generator = RandomGenerator(seed: 33)
    let x = Tensor.normal([2, 3], using: &generator)
    let f = { (x: Tensor) in (sin(x) * x.sum()).sum() + logsumexp(x) }
    let h = hessian(of: f, at: x)
    #expect(h.shape == [2, 3, 2, 3])
    expectClose(h, h.permuted([2, 3, 0, 1]), .analytic, seed: 33)
    expectClose(h, hessian(of: f, at: x, chunk: 4), .exact, seed: 33)
    let reverse = jacobian(of: { gradient(of: f, at: $0) }, at: x, mode: .reverse)
    expectClose(h, reverse, .analytic, seed: 33)
    // xᵀAx has the Hessian A + Aᵀ.
    let a = Tensor.normal([4, 4], using: &generator)
    let quadratic = hessian(of: { (x: Tensor) in dot(x, matmul(a, x)) }, at: Tensor.normal([4], using: &generator))
    expectClose(quadratic, a + a.transposed, .exact, seed: 33)
  }

  @Test func hessianOfATreeIsAMatrix() {
    let x = [Tensor([1.0, 2]), Tensor(3)]
    let h = hessian(of: { (x: [Tensor]) in (x[0] * x[0]).sum() * x[1] }, at: x)
    #expect(h == Tensor([[6.0, 0, 2], [0, 6, 4], [2, 4, 0]]))
  }

  @Test func perExampleJacobians() {
    var generator = RandomGenerator(seed: 34)
    let xs = Tensor.normal([3, 4], using: &generator)
    let f = { (x: Tensor) in tanh(x) * x.sum() }
    let batched = vmap { (x: Tensor) in jacobian(of: f, at: x) }(xs)
    let loop = stack((0..<3).map { jacobian(of: f, at: xs[$0]) })
    expectClose(batched, loop, .analytic, seed: 34)
  }

  @Test func aChunkMustBePositive() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = jacobian(of: { (x: Tensor) in x }, at: Tensor(1), chunk: 0)
    }
    #expect(result.message.contains("jacobian: the chunk must be positive, but got 0."))
  }
}
