import Foundation

/// The work of ``checkDerivatives(of:at:orders:directions:seed:tolerance:)``, on lists of leaves.
struct DerivativeCheck {
  let x: [Tensor]
  let epsilon: Double
  /// The magnitude of every leaf of x; 1 for zeros.
  let scales: [Double]
  let directionCount: Int
  var report: DerivativeReport
  private var random: RandomGenerator

  /// The relative difference allowed where only rounding makes one.
  private func exactness(_ order: Int) -> Double { (epsilon < 1e-10 ? 1e-9 : 1e-4) * pow(4, Double(order - 1)) }

  /// The relative difference from central differences allowed; every order loses digits.
  private func tolerance(_ order: Int) -> Double { report.tolerance * pow(2, Double(order - 1)) }

  init(x: [Tensor], epsilon: Double, directionCount: Int, report: DerivativeReport) {
    (self.x, self.epsilon, self.directionCount, self.report) = (x, epsilon, directionCount, report)
    scales = x.map { leaf in
      let scale = largest(leaf.scalars)
      return scale > 0 && scale.isFinite ? scale : 1
    }
    random = RandomGenerator(seed: report.seed)
  }

  /// A function whose first derivative is under examination.
  struct Subject {
    let order: Int
    let name: String
    let isGradient: Bool
    /// What an entry of every output leaf, or of a term that cancels in it, is measured by.
    var magnitudes: [Double]

    /// Rounding errors that derivatives along a direction of the magnitude of x may have, whatever their size.
    func rounding(_ leaf: Int, _ epsilon: Double) -> Double { 64 * epsilon * magnitudes[leaf] }
  }

  /// Checks the first derivative of a function, then that of its derivatives, up to the highest order.
  mutating func run(
    _ f: TensorsFunction, order: Int, name: String, isGradient: Bool, magnitudes: [Double]
  ) rethrows {
    var subject = Subject(order: order, name: name, isGradient: isGradient, magnitudes: magnitudes)
    let directions = makeDirections()
    let output = try f(x)
    if !isFinite(output, "the value", subject, .finite) { return }
    let cotangent = output.map { randomLike($0, scale: 1) }
    if order >= report.orders.lowerBound {
      let (value, pullback) = try vjp(of: f, at: x)
      compare(value, output, "the value under vjp", subject, .value)
      for direction in directions {
        try examine(f, output, pullback, along: direction, &subject)
        if !report.passed { return }
      }
    }
    guard report.passed, order < report.orders.upperBound else { return }
    let largestMagnitude = subject.magnitudes.max() ?? 0
    try run(
      { try gradient(of: { product(cotangent, try f($0)) }, at: $0) }, order: order + 1, name: "∇⟨ȳ, \(name)⟩",
      isGradient: true, magnitudes: scales.map { largestMagnitude / $0 })
    guard report.passed, let direction = directions.first else { return }
    try run(
      { try jvp(of: f, at: $0, along: direction).tangent }, order: order + 1, name: "D[\(name)]·d",
      isGradient: false, magnitudes: subject.magnitudes)
  }

  /// All laws along one direction.
  private mutating func examine(
    _ f: TensorsFunction, _ output: [Tensor], _ pullback: Pullback<[Tensor], [Tensor]>, along direction: [Tensor],
    _ subject: inout Subject
  ) rethrows {
    let (value, tangent) = try jvp(of: f, at: x, along: direction)
    compare(value, output, "the value under jvp", subject, .value)
    guard haveShapes(tangent, of: output, "the tangent", subject),
      isFinite(tangent, "the forward derivative", subject, .finite)
    else { return }
    let samples = try LineSamples(of: f, at: x, along: direction, epsilon: epsilon)
    for leaf in subject.magnitudes.indices {
      if samples.isErratic(leaf, magnitude: subject.magnitudes[leaf]) {
        fail(
          .difference, subject, output: .init(leaf: leaf), computed: largest(tangent[leaf].scalars), expected: .nan,
          "\(subject.name) jumps or is too noisy at x to have a derivative; its largest entry along the direction")
        return
      }
      // What the value shows of terms that cancel in it, in units of its precision, counts like the value. Where it
      // vanishes altogether, nothing is known of what cancels, and 1 has to do.
      let peak = samples.peaks[leaf] > 0 ? samples.peaks[leaf] : 1
      subject.magnitudes[leaf] = max(subject.magnitudes[leaf], peak, samples.noise[leaf] / epsilon)
    }
    try compareWithDifferences(f, samples, tangent, direction, subject)
    try compareRemainders(f, samples, tangent, direction, subject)
    try compareAdjoints(f, pullback, tangent, direction, subject)
    if subject.isGradient {
      let transposed = pullback(direction)
      compare(tangent, transposed, "forward over reverse, against reverse over reverse,", subject, .symmetry)
    }
  }

  // MARK: Laws

  private mutating func compareWithDifferences(
    _ f: TensorsFunction, _ samples: LineSamples, _ tangent: [Tensor], _ direction: [Tensor], _ subject: Subject
  ) rethrows {
    var worst: (excess: Double, place: DerivativeReport.Place, computed: Double, expected: Double)?
    let tolerance = tolerance(subject.order)
    for (leaf, tensor) in tangent.enumerated() where tensor.count > 0 {
      let computed = tensor.scalars
      report.comparisons += 1
      guard let estimate = samples.derivative(leaf) else {
        fail(
          .finite, subject, output: .init(leaf: leaf, index: index(of: 0, in: tensor.shape)), computed: .nan,
          expected: computed[0], "f is not finite at any two neighboring steps; the central difference")
        return
      }
      let scale = max(largest(computed), largest(estimate.values))
      let allowance = tolerance * scale + 4 * estimate.error + subject.rounding(leaf, epsilon)
      if scale > estimate.rounding { report.resolution = max(report.resolution, estimate.error / scale) }
      let isUnsettled =
        estimate.truncation > max(10 * tolerance * scale, 8 * estimate.rounding, subject.rounding(leaf, epsilon))
      for (place, (a, b)) in zip(computed, estimate.values).enumerated() {
        let excess = (a - b).magnitude / allowance
        // Differences that do not settle down prove nothing, and must not pass.
        if excess > 1 || isUnsettled, excess >= worst?.excess ?? 0 {
          worst = (excess, .init(leaf: leaf, index: index(of: place, in: tensor.shape)), a, b)
        }
      }
    }
    guard let worst else { return }
    let quantity = "the derivative along the direction"
    guard worst.excess > 1 else {
      fail(
        .difference, subject, output: worst.place, computed: worst.computed, expected: worst.expected,
        "central differences do not settle, so that \(subject.name) may not be smooth at x; \(quantity)")
      return
    }
    let output = worst.place
    let (epsilon, x) = (epsilon, x)
    let culprit = try culprit(in: direction, significant: tolerance / 2) { part in
      let computed = try jvp(of: f, at: x, along: part).tangent[output.leaf]
      let samples = try LineSamples(of: f, at: x, along: part, epsilon: epsilon)
      let place = zip(computed.shape.rowMajorStrides, output.index ?? []).reduce(0) { $0 + $1.0 * $1.1 }
      return (computed.scalars[place], samples.derivative(output.leaf)?.values[place] ?? .nan)
    }
    fail(
      .difference, subject, output: output, input: culprit?.place, computed: culprit?.computed ?? worst.computed,
      expected: culprit?.expected ?? worst.expected, culprit == nil ? quantity : "the partial derivative")
  }

  private mutating func compareRemainders(
    _ f: TensorsFunction, _ samples: LineSamples, _ tangent: [Tensor], _ direction: [Tensor], _ subject: Subject
  ) rethrows {
    var second: [Tensor]?
    if subject.order < report.orders.upperBound {
      second = try jvp(of: { try jvp(of: f, at: $0, along: direction).tangent }, at: x, along: direction).tangent
    }
    for (leaf, tensor) in tangent.enumerated() where tensor.count > 0 {
      let first = tensor.scalars
      let quadratic = second?[leaf].scalars
      for (order, term) in [(2, nil), (3, quadratic)] where order == 2 || term != nil {
        report.comparisons += 1
        guard
          case .shrinking(let slope, let isSteady, let coefficient) = samples.remainder(
            leaf, first: first, second: term)
        else {
          continue
        }
        if subject.name == "f" {
          if order == 2 { report.firstRemainderOrder = min(report.firstRemainderOrder ?? slope, slope) }
          if order == 3 { report.secondRemainderOrder = min(report.secondRemainderOrder ?? slope, slope) }
        }
        // One power less means that the last term is wrong. Anything else is a sign change of the remainder, or noise.
        let floor = report.tolerance * largest(term ?? first) + subject.rounding(leaf, epsilon)
        if isSteady, (slope - Double(order - 1)).magnitude < 0.3, coefficient > floor {
          fail(
            .remainder, subject, order: subject.order + order - 2, output: .init(leaf: leaf), computed: slope,
            expected: Double(order), "the observed order after the \(order == 2 ? "first" : "second") derivative")
          // With a wrong first derivative the second says nothing.
          break
        }
      }
    }
  }

  private mutating func compareAdjoints(
    _ f: TensorsFunction, _ pullback: Pullback<[Tensor], [Tensor]>, _ tangent: [Tensor], _ direction: [Tensor],
    _ subject: Subject
  ) rethrows {
    // With signs chosen so that nothing cancels in ⟨ȳ, Jẋ⟩, a relative error of J shows as large as it is.
    let cotangent = tangent.map { leaf in
      let entries = leaf.scalars.map { $0 < 0 ? -0.5 - random.uniform() : 0.5 + random.uniform() }
      return Tensor(entries, shape: leaf.shape, as: leaf.scalarType)
    }
    let pulled = pullback(cotangent)
    guard haveShapes(pulled, of: x, "the cotangent", subject), isFinite(pulled, "the pullback", subject, .finite) else {
      return
    }
    report.comparisons += 1
    let (computed, left) = sum(pulled, direction)
    let (expected, right) = sum(cotangent, tangent)
    let floor = cotangent.indices.map { leaf in
      largest(cotangent[leaf].scalars) * subject.rounding(leaf, epsilon) * Double(cotangent[leaf].count).squareRoot()
    }
    let allowance =
      exactness(subject.order) * max(computed.magnitude, expected.magnitude)
      + 64 * epsilon * (left + right) + floor.reduce(0, +)
    if (computed - expected).magnitude <= allowance { return }
    let x = x
    let culprit = try culprit(in: direction, significant: exactness(subject.order)) { part in
      (sum(pulled, part).value, sum(cotangent, try jvp(of: f, at: x, along: part).tangent).value)
    }
    fail(
      .adjoint, subject, input: culprit?.place, computed: culprit?.computed ?? computed,
      expected: culprit?.expected ?? expected, culprit == nil ? "⟨Jᵀȳ, ẋ⟩" : "this entry of Jᵀȳ")
  }

  /// Compares two lists that should agree but for rounding.
  private mutating func compare(
    _ a: [Tensor], _ b: [Tensor], _ quantity: String, _ subject: Subject, _ law: DerivativeReport.Law
  ) {
    guard report.passed, haveShapes(a, of: b, quantity, subject) else { return }
    for leaf in a.indices where a[leaf].count > 0 {
      report.comparisons += 1
      let (p, q) = (a[leaf].scalars, b[leaf].scalars)
      let allowance = exactness(subject.order) * max(largest(p), largest(q)) + subject.rounding(leaf, epsilon)
      let worst = p.indices.max { (p[$0] - q[$0]).magnitude < (p[$1] - q[$1]).magnitude }!
      if !((p[worst] - q[worst]).magnitude <= allowance) {
        fail(
          law, subject, output: .init(leaf: leaf, index: index(of: worst, in: a[leaf].shape)), computed: p[worst],
          expected: q[worst], quantity)
        return
      }
    }
  }

  private mutating func isFinite(
    _ leaves: [Tensor], _ quantity: String, _ subject: Subject, _ law: DerivativeReport.Law
  ) -> Bool {
    for (leaf, tensor) in leaves.enumerated() {
      guard let place = tensor.scalars.firstIndex(where: { !$0.isFinite }) else { continue }
      let number = tensor.scalars[place]
      fail(
        law, subject, output: .init(leaf: leaf, index: index(of: place, in: tensor.shape)),
        computed: number.isNaN ? .nan : number, expected: 0, quantity)
      return false
    }
    return true
  }

  private mutating func haveShapes(_ a: [Tensor], of b: [Tensor], _ quantity: String, _ subject: Subject) -> Bool {
    for (leaf, (tensor, model)) in zip(a, b).enumerated() where tensor.shape != model.shape {
      fail(
        .shape, subject, output: .init(leaf: leaf), computed: Double(tensor.rank), expected: Double(model.rank),
        "\(quantity) has shape \(tensor.shape) instead of \(model.shape); its rank")
      return false
    }
    return true
  }

  private mutating func fail(
    _ law: DerivativeReport.Law, _ subject: Subject, order: Int? = nil, output: DerivativeReport.Place? = nil,
    input: DerivativeReport.Place? = nil, computed: Double, expected: Double, _ quantity: String
  ) {
    report.failures.append(
      .init(
        law: law, order: order ?? subject.order, function: subject.name, output: output, input: input,
        computed: computed, expected: expected, quantity: quantity))
  }

  // MARK: Directions

  /// Random directions through all leaves; if there are several leaves, one along each of the first eight as well, so
  /// that a small leaf is not drowned by a large one.
  private mutating func makeDirections() -> [[Tensor]] {
    var directions = (0..<directionCount).map { _ in zip(x, scales).map { randomLike($0, scale: $1) } }
    if x.count > 1 {
      for leaf in x.indices.prefix(8) where x[leaf].count > 0 {
        directions.append(x.indices.map { $0 == leaf ? randomLike(x[$0], scale: scales[$0]) : .zeros(like: x[$0]) })
      }
    }
    return directions
  }

  /// Random signs times numbers between 1/2 and 1: every entry takes part.
  private mutating func randomLike(_ tensor: Tensor, scale: Double) -> Tensor {
    let entries = (0..<tensor.count).map { _ -> Double in
      let size = scale * (0.5 + 0.5 * random.uniform())
      return random.next() & 1 == 0 ? size : -size
    }
    return Tensor(entries, shape: tensor.shape, as: tensor.scalarType)
  }

  /// Finds the input entry that is to blame, given two linear functions of a direction that should agree: of two halves
  /// of the entries, the one with the larger disagreement is halved again.
  ///
  /// - Returns: the entry and both derivatives with respect to it; nil if they agree there, so that no entry stands out.
  private func culprit(
    in direction: [Tensor], significant: Double, _ values: ([Tensor]) throws -> (computed: Double, expected: Double)
  ) rethrows -> (place: DerivativeReport.Place, computed: Double, expected: Double)? {
    let entries = direction.map(\.scalars)
    let places = entries.indices.flatMap { leaf in entries[leaf].indices.map { (leaf, $0) } }
    func part(_ range: Range<Int>) -> [Tensor] {
      var kept = entries.map { [Double](repeating: 0, count: $0.count) }
      for (leaf, place) in places[range] { kept[leaf][place] = entries[leaf][place] }
      return zip(kept, direction).map { Tensor($0, shape: $1.shape, as: $1.scalarType) }
    }
    var range = 0..<places.count
    while range.count > 1 {
      let middle = range.lowerBound + range.count / 2
      let halves = [range.lowerBound..<middle, middle..<range.upperBound]
      let gaps = try halves.map { half -> Double in
        let (computed, expected) = try values(part(half))
        let gap = (computed - expected).magnitude
        return gap.isNaN ? .infinity : gap
      }
      range = gaps[0] >= gaps[1] ? halves[0] : halves[1]
    }
    guard let (leaf, place) = range.first.map({ places[$0] }), entries[leaf][place] != 0 else { return nil }
    let (computed, expected) = try values(part(range))
    let gap = (computed - expected).magnitude
    guard gap > significant * max(computed.magnitude, expected.magnitude) else { return nil }
    let step = entries[leaf][place]
    return (.init(leaf: leaf, index: index(of: place, in: x[leaf].shape)), computed / step, expected / step)
  }
}

/// ⟨a, b⟩ over all leaves as a tensor, which can be differentiated.
private func product(_ a: [Tensor], _ b: [Tensor]) -> Tensor {
  let type: ScalarType = b.allSatisfy { $0.scalarType == .float32 } ? .float32 : .float64
  return zip(a, b).map { dot($0, $1).as(type) }.reduce(nil) { sum, part in sum.map { $0 + part } ?? part } ?? Tensor(0)
}

/// ⟨a, b⟩ over all leaves as a number, and the sum of the magnitudes of its terms.
private func sum(_ a: [Tensor], _ b: [Tensor]) -> (value: Double, magnitude: Double) {
  var result = (value: 0.0, magnitude: 0.0)
  for (p, q) in zip(a, b) {
    for (s, t) in zip(p.scalars, q.scalars) {
      result.value += s * t
      result.magnitude += (s * t).magnitude
    }
  }
  return result
}
