import Synchronization
import Testing

@testable import AutoDiff

/// A function with derivatives by hand has those derivatives, whichever rules are given, to any order and inside any
/// transform.
@Suite struct CustomDerivativeLawTests {
  fileprivate typealias In = [String: Tensor]
  fileprivate typealias Out = [Tensor]

  /// Two inputs of different shapes, two outputs of different shapes.
  @Sendable fileprivate static func plain(_ x: In) -> Out {
    let (a, b) = (x["a"]!, x["b"]!)
    return [sin(a) * b, (a * a * b).sum()]
  }

  @Sendable fileprivate static func tangent(_ x: In, _ v: In) -> Out {
    let (a, b, da, db) = (x["a"]!, x["b"]!, v["a"]!, v["b"]!)
    return [cos(a) * da * b + sin(a) * db, (a * b * da * 2).sum() + dot(a, a) * db]
  }

  @Sendable fileprivate static func cotangent(_ x: In, _ c: Out) -> In {
    let (a, b) = (x["a"]!, x["b"]!)
    return ["a": cos(a) * b * c[0] + a * b * c[1] * 2, "b": dot(sin(a), c[0]) + dot(a, a) * c[1]]
  }

  enum Rules: CaseIterable {
    case forward, backward, both, residuals

    fileprivate var function: @Sendable (In) -> Out {
      switch self {
      case .forward: withDerivative(of: plain, jvp: { x, v, _ in tangent(x, v) })
      case .backward: withDerivative(of: plain, vjp: { x, _, c in cotangent(x, c) })
      case .both: withDerivative(of: plain, jvp: { x, v, _ in tangent(x, v) }, vjp: { x, _, c in cotangent(x, c) })
      case .residuals:
        withDerivative(
          forward: { @Sendable (x: In) in
            (output: plain(x), residuals: ["x": [x["a"]!, x["b"]!], "sin and cos": [sin(x["a"]!), cos(x["a"]!)]])
          },
          vjp: { @Sendable (kept: [String: [Tensor]], c: Out) in
            let (a, b, s, t) = (kept["x"]![0], kept["x"]![1], kept["sin and cos"]![0], kept["sin and cos"]![1])
            return ["a": t * b * c[0] + a * b * c[1] * 2, "b": dot(s, c[0]) + dot(a, a) * c[1]]
          })
      }
    }
  }

  private static func sample(_ leading: [Int], _ type: ScalarType, seed: UInt64 = 5) -> In {
    var random = RandomGenerator(seed: seed)
    return [
      "a": .normal(leading + [3], as: type, using: &random), "b": .normal(leading, as: type, using: &random),
    ]
  }

  /// Derivatives of orders one to three, in modes that nest in every order.
  private static func derivatives(of f: @escaping (In) -> Out, _ type: ScalarType) -> [(name: String, value: [Tensor])]
  {
    let (x, v) = (sample([], type), sample([], type, seed: 6))
    let loss = { (x: In) -> Tensor in
      let y = f(x)
      return (y[0] * y[0] * y[0]).sum() + y[0].sum() * y[1] + sin(y[1])
    }
    let c = f(x).map { cos($0) }
    let slope = { (x: In) in gradient(of: loss, at: x) }
    let along = { (g: @escaping (In) -> Tensor) in { (x: In) in directionalDerivative(of: g, at: x, along: v) } }
    return [
      ("value", f(x)), ("jvp", jvp(of: f, at: x, along: v).tangent), ("vjp", vjp(of: f, at: x).pullback(c).leaves),
      ("linearize", linearize(f, at: x).derivative(v)), ("gradient", slope(x).leaves),
      ("jacobian, forward", jacobian(of: { f($0)[0] }, at: x, mode: .forward).leaves),
      ("jacobian, reverse", jacobian(of: { f($0)[0] }, at: x, mode: .reverse).leaves),
      ("forward over reverse", hvp(of: loss, at: x, along: v).leaves),
      ("reverse over forward", gradient(of: along(loss), at: x).leaves),
      ("reverse over reverse", gradient(of: { slope($0).innerProduct(v) }, at: x).leaves),
      ("forward over forward", [along(along(loss))(x)]), ("third, forward", [along(along(along(loss)))(x)]),
      (
        "third, reverse",
        gradient(of: { gradient(of: { slope($0).innerProduct(v) }, at: $0).innerProduct(v) }, at: x).leaves
      ),
      ("third, mixed", gradient(of: { hvp(of: loss, at: $0, along: v).innerProduct(v) }, at: x).leaves),
    ]
  }

  @Test(arguments: Rules.allCases, [ScalarType.float64, .float32])
  func allOrders(_ rules: Rules, _ type: ScalarType) {
    let actual = Self.derivatives(of: rules.function, type)
    for (a, b) in zip(actual, Self.derivatives(of: Self.plain, type)) {
      expectClose(a.value, b.value, .analytic, "\(a.name)")
      #expect(a.value.allSatisfy { $0.scalarType == type }, "\(a.name)")
    }
  }

  /// One and two levels of vmap, inside and outside of derivatives, and all inputs batched or one.
  @Test(arguments: Rules.allCases, [0, 1, 3])
  func batching(_ rules: Rules, _ size: Int) {
    func results(_ f: @escaping (In) -> Out) -> [[Tensor]] {
      let xs = Self.sample([size], .float64)
      let grid = Self.sample([2, size], .float64)
      let v = Self.sample([size], .float64, seed: 7)
      let loss = { (x: In) -> Tensor in f(x).map { ($0 * $0).sum() }.reduce(Tensor(0)) { $0 + $1 } }
      let slopes = { (xs: In) in vmap { (x: In) in gradient(of: loss, at: x) }(xs) }
      return [
        vmap(f)(xs), slopes(xs).leaves, gradient(of: { vmap(loss)($0).sum() }, at: xs).leaves,
        jvp(of: slopes, at: xs, along: v).tangent.leaves,
        gradient(of: { slopes($0).innerProduct(v) }, at: xs).leaves, vmap(slopes)(grid).leaves,
        gradient(of: { vmap { (x: In) in vmap(loss)(x).sum() }($0).sum() }, at: grid).leaves,
        vmap { (x: In) in hvp(of: loss, at: x, along: x) }(xs).leaves,
        vmap { (a: Tensor) in f(["a": a, "b": Tensor(0.7)]) }(xs["a"]!),
        gradient(
          of: { (b: Tensor) in vmap { (a: Tensor) in loss(["a": a, "b": b]) }(xs["a"]!).sum() }, at: Tensor(0.7)
        ).leaves,
      ]
    }
    for (k, (a, b)) in zip(results(rules.function), results(Self.plain)).enumerated() {
      expectClose(a, b, .analytic, "number \(k)")
    }
  }

  private struct Point: TensorTree {
    var place: Tensor, weight: Tensor?
    mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
      body(&place)
      weight.forEachTensor(body)
    }
  }

  @Test func structsInAndOut() {
    let f = { @Sendable (x: Point) -> Pair<Point, [String: Tensor]> in
      Pair(Point(place: x.place * x.weight!, weight: nil), ["norm": dot(x.place, x.place)])
    }
    let g = withDerivative(
      of: f,
      vjp: { (x: Point, _: Pair<Point, [String: Tensor]>, c: Pair<Point, [String: Tensor]>) -> Point in
        let (direction, norm) = (c.first.place, c.second["norm"]!)
        let place: Tensor = direction * x.weight! + x.place * norm * 2
        return Point(place: place, weight: dot(direction, x.place))
      })
    let x = Point(place: Tensor([1, -2, 3]), weight: Tensor(0.5))
    func loss(_ f: @escaping (Point) -> Pair<Point, [String: Tensor]>) -> (Point) -> Tensor {
      { f($0).first.place.sum() * f($0).second["norm"]! }
    }
    expectClose(gradient(of: loss(g), at: x).leaves, gradient(of: loss(f), at: x).leaves, .exact)
    expectClose(hvp(of: loss(g), at: x, along: x).leaves, hvp(of: loss(f), at: x, along: x).leaves, .analytic)
  }

  // MARK: What is run, and how often

  /// Runs on the values themselves: on zeros the factorization would fail.
  @Test func aFunctionThatFailsOnZeros() {
    let f = withDerivative(
      of: { (a: Tensor) in try! logDeterminant(a) },
      vjp: { a, _, c in c * (try! choleskySolve(a, .eye(a.shape[0]))) })
    let a = Tensor([[2, 0.5], [0.5, 1]])
    expectClose(f(a), log(Tensor(1.75)), .exact)
    let inverse = Tensor([[1, -0.5], [-0.5, 2]]) / 1.75
    expectClose(gradient(of: f, at: a), inverse, .exact)
    expectClose(gradient(of: { vmap(f)($0).sum() }, at: stack([a, a * 2])), stack([inverse, inverse / 2]), .exact)
    // d(a⁻¹) = −a⁻¹ da a⁻¹.
    expectClose(hvp(of: f, at: a, along: .eye(2)), -matmul(inverse, inverse), .analytic)
  }

  /// On zeros, this loop never ends.
  @Test(.timeLimit(.minutes(5))) func aFunctionThatLoopsUntilItStandsStill() {
    let root = withDerivative(
      of: { (a: Tensor) -> Tensor in
        var x = a
        while true {
          let next = (x + a / x) * 0.5
          if abs(next - x).scalar <= 1e-15 * x.scalar { return next }
          x = next
        }
      }, jvp: { _, v, y in v / (y * 2) })
    expectClose(gradient(of: root, at: Tensor(9)).scalar, 1 / 6, .exact)
    expectClose(hessian(of: root, at: Tensor(9)).scalar, -1 / 108, .analytic)
    let third = gradient(of: { gradient(of: { gradient(of: root, at: $0) }, at: $0) }, at: Tensor(4))
    expectClose(third.scalar, 3.0 / 256, .analytic)
  }

  private final class Count: Sendable {
    private let calls = Atomic(0)
    func add() { calls.add(1, ordering: .relaxed) }
    /// What has been counted since the last time.
    func take() -> Int { calls.exchange(0, ordering: .relaxed) }
  }

  /// k inputs under v levels of vmap take one call of a rule, not k^(v+1).
  @Test(arguments: [1, 3, 8], 0...2) func rulesAreCalledOnce(_ inputs: Int, _ levels: Int) {
    let (forward, backward) = (Count(), Count())
    let f = withDerivative(
      of: { (x: [Tensor]) in x.reduce(Tensor(1)) { $0 * $1 } },
      jvp: { x, v, y in
        forward.add()
        return zip(x, v).map { y / $0 * $1 }.reduce(Tensor(0)) { $0 + $1 }
      },
      vjp: { x, y, c in
        backward.add()
        return x.map { c * y / $0 }
      })
    let x = (0..<inputs).map { Tensor.filled(Double($0) + 1, [Int](repeating: 2, count: levels)) }
    var outside: ([Tensor]) -> Tensor = f
    var inside: ([Tensor]) -> [Tensor] = { gradient(of: f, at: $0) }
    for _ in 0..<levels {
      outside = { [outside] in vmap(outside)($0) }
      inside = { [inside] in vmap(inside)($0) }
    }
    let slopes = gradient(of: { outside($0).sum() }, at: x)
    #expect(backward.take() == 1)
    expectClose(inside(x), slopes, .exact)
    #expect(backward.take() == 1 && forward.take() == 0)
    _ = directionalDerivative(of: outside, at: x, along: x)
    #expect(forward.take() == 1 && backward.take() == 0)
  }

  // MARK: What stops

  @Test func aTangentOfAnotherShapeStops() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let crooked = withDerivative(of: { (x: Tensor) in x * 2 }, name: "crooked", jvp: { _, v, _ in v.sum() })
      _ = jvp(of: crooked, at: Tensor([1, 2]), along: Tensor([1, 2]))
    }
    #expect(
      result.message.contains(
        "crooked: a tangent must have the shape of its output, but got [] for number 0 of shape [2]."))
  }

  @Test func tooFewTangentsStop() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let forgetful = withDerivative(
        of: { (x: Tensor) in [x, x * 2] }, name: "forgetful", jvp: { _, v, _ in [v] })
      _ = gradient(of: { forgetful($0)[1] }, at: Tensor(1))
    }
    #expect(result.message.contains("forgetful: a rule must return a tangent for every output, but got 1 for 2."))
  }

  @Test func aTangentOfAnotherTypeStops() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let coarse = withDerivative(
        of: { (x: Tensor) in x * 2 }, name: "coarse", jvp: { _, v, _ in (v * 2).as(.float32) })
      _ = jvp(of: coarse, at: Tensor(1), along: Tensor(1))
    }
    #expect(
      result.message.contains("coarse: a tangent must have the scalar type of its output, but got float32 for float64.")
    )
  }

  // MARK: What stays

  /// Neither the trace nor what it recorded outlives the transform.
  @Test func nothingIsLeftBehind() {
    weak var trace: Trace?
    weak var input: Node?
    let f = Rules.residuals.function
    func spied(_ x: In, _ f: @escaping (In) -> Out) -> Tensor {
      trace = (x["a"]!.node as? TracedNode)?.trace
      input = x["a"]!.node
      #expect(trace != nil)
      let y = f(x)
      return y[0].sum() * y[1]
    }
    let x = Self.sample([], .float64)
    for rules in Rules.allCases {
      let f = rules.function
      _ = gradient(of: { spied($0, f) }, at: x)
      #expect(trace == nil && input == nil, "gradient, \(rules)")
      _ = hvp(of: { spied($0, f) }, at: x, along: x)
      #expect(trace == nil && input == nil, "hvp, \(rules)")
      _ = vmap { (x: In) in spied(x, f) }(Self.sample([3], .float64))
      #expect(trace == nil && input == nil, "vmap, \(rules)")
      do {
        let pullback = vjp(of: { spied($0, checkpoint { f($0) }) }, at: x).pullback
        _ = pullback(Tensor(1))
        _ = pullback(Tensor(2))
        #expect(trace != nil)
      }
      #expect(trace == nil && input == nil, "vjp and checkpoint, \(rules)")
    }
    _ = f
  }

  private struct Failure: Error {}

  /// A recording that never came to its end is freed as well, though what can be run again refers to its values.
  @Test func aThrownErrorLeavesNothingBehind() {
    weak var trace: Trace?
    let f = { (x: Tensor) throws -> Tensor in
      trace = (x.node as? TracedNode)?.trace
      let y = checkpoint { sin($0) * $0 }(x)
      if y.scalar < 10 { throw Failure() }
      return y
    }
    let x = Tensor(1)
    #expect(throws: Failure.self) { try gradient(of: f, at: x) }
    #expect(trace == nil, "gradient")
    #expect(throws: Failure.self) { try vjp(of: f, at: x).value }
    #expect(trace == nil, "vjp")
    #expect(throws: Failure.self) { try linearize(f, at: x).value }
    #expect(trace == nil, "linearize")
    #expect(throws: Failure.self) { try jacobian(of: f, at: x) }
    #expect(trace == nil, "jacobian")
  }
}
