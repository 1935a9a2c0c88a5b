import Synchronization
import Testing

@testable import AutoDiff

/// The derivatives of a point that an equation defines are those of the equation, whatever finds the point.
@Suite struct ImplicitDerivativeTests {
  @Sendable private static func squareRoot(_ a: Tensor) -> Tensor {
    try! root(of: { z, a in z * z - a }, from: Tensor.ones(like: a), at: a)
  }

  private static let types = [ScalarType.float64, .float32]

  /// Derivatives of orders one to three of a function of a vector, in modes that nest in every order.
  private static func derivatives(of f: @escaping (Tensor) -> Tensor, at x: Tensor) -> [Tensor] {
    let v = cos(x * 3)
    let loss = { (x: Tensor) -> Tensor in
      let y = f(x)
      return dot(y * y * y, Tensor.range(from: 1, to: Double(y.count + 1), as: x.scalarType))
    }
    let along = { (g: @escaping (Tensor) -> Tensor) in { (x: Tensor) in directionalDerivative(of: g, at: x, along: v) }
    }
    let slope = { (x: Tensor) in gradient(of: loss, at: x) }
    return [
      f(x), jacobian(of: f, at: x, mode: .forward), jacobian(of: f, at: x, mode: .reverse), hessian(of: loss, at: x),
      gradient(of: along(loss), at: x), gradient(of: { dot(slope($0), v) }, at: x), along(along(loss))(x),
      along(along(along(loss)))(x), gradient(of: { dot(hvp(of: loss, at: $0, along: v), v) }, at: x),
      gradient(of: { dot(gradient(of: { dot(slope($0), v) }, at: $0), v) }, at: x),
    ]
  }

  @Test(arguments: types) func squareRootsByNewton(_ type: ScalarType) {
    let a = Tensor([0.25, 2, 9], as: type)
    expectClose(Self.derivatives(of: Self.squareRoot, at: a), Self.derivatives(of: { sqrt($0) }, at: a), .analytic)
    var f: (Tensor) -> Tensor = Self.squareRoot
    for expected in [0.25, -1.0 / 32, 3.0 / 256] {
      f = { [f] x in gradient(of: f, at: x) }
      expectClose(
        f(Tensor(4, as: type)).as(.float64).scalar, expected, type == .float64 ? .analytic : .finiteDifference)
    }
  }

  /// z = A z + b.
  @Test(arguments: types) func linearFixedPoint(_ type: ScalarType) {
    var random = RandomGenerator(seed: 11)
    let p = concatenate([Tensor.normal([9], as: type, using: &random) * 0.2, .normal([3], as: type, using: &random)])
    let parts = { (p: Tensor) in (p[..<9].reshaped(to: [3, 3]), p[9...]) }
    let found = { (p: Tensor) in
      try! fixedPoint(
        of: { z, p in matmul(p[0], z) + p[1] }, from: Tensor.zeros([3], as: p.scalarType), at: [parts(p).0, parts(p).1])
    }
    let solved = { (p: Tensor) -> Tensor in
      let (a, b) = parts(p)
      let (q, r) = try! qr(.eye(3, as: p.scalarType) - a)
      return try! triangularSolve(r, matmul(q.transposed, b), .upper)
    }
    let (actual, expected) = (Self.derivatives(of: found, at: p), Self.derivatives(of: solved, at: p))
    for (k, (a, b)) in zip(actual, expected).enumerated() {
      expectClose(a, b, type == .float64 ? .analytic : .finiteDifference, "number \(k)")
    }
  }

  /// z = softmax(W z + x) against as many steps as it takes, followed one by one.
  @Test func fixedPointOfASoftmax() {
    var random = RandomGenerator(seed: 12)
    let w = Tensor.normal([4, 4], using: &random)
    let x = Tensor.normal([4], using: &random)
    let found = { (x: Tensor) in
      try! fixedPoint(of: { z, x in softmax(matmul(w, z) + x) }, from: Tensor.filled(0.25, [4]), at: x)
    }
    let unrolled = { (x: Tensor) -> Tensor in
      var z = Tensor.filled(0.25, [4])
      for _ in 0..<80 { z = softmax(matmul(w, z) + x) }
      return z
    }
    expectClose(found(x), unrolled(x), .analytic)
    expectClose(jacobian(of: found, at: x), jacobian(of: unrolled, at: x), .analytic)
    let loss = { (f: @escaping (Tensor) -> Tensor) in { (x: Tensor) in dot(f(x), f(x)) } }
    expectClose(hessian(of: loss(found), at: x), hessian(of: loss(unrolled), at: x), .analytic)
  }

  /// Trees as the point and as the parameters: u = b cos v, v = a u / 2.
  @Test func trees() {
    let g = { @Sendable (z: [String: Tensor], p: Pair<Tensor, [Tensor]>) -> [String: Tensor] in
      ["u": p.second[0] * cos(z["v"]!), "v": dot(p.first, z["u"]!) * 0.5]
    }
    let start = ["u": Tensor.zeros([2]), "v": Tensor(0)]
    let p = Pair(Tensor([0.5, -0.3]), [Tensor([0.7, 0.4])])
    let f = { (p: Pair<Tensor, [Tensor]>) -> Tensor in
      let z = try! fixedPoint(of: g, from: start, at: p)
      return z["u"]!.sum() * z["v"]!
    }
    let unrolled = { (p: Pair<Tensor, [Tensor]>) -> Tensor in
      var z = start
      for _ in 0..<60 { z = g(z, p) }
      return z["u"]!.sum() * z["v"]!
    }
    expectClose(f(p), unrolled(p), .analytic)
    expectClose(gradient(of: f, at: p).leaves, gradient(of: unrolled, at: p).leaves, .analytic)
    expectClose(hvp(of: f, at: p, along: p).leaves, hvp(of: unrolled, at: p, along: p).leaves, .analytic)
    // By Newton's method as the root of z − g(z).
    let byRoot = { (p: Pair<Tensor, [Tensor]>) -> Tensor in
      let z = try! root(of: { z, p in z.subtracting(g(z, p)) }, from: start, at: p)
      return z["u"]!.sum() * z["v"]!
    }
    expectClose(gradient(of: byRoot, at: p).leaves, gradient(of: unrolled, at: p).leaves, .analytic)
  }

  @Test func theStartDoesNotCount() {
    let f = { (start: Tensor) in try! root(of: { z, a in z * z - a }, from: start, at: Tensor(2)) }
    let expected = Double(2).squareRoot()
    expectClose(f(Tensor(1)).scalar, expected, .exact)
    expectClose(f(Tensor(-1)).scalar, -expected, .exact)
    #expect(gradient(of: f, at: Tensor(1)) == Tensor(0))
    #expect(jvp(of: f, at: Tensor(1), along: Tensor(1)).tangent == Tensor(0))
    // An example may be where the search begins.
    expectClose(vmap(f)(Tensor([1.0, -1])), Tensor([expected, -expected]), .exact)
  }

  // MARK: Solvers

  private final class Steps: Sendable {
    private let counts = Locked<[Int]>([])
    func add(_ count: Int) { counts.value += [count] }
    var all: [Int] { counts.value }
  }

  /// z ← g(z) until nothing changes, counting.
  private static func counting(_ steps: Steps) -> ImplicitSolver {
    ImplicitSolver { start, residual in
      var (z, count) = (start, 0)
      while true {
        let value = residual(z)
        if value.norm().scalar <= 1e-14 { break }
        z = z - value
        count += 1
      }
      steps.add(count)
      return z
    }
  }

  /// Under vmap each example stops by itself: the same bits as alone, after as many steps.
  @Test func examplesStopByThemselves() {
    let rates = Tensor([0.9, 0.1, 0.5])
    func solve(_ steps: Steps) -> (Tensor) -> Tensor {
      { p in try! fixedPoint(of: { z, p in cos(z * p) }, from: Tensor(0.3), at: p, by: Self.counting(steps)) }
    }
    let (alone, together, nested, within) = (Steps(), Steps(), Steps(), Steps())
    let expected = (0..<3).map { solve(alone)(rates[$0]) }
    #expect(Set(alone.all).count == 3)
    #expect(vmap(solve(together))(rates) == stack(expected))
    #expect(together.all == alone.all)
    #expect(vmap(vmap(solve(nested)))(stack([rates, rates])) == stack([stack(expected), stack(expected)]))
    #expect(nested.all == alone.all + alone.all)
    let slopes = vmap { (p: Tensor) in gradient(of: solve(within), at: p) }(rates)
    expectClose(slopes, stack((0..<3).map { gradient(of: solve(alone), at: rates[$0]) }), .exact)
    // Once forward; the derivative needs no search.
    #expect(within.all == together.all)
    expectClose(gradient(of: { vmap(solve(within))($0).sum() }, at: rates), slopes, .exact)
  }

  @Test func noExamples() {
    let none = Tensor.zeros([0, 2])
    let f = { (p: Tensor) in try! fixedPoint(of: { z, p in cos(z * p) }, from: Tensor.zeros([2]), at: p) }
    #expect(vmap(f)(none) == none)
    #expect(vmap(vmap(f))(.zeros([3, 0, 2])) == .zeros([3, 0, 2]))
    #expect(vmap { (p: Tensor) in gradient(of: { f($0).sum() }, at: p) }(none) == none)
    #expect(gradient(of: { vmap(f)($0).sum() }, at: none) == none)
  }

  @Test func aSolverOfOnesOwn() {
    let bisection = ImplicitSolver { _, residual in
      var (low, high) = (Tensor([0]), Tensor([4]))
      for _ in 0..<60 {
        let middle = (low + high) * 0.5
        if residual(middle).scalars[0] < 0 { low = middle } else { high = middle }
      }
      return (low + high) * 0.5
    }
    let f = { (a: Tensor) in try! root(of: { z, a in z * z * z - a }, from: Tensor(0), at: a, by: bisection) }
    expectClose(f(Tensor(8)).scalar, 2, .exact)
    expectClose(gradient(of: f, at: Tensor(8)).scalar, 1.0 / 12, .analytic)
    expectClose(hessian(of: f, at: Tensor(8)).scalar, -1.0 / 144, .analytic)
    expectClose(vmap(f)(Tensor([1.0, 8])), Tensor([1.0, 2]), .exact)
  }

  // MARK: Failures

  @Test func whatDoesNotConvergeThrows() {
    let g = { @Sendable (z: Tensor, p: Tensor) in p - z }
    let f = { (p: Tensor) throws in try fixedPoint(of: g, from: Tensor(0), at: p, by: .iteration(limit: 7)) }
    let expected = ImplicitSolverError.notConverged(steps: 7, residual: 1)
    #expect(throws: expected) { try f(Tensor(1)) }
    #expect(throws: expected) { try gradient(of: f, at: Tensor(1)) }
    #expect(throws: expected) { try jvp(of: f, at: Tensor(1), along: Tensor(1)) }
    #expect("\(expected)" == "The search has not converged: after 7 steps the residual has norm 1.0.")
    var thrown: (any Error)?
    _ = vmap { (p: Tensor) -> Tensor in
      do { return try f(p) } catch {
        thrown = error
        return p
      }
    }(Tensor([0.0, 1, 0]))
    #expect(thrown as? ImplicitSolverError == expected)
    #expect(throws: ImplicitSolverError.self) {
      try fixedPoint(of: { (z: Tensor, p: Tensor) in z * z * p + 1 }, from: Tensor(10), at: Tensor(1))
    }
    // From 1 the first step leads to 0, where the slope is 0.
    #expect(throws: ImplicitSolverError.singularJacobian(step: 1)) {
      try root(of: { z, p in z * z + p }, from: Tensor(1), at: Tensor(1))
    }
  }

  @Test func whereTheEquationIsDegenerateTheDerivativeStops() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let exact = ImplicitSolver { start, _ in start }
      _ = gradient(of: { a in try! root(of: { z, a in z * z - a }, from: Tensor(0), at: a, by: exact) }, at: Tensor(0))
    }
    #expect(result.message.contains("root: the derivative exists only where the equation's Jacobian is invertible"))
  }

  @Test func captureOfADifferentiatedValueStops() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = gradient(
        of: { (x: Tensor) in try! fixedPoint(of: { z, p in (z + p) * 0.3 + x }, from: Tensor(0), at: Tensor(1)) + x },
        at: Tensor(1))
    }
    #expect(
      result.message.contains(
        "fixedPoint: the function must not capture a value that a transform follows. Pass it as an input."))
  }
}
