import Testing

@testable import AutoDiff

@Suite struct ForwardDerivativeTests {
  @Test func jvpOfATree() {
    let result = jvp(
      of: { (x: [Tensor]) in ["product": x[0] * x[1], "first": x[0], "constant": Tensor(1)] },
      at: [Tensor([1.0, 2]), Tensor(3)], along: [Tensor([1.0, 0]), Tensor(10)])
    #expect(result.value == ["product": Tensor([3.0, 6]), "first": Tensor([1.0, 2]), "constant": Tensor(1)])
    #expect(result.tangent == ["product": Tensor([13.0, 20]), "first": Tensor([1.0, 0]), "constant": Tensor(0)])
  }

  @Test func hvpIsTheHessianTimesTheDirection() {
    var generator = RandomGenerator(seed: 21)
    let (x, v) = (Tensor.normal([4], using: &generator), Tensor.normal([4], using: &generator))
    let f = { (x: Tensor) in (exp(x) * x.sum()).sum() }
    expectClose(hvp(of: f, at: x, along: v), matmul(hessian(of: f, at: x), v), .analytic, seed: 21)
  }

  @Test func hvpOfALinearFunctionIsZero() {
    #expect(hvp(of: { (x: Tensor) in x.sum() }, at: .ones([3]), along: .ones([3])) == .zeros([3]))
  }

  // MARK: linearize

  @Test func linearizedMapIsReusable() {
    let x = Tensor([2.0, 3])
    let (value, map) = linearize({ (x: Tensor) in [x * x, x.sum(), Tensor(4)] }, at: x)
    #expect(value == [Tensor([4.0, 9]), Tensor(5), Tensor(4)])
    #expect(map(Tensor([1.0, 0])) == [Tensor([4.0, 0]), Tensor(1), Tensor(0)])
    #expect(map(Tensor([0.0, 2])) == [Tensor([0.0, 12]), Tensor(2), Tensor(0)])
    #expect(map(Tensor([1.0, 0])) == [Tensor([4.0, 0]), Tensor(1), Tensor(0)])
  }

  @Test func linearizedIdentity() {
    let map = linearize({ (x: [Tensor]) in [x[1], x[0], x[0]] }, at: [Tensor(1), Tensor([2.0])]).derivative
    #expect(map([Tensor(5), Tensor([6.0])]) == [Tensor([6.0]), Tensor(5), Tensor(5)])
  }

  @Test func linearizeIsJvp() {
    var generator = RandomGenerator(seed: 22)
    let w = Tensor.normal([3, 3], using: &generator)
    let x = Tensor.normal([3], using: &generator)
    let f = { (x: Tensor) in softmax(matmul(w, tanh(x))) }
    let map = linearize(f, at: x).derivative
    let directions = Tensor.normal([4, 3], using: &generator)
    for k in 0..<4 {
      expectClose(map(directions[k]), jvp(of: f, at: x, along: directions[k]).tangent, .analytic, seed: 22)
    }
    // Many directions at once, and the map's own derivative in its point.
    expectClose(
      vmap { (v: Tensor) in map(v) }(directions), matmul(directions, jacobian(of: f, at: x).transposed), .analytic,
      seed: 22)
    let second = { (x: Tensor) in linearize(f, at: x).derivative(directions[0]) }
    expectClose(
      jacobian(of: second, at: x), jacobian(of: { jvp(of: f, at: $0, along: directions[0]).tangent }, at: x), .analytic,
      seed: 22)
  }

  // MARK: Errors

  @Test func aDirectionMustFit() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = jvp(of: { (x: [Tensor]) in x[0] }, at: [Tensor(1)], along: [Tensor(1), Tensor(2)])
    }
    #expect(result.message.contains("jvp: both trees must have the same leaves, but got [[]] and [[], []]."))
  }

  @Test func aLinearizedDirectionMustFit() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = linearize({ (x: Tensor) in x }, at: Tensor([1.0, 2])).derivative(Tensor([1.0]))
    }
    #expect(result.message.contains("linearize: both trees must have the same leaves, but got [[2]] and [[1]]."))
  }

  /// Calls with a direction or a cotangent of the other scalar type, whose memory must not be read as if it were of this one.
  private static let mistyped: [(operation: String, call: @Sendable (Tensor, Tensor) -> Void)] = [
    ("jvp", { x, y in _ = jvp(of: { tanh($0).sum() }, at: x, along: y) }),
    ("jvp", { x, y in _ = compiled { jvp(of: { softmax($0) }, at: $0, along: y).tangent }(x) }),
    ("hvp", { x, y in _ = hvp(of: { sin($0).sum() }, at: x, along: y) }),
    ("directionalDerivative", { x, y in _ = directionalDerivative(of: { square($0) }, at: x, along: y) }),
    ("linearize", { x, y in _ = linearize({ square($0).sum() }, at: x).derivative(y) }),
    ("pullback", { x, y in _ = linearize({ square($0) }, at: x).derivative.transposed(y) }),
    ("pullback", { x, y in _ = vjp(of: { square($0) }, at: x).pullback(y) }),
    ("pullback", { x, y in _ = vjp(of: { sin($0).sum() }, at: x).pullback(y.sum()) }),
    ("pullback", { x, y in _ = vmap { x in vjp(of: { square($0) }, at: x).pullback(y[0]) }(x) }),
  ]

  @Test(arguments: mistyped.indices, [false, true])
  func scalarTypesMustFit(_ number: Int, isSingle: Bool) async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [number, isSingle] in
      let (x, y) = (Tensor([0.3, -0.7, 1.1]), Tensor([1, 2, 3], as: .float32))
      Self.mistyped[number].call(isSingle ? y : x, isSingle ? x : y)
    }
    let operation = Self.mistyped[number].operation
    #expect(result.message.contains("\(operation): all inputs must have one scalar type, but got"), "\(number)")
  }
}
