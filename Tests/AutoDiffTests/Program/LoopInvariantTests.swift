import TestSupport
import Testing

@testable import AutoDiff

/// What does not change from one run of a loop's body to the next is computed once, outside.
struct LoopInvariantTests {
  /// exp, which counts its evaluations.
  private struct CountedExp: ElementwisePrimitive, Hashable {
    let evaluations: Counter
    var name: String { "countedExp" }

    func evaluate(_ inputs: Inputs) -> Tensor {
      evaluations.increment()
      return exp(inputs[0])
    }

    static func == (a: Self, b: Self) -> Bool { a.evaluations === b.evaluations }
    func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(evaluations)) }

    func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? { v * output }
  }

  @Test func invariantsAreEvaluatedOnce() {
    for (depth, view) in [(1, false), (2, false), (3, false), (1, true), (3, true)] {
      let evaluations = Counter()
      func invariant(_ w: Tensor) -> Tensor {
        let seen = view ? w.transposed.reshaped(to: [w.count]) : w
        return (bind(CountedExp(evaluations: evaluations), seen * 2) + 1).sum()
      }
      func loop(_ depth: Int, _ x: Tensor, _ w: Tensor) -> Tensor {
        if depth == 0 { return sin(x * invariant(w)) }
        return repeated(3, x) { loop(depth - 1, $0, w) }
      }
      let f = { (x: [Tensor]) in loop(depth, x[0], x[1]) }
      let input = [Tensor([0.1, 0.2]), Tensor([[0.3, -0.1], [0.2, 0.7]])]
      let program = compiled(f)
      _ = program(input)
      let before = evaluations.count
      let computed = program(input)
      #expect(evaluations.count - before == 1, "depth \(depth), view \(view)")
      let expected = f(input)
      #expect(computed.scalars.map(\.bitPattern) == expected.scalars.map(\.bitPattern))
    }
  }

  /// A body of which half the values move out, the half that stays using them in every way: as operands, as parts of the next
  /// state, as views, through a loop inside.
  @Test(arguments: [ScalarType.float64, .float32]) func loopsWithInvariantsAreTheSame(type: ScalarType) {
    var random = RandomGenerator(seed: 7)
    func normal(_ shape: [Int]) -> Tensor { .normal(shape, as: type, using: &random) }
    let constant = normal([3, 4])
    let bodies: [([Tensor], [Tensor]) -> [Tensor]] = [
      { s, w in [s[0] + exp(w[0]), s[1] * matmul(w[0], w[0].transposed).sum()] },
      { s, w in [tanh(w[0]), s[0].transposed.sum(axes: [0])] },
      { s, w in [w[0] * 2, w[1]] },
      { s, w in [s[0] + constant * 0.5, s[1] + (w[0] * constant).sum(axes: [1])] },
      { s, w in [s[0] + (w[0] * 2).transposed.reshaped(to: [3, 4]), s[1] - sin(w[0].transposed + 1)[0]] },
      { s, w in
        let inner = repeated(2, s[1]) { $0 * 0.5 + sin(w[1]) + exp(s[0] * 0.1).sum(axes: [1]) }
        return [s[0] * 0.9 + w[0], inner]
      },
      { s, w in [repeated(while: { $0.sum() .< exp(w[1]).sum() }, s[0]) { $0 + square(w[0]) + 1 }, s[1] + cos(w[1])] },
      { s, w in
        let slope = gradient(of: { (v: Tensor) in (sin(v) * s[0]).sum() + square(tanh(v)).sum() }, at: w[0])
        return [slope, s[1] + directionalDerivative(of: { exp($0) }, at: w[1], along: s[1] * 0.1)]
      },
    ]
    for (number, body) in bodies.enumerated() {
      for count in [0, 1, 2, 5] {
        let f = { (x: [Tensor]) in repeated(count, Array(x[..<2])) { body($0, Array(x[2...])) } }
        let program = compiled(f)
        for _ in 0..<2 {
          let input = [normal([3, 4]), normal([3]), normal([3, 4]), normal([3])]
          for (mine, other) in zip(program(input), f(input)) {
            #expect(
              mine.shape == other.shape && mine.scalars.map(\.bitPattern) == other.scalars.map(\.bitPattern),
              "body \(number), \(count) times")
          }
        }
      }
    }
  }
}
