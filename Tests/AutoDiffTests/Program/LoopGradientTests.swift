import TestSupport
import Testing

@testable import AutoDiff

/// Gradients through loops of programs, beside those through the same loops of Swift's.
struct LoopGradientTests {
  static let point = [Tensor([0.3, -0.2, 0.5]), Tensor([[0.2, 0.1, 0], [-0.3, 0.4, 0.2], [0.1, 0, 0.3]])]

  /// A recurrent network without inputs, whose weights are captured.
  static func recurrent(_ count: Int, _ x: [Tensor]) -> Tensor {
    repeated(count, x[0]) { h in tanh(matmul(x[1], h) + x[0]) }.sum()
  }

  private func expectSame(_ f: @escaping ([Tensor]) -> [Tensor], at x: [Tensor] = point, _ label: String) {
    let program = compiled(f)
    for _ in 0..<2 { expectClose(program(x), f(x), .exact, atLeast: 1e-3, seed: 0, label) }
  }

  /// However many steps there are, the body is recorded a few times, and the gradient is that of all of them.
  @Test(arguments: [1, 2, 3, 17, 1000]) func bodiesAreRecordedOnce(count: Int) {
    let steps = Counter()
    func f(_ x: [Tensor]) -> Tensor {
      repeated(count, x[0]) { h in
        steps.increment()
        return sin(matmul(x[1], h) + x[0] * 1.5)
      }.sum()
    }
    let program = compiled { gradient(of: f, at: $0) }
    let computed = program(Self.point)
    #expect(steps.count < 10)
    expectClose(computed, gradient(of: f, at: Self.point), .exact, atLeast: 1e-3, seed: 0, "\(count) steps")
  }

  /// The number of steps is known only when the program runs; it may be none, and many.
  @Test func numbersOfStepsMayDiffer() {
    func f(_ x: [Tensor]) -> Tensor {
      let last = repeated(while: { (s: [Tensor]) in s[0].norm() .> x[1].sum() }, [x[0], Tensor(0)]) { s in
        [s[0] * (0.97 - s[1] * 1e-4), s[1] + square(s[0] * x[0]).sum()]
      }
      return last[0].sum() * last[1]
    }
    let program = compiled { gradient(of: f, at: $0) }
    for least in [10, 0.5, 1e-2, 0.3, 20] {
      let x = [Tensor([1, 2, 3]), Tensor([least / 2, least / 2])]
      expectClose(program(x), gradient(of: f, at: x), .exact, atLeast: 1e-3, seed: 0, "\(least)")
    }
  }

  @Test func singleStatesAndCapturedValues() {
    let still = { (x: [Tensor]) in repeated(5, x[0]) { $0 * 0.5 + x[1].sum() * 0 }.sum() }
    let linear = { (x: [Tensor]) in
      repeated(while: { $0.sum() .< 100 }, x[0] + 1) { $0 * 2 + x[1].sum(axes: [0]) }.sum()
    }
    let captured = { (x: [Tensor]) in repeated(4, Tensor.ones([3])) { _ in x[0] }.sum() }
    // One leaf follows another, which follows a third: the state is followed part by part.
    let chain = { (x: [Tensor]) in
      repeated(6, [x[0], Tensor.zeros([3]), Tensor.zeros([3]), Tensor.ones([2])]) { s in [sin(s[0]), s[0], s[1], s[3]] }
        .reduce(Tensor(0)) { $0 + ($1 * 2).sum() }
    }
    for (name, f) in [("still", still), ("linear", linear), ("captured", captured), ("chain", chain)] {
      expectSame({ gradient(of: f, at: $0) }, name)
      expectSame({ hvp(of: f, at: $0, along: $0) }, "hvp, \(name)")
    }
  }

  @Test func pullbacksMayBeUsedAgain() {
    func states(_ x: [Tensor]) -> [Tensor] {
      repeated(7, x) { s in [tanh(matmul(s[1], s[0])), s[1] * 0.9 + s[0].sum() * 0.01] }
    }
    expectSame(
      { x in
        let pullback = vjp(of: states, at: x).pullback
        return pullback([x[0], x[1]]) + pullback([x[0] * 2, x[1] * 0])
      }, "two cotangents")
    expectSame({ x in [jacobian(of: { states([$0, x[1]])[0] }, at: x[0], mode: .reverse)] }, "Jacobian")
    expectSame(
      { x in
        [
          jacobian(
            of: { y in repeated(while: { $0.sum() .< 20 }, y) { square($0) * 1.1 + 1 } + x[1].sum() }, at: x[0],
            mode: .reverse)
        ]
      }, "Jacobian, unknown length")
    // A transform follows the cotangent alone.
    let along = { (x: [Tensor], c: Tensor) in vjp(of: states, at: x).pullback([c, x[1]])[0] }
    expectSame({ x in [directionalDerivative(of: { along(x, sin($0)) }, at: x[0], along: x[0] + 1)] }, "forward")
    expectSame({ x in [gradient(of: { square(along(x, sin($0))).sum() }, at: x[0])] }, "gradient")
    expectSame({ x in [hvp(of: { square(along(x, sin($0))).sum() }, at: x[0], along: x[0] + 1)] }, "hvp")
    expectSame({ x in [vmap { along(x, $0) }(x[1])] }, "vmap")
    expectSame({ x in [vmap { c in gradient(of: { square(along(x, $0)).sum() }, at: c) }(x[1])] }, "vmap of gradient")
  }

  /// Jacobians that are not made of cotangents follow the steps one by one.
  @Test func otherSweepsFollowTheSteps() {
    func states(_ x: [Tensor]) -> [Tensor] { repeated(5, x) { s in [tanh(matmul(s[1], s[0])), s[1] * 0.9] } }
    expectSame({ x in linearize(states, at: x).derivative(x) }, "linearization")
    expectSame({ x in linearize(states, at: x).derivative.transposed(x) }, "its transpose")
    expectSame(
      { x in gradient(of: { square(gradient(of: { Self.recurrent(4, $0) }, at: $0)[0]).sum() }, at: x) },
      "gradient of a gradient")
  }

  @Test func loopsInsideLoopsAndCheckpoints() {
    func inner(_ h: Tensor, _ w: Tensor) -> Tensor {
      repeated(while: { square($0).sum() .> 0.05 }, h) {
        checkpoint { (y: Tensor) in tanh(y * 0.5) * 0.9 + w.sum() * 1e-3 }($0)
      }
    }
    func f(_ x: [Tensor]) -> Tensor {
      repeated(4, x[0]) { h in matmul(x[1], inner(h, x[1])) + repeated(3, x[0] * 0.1) { sin($0 + h) } }.sum()
    }
    expectSame({ gradient(of: f, at: $0) }, "gradient")
    expectSame({ hvp(of: f, at: $0, along: $0) }, "hvp")
    expectSame(
      { x in gradient(of: { x in checkpoint { (x: [Tensor]) in f(x) * f(x) }(x) }, at: x) }, "inside a checkpoint")
    // The inner loop does not depend on the outer one's state, but its gradient does.
    func still(_ x: [Tensor]) -> Tensor {
      repeated(3, x[0]) { h in h * gradient(of: { inner($0, x[1]).sum() }, at: x[0]) + sin(h) }.sum()
    }
    expectSame({ [still($0)] }, "gradient of what stays the same")
    expectSame(
      { x in
        repeated(3, [x[0]]) { s in [vjp(of: { inner($0, x[1]) }, at: x[0]).pullback(sin(s[0]))] }
      }, "pullback of what stays the same")
    expectSame(
      { x in
        vmap { c in repeated(3, c) { c in vjp(of: { inner($0, x[1]) }, at: x[0]).pullback(sin(c)) } }(x[1])
      } as ([Tensor]) -> Tensor, "pullback of what stays the same, of many cotangents")
  }

  private func expectSame(_ f: @escaping ([Tensor]) -> Tensor, _ label: String) { expectSame({ [f($0)] }, label) }

  /// A tape inside another one can follow a loop only if the number of steps is known.
  @Test func gradientsOfGradientsOfUnknownLengthStop() async {
    let stopped = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      func f(_ x: Tensor) -> Tensor { repeated(while: { $0.sum() .< 10 }, x) { $0 * $0 + 1 }.sum() }
      _ = compiled { gradient(of: { square(gradient(of: f, at: $0)).sum() }, at: $0) }(Tensor([0.5, 0.25]))
    }
    #expect(stopped.message.contains("repeated: this transform needs to know how many steps"))
  }

  @Test func manyThreadsRunOneLoop() async {
    let program = SharedCompiled { (x: [Tensor]) in gradient(of: { Self.recurrent(50, $0) }, at: x) }
    let expected = gradient(of: { Self.recurrent(50, $0) }, at: Self.point)
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<8 {
        group.addTask {
          (0..<20).allSatisfy { _ in
            zip(program(Self.point), expected).allSatisfy { $0.isApproximatelyEqual(to: $1, tolerance: 1e-12) }
          }
        }
      }
      for await same in group { #expect(same) }
    }
  }

  /// Loops whose bodies use the state of the loop around them, but whose own state knows nothing of it.
  @Test func statesOfLoopsAround() {
    let x = Tensor([0.3, -0.7, 1.1])
    func step(_ u: Tensor, _ s: Tensor) -> (state: Tensor, metric: Tensor) { (u * 0.5, dot(u, s)) }
    let ownPullback = withDerivative(
      of: { (p: [Tensor]) in p[0] * 1 }, vjp: { p, _, cotangent in [cotangent * p[1], cotangent * 0] })
    let functions: [(Tensor) -> Tensor] = [
      { x in repeated(3, x) { s in s + repeated(2, x) { step($0, s).state } } },
      { x in repeated(3, x) { s in s + repeated(while: { $0.sum() .> 0.1 }, x) { step($0, s).state } } },
      { x in repeated(3, x) { s in s * 0.3 + gradient(of: { y in repeated(4, y) { step($0, s).state }.sum() }, at: x) }
      },
      { x in
        repeated(3, x) { s in
          s * 0.3 + gradient(of: { y in repeated(2, y) { ownPullback([$0, s]) }.sum() }, at: x)
        }
      },
      { x in repeated(3, x) { s in s * 0.3 + repeated(3, x) { u in tanh(u) * s } } },
    ]
    for (number, f) in functions.enumerated() {
      let comment = Comment(rawValue: "function \(number)")
      expectClose(compiled(f)(x), f(x), .analytic, "\(comment)")
      let loss = { (x: Tensor) in dot(f(x), x) }
      let slope = { (x: Tensor) in jvp(of: f, at: x, along: x).tangent }
      expectClose(compiled(slope)(x), slope(x), .analytic, "tangent, \(comment)")
      // A gradient of the third one would be one of a gradient of a loop.
      if number != 2, number != 3 {
        let gradients = { (x: Tensor) in gradient(of: loss, at: x) }
        expectClose(compiled(gradients)(x), gradients(x), .analytic, "gradient, \(comment)")
      }
    }
  }

  @Test func conditionsOfAnotherScalarType() {
    let f = { (x: Tensor) in
      repeated(while: { $0.second .< 3 }, Pair(x, x.sum().as(.float64))) { Pair($0.first * 2, $0.second + 1) }.first
    }
    let examples = Tensor([[1, 2], [0.5, 0.25]], as: .float32)
    expectClose(compiled(vmap(f))(examples), stack([f(examples[0]), f(examples[1])]), .exact)
  }
}
