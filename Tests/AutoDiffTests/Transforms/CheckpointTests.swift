import Testing

@testable import AutoDiff

/// A checkpointed function is the function, under every transform.
@Suite struct CheckpointTests {
  private static let w: Tensor = {
    var generator = RandomGenerator(seed: 51)
    return Tensor.normal([4, 4], using: &generator)
  }()

  private static func block(_ x: Tensor) -> Tensor { tanh(matmul(w, x)) * x }

  private static func plain(_ x: Tensor) -> Tensor { block(block(x)).sum() }
  private static func checkpointed(_ x: Tensor) -> Tensor { checkpoint(block)(checkpoint(block)(x)).sum() }

  private let x = Tensor([0.5, -1, 0.25, 2])
  private let v = Tensor([1, 0.5, -1, 0.25])

  @Test func valueAndGradient() {
    #expect(Self.checkpointed(x) == Self.plain(x))
    let (value, slope) = valueWithGradient(of: Self.checkpointed, at: x)
    #expect(value == Self.plain(x))
    expectClose(slope, gradient(of: Self.plain, at: x), .exact)
  }

  @Test func forwardAndSecondOrder() {
    expectClose(
      jvp(of: Self.checkpointed, at: x, along: v).tangent, jvp(of: Self.plain, at: x, along: v).tangent, .exact)
    expectClose(hvp(of: Self.checkpointed, at: x, along: v), hvp(of: Self.plain, at: x, along: v), .analytic)
    expectClose(hessian(of: Self.checkpointed, at: x), hessian(of: Self.plain, at: x), .analytic)
    let twice = { (f: @escaping (Tensor) -> Tensor) in
      gradient(of: { dot(gradient(of: f, at: $0), v) }, at: x)
    }
    expectClose(twice(Self.checkpointed), twice(Self.plain), .analytic)
    let third = { (f: @escaping (Tensor) -> Tensor) in gradient(of: { hvp(of: f, at: $0, along: v).sum() }, at: x) }
    expectClose(third(Self.checkpointed), third(Self.plain), .analytic)
  }

  @Test func batching() {
    let xs = stack([x, v, x * v])
    expectClose(vmap(Self.checkpointed)(xs), vmap(Self.plain)(xs), .exact)
    expectClose(
      vmap { (x: Tensor) in gradient(of: Self.checkpointed, at: x) }(xs),
      vmap { (x: Tensor) in gradient(of: Self.plain, at: x) }(xs), .exact)
    expectClose(
      gradient(of: { vmap(Self.checkpointed)($0).sum() }, at: xs), gradient(of: { vmap(Self.plain)($0).sum() }, at: xs),
      .exact)
    let inside = { (f: @escaping (Tensor) -> Tensor) in gradient(of: { vmap(f)($0).sum() }, at: xs) }
    expectClose(inside { checkpoint(Self.block)($0).sum() }, inside { Self.block($0).sum() }, .exact)
  }

  /// What the closure captures is differentiated like its input.
  @Test func capturedValues() {
    let f = { (w: Tensor, wrap: Bool) -> Tensor in
      let layer = { (x: Tensor) in tanh(matmul(w, x)) }
      return (wrap ? checkpoint(layer)(x) : layer(x)).sum()
    }
    // The input is a constant here: the weights alone are followed.
    expectClose(gradient(of: { f($0, true) }, at: Self.w), gradient(of: { f($0, false) }, at: Self.w), .exact)
    let both = { (p: [Tensor], wrap: Bool) -> Tensor in
      let layer = { (x: Tensor) in tanh(matmul(p[0], x)) * p[1].sum() }
      return (wrap ? checkpoint(layer)(p[1]) : layer(p[1])).sum()
    }
    expectClose(
      gradient(of: { both($0, true) }, at: [Self.w, x]), gradient(of: { both($0, false) }, at: [Self.w, x]), .exact)
    expectClose(
      hvp(of: { both($0, true) }, at: [Self.w, x], along: [Self.w, v]),
      hvp(of: { both($0, false) }, at: [Self.w, x], along: [Self.w, v]), .analytic)
  }

  @Test func nestedCheckpointsAndTrees() {
    let inner = { (x: Tensor) in sin(x) * x }
    let outer = { (x: [Tensor]) in [checkpoint(inner)(x[0]) + x[1], x[1] * 2, x[0]] }
    let f = { (x: [Tensor], wrap: Bool) -> Tensor in
      let y = wrap ? checkpoint(outer)(x) : [inner(x[0]) + x[1], x[1] * 2, x[0]]
      return (y[0] * y[1] + y[2]).sum()
    }
    expectClose(gradient(of: { f($0, true) }, at: [x, v]), gradient(of: { f($0, false) }, at: [x, v]), .exact)
  }

  @Test func pullbackMayBeUsedAgain() {
    let pullback = vjp(of: { checkpoint(Self.block)($0) }, at: x).pullback
    let plain = vjp(of: Self.block, at: x).pullback
    for cotangent in [v, x, v] { expectClose(pullback(cotangent), plain(cotangent), .exact) }
    let map = linearize({ checkpoint(Self.block)($0) }, at: x).derivative
    expectClose(map(v), jvp(of: Self.block, at: x, along: v).tangent, .exact)
    expectClose(
      jacobian(of: { checkpoint(Self.block)($0) }, at: x), jacobian(of: Self.block, at: x), .analytic)
  }

  /// The checkpointed part is all there is: nothing is recorded behind it.
  @Test func resultOfTheTransform() {
    let g = { (x: Tensor) in Self.block(x).sum() }
    expectClose(gradient(of: { checkpoint(g)($0) }, at: x), gradient(of: g, at: x), .exact)
    expectClose(gradient(of: { checkpoint(checkpoint(g))($0) }, at: x), gradient(of: g, at: x), .exact)
    expectClose(hvp(of: { checkpoint(g)($0) }, at: x, along: v), hvp(of: g, at: x, along: v), .analytic)
    expectClose(hessian(of: { checkpoint(g)($0) }, at: x), hessian(of: g, at: x), .analytic)
    let several = { (x: Tensor) in [x * 2, sin(x), x] }
    let cotangent = [v, x, v]
    expectClose(
      vjp(of: { checkpoint(several)($0) }, at: x).pullback(cotangent), vjp(of: several, at: x).pullback(cotangent),
      .exact)
    // Operations after the one whose cotangent is given, which do not count.
    let later = { (x: Tensor, wrap: Bool) -> Tensor in
      let y = wrap ? checkpoint(g)(x) : g(x)
      _ = checkpoint(Self.block)(x * y)
      return y
    }
    expectClose(gradient(of: { later($0, true) }, at: x), gradient(of: { later($0, false) }, at: x), .exact)
  }

  /// The function runs once forward and once more backward, not at every derivative.
  @Test func runsTwice() {
    final class Counter: @unchecked Sendable { var runs = 0 }
    let counter = Counter()
    let f = { (x: Tensor) -> Tensor in
      counter.runs += 1
      return sin(x) * x
    }
    _ = gradient(of: { checkpoint(f)($0).sum() }, at: x)
    #expect(counter.runs == 2)
    counter.runs = 0
    _ = checkpoint(f)(x)
    #expect(counter.runs == 1)
  }

  /// Between the passes the intermediate values are gone.
  @Test func forgetsIntermediateValues() {
    weak var intermediate: Node?
    let f = { (x: Tensor) -> Tensor in
      let y = exp(x)
      intermediate = (y.node as? TracedNode)?.primal.node
      return y * x
    }
    let (_, pullback) = vjp(of: { checkpoint(f)($0) }, at: x)
    #expect(intermediate == nil)
    _ = pullback(v)
    #expect(intermediate == nil)
  }

  /// The same where only captured values are followed.
  @Test func forgetsIntermediateValuesOfCapturedOnes() {
    weak var intermediate: Node?
    let (_, pullback) = vjp(
      of: { (w: Tensor) in
        checkpoint { (x: Tensor) -> Tensor in
          let y = exp(w * x)
          intermediate = (y.node as? TracedNode)?.primal.node
          #expect(intermediate != nil)
          return y * w
        }(v)
      }, at: x)
    #expect(intermediate == nil)
    expectClose(pullback(v), vjp(of: { exp($0 * v) * $0 }, at: x).pullback(v), .exact)
    #expect(intermediate == nil)
  }

  @Test func checkedNumbersInside() throws {
    let f = { (x: Tensor) in tanh(x * x) }
    let inside = { (x: Tensor) -> Tensor in try! checkingNumbers(of: { checkpoint(f)($0).sum() }, at: x) }
    expectClose(gradient(of: inside, at: x), gradient(of: { f($0).sum() }, at: x), .exact)
    expectClose(hvp(of: inside, at: x, along: v), hvp(of: { f($0).sum() }, at: x, along: v), .analytic)
    let outside = try checkingNumbers(of: { x in gradient(of: { checkpoint(f)($0).sum() }, at: x) }, at: x)
    expectClose(outside, gradient(of: { f($0).sum() }, at: x), .exact)
    let captured = try checkingNumbers(of: { w in checkpoint { f($0) * w }(v) }, at: x)
    #expect(captured == f(v) * x)
  }

  private typealias Part = (@escaping (Tensor) -> Tensor) -> (Tensor) -> Tensor

  /// Numbers that a forward derivative or a batch leads to, with a part that may be checkpointed. What the part captures is
  /// followed by transforms that have ended when a gradient comes back to it.
  private static func models(_ part: @escaping Part) -> [(Tensor) -> Tensor] {
    func tangent(_ f: @escaping (Tensor, Tensor) -> Tensor) -> (Tensor) -> Tensor {
      { x in jvp(of: { y in f(x, y) }, at: x, along: sin(x)).tangent.sum() }
    }
    return [
      tangent { _, y in
        let a = -y
        return part { sin(a) * $0 }(y)
      },
      tangent { _, y in
        let a = y * 2
        return part { u in tanh(u * a) + a }(y) * a
      },
      tangent { x, y in
        let a = y * x
        return part { tanh(a) * $0 }(Tensor([1, 2, 3]))
      },
      tangent { x, y in part { u in u * select(y .> 0.5, sin(u), 1) }(x) * y },
      tangent { x, y in part { u in stopGradient(tanh(u) * y) * u }(x) * y },
      tangent { x, y in part { u in part { exp($0) * y }(u) * u }(x) },
      { x in
        vmap { (y: Tensor) in
          part { u in
            _ = tanh(u * y)
            return sin(u) * u
          }(x) * y
        }(x).sum()
      },
      { x in
        vmap { (y: Tensor) in jvp(of: { z in part { u in exp(u * y) * z }(x) * z }, at: y, along: y).tangent }(x).sum()
      },
    ]
  }

  @Test func partsThatUseWhatEndedTransformsFollow() {
    let x = Tensor([0.3, -0.7, 1.1])
    for (number, (plain, forgetful)) in zip(Self.models { $0 }, Self.models { checkpoint($0) }).enumerated() {
      let comment = "model \(number)"
      expectClose(forgetful(x), plain(x), .exact, comment)
      let expected = gradient(of: plain, at: x)
      expectClose(gradient(of: forgetful, at: x), expected, .analytic, comment)
      expectClose(compiled { gradient(of: forgetful, at: $0) }(x), expected, .analytic, comment)
      let second = hvp(of: plain, at: x, along: x)
      expectClose(hvp(of: forgetful, at: x, along: x), second, .analytic, comment)
      expectClose(
        gradient(of: { x in dot(gradient(of: forgetful, at: x), Tensor([1, 2, 3])) }, at: x),
        gradient(of: { x in dot(gradient(of: plain, at: x), Tensor([1, 2, 3])) }, at: x), .analytic, comment)
    }
  }
}
