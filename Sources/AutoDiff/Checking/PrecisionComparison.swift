import Foundation

/// The derivatives of a function that computes in `.float32` against the same in double precision.
extension DerivativeCheck {
  /// The derivative along a direction in `.float32` against double precision.
  func comparePrecisions(_ direction: Direction, _ subject: Subject) {
    let d = inputs.tensors(direction.entries)
    guard let (_, tangent) = subject.own.tangent(at: x, along: d) else {
      return failBecauseOfError("the forward derivative", subject.order, subject.name)
    }
    guard haveShapes(tangent, subject.outputs, "the tangent", subject),
      isFinite(tangent, "the forward derivative", subject)
    else { return }
    let inputs = inputs
    comparePrecisions(entries(of: tangent), direction.tangent, subject, isPullback: false, input: direction.input) {
      view, x, motion, random in
      let scale = Self.scale(motion, &random)
      let d = inputs.tensors(Self.moved(direction.entries, by: motion, &random).map { $0 * scale })
      return view.tangent(at: x, along: d).map { entries(of: $0.tangent).map { $0 / scale } }
    }
  }

  /// The gradient of one output entry in `.float32` against double precision.
  func comparePrecisions(
    _ single: [Double], _ row: [Double], _ cotangent: [Double], _ subject: Subject, output: Int
  ) {
    comparePrecisions(single, row, subject, isPullback: true, output: output) { view, x, motion, random in
      let scale = Self.scale(motion, &random)
      let cotangent = subject.outputs.tensors(cotangent.map { $0 * scale })
      return view.pullback(at: x).map { entries(of: $0.pullback(cotangent)).map { $0 / scale } }
    }
  }

  /// What a direction or cotangent is multiplied with where x moves, and the derivative divided by. It is linear, so that
  /// this changes nothing but how everything on the way rounds: where most of a derivative cancels, its error shows.
  private static func scale(_ motion: Double, _ random: inout RandomGenerator) -> Double {
    motion == 0 ? 1 : 1 - 0.5 * random.uniform()
  }

  /// Compares numbers computed in `.float32` with the same in double precision. Where they disagree, it is looked how far
  /// either moves within the rounding of x; what that explains, but hides a visible share of the derivative, is undecided.
  private func comparePrecisions(
    _ computed: [Double], _ expected: [Double], _ subject: Subject, isPullback: Bool, input: Int? = nil,
    output: Int? = nil,
    _ compute: (PrecisionView, [Tensor], Double, inout RandomGenerator) -> [Double]?
  ) {
    report.comparisons += 1
    let epsilon = ScalarType.float32.epsilon
    let tolerance = report.tolerance * pow(2, Double(subject.order - 1))
    let unit = isPullback ? 1 : input.map { scales[$0] } ?? scales.max() ?? 1
    let largestExpected = isPullback ? 0 : largest(expected)
    func size(_ k: Int) -> Double { max(computed[k].magnitude, expected[k].magnitude) }
    func gap(_ k: Int) -> Double { (computed[k] - expected[k]).magnitude }
    func allowance(_ k: Int) -> Double {
      // A row is in units of the input's entries, a tangent in those of the output.
      let magnitude = isPullback ? rounding(output!, subject, epsilon) / scales[k] : rounding(k, subject, epsilon)
      // What lies below the smallest numbers of float32, or beside larger ones beneath their last place, is lost.
      let lost = 1e-35 * max(1, unit) + 4 * epsilon * largestExpected
      return lost + tolerance * size(k) + magnitude
    }
    // Where the value differs as much, a constant was rounded and what is left after cancelling is another function.
    func shift(_ k: Int) -> Double {
      let entry = isPullback ? output! : k
      let (a, b) = (subject.ownCenter[entry], subject.center[entry])
      return a == b ? 0 : 4 * (a - b).magnitude / max(a.magnitude, b.magnitude) * size(k)
    }
    let suspects = computed.indices.filter { !(gap($0) <= allowance($0)) }
    guard !suspects.isEmpty else { return }
    if suspects.allSatisfy({ gap($0) <= allowance($0) + shift($0) }) {
      return noteRounding(computed, expected, suspects, subject, isPullback: isPullback, input: input, output: output)
    }
    let own = spread(of: computed, epsilon: epsilon) { compute(subject.own, $0, $1, &$2) }
    let exact = spread(of: expected, epsilon: epsilon) { compute(subject.exact, $0, $1, &$2) }
    let drift = valueDrift(subject)
    func explained(_ k: Int) -> Double {
      let drift = 4 * drift[isPullback ? output! : k] * size(k)
      return allowance(k) + shift(k) + 16 * (own[k] + exact[k]) + drift
    }
    guard let worst = suspects.first(where: { gap($0) > explained($0) }) else {
      return noteRounding(computed, expected, suspects, subject, isPullback: isPullback, input: input, output: output)
    }
    guard
      isLasting(
        computed[worst], expected[worst], allowance(worst) + shift(worst),
        { x, random in
          guard let a = compute(subject.own, x, 0, &random), let b = compute(subject.exact, x, 0, &random) else {
            return nil
          }
          return (a[worst], b[worst])
        })
    else { return }
    let entry = isPullback ? worst : input
    let step = isPullback || input == nil ? 1 : scales[input!]
    fail(
      .precision, subject, output: subject.outputs.place(isPullback ? output! : worst),
      input: entry.map { inputs.place($0) }, computed: computed[worst] / step, expected: expected[worst] / step,
      isPullback
        ? "this entry of Jᵀ" : input == nil ? "the derivative along a random direction" : "the partial derivative")
  }

  /// Notes that rounding in `.float32` may hide a visible share of a derivative, if it does.
  private func noteRounding(
    _ computed: [Double], _ expected: [Double], _ suspects: [Int], _ subject: Subject, isPullback: Bool, input: Int?,
    output: Int?
  ) {
    // An entry of a gradient counts times that of x.
    func size(_ k: Int) -> Double {
      max(computed[k].magnitude, expected[k].magnitude) * (isPullback ? scales[k] : 1)
    }
    func gap(_ k: Int) -> Double { (computed[k] - expected[k]).magnitude * (isPullback ? scales[k] : 1) }
    let worst = suspects.max { gap($0) < gap($1) }!
    guard gap(worst) > visible * (computed.indices.map(size).max() ?? 0) else { return }
    report.unresolved.append(
      .init(
        order: subject.order, function: subject.name, input: (isPullback ? worst : input).map { inputs.place($0) },
        output: subject.outputs.place(isPullback ? output! : worst),
        reason: .rounding(share: min(1, gap(worst) / size(worst)))))
  }

  /// How far, relative to itself, each entry of the value is from the same in double precision at points near x: where
  /// most of it cancels, a rounded constant makes another function of what is left. (Not too near, where all round alike.)
  private func valueDrift(_ subject: Subject) -> [Double] {
    var random = RandomGenerator(seed: report.seed &+ 2)
    let start = entries(of: x)
    var drift = [Double](repeating: 0, count: subject.center.count)
    for _ in 0..<12 {
      let moved = inputs.tensors(Self.moved(start, by: 1e-3, &random))
      guard let a = subject.own.value(at: moved).map({ entries(of: $0) }),
        let b = subject.exact.value(at: moved).map({ entries(of: $0) })
      else { continue }
      for k in drift.indices where a[k] != b[k] {
        drift[k] = max(drift[k], (a[k] - b[k]).magnitude / max(a[k].magnitude, b[k].magnitude))
      }
    }
    return drift
  }
}
