import TestSupport
import Testing

@testable import AutoDiff

/// Loops that read an entry of stacks in every step and fill others.
struct ScanTests {
  /// A recurrence over inputs x[t], with a weight w: every step's output and state depend on everything.
  static func recurrence(_ x: Tensor, _ w: Tensor, _ h: Tensor) -> (state: Tensor, outputs: Tensor) {
    scan(h, over: x) { h, x in
      let next = tanh(matmul(w, h) + x)
      return (next, square(next) * 0.5 + x * h)
    }
  }

  /// The same, written out.
  static func writtenOut(_ x: Tensor, _ w: Tensor, _ h: Tensor) -> (state: Tensor, outputs: Tensor) {
    var (h, outputs) = (h, [Tensor]())
    for t in 0..<x.shape[0] {
      let next = tanh(matmul(w, h) + x[t])
      outputs.append(square(next) * 0.5 + x[t] * h)
      h = next
    }
    return (h, stack(outputs))
  }

  /// x, w and h, and directions for them.
  static func point(steps: Int, _ type: ScalarType = .float64) -> (at: [Tensor], along: [Tensor]) {
    func values(_ shape: [Int], _ start: Int) -> Tensor {
      let entries: [Double] = (0..<shape.product).map { Double(($0 * 7 + start) % 11) }
      return (Tensor(entries, shape: shape) / 8 - 0.6).as(type)
    }
    let shapes = [[steps, 3], [3, 3], [3]]
    return (
      shapes.enumerated().map { values($1, $0) },
      shapes.enumerated().map { values($1, $0 + 5) }
    )
  }

  /// What may be asked of a function of x, w and h that returns the last state and the outputs.
  typealias Use = @Sendable (@escaping ([Tensor]) -> [Tensor], _ at: [Tensor], _ along: [Tensor]) -> [Tensor]
  static let uses: [(name: String, use: Use)] = [
    ("value", { f, x, _ in f(x) }),
    ("gradient of all", { f, x, _ in gradient(of: { f($0)[0].sum() + sin(f($0)[1]).sum() }, at: x) }),
    ("gradient of the state", { f, x, _ in gradient(of: { sin(f($0)[0]).sum() }, at: x) }),
    ("gradient of the outputs", { f, x, _ in gradient(of: { sin(f($0)[1]).sum() }, at: x) }),
    ("gradient of one output", { f, x, _ in gradient(of: { f($0)[1][0, 1] }, at: x) }),
    ("gradient in the inputs", { f, x, _ in [gradient(of: { sin(f([$0, x[1], x[2]])[1]).sum() }, at: x[0])] }),
    ("gradient in the weight", { f, x, _ in [gradient(of: { sin(f([x[0], $0, x[2]])[1]).sum() }, at: x[1])] }),
    ("gradient in the start", { f, x, _ in [gradient(of: { sin(f([x[0], x[1], $0])[1]).sum() }, at: x[2])] }),
    ("derivative", { f, x, v in directionalDerivative(of: f, at: x, along: v) }),
    (
      "second derivative",
      { f, x, v in
        directionalDerivative(of: { directionalDerivative(of: f, at: $0, along: v) }, at: x, along: x)
      }
    ),
    ("Hessian times v", { f, x, v in hvp(of: { sin(f($0)[1]).sum() + f($0)[0].sum() }, at: x, along: v) }),
    (
      "gradient of a derivative",
      { f, x, v in
        gradient(of: { directionalDerivative(of: f, at: $0, along: v)[1].sum() }, at: x)
      }
    ),
    ("batch", { f, x, v in vmap { f($0) }(zip(x, v).map { stack([$0, $1, $0 * 0.5]) }) }),
    (
      "batch of inputs",
      { f, x, v in
        vmap { y in f([y, x[1], x[2]]) }(stack([x[0], v[0]]))
      }
    ),
    (
      "gradient of a batch",
      { f, x, v in
        gradient(
          of: { x in
            vmap { (h: Tensor) in f([x[0], x[1], h])[1] }(stack([x[2], v[2]])).sum()
          }, at: x)
      }
    ),
    (
      "batch of gradients",
      { f, x, v in
        vmap { x in gradient(of: { sin(f($0)[1]).sum() }, at: x) }(zip(x, v).map { stack([$0, $1]) })
      }
    ),
    (
      "batch of Hessians times v",
      { f, x, v in
        vmap { y in hvp(of: { f([$0[0], $0[1], x[2]])[1].sum() }, at: y, along: [v[0], v[1]]) }(
          [stack([x[0], v[0]]), stack([x[1], v[1]])])
      }
    ),
    (
      "in a loop, with its gradient",
      { f, x, _ in
        gradient(
          of: { x in
            repeated(3, x[2]) { h in f([x[0] * h, x[1], h])[1].sum(axes: [0]) * 0.1 + f([x[0], x[1], h])[0] }.sum()
          }, at: x)
      }
    ),
  ]

  /// The same for what follows the steps one by one, and for parts that are run again.
  static let otherUses: [(name: String, use: Use)] = [
    (
      "gradient of a gradient",
      { f, x, v in
        gradient(
          of: { y in
            let parts = zip(gradient(of: { sin(f($0)[1]).sum() }, at: y), v).map { dot($0, $1) }
            return parts[0] + parts[1] + parts[2]
          }, at: x)
      }
    ),
    ("Jacobian", { f, x, _ in [jacobian(of: { f([$0, x[1], x[2]])[1] }, at: x[0])] }),
    ("Hessian", { f, x, _ in [hessian(of: { f([x[0], x[1], $0])[1].sum() }, at: x[2])] }),
    ("linear map", { f, x, v in linearize(f, at: x).derivative(v) }),
    ("checkpoint", { f, x, _ in gradient(of: { x in checkpoint(f)(x)[1].sum() }, at: x) }),
    (
      "gradient of a batch of checkpoints",
      { f, x, v in
        gradient(of: { x in vmap { h in checkpoint(f)([x[0], x[1], h])[1] }(stack([x[2], v[2]])).sum() }, at: x)
      }
    ),
    ("stopped", { f, x, _ in gradient(of: { x in f([x[0], stopGradient(x[1]), x[2]])[1].sum() }, at: x) }),
  ]

  @Test(arguments: 0..<uses.count + otherUses.count, [ScalarType.float64, .float32])
  func followsTransforms(use number: Int, type: ScalarType) {
    let (name, use) = (Self.uses + Self.otherUses)[number]
    for steps in [1, 2, 3, 6] {
      let (x, v) = Self.point(steps: steps, type)
      func pair(_ f: @escaping (Tensor, Tensor, Tensor) -> (state: Tensor, outputs: Tensor)) -> ([Tensor]) -> [Tensor] {
        { x in
          let (last, outputs) = f(x[0], x[1], x[2])
          return [last, outputs]
        }
      }
      let expected = use(pair(Self.writtenOut), x, v)
      let tolerance = type == .float64 ? 1e-12 : 2e-5
      let eager = use(pair(Self.recurrence), x, v)
      let program = compiled { (x: [Tensor]) in use(pair(Self.recurrence), Array(x[..<3]), Array(x[3...])) }
      for result in [eager, program(x + v), program(x + v)] {
        #expect(result.count == expected.count)
        for (mine, other) in zip(result, expected) {
          #expect(mine.isApproximatelyEqual(to: other, tolerance: tolerance), "\(name), \(steps) steps, \(type)")
        }
      }
      #expect(
        steps < 3 || number >= Self.uses.count || "\(program)".contains("\(steps - 1) times"), "\(name): \(program)")
    }
  }

  /// Losses of gradient descent, and noise from a state that is passed on: the bits of the steps done one by one.
  @Test func trajectories() {
    let loss = { (p: [Tensor]) in square(p[0] - 1).sum() + (p[0] * p[1]).sum() }
    let step = { (state: Pair<[Tensor], RandomState>) -> (state: Pair<[Tensor], RandomState>, output: [Tensor]) in
      var random = state.second
      let noise = random.normal([3])
      let (value, slope) = valueWithGradient(of: loss, at: state.first)
      return (Pair(zip(state.first, slope).map { $0 - 0.1 * $1 + 0.01 * noise }, random), [value, noise])
    }
    let start = Pair([Tensor([1, 2, 3]), Tensor([0.5, 0.1, -1])], RandomState(seed: 3))
    let program = compiled { (start: Pair<[Tensor], RandomState>) in
      let (last, outputs) = scan(500, start, step)
      return Pair(last.first, outputs)
    }
    var (state, values, noises) = (start, [Tensor](), [Tensor]())
    for _ in 0..<500 {
      let (next, output) = step(state)
      state = next
      values.append(output[0])
      noises.append(output[1])
    }
    let result = program(start)
    #expect(result.second[0].shape == [500] && result.second[1].shape == [500, 3])
    #expect(result.second[0].scalars == values.map(\.scalar))
    #expect(result.second[1].scalars == noises.flatMap(\.scalars))
    #expect(result.first.flatMap(\.scalars) == state.first.flatMap(\.scalars))
    #expect("\(program)".contains("499 times"))
  }

  /// Loops in loops, trees, outputs that are inputs or constants, and entries that nobody reads.
  @Test func nestedAndUnused() {
    let x = Tensor((0..<24).map { Double($0 % 7) / 3 }, shape: [4, 3, 2])
    let f = { (x: Tensor) -> [Tensor] in
      let (total, rows) = scan(Tensor([0, 0]), over: Pair(x, x[.all, 0] * 2)) { total, input in
        let (inner, products) = scan(input.second, over: input.first) { state, entry in
          (state + entry * total, [state * entry, entry, Tensor(2)])
        }
        return (total * 0.5 + inner, Pair(products, inner))
      }
      return [total, rows.second] + rows.first
    }
    let unused = { (x: Tensor) in scan(x[0, 0], over: x) { state, _ in (state * 0.5, state) }.outputs }
    let shapes = [[2], [4, 2], [4, 3, 2], [4, 3, 2], [4, 3]]
    #expect(f(x).map(\.shape) == shapes)
    for (mine, other) in zip(compiled(f)(x), f(x)) { #expect(mine.scalars == other.scalars) }
    let slope = { (x: Tensor) in gradient(of: { f($0).reduce(Tensor(0)) { $0 + sin($1).sum() } }, at: x) }
    #expect(compiled(slope)(x).isApproximatelyEqual(to: slope(x), tolerance: 1e-13))
    #expect(compiled(unused)(x).scalars == unused(x).scalars)
    let unusedSlope = { (x: Tensor) in gradient(of: { sin(unused($0)).sum() }, at: x) }
    #expect(compiled(unusedSlope)(x).isApproximatelyEqual(to: unusedSlope(x), tolerance: 1e-14))
  }

  /// A backward pass through a long recurrence takes memory for its states and no more: what is read and filled is not
  /// carried through the loop.
  @Test func longSequences() throws {
    let steps = 20_000
    let x = Tensor((0..<steps).map { Double($0 % 13) / 13 })
    let value = { (x: Tensor) in scan(Tensor(0.1), over: x) { h, x in (h * 0.5 + sin(x), h * x) }.outputs.sum() }
    let slope = compiled { gradient(of: value, at: $0) }(x)
    // d/dx[t] of the sum: h[t−1] + cos(x[t]) Σ_{s > t} x[s] / 2^(s−t−1).
    var (h, later) = (0.1, 0.0)
    var (states, expected) = ([Double](), [Double](repeating: 0, count: steps))
    let entries = x.scalars
    let (sines, cosines) = (sin(x).scalars, cos(x).scalars)
    for t in 0..<steps {
      states.append(h)
      h = h * 0.5 + sines[t]
    }
    for t in (0..<steps).reversed() {
      expected[t] = states[t] + cosines[t] * later
      later = entries[t] + later * 0.5
    }
    #expect(slope.isApproximatelyEqual(to: Tensor(expected), tolerance: 1e-12))
  }

  /// Errors of a step end the loop, at once or when the program runs.
  @Test func stepsMayThrow() throws {
    let matrices = stack([Tensor.eye(2), Tensor.eye(2) * 4, Tensor([[1, 2], [2, 1]]), Tensor.eye(2)])
    let f = { (x: Tensor) throws -> Tensor in
      try scan(Tensor(0), over: x) { total, x in
        let root = try cholesky(x)
        return (total + root.sum(), root)
      }.outputs
    }
    let program = compiled(throwing: f)
    for count in 1...4 {
      let x = matrices[..<count]
      if count < 3 {
        #expect(try program(x).scalars == f(x).scalars)
      } else {
        #expect(throws: LinearAlgebraError.self) { try f(x) }
        #expect(throws: LinearAlgebraError.self) { try program(x) }
      }
    }
    struct Ended: Error {}
    var steps = 0
    #expect(throws: Ended.self) {
      _ = try scan(10, Tensor(0)) { state in
        steps += 1
        if steps == 3 { throw Ended() }
        return (state + 1, state)
      }
    }
    #expect(steps == 3)
  }

  @Test func badCallsStop() async {
    let none = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = scan(0, Tensor(0)) { ($0, $0) }
    }
    #expect(none.message.contains("scan: needs at least one step, but got 0"))
    let different = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = scan(Tensor(0), over: [Tensor([1, 2]), Tensor([1, 2, 3])]) { state, _ in (state, state) }
    }
    #expect(different.message.contains("scan: the leaves of the inputs must have one first axis"))
    let grown = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = compiled { (x: Tensor) in scan(3, x) { (concatenate([$0, $0]), $0.sum()) }.state }(Tensor([1]))
    }
    #expect(grown.message.contains("scan: both trees must have the same leaves"))
    let output = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = scan(3, Tensor([1])) { (concatenate([$0, $0]), $0) }
    }
    #expect(output.message.contains("scan: both trees must have the same leaves"))
  }
}
