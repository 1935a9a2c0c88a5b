import TestSupport
import Testing

@testable import AutoDiff

/// Loops inside programs, under every transform.
struct LoopDerivativeTests {
  /// Newton's iteration for the cube root of a number, with as many steps as it takes.
  @Sendable static func cubeRoot(_ x: [Tensor]) -> [Tensor] {
    let a = x[0].sum()
    let root = repeated(while: { (y: Tensor) in abs(pow(y, 3) - a) .> a * 1e-9 }, a) { y in
      let excess = pow(y, 3) - a
      return y - excess / (square(y) * 3)
    }
    return [root]
  }

  @Sendable static func capturedOnly(_ x: [Tensor]) -> [Tensor] {
    repeated(while: { (s: [Tensor]) in s[1] .< 6 }, [Tensor([1, 2]), Tensor(0)]) { s in
      [s[0] * x[0] + x[1], s[1] + 1]
    }
  }

  @Sendable static func capturedByTheCondition(_ x: [Tensor]) -> [Tensor] {
    let start = x[1] * 0 + 0.1
    return repeated(while: { (s: [Tensor]) in s[0].sum() .< x[0].sum() * 3 }, [start]) { s in [s[0] * 1.5 + x[1]] }
  }

  @Sendable static func counted(_ x: [Tensor]) -> [Tensor] {
    repeated(5, [x[0], x[1]]) { s in [sin(s[1]) * x[0], s[0] + s[1]] }
  }

  @Sendable static func countedCapturedOnly(_ x: [Tensor]) -> [Tensor] {
    repeated(4, [Tensor([0.3, 0.2])]) { s in [tanh(s[0] * x[0]) + x[1]] }
  }

  @Sendable static func nested(_ x: [Tensor]) -> [Tensor] {
    repeated(3, [x[0], x[1]]) { s in
      let inner = repeated(while: { (y: Tensor) in y.sum() .< s[0].sum() + 4 }, s[1]) { y in
        y * 1.25 + exp(s[0] * 0.1)
      }
      return [s[0] * 0.5 + inner * 0.1, cos(inner)]
    }
  }

  @Sendable static func never(_ x: [Tensor]) -> [Tensor] {
    let doubled = x[0] * 2
    return [repeated(while: { (y: Tensor) in y.sum() .> 1e9 }, doubled) { y in y * x[1] }]
  }

  static let loops: [(name: String, f: @Sendable ([Tensor]) -> [Tensor])] = [
    ("cube root", cubeRoot), ("captured only", capturedOnly), ("captured by the condition", capturedByTheCondition),
    ("counted", counted), ("counted, captured only", countedCapturedOnly), ("nested", nested), ("never", never),
  ]

  @Test(arguments: 0..<loops.count) func forwardModeFollowsLoops(number: Int) {
    let (name, f) = Self.loops[number]
    let (x, v) = ([Tensor([0.9, 1.1]), Tensor([0.4, 0.7])], [Tensor([0.5, -0.25]), Tensor([1, 0.125])])
    func derivative(_ f: @escaping ([Tensor]) -> [Tensor]) -> ([Tensor]) -> [Tensor] {
      { xv in
        let (value, tangent) = jvp(of: f, at: Array(xv[..<2]), along: Array(xv[2...]))
        return value + tangent
      }
    }
    let first = derivative(f)
    expectClose(compiled(first)(x + v), first(x + v), .exact, atLeast: 1e-3, seed: 0, name)
    // The loop of Swift's is the reference, and differences are that of both.
    let h = 1e-6
    let (ahead, behind) = (f(zip(x, v).map { $0 + h * $1 }), f(zip(x, v).map { $0 - h * $1 }))
    let differences = zip(ahead, behind).map { ($0 - $1) / (2 * h) }
    expectClose(Array(first(x + v)[ahead.count...]), differences, .finiteDifference, atLeast: 1e-2, seed: 0, name)
    // Twice, and around a gradient of what comes after the loop.
    let second = { (xv: [Tensor]) in
      jvp(of: { (x: [Tensor]) in first(x + Array(xv[2...])) }, at: Array(xv[..<2]), along: Array(xv[2...])).tangent
    }
    expectClose(compiled(second)(x + v), second(x + v), .exact, atLeast: 1e-3, seed: 0, "\(name), twice")
  }

  /// A transform of functions from two vectors to some tensors, whose results are such functions again.
  enum Layer: CaseIterable {
    case gradient, forward, batch

    func callAsFunction(_ f: @escaping ([Tensor]) -> [Tensor]) -> ([Tensor]) -> [Tensor] {
      let direction = [Tensor([0.5, -0.25]), Tensor([1, 0.125])]
      switch self {
      case .gradient:
        return { x in
          AutoDiff.gradient(
            of: { x in
              f(x).enumerated().reduce(Tensor(0)) { $0 + (sin($1.element * 0.5) * (1 + Double($1.offset))).sum() }
            }, at: x)
        }
      case .forward: return { x in jvp(of: f, at: x, along: direction).tangent }
      case .batch:
        let examples = Tensor([1, 0.75, 1.125])
        return { x in vmap { (scale: Tensor) in f(x.map { $0 * scale }) }(examples).map { $0.sum(axes: [0]) } }
      }
    }
  }

  /// All nestings of so many transforms, from the innermost one outward.
  static func nestings(_ depth: Int) -> [[Layer]] {
    depth == 0 ? [[]] : nestings(depth - 1).flatMap { inner in Layer.allCases.map { inner + [$0] } }
  }

  @Test(arguments: 0..<loops.count) func allTransformsFollowLoops(number: Int) {
    let (name, f) = Self.loops[number]
    let isCounted = name.hasPrefix("counted")
    let x = [Tensor([0.9, 1.1]), Tensor([0.4, 0.7])]
    for depth in 1...3 {
      for nesting in Self.nestings(depth) {
        // A gradient of a gradient needs to know the number of steps, and Swift's loop one number per example.
        if !isCounted, nesting.count(where: { $0 == .gradient }) > 1 || nesting.contains(.batch) { continue }
        let g = nesting.reduce(f) { $1($0) }
        expectClose(compiled(g)(x), g(x), .exact, atLeast: 1e-3, seed: 0, "\(name), \(nesting)")
      }
    }
  }

  /// Loops of which every example makes as many steps as it needs.
  @Test(arguments: 0..<loops.count) func examplesEndOnTheirOwn(number: Int) {
    let (name, f) = Self.loops[number]
    let x = [Tensor([[0.9, 1.1], [0.2, 3], [5, 2]]), Tensor([[0.4, 0.7], [0.1, 0.2], [1, 0.3]])]
    for nesting in (0...2).flatMap(Self.nestings) {
      if nesting.contains(.batch) || nesting.count(where: { $0 == .gradient }) > 1 { continue }
      let g = nesting.reduce(f) { $1($0) }
      let together = compiled { (x: [Tensor]) in vmap(g)(x) }(x)
      let apart = (0..<3).map { k in g(x.map { $0[k] }) }
      expectClose(
        together, apart[0].indices.map { k in stack(apart.map { $0[k] }) }, .exact, atLeast: 1e-3, seed: 0,
        "\(name), \(nesting)")
      // A gradient around the batch.
      let around = { (x: [Tensor]) in
        gradient(of: { x in vmap(g)(x).reduce(Tensor(0)) { $0 + square($1).sum() } }, at: x)
      }
      if nesting.contains(.gradient) { continue }
      let rows = (0..<3).map { k in
        gradient(of: { x in g(x).reduce(Tensor(0)) { $0 + square($1).sum() } }, at: x.map { $0[k] })
      }
      expectClose(
        compiled(around)(x), x.indices.map { k in stack(rows.map { $0[k] }) }, .exact, atLeast: 1e-3, seed: 0,
        "\(name), \(nesting), around")
    }
  }

  @Test func loopsWithForwardModeAreRecordedOnce() {
    let steps = Counter()
    let f = compiled { (x: Tensor) in
      directionalDerivative(
        of: { (x: Tensor) in
          repeated(1000, x) { y in
            steps.increment()
            return sin(y) * 1.0001
          }
        }, at: x, along: Tensor(1))
    }
    _ = f(Tensor(0.5))
    #expect(steps.count < 8)
  }

  /// Outside programs a state may grow, with a derivative or without.
  @Test func statesMayGrowOutsidePrograms() {
    func doubled(_ x: Tensor) -> Tensor {
      let counted = repeated(2, x) { y in concatenate([y, y * x.sum()]) }
      return repeated(while: { (y: Tensor) in y.sum() .< 100 }, counted) { y in concatenate([y, y * 2 + x.sum()]) }
    }
    let (value, tangent) = jvp(of: doubled, at: Tensor([1, 2]), along: Tensor([1, 0.5]))
    #expect(value.scalars == doubled(Tensor([1, 2])).scalars)
    #expect(value.shape == tangent.shape && value.count > 8)
    let h = 1e-6
    let ahead = doubled(Tensor([1 + h, 2 + h / 2])), behind = doubled(Tensor([1 - h, 2 - h / 2]))
    #expect(tangent.isApproximatelyEqual(to: (ahead - behind) / (2 * h), tolerance: 1e-6))
  }

  /// Every example runs the loop; states that are the same for all of them in the beginning, captured values that are not.
  @Test func vmapFollowsLoops() {
    let steps = Counter()
    func one(_ x: [Tensor]) -> [Tensor] {
      repeated(50, [x[0], Tensor([0.25, -0.5])]) { s in
        steps.increment()
        return [sin(s[0]) * x[1].sum() + s[1], s[1] * 0.5 + repeated(3, s[0]) { y in tanh(y * x[1]) }]
      }
    }
    let x = [Tensor([[0.9, 1.1], [0.2, -1], [3, 2]]), Tensor([[0.4, 0.7], [-0.1, 0.2], [1, -0.3]])]
    let forward = { (x: [Tensor]) in
      vmap { (x: [Tensor]) in jvp(of: one, at: x, along: [x[1], x[0]]).tangent }(x)
    }
    let around = { (x: [Tensor]) in jvp(of: { vmap(one)($0) }, at: x, along: [x[1], x[0]]).tangent }
    for (name, f) in [("vmap", { vmap(one)($0) }), ("vmap of jvp", forward), ("jvp of vmap", around)] {
      let program = compiled(f)
      let before = steps.count
      let computed = program(x)
      #expect(steps.count - before < 10, "\(name)")
      expectClose(computed, f(x), .exact, atLeast: 1e-3, seed: 0, name)
      expectClose(program(x), computed, .exact, atLeast: 1e-3, seed: 0, name)
    }
  }
}
