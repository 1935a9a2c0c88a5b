import TestSupport
import Testing

@testable import AutoDiff

/// Programs that nobody has thought of: recorded is eager, for values and under every transform.
struct RandomProgramTests {
  static let types: [ScalarType] = [.float64, .float32]

  /// Compares a function with its recording, at two points in turn. No result changes behind the caller's back.
  private func expectSame(_ call: @escaping ([Tensor]) -> [Tensor], at point: [Tensor], _ seed: UInt64, _ label: String)
  {
    let program = compiled(call)
    let first = program(point)
    let numbers = first.map(\.scalars)
    expectClose(first, call(point), .exact, atLeast: 1e-3, seed: seed, label)
    let other = point.map { $0 * 1.01 }
    expectClose(program(other), call(other), .exact, atLeast: 1e-3, seed: seed, "\(label), another point")
    let again = program(point)
    for (numbers, (first, again)) in zip(numbers, zip(first, again)) {
      #expect(Self.areSame(numbers, first.scalars) && Self.areSame(numbers, again.scalars), "\(label), seed \(seed)")
    }
  }

  private static func areSame(_ x: [Double], _ y: [Double]) -> Bool {
    x.count == y.count && zip(x, y).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN }
  }

  /// Extents without entries, of one cache line and more, and small ones.
  static func extents(_ seed: UInt64) -> [Int] {
    switch seed % 8 {
    case 1: [0, 1, 2, 3]
    case 2: [1, 16, 33, 130]
    case 3: [2, 64, 128]
    default: [1, 2, 3, 4, 5, 8]
    }
  }

  @Test(arguments: types) func values(type: ScalarType) {
    for seed in UInt64(0)..<80 {
      let f = RandomProgram(seed: seed, type: type, extents: Self.extents(seed))
      expectSame({ f($0) }, at: f.point, seed, "value")
    }
  }

  /// Loops whose bodies are random programs, of the state and of values that stay the same, under every transform.
  @Test(arguments: types) func loops(type: ScalarType) {
    for seed in UInt64(0)..<12 {
      let f = RandomProgram(seed: seed, type: type, length: 8, isSmooth: true, extents: [1, 2, 3, 4])
      let x = f.point
      let v = x.map { sin($0 * 3) }
      func loop(_ x: [Tensor]) -> [Tensor] {
        repeated(4, x) { s in
          let (still, moving) = (tanh(f.sum(x)), sin(f.sum(s)))
          return s.map { $0 * 0.75 + still * moving * 0.25 }
        }
      }
      let forward = { (x: [Tensor]) in directionalDerivative(of: loop, at: x, along: v) }
      expectSame(loop, at: x, seed, "loop")
      expectSame(forward, at: x, seed, "derivative of loop")
      let batch = x.map { stack([$0, $0 * 0.5]) }
      expectSame({ vmap(loop)($0) }, at: batch, seed, "vmap of loop")
      expectSame({ vmap(forward)($0) }, at: batch, seed, "vmap of derivative of loop")
      let sum = { (x: [Tensor]) in zip(loop(x), v).reduce(Tensor(0, as: type)) { $0 + sin($1.0 * $1.1).sum() } }
      expectSame({ gradient(of: sum, at: $0) }, at: x, seed, "gradient of loop")
      expectSame({ hvp(of: sum, at: $0, along: v) }, at: x, seed, "hvp of loop")
      expectSame({ vmap { gradient(of: sum, at: $0) }($0) }, at: batch, seed, "vmap of gradient of loop")
      expectSame(
        { gradient(of: { vmap(sum)($0).sum() }, at: $0) }, at: batch, seed, "gradient of vmap of loop")
    }
  }

  @Test(arguments: types) func derivatives(type: ScalarType) {
    for seed in UInt64(0)..<16 {
      let f = RandomProgram(
        seed: seed, type: type, length: 12, isSmooth: true, extents: seed % 4 == 1 ? [0, 1, 2] : [1, 2, 3, 4])
      let x = f.point
      let v = x.map { sin($0 * 3) }
      expectSame({ gradient(of: f.sum, at: $0) }, at: x, seed, "gradient")
      expectSame({ hvp(of: f.sum, at: $0, along: v) }, at: x, seed, "hvp")
      expectSame(
        { x in jvp(of: { gradient(of: f.sum, at: $0) }, at: x, along: v).tangent }, at: x, seed, "jvp of gradient")
      let batch = x.map { stack([$0, $0 * 0.5]) }
      expectSame({ vmap { gradient(of: f.sum, at: $0) }($0) }, at: batch, seed, "vmap of gradient")
    }
  }

  // MARK: Loops

  /// States that swap, repeat or drop leaves, stay as they are, or become constants, any number of times.
  @Test(arguments: types, 0...5) func states(type: ScalarType, count: Int) {
    let (x, y) = (Tensor([1, 2, 3], as: type), Tensor([4, 5, 6], as: type))
    let constant = Tensor([7, 8, 9], as: type)
    let bodies: [(_ inputs: [Tensor], _ state: [Tensor]) -> [Tensor]] = [
      { _, s in [s[1], s[0]] }, { _, s in s }, { _, s in [s[0], s[0]] }, { x, s in [x[0], s[0] + x[1]] },
      { _, s in [constant, s[0]] }, { _, s in [constant, constant] }, { x, s in [x[1], x[1]] },
      { _, s in [s[1] * 2, s[0].reshaped(to: [3, 1]).flattened] },
      { _, s in [s[1].gathered(at: [2, 1, 0]), s[0]] },
      { x, s in repeated(count, s) { t in [t[1] + x[0], tanh(t[0] * s[1])] } },
      { x, s in repeated(2, s) { t in repeated(count, t) { u in [u[1] + x[0], sin(u[0] * s[1] + t[1])] } } },
      { x, s in [repeated(while: { square($0).sum() .> 1 }, s[0]) { $0 * 0.5 }, s[1] + x[0]] },
    ]
    for (number, body) in bodies.enumerated() {
      for point in [[x, y], [y, y]] {
        let call: ([Tensor]) -> [Tensor] = { x in repeated(count, x) { body(x, $0) } }
        expectSame(call, at: point, UInt64(number), "state")
        let sum: ([Tensor]) -> Tensor = { x in call(x).reduce(Tensor(0, as: type)) { $0 + sin($1).sum() } }
        expectSame({ gradient(of: sum, at: $0) }, at: point, UInt64(number), "gradient")
        expectSame({ hvp(of: sum, at: $0, along: [y, x]) }, at: point, UInt64(number), "hvp")
      }
    }
    expectSame({ x in repeated(count, [Tensor]()) { $0 } + x }, at: [x], 0, "empty state")
    expectSame({ x in [repeated(count, Tensor(2, as: type)) { $0 * 1.5 } * x[0]] }, at: [x], 0, "known state")
  }

  @Test(arguments: types) func conditions(type: ScalarType) {
    let point = [Tensor([1, 2, 3], as: type), Tensor([4, 5, 6], as: type)]
    let known = Array(repeating: Tensor(1, as: type), count: 2)
    let isSmall = { (s: [Tensor]) -> Tensor in s[0].sum() .< 100 }
    expectSame(
      { repeated(while: isSmall, $0) { (s: [Tensor]) in [s[0] * 2 + s[1], s[0]] } }, at: point, 0, "sum")
    expectSame(
      { x in
        repeated(while: { isSmall($0).reshaped(to: [1, 1]) }, x) { (s: [Tensor]) in [s[1] * 2, s[0] + 1] }
      }, at: point, 0, "one entry of rank 2")
    expectSame({ x in repeated(while: { _ in x[0].sum() .< 0 }, x) { [$0[1], $0[0]] } }, at: point, 0, "never")
    expectSame(
      { x in repeated(while: { $0[0].sum() .< 100 }, known) { s in [s[0] + x[0].sum(), s[0]] } }, at: point, 0,
      "known state")
  }

  // MARK: What is the caller's

  @Test func resultsMayBeChangedInPlace() {
    let constant = Tensor([1, 2, 3])
    let f = compiled { (x: [Tensor]) in
      [
        x[0], constant, x[0].reshaped(to: [3, 1]), constant.reshaped(to: [1, 3]), tanh(x[0]), x[1].max(axes: [0]),
        softmax(x[1]),
      ]
    }
    let x = [Tensor([4, 5, 6]), Tensor([[1, 2, 3], [3, 2, 1]])]
    var y = f(x)
    let before = y.map(\.scalars)
    for k in y.indices {
      y[k] += 1
      y[k][0] = Tensor.zeros(Array(y[k].shape.dropFirst()))
    }
    #expect(f(x).map(\.scalars) == before)
    #expect(constant.scalars == [1, 2, 3] && x[0].scalars == [4, 5, 6])
    // Results become inputs, changed in between.
    let g = compiled { (x: Tensor) in x * 2 + 1 }
    var (s, e) = (x[0], x[0])
    for _ in 0..<5 {
      s = g(s)
      s += 1
      s[0] = Tensor(0)
      e = e * 2 + 2
      e[0] = Tensor(0)
    }
    #expect(s.scalars == e.scalars)
  }

  private final class Recursive: @unchecked Sendable {
    var f: Compiled<Tensor, Tensor>!
  }

  @Test func programsThatCallThemselves() {
    let known = Recursive()
    known.f = compiled { $0.count > 1 ? $0.sum() + known.f(.ones([$0.count - 1])) : $0.sum() }
    let followed = Recursive()
    followed.f = compiled { $0.count > 1 ? $0.sum() + followed.f($0[1...]) : $0.sum() }
    for _ in 0..<2 {
      #expect(known.f(.ones([5])).scalar == 15)
      #expect(followed.f(Tensor([1, 2, 3])).scalar == 14)
    }
  }

  @Test func programsInsideRulesOfDerivatives() {
    let inner = SharedCompiled { (x: Tensor) in sin(x) * x }
    let slope = SharedCompiled { (x: Tensor) in cos(x) * x + sin(x) }
    let f = withDerivative(
      of: { @Sendable (x: Tensor) in inner(x) }, vjp: { @Sendable (x: Tensor, _: Tensor, c: Tensor) in c * slope(x) })
    let x = [Tensor([1, 2])]
    expectSame({ gradient(of: { f($0[0]).sum() }, at: $0) }, at: x, 0, "gradient")
    expectClose(
      gradient(of: { f($0[0]).sum() }, at: x), gradient(of: { (sin($0[0]) * $0[0]).sum() }, at: x), .analytic, "rule")
  }

  @Test func manyThreadsRecordAndRun() async {
    let f: @Sendable ([Tensor]) -> [Tensor] = { x in
      let y = repeated(5, x) { [tanh(matmul($0[0], $0[1])), $0[1].transposed] }
      return [y[0], softmax(y[1]), y[0].max(axes: [0]), concatenate(y), x[0]]
    }
    let program = SharedCompiled(f)
    await withTaskGroup(of: Bool.self) { group in
      for task in 0..<8 {
        group.addTask {
          (0..<10).allSatisfy { k in
            var random = RandomGenerator(seed: UInt64(task * 100 + k))
            let n = 2 + (task + k) % 4
            let x = [Tensor.normal([n, n], using: &random), Tensor.normal([n, n], using: &random)]
            return zip(program(x), f(x)).allSatisfy { $0.scalars == $1.scalars }
          }
        }
      }
      for await same in group { #expect(same) }
    }
  }
}
