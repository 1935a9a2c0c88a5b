import Testing

@testable import AutoDiff

/// One derivative of a function of one number, in either mode.
private enum Mode: CaseIterable {
  case forward, reverse

  func derivative(_ f: @escaping (Tensor) -> Tensor) -> (Tensor) -> Tensor {
    switch self {
    case .forward: { jvp(of: f, at: $0, along: .ones(like: $0)).tangent }
    case .reverse: { gradient(of: f, at: $0) }
    }
  }

  /// All sequences of a length.
  static func sequences(_ length: Int) -> [[Mode]] {
    (0..<length).reduce([[]]) { sequences, _ in sequences.flatMap { s in allCases.map { s + [$0] } } }
  }
}

@Suite struct NestingTests {
  // MARK: Order

  /// dⁿ/dxⁿ 1/x = (−1)ⁿ n! / xⁿ⁺¹, by reverse mode nested in itself.
  @Test(arguments: 1...6) func gradientsOfTheReciprocal(order: Int) {
    var f: (Tensor) -> Tensor = { 1 / $0 }
    for _ in 0..<order { f = { [f] x in gradient(of: f, at: x) } }
    let factorial = (1...order).reduce(1.0) { $0 * Double($1) }
    let power = (0...order).reduce(1.0) { product, _ in product * 4 }
    let expected = (order % 2 == 0 ? factorial : -factorial) / power
    expectClose(f(Tensor(4)).scalar, expected, .exact)
  }

  @Test func sixthGradientOfTheReciprocal() {
    var f: (Tensor) -> Tensor = { 1 / $0 }
    for _ in 0..<6 { f = { [f] x in gradient(of: f, at: x) } }
    expectClose(f(Tensor(4)).scalar, 720 / 16384, .exact)
  }

  /// The same in every order of modes, for three ways to write the function.
  @Test(arguments: ["reciprocal", "quotient", "power"]) func sixthDerivativeInAllModes(name: String) {
    let functions: [String: (Tensor) -> Tensor] = [
      "reciprocal": { reciprocal($0) }, "quotient": { Tensor(1) / $0 }, "power": { exp(log($0) * -1) },
    ]
    for modes in Mode.sequences(6) {
      let f = modes.reduce(functions[name]!) { $1.derivative($0) }
      expectClose(f(Tensor(4)).scalar, 720 / 16384, .analytic, "\(modes)")
    }
  }

  @Test func derivativesOfTheExponentialNeverEnd() {
    for modes in Mode.sequences(4) {
      let f = modes.reduce({ exp($0 * 2) }) { $1.derivative($0) }
      expectClose(f(Tensor(0.5)), 16 * exp(Tensor(1)), .exact, "\(modes)")
    }
  }

  // MARK: Perturbation confusion

  /// d/dx [x · d/dy (x + y)] = 1: a confused system answers 2.
  @Test func innerDerivativeOfASum() {
    for modes in Mode.sequences(2) {
      let f = { (x: Tensor) in x * modes[0].derivative { y in x + y }(Tensor(1)) }
      #expect(modes[1].derivative(f)(Tensor(1)).scalar == 1, "\(modes)")
    }
  }

  /// d/dx [x · d/dy (x y)] = 2x.
  @Test func innerDerivativeOfAProduct() {
    for modes in Mode.sequences(2) {
      let f = { (x: Tensor) in x * modes[0].derivative { y in x * y }(Tensor(7)) }
      #expect(modes[1].derivative(f)(Tensor(3)).scalar == 6, "\(modes)")
    }
  }

  /// The inner point is the outer variable: d/dx [∂/∂y (x y²) at y = x] = d/dx 2x² = 4x.
  @Test func innerPointIsTheOuterVariable() {
    for modes in Mode.sequences(2) {
      let f = { (x: Tensor) in modes[0].derivative { y in x * y * y }(x) }
      #expect(modes[1].derivative(f)(Tensor(3)).scalar == 12, "\(modes)")
    }
  }

  /// The inner direction is the outer variable: d/dx [D(y²)(x) · x] = d/dx 2x² = 4x.
  @Test func innerDirectionIsTheOuterVariable() {
    let f = { (x: Tensor) in jvp(of: { square($0) }, at: x, along: x).tangent }
    for mode in Mode.allCases { #expect(mode.derivative(f)(Tensor(5)).scalar == 20) }
    let g = { (x: Tensor) in vjp(of: { square($0) }, at: x).pullback(x) }
    for mode in Mode.allCases { #expect(mode.derivative(g)(Tensor(5)).scalar == 20) }
  }

  /// What the inner function does not depend on is a constant to it, however much the outer one does.
  @Test func outerVariableIsConstantInside() {
    for modes in Mode.sequences(2) {
      let f = { (x: Tensor) in x + modes[0].derivative { _ in x * x }(Tensor(2)) }
      #expect(modes[1].derivative(f)(Tensor(3)).scalar == 1, "\(modes)")
    }
  }

  /// Three levels, each of which uses the variables of all outer ones: ∂³/∂x∂y∂z of x y z e^{x+y+z} at 0 is 1.
  @Test func threeVariables() {
    for modes in Mode.sequences(3) {
      let f = { (x: Tensor) in
        modes[0].derivative { y in
          modes[1].derivative { z in x * y * z * exp(x + y + z) }(Tensor(0))
        }(Tensor(0))
      }
      #expect(modes[2].derivative(f)(Tensor(0)).scalar == 1, "\(modes)")
    }
  }

  /// An inner gradient inside a loop whose variable is an outer trace's: x ↦ the fixed steps of gradient descent on
  /// (y − x)², y ← y − ½ · 2 (y − x), which is x after one step.
  @Test func differentiatesThroughDescent() {
    for modes in Mode.sequences(2) {
      let f = { (x: Tensor) in
        var y = Tensor(10)
        for _ in 0..<3 { y = y - 0.25 * modes[0].derivative { y in square(y - x) }(y) }
        return y
      }
      // Every step halves the distance: y₃ = x + (10 − x) / 8.
      #expect(f(Tensor(2)).scalar == 3, "\(modes)")
      #expect(modes[1].derivative(f)(Tensor(2)).scalar == 0.875, "\(modes)")
    }
  }

  /// An outer variable inside vmap inside a derivative, and the other way round.
  @Test func outerVariableUnderVmap() {
    let points = Tensor([1.0, 2, 3])
    for modes in Mode.sequences(2) {
      // d/dx Σ_p ∂/∂y (x y²) at p = Σ_p 2p = 12.
      let f = { (x: Tensor) in
        vmap { (p: Tensor) in modes[0].derivative { y in x * y * y }(p) }(points).sum()
      }
      #expect(modes[1].derivative(f)(Tensor(5)).scalar == 12, "\(modes)")
      // For every p: d/dx [x · d/dy (p x + y p)] = p.
      let g = vmap { (p: Tensor) in
        modes[1].derivative { x in x * modes[0].derivative { y in p * x + y * p }(Tensor(1)) }(Tensor(4))
      }
      #expect(g(points) == points, "\(modes)")
    }
  }

  // MARK: Modes agree

  private static func network(_ p: [Tensor], _ x: Tensor) -> Tensor {
    let hidden = tanh(matmul(x, p[0]) + p[1])
    let logits = matmul(hidden, p[2])
    return (logsumexp(logits, axes: [-1]) - logits[..., 0]).mean() + 0.1 * square(softmax(logits)).sum()
  }

  @Test func forwardOverReverseIsReverseOverReverse() {
    var generator = RandomGenerator(seed: 11)
    let x = Tensor.normal([5, 4], using: &generator)
    let shapes = [[4, 6], [6], [6, 3]]
    let p = shapes.map { Tensor.normal($0, using: &generator) }
    let v = shapes.map { Tensor.normal($0, using: &generator) }
    let f = { (p: [Tensor]) in Self.network(p, x) }
    let forwardOverReverse = hvp(of: f, at: p, along: v)
    let reverseOverReverse = gradient(of: { (p: [Tensor]) in gradient(of: f, at: p).innerProduct(v) }, at: p)
    let reverseOverForward = gradient(of: { (p: [Tensor]) in jvp(of: f, at: p, along: v).tangent }, at: p)
    let linearized = linearize({ gradient(of: f, at: $0) }, at: p).derivative(v)
    let pulled = vjp(of: { gradient(of: f, at: $0) }, at: p).pullback(v)
    expectClose(forwardOverReverse, reverseOverReverse, .analytic, seed: 11)
    expectClose(reverseOverForward, reverseOverReverse, .analytic, seed: 11)
    expectClose(linearized, reverseOverReverse, .analytic, seed: 11)
    expectClose(pulled, reverseOverReverse, .analytic, seed: 11)
    // vᵀHv in forward mode alone.
    let twice = jvp(of: { (p: [Tensor]) in jvp(of: f, at: p, along: v).tangent }, at: p, along: v).tangent
    expectClose(twice, reverseOverReverse.innerProduct(v), .analytic, seed: 11)
  }

  @Test func thirdDerivativesAgreeInAllModes() {
    var generator = RandomGenerator(seed: 12)
    let x = Tensor.normal([3], using: &generator)
    let w = Tensor.normal([3, 3], using: &generator)
    let f = { (x: Tensor) in (sin(matmul(w, x)) * exp(x * 0.5)).sum() }
    // Along the line x + t (1, 2, 3): the third derivative in t, in all eight ways.
    let line = { (t: Tensor) in f(x + t * Tensor([1.0, 2, 3])) }
    let values = Mode.sequences(3).map { modes in modes.reduce(line) { $1.derivative($0) }(Tensor(0)).scalar }
    for value in values { expectClose(value, values[0], .analytic, seed: 12) }
  }
}
