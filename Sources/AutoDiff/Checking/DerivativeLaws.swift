import Foundation

/// The laws that hold but for rounding, and that of the Taylor remainder.
extension DerivativeCheck {
  /// The relative difference allowed where only the rounding of double precision makes one.
  ///
  /// In float32 the constants of rules are rounded, not always the same way in both modes.
  func exactness(_ order: Int) -> Double { (isSingle ? 1e-5 : 1e-9) * pow(4, Double(order - 1)) }

  func rounding(_ entry: Int, _ subject: Subject, _ epsilon: Double = .ulpOfOne) -> Double {
    64 * epsilon * subject.magnitude(entry, peak: 0)
  }

  // MARK: Pullback against forward derivative

  /// ⟨ȳ, Jẋ⟩ = ⟨Jᵀȳ, ẋ⟩ along a direction, with signs of ȳ chosen so that nothing cancels on the left: a relative error of
  /// J shows as large as it is.
  func compareAdjoints(_ pullback: ([Tensor]) -> [Tensor], _ direction: Direction, _ subject: Subject) {
    let cotangent = direction.tangent.map { $0 < 0 ? -randomSign().magnitude : randomSign().magnitude }
    let pulled = pullback(subject.outputs.tensors(cotangent))
    guard haveShapes(pulled, inputs, "the cotangent", subject), isFinite(pulled, "the pullback", subject) else {
      return
    }
    report.comparisons += 1
    let numbers = entries(of: pulled)
    let (computed, left) = sum(numbers, direction.entries)
    let (expected, right) = sum(cotangent, direction.tangent)
    let floor = cotangent.indices.reduce(0) { $0 + rounding($1, subject) * rounding($1, subject) }.squareRoot()
    let allowance =
      exactness(subject.order) * max(computed.magnitude, expected.magnitude)
      + 64 * Double.ulpOfOne * (left + right) + floor
    if (computed - expected).magnitude <= allowance { return }
    func sums(_ x: [Tensor], _ motion: Double, _ random: inout RandomGenerator) -> [Double]? {
      let d = Self.moved(direction.entries, by: motion, &random)
      guard let (_, pullback) = subject.exact.pullback(at: x),
        let (_, tangent) = subject.exact.tangent(at: x, along: inputs.tensors(d))
      else { return nil }
      let pulled = pullback(subject.outputs.tensors(cotangent))
      return [sum(AutoDiff.entries(of: pulled), d).value, sum(cotangent, AutoDiff.entries(of: tangent)).value]
    }
    if isRounding(computed, expected, allowance, sums) { return }
    let culprit = adjointCulprit(numbers, cotangent, direction, subject)
    fail(
      .adjoint, subject, input: culprit.map { inputs.place($0.input) }, computed: culprit?.computed ?? computed,
      expected: culprit?.expected ?? expected, culprit == nil ? "⟨Jᵀȳ, ẋ⟩" : "this entry of Jᵀȳ")
  }

  /// The entry of Jᵀȳ with the largest disagreement, by bisection.
  private func adjointCulprit(
    _ pulled: [Double], _ cotangent: [Double], _ direction: Direction, _ subject: Subject
  ) -> (input: Int, computed: Double, expected: Double)? {
    func values(_ range: Range<Int>) -> (computed: Double, expected: Double)? {
      let part = direction.entries.indices.map { range.contains($0) ? direction.entries[$0] : 0 }
      guard let tangent = subject.exact.tangent(at: x, along: inputs.tensors(part))?.tangent else { return nil }
      return (sum(pulled, part).value, sum(cotangent, entries(of: tangent)).value)
    }
    var range = 0..<inputs.count
    while range.count > 1 {
      let middle = range.lowerBound + range.count / 2
      let halves = [range.lowerBound..<middle, middle..<range.upperBound]
      let gaps = halves.map { half in values(half).map { ($0.computed - $0.expected).magnitude } ?? .infinity }
      range = gaps[0] >= gaps[1] ? halves[0] : halves[1]
    }
    guard let input = range.first, direction.entries[input] != 0, let (computed, expected) = values(range),
      (computed - expected).magnitude > exactness(subject.order) * max(computed.magnitude, expected.magnitude)
    else { return nil }
    return (input, computed / direction.entries[input], expected / direction.entries[input])
  }

  /// Rows of the Jacobian by the pullback against its columns by forward derivatives, entry by entry; of a large one,
  /// some rows and columns. For `.float32` functions also the rows against the same in double precision.
  func compareRows(
    _ pullback: ([Tensor]) -> [Tensor], _ coordinates: [Int], _ columns: [[Double]], _ subject: Subject
  ) {
    let limit = subject.order == 1 ? 256 : 16
    let outputs =
      subject.outputs.count <= limit
      ? Array(0..<subject.outputs.count) : Array((0..<subject.outputs.count).shuffled(using: &random).prefix(8))
    let own = isSingle ? subject.own.pullback(at: x)?.pullback : nil
    for output in outputs where report.failures.isEmpty {
      var unit = [Double](repeating: 0, count: subject.outputs.count)
      unit[output] = 1
      let cotangent = subject.outputs.tensors(unit)
      let pulled = pullback(cotangent)
      guard haveShapes(pulled, inputs, "the cotangent", subject), isFinite(pulled, "the pullback", subject) else {
        return
      }
      let row = entries(of: pulled)
      report.comparisons += 1
      for (input, column) in zip(coordinates, columns) {
        compare(row[input] * scales[input], column[output], input, output, cotangent, subject)
        if !report.failures.isEmpty { return }
      }
      if let own {
        let single = entries(of: own(cotangent))
        comparePrecisions(single, row, unit, subject, output: output)
      }
    }
  }

  /// An entry of the Jacobian by both modes, times the magnitude of the input entry.
  private func compare(
    _ computed: Double, _ expected: Double, _ input: Int, _ output: Int, _ cotangent: [Tensor], _ subject: Subject
  ) {
    let gap = (computed - expected).magnitude
    let allowance =
      exactness(subject.order) * max(computed.magnitude, expected.magnitude) + rounding(output, subject)
    if gap <= allowance { return }
    func entriesOfBoth(_ x: [Tensor], _ motion: Double, _ random: inout RandomGenerator) -> [Double]? {
      var unit = [Double](repeating: 0, count: inputs.count)
      unit[input] = scales[input]
      guard let (_, pullback) = subject.exact.pullback(at: x),
        let (_, tangent) = subject.exact.tangent(
          at: x, along: inputs.tensors(Self.moved(unit, by: motion, &random)))
      else { return nil }
      return [
        AutoDiff.entries(of: pullback(cotangent))[input] * scales[input], AutoDiff.entries(of: tangent)[output],
      ]
    }
    if isRounding(computed, expected, allowance, entriesOfBoth) { return }
    fail(
      .adjoint, subject, output: subject.outputs.place(output), input: inputs.place(input),
      computed: computed / scales[input], expected: expected / scales[input], "this entry of Jᵀ")
  }

  /// Whether two numbers that should agree differ by no more than either moves with the last places of x; or by what is
  /// not there at points near x, as rounding is not that shows in steps too large for the former. That of a wrong rule is.
  private func isRounding(
    _ computed: Double, _ expected: Double, _ allowance: Double,
    _ compute: ([Tensor], Double, inout RandomGenerator) -> [Double]?
  ) -> Bool {
    let spread = spread(of: [computed, expected], epsilon: .ulpOfOne, compute)
    if (computed - expected).magnitude <= allowance + 16 * (spread[0] + spread[1]) { return true }
    return !isLasting(computed, expected, allowance) { x, random in
      compute(x, 0, &random).map { ($0[0], $0[1]) }
    }
  }

  /// Whether a difference of two numbers is much the same at points near x.
  func isLasting(
    _ computed: Double, _ expected: Double, _ allowance: Double,
    _ compute: ([Tensor], inout RandomGenerator) -> (Double, Double)?
  ) -> Bool {
    func share(_ a: Double, _ b: Double) -> Double { (a - b) / max(a.magnitude, b.magnitude, .leastNormalMagnitude) }
    var random = RandomGenerator(seed: report.seed &+ 3)
    let first = share(computed, expected)
    for _ in 0..<6 {
      // Numbers that the type of x has, so that both are computed at the same point.
      let moved = inputs.tensors(Self.moved(entries(of: x), by: 0x1p-8, &random))
      let point = zip(moved, types).map { $0.as($1).as(.float64) }
      guard let (a, b) = compute(point, &random) else { return false }
      let ratio = share(a, b) / first
      guard (a - b).magnitude > 0.3 * allowance, ratio > 0.3, ratio < 3 else { return false }
    }
    return true
  }

  // MARK: Examples

  /// `vmap` of the function, of its forward derivative and of its pullback against a loop, at x and two points near it.
  func compareBatches(_ subject: Subject) {
    let start = entries(of: x)
    let points = [x] + (0..<2).map { _ in inputs.tensors(Self.moved(start, by: 1e-3, &random)) }
    let direction = inputs.tensors(scales.map { $0 * randomSign() })
    let cotangent = subject.outputs.tensors((0..<subject.outputs.count).map { _ in randomSign() })
    let (n, f) = (x.count, subject.exact.f)
    let cases: [(String, [Tensor], [ScalarType], ([Tensor]) throws -> [Tensor])] = [
      ("the value", [], [], f),
      (
        "the forward derivative", direction, types,
        { try jvp(of: f, at: Array($0[..<n]), along: Array($0[n...])).tangent }
      ),
      (
        "the pullback", cotangent, subject.outputTypes,
        { try vjp(of: f, at: Array($0[..<n])).pullback(Array($0[n...])) }
      ),
    ]
    for (name, extra, extraTypes, g) in cases {
      let view = PrecisionView(f: g, types: types + extraTypes, precision: subject.exact.precision)
      let batched = PrecisionView(
        f: { try batchedOrThrowing(g, $0) }, types: types + extraTypes, precision: subject.exact.precision)
      let inputs = points.map { $0 + extra }
      let stacked = (0..<n + extra.count).map { leaf in stack(inputs.map { $0[leaf] }) }
      guard let all = batched.value(at: stacked) else { return failBecauseOfError("\(name) under vmap", 1, "f") }
      for (example, point) in inputs.enumerated() {
        guard let single = view.value(at: point) else { continue }
        for (leaf, tensor) in single.enumerated() where tensor.count > 0 {
          report.comparisons += 1
          let (a, b) = (all[leaf][example].scalars, tensor.scalars)
          let scale = max(largest(a), largest(b))
          for k in b.indices {
            let allowance = exactness(1) * max(a[k].magnitude, b[k].magnitude) + 1e3 * Double.ulpOfOne * scale
            if (a[k] - b[k]).magnitude <= allowance || a[k].isNaN && b[k].isNaN || a[k] == b[k] { continue }
            let place = DerivativeReport.Place(leaf: leaf, index: index(of: k, in: tensor.shape))
            return fail(.batching, subject, output: place, computed: a[k], expected: b[k], "\(name) under vmap")
          }
        }
      }
    }
  }

  // MARK: Symmetry, values and shapes

  /// Forward over reverse against reverse over reverse.
  func compareSymmetry(_ pullback: ([Tensor]) -> [Tensor], _ direction: Direction, _ subject: Subject) {
    let d = inputs.tensors(direction.entries)
    let transposed = pullback(d)
    guard report.failures.isEmpty, haveShapes(transposed, inputs, "the cotangent", subject) else { return }
    let (forward, reverse) = (direction.tangent, entries(of: transposed))
    report.comparisons += 1
    func allowance(_ k: Int) -> Double {
      exactness(subject.order) * max(forward[k].magnitude, reverse[k].magnitude) + rounding(k, subject)
    }
    let suspects = forward.indices.filter { !((forward[$0] - reverse[$0]).magnitude <= allowance($0)) }
    guard !suspects.isEmpty else { return }
    func both(_ x: [Tensor], _ motion: Double, _ random: inout RandomGenerator, _ k: Int) -> [Double]? {
      let d = inputs.tensors(Self.moved(direction.entries, by: motion, &random))
      guard let tangent = subject.exact.tangent(at: x, along: d)?.tangent, let both = subject.exact.pullback(at: x)
      else { return nil }
      return [entries(of: tangent)[k], entries(of: both.pullback(d))[k]]
    }
    let candidates = suspects.sorted { (forward[$0] - reverse[$0]).magnitude > (forward[$1] - reverse[$1]).magnitude }
    guard
      let worst = candidates.prefix(8).first(where: { k in
        !isRounding(forward[k], reverse[k], allowance(k)) { both($0, $1, &$2, k) }
      })
    else { return }
    fail(
      .symmetry, subject, output: subject.outputs.place(worst), computed: forward[worst], expected: reverse[worst],
      "forward over reverse, against reverse over reverse,")
  }

  /// The value under a transform against that without it.
  func compare(_ value: [Tensor], _ subject: Subject, _ quantity: String) {
    guard report.failures.isEmpty, haveShapes(value, subject.outputs, quantity, subject) else { return }
    let numbers = entries(of: value)
    for range in subject.outputs.ranges where !range.isEmpty {
      report.comparisons += 1
      let scale = max(largest(numbers[range]), largest(subject.center[range]))
      let worst = range.max { gap($0) < gap($1) }!
      if gap(worst) <= exactness(subject.order) * scale + rounding(worst, subject) { continue }
      fail(
        .value, subject, output: subject.outputs.place(worst), computed: numbers[worst],
        expected: subject.center[worst], quantity)
      return
    }
    func gap(_ k: Int) -> Double {
      let gap = (numbers[k] - subject.center[k]).magnitude
      return gap.isNaN ? .infinity : gap
    }
  }

  func isFinite(_ leaves: [Tensor], _ quantity: String, _ subject: Subject) -> Bool {
    for (leaf, tensor) in leaves.enumerated() {
      guard let offset = tensor.scalars.firstIndex(where: { !$0.isFinite }) else { continue }
      let number = tensor.scalars[offset]
      fail(
        .finite, subject, output: .init(leaf: leaf, index: index(of: offset, in: tensor.shape)),
        computed: number.isNaN ? .nan : number, expected: 0, quantity)
      return false
    }
    return true
  }

  func haveShapes(_ leaves: [Tensor], _ layout: EntryLayout, _ quantity: String, _ subject: Subject) -> Bool {
    for (leaf, (tensor, shape)) in zip(leaves, layout.shapes).enumerated() where tensor.shape != shape {
      fail(
        .shape, subject, output: .init(leaf: leaf), computed: Double(tensor.rank), expected: Double(shape.count),
        "\(quantity) has shape \(tensor.shape) instead of \(shape); its rank")
      return false
    }
    return true
  }

  func fail(
    _ law: DerivativeReport.Law, _ subject: Subject, output: DerivativeReport.Place? = nil,
    input: DerivativeReport.Place? = nil, computed: Double, expected: Double, _ quantity: String
  ) {
    report.failures.append(
      .init(
        law: law, order: subject.order, function: subject.name, output: output, input: input, computed: computed,
        expected: expected, quantity: quantity))
  }

  /// The function has a value at x, but throws when the same is asked for by a transform.
  func failBecauseOfError(_ quantity: String, _ order: Int, _ name: String) {
    report.failures.append(
      .init(
        law: .value, order: order, function: name, output: nil, input: nil, computed: .nan, expected: .nan,
        quantity: "f throws where \(quantity) is computed, which"))
  }

  // MARK: Taylor remainders

  /// The observed orders of the remainders along a direction; one power less than expected speaks against the last term.
  func compareRemainders(
    _ samples: LineSamples, _ direction: Direction, _ subject: Subject
  ) -> (first: DerivativeReport.Failure?, second: DerivativeReport.Failure?) {
    var second: [Double]?
    if subject.order < report.orders.upperBound {
      let d = inputs.tensors(direction.entries)
      let f = subject.exact
      let types = types
      let slope = PrecisionView(
        f: { x in try jvp(of: f.f, at: x, along: zip(d, types).map { $0.as($1) }).tangent }, types: types,
        precision: f.precision)
      second = slope.tangent(at: x, along: d).map { entries(of: $0.tangent) }
      if second?.count != direction.tangent.count { second = nil }
    }
    var found: [DerivativeReport.Failure?] = [nil, nil]
    for (leaf, range) in subject.outputs.ranges.enumerated() where !range.isEmpty {
      for (order, term) in [(2, nil), (3, second)] where order == 2 || term != nil {
        report.comparisons += 1
        guard
          case .shrinking(let slope, let isSteady, let coefficient) = samples.remainder(
            range, first: direction.tangent, second: term)
        else { continue }
        if subject.name == "f" {
          if order == 2 { report.firstRemainderOrder = min(report.firstRemainderOrder ?? slope, slope) }
          if order == 3 { report.secondRemainderOrder = min(report.secondRemainderOrder ?? slope, slope) }
        }
        // Anything else than one power less is a sign change of the remainder, or noise.
        let floor =
          tolerance * largest((term ?? direction.tangent)[range]) + range.map { rounding($0, subject) }.max()!
        guard isSteady, (slope - Double(order - 1)).magnitude < 0.3, coefficient > floor else { continue }
        found[order - 2] =
          found[order - 2]
          ?? .init(
            law: .remainder, order: subject.order + order - 2, function: subject.name, output: .init(leaf: leaf),
            input: nil, computed: slope, expected: Double(order),
            quantity: "the observed order after the \(order == 2 ? "first" : "second") derivative")
        // With a wrong first derivative the second says nothing.
        break
      }
    }
    return (found[0], found[1])
  }
}

/// `vmap` of a function that may throw.
private func batchedOrThrowing(_ f: @escaping TensorsFunction, _ x: [Tensor]) throws -> [Tensor] {
  var problem: (any Error)?
  let values = vmap { (x: [Tensor]) -> [Tensor] in
    do {
      return try f(x)
    } catch {
      problem = error
      return []
    }
  }(x)
  if let problem { throw problem }
  return values
}

/// ⟨a, b⟩, and the sum of the magnitudes of its terms.
private func sum(_ a: [Double], _ b: [Double]) -> (value: Double, magnitude: Double) {
  zip(a, b).reduce((0, 0)) { ($0.0 + $1.0 * $1.1, $0.1 + ($1.0 * $1.1).magnitude) }
}
