import Foundation

/// The derivative along a direction against differences of the function.
extension DerivativeCheck {
  enum Judgement {
    case right
    case wrong(DerivativeReport.Failure)
    case undecided(DerivativeReport.Unresolved)
  }

  private enum EntryJudgement {
    case right, suspect(LineSamples.Estimate), undecided(DerivativeReport.Unresolved.Reason)
  }

  /// The relative error of a derivative that must be visible: 0.1 %, which is far more than what passes.
  var visible: Double { max(1e-3, tolerance) }

  private func tolerance(_ order: Int) -> Double { tolerance * pow(2, Double(order - 1)) }

  /// Compares the derivative along a direction with differences, entry by entry.
  func judge(_ direction: Direction, _ subject: Subject, _ samples: LineSamples?) -> Judgement {
    report.comparisons += subject.outputs.ranges.count { !$0.isEmpty }
    var pending =
      samples == nil ? entriesInDoubt(direction, subject) : Array(direction.tangent.indices)
    var doubt: (entry: Int, reason: DerivativeReport.Unresolved.Reason)?
    for factor in factors(direction) where !pending.isEmpty {
      let samples =
        factor == 1 && samples != nil
        ? samples! : LineSamples(center: subject.center, line(subject.exact, direction.entries, factor: factor))
      var rest: [Int] = []
      doubt = nil
      for entry in pending {
        switch judge(entry, direction, subject, samples, factor) {
        case .right: break
        case .undecided(let reason):
          rest.append(entry)
          if doubt == nil { doubt = (entry, reason) }
        case .suspect(let estimate):
          if isExplainedByRounding(entry, estimate, direction, subject, factor) {
            rest.append(entry)
            if doubt == nil { doubt = (entry, reason(samples, entry, estimate, direction.tangent[entry] * factor)) }
          } else if isConfirmed(entry, estimate, direction, subject, factor) {
            return .wrong(failure(entry, estimate.value, direction, subject, factor))
          } else {
            rest.append(entry)
            if doubt == nil { doubt = (entry, reason(samples, entry, estimate, direction.tangent[entry] * factor)) }
          }
        }
      }
      pending = rest
    }
    guard let doubt else { return .right }
    return .undecided(
      .init(
        order: subject.order, function: subject.name, input: direction.input.map { inputs.place($0) },
        output: subject.outputs.place(doubt.entry), reason: doubt.reason))
  }

  /// The entries for which a few differences at moderate steps do not agree with the derivative already. Agreement to so
  /// many digits is no accident; only where it is missing the whole ladder of steps is worth its price.
  private func entriesInDoubt(_ direction: Direction, _ subject: Subject) -> [Int] {
    let line = line(subject.exact, direction.entries)
    let (coarse, fine) = (0x1p-6, 0x1p-8)
    guard let a = line(coarse), let b = line(-coarse), let c = line(fine), let d = line(-fine) else {
      return Array(direction.tangent.indices)
    }
    let tolerance = tolerance(subject.order)
    return direction.tangent.indices.filter { entry in
      let center = subject.center[entry]
      let (outer, inner) = ((a[entry] - b[entry]) / (2 * coarse), (c[entry] - d[entry]) / (2 * fine))
      let bends = ((a[entry] + b[entry] - 2 * center) / coarse, (c[entry] + d[entry] - 2 * center) / fine)
      let value = inner + (inner - outer) / 15
      let kink = (4 * bends.1 - bends.0).magnitude / 6
      let size = max(value.magnitude, direction.tangent[entry].magnitude)
      let peak = largest([a[entry], b[entry], c[entry], d[entry], center])
      let rounding = 64 * Double.ulpOfOne * peak
      // Not-a-number is in doubt too.
      return
        !((value - direction.tangent[entry]).magnitude <= tolerance * size + rounding
        && kink <= 10 * tolerance * size + rounding / fine)
    }
  }

  /// The units in which the steps along a direction are taken: multiples of its own, which is the magnitude of x. A single
  /// entry may vary on the scale of its leaf, or of 1, as well.
  private func factors(_ direction: Direction) -> [Double] {
    guard let input = direction.input else { return [1] }
    let own = scales[input]
    let leaf = largest(scales[inputs.ranges[inputs.leaf(of: input)]])
    return [own, leaf, 1].reduce(into: [Double]()) { kept, unit in
      if !kept.contains(where: { (1 / 64...64).contains(unit / $0) }) { kept.append(unit) }
    }.map { $0 / own }
  }

  private func judge(
    _ entry: Int, _ direction: Direction, _ subject: Subject, _ samples: LineSamples, _ factor: Double
  ) -> EntryJudgement {
    guard let estimate = samples.derivative(entry) else { return .undecided(.outsideDomain) }
    let computed = direction.tangent[entry] * factor
    let magnitude = subject.magnitude(entry, peak: samples.peaks[entry])
    let reference = factor * reference(direction, subject, output: entry)
    let column = largest(direction.tangent[subject.outputs.ranges[subject.outputs.leaf(of: entry)]])
    // In float32 the constants of rules are rounded, and may cancel.
    let rounding =
      64 * Double.ulpOfOne * magnitude + (isSingle ? 16 * ScalarType.float32.epsilon * factor * column : 0)
    let size = max(computed.magnitude, estimate.value.magnitude)
    let gap = (computed - estimate.value).magnitude
    let tolerance = tolerance(subject.order)
    if gap > tolerance * size + 4 * estimate.error + rounding { return .suspect(estimate) }
    // The largest derivative of the same leaves is what errors are measured by.
    if 4 * estimate.error <= visible * max(size, reference) || estimate.error <= rounding { return .right }
    // A derivative that vanishes has no relative error; then it should vanish beside the value.
    if size <= 8 * estimate.error, estimate.error <= tolerance * magnitude { return .right }
    return .undecided(reason(samples, entry, estimate, computed))
  }

  /// The largest derivative of an entry's leaf along the leaf of the direction, or along all.
  private func reference(_ direction: Direction, _ subject: Subject, output entry: Int) -> Double {
    let leaf = subject.outputs.leaf(of: entry)
    guard let input = direction.input else { return largest(direction.tangent[subject.outputs.ranges[leaf]]) }
    return subject.references[inputs.leaf(of: input)][leaf]
  }

  private func reason(
    _ samples: LineSamples, _ entry: Int, _ estimate: LineSamples.Estimate, _ computed: Double
  ) -> DerivativeReport.Unresolved.Reason {
    switch samples.obstacle(entry) {
    case .kink(let left, let right, let distance): return .kink(left: left, right: right, distance: distance)
    case .jump: return .jump
    case .rounding:
      let size = max(computed.magnitude, estimate.value.magnitude)
      return .rounding(share: size > 0 ? min(4 * estimate.error / size, 1) : 1)
    }
  }

  // MARK: Before a derivative is called wrong

  /// Whether the derivative varies by as much when x and the direction move by a few units in the last place: it is then
  /// known no better, because it cancels or because x lies on a kink but for rounding.
  private func isExplainedByRounding(
    _ entry: Int, _ estimate: LineSamples.Estimate, _ direction: Direction, _ subject: Subject, _ factor: Double
  ) -> Bool {
    let spread = spread(of: direction.tangent, epsilon: .ulpOfOne) { x, epsilon, random in
      let d = inputs.tensors(Self.moved(direction.entries, by: epsilon, &random))
      return subject.exact.tangent(at: x, along: d).map { entries(of: $0.tangent) }
    }
    let gap = (direction.tangent[entry] * factor - estimate.value).magnitude
    return gap <= 4 * estimate.error + 16 * factor * spread[entry]
  }

  /// Whether differences at other points of the line say the same, and at points near x, where rounding and kinks have
  /// other effects but a wrong rule has the same.
  private func isConfirmed(
    _ entry: Int, _ first: LineSamples.Estimate, _ direction: Direction, _ subject: Subject, _ factor: Double
  ) -> Bool {
    let factor0 = factor
    func isWrongBeside(_ motion: Double, _ random: inout RandomGenerator) -> Bool {
      let point = inputs.tensors(Self.moved(entries(of: x), by: motion, &random))
      guard let value = subject.exact.value(at: point),
        let tangent = subject.exact.tangent(at: point, along: inputs.tensors(direction.entries))?.tangent,
        let estimate = LineSamples(
          center: entries(of: value), line(subject.exact, direction.entries, factor: factor0, from: point)
        ).derivative(entry)
      else { return false }
      let computed = entries(of: tangent)[entry] * factor0
      let (old, new) = (direction.tangent[entry] * factor0 - first.value, computed - estimate.value)
      let sizes = (
        max(direction.tangent[entry].magnitude * factor0, first.value.magnitude),
        max(computed.magnitude, estimate.value.magnitude)
      )
      return new.magnitude > tolerance(subject.order) * sizes.1 + 4 * estimate.error && (old < 0) == (new < 0)
        && 3 * new.magnitude / sizes.1 > old.magnitude / sizes.0
    }
    var random = RandomGenerator(seed: report.seed &+ 2)
    for _ in 0..<2 where !isWrongBeside(0x1p-8, &random) { return false }
    return [0.77, 1.31].allSatisfy { offset in
      let samples = LineSamples(
        center: subject.center, offset: offset, line(subject.exact, direction.entries, factor: factor))
      guard let second = samples.derivative(entry) else { return false }
      let gap = (direction.tangent[entry] * factor - second.value).magnitude
      let size = max(direction.tangent[entry].magnitude * factor, second.value.magnitude)
      // Two estimates of one number; what they differ by is another measure of their error.
      let error = max(first.error, second.error) + (first.value - second.value).magnitude
      return gap > tolerance(subject.order) * size + 4 * error
    }
  }

  /// How far numbers that belong to x move when x moves by a few units in the last place, entry by entry.
  ///
  /// - Parameters:
  ///   - numbers: what they are at x.
  ///   - epsilon: the unit.
  ///   - compute: the numbers at another point; gets the size of the motion for what it wants to move itself.
  func spread(
    of numbers: [Double], epsilon: Double, _ compute: ([Tensor], Double, inout RandomGenerator) -> [Double]?
  ) -> [Double] {
    var random = RandomGenerator(seed: report.seed &+ 1)
    let start = entries(of: x)
    var spread = [Double](repeating: 0, count: numbers.count)
    for _ in 0..<12 {
      let motion = 4 * epsilon
      let moved = inputs.tensors(Self.moved(start, by: motion, &random))
      guard let others = compute(moved, motion, &random), others.count == numbers.count else { continue }
      for k in numbers.indices {
        let distance = (others[k] - numbers[k]).magnitude
        spread[k] = max(spread[k], distance.isNaN ? .infinity : distance)
      }
    }
    return spread
  }

  static func moved(_ entries: [Double], by motion: Double, _ random: inout RandomGenerator) -> [Double] {
    entries.map { $0 * (1 + motion * (2 * random.uniform() - 1)) }
  }

  private func failure(
    _ entry: Int, _ expected: Double, _ direction: Direction, _ subject: Subject, _ factor: Double
  ) -> DerivativeReport.Failure {
    var (computed, expected) = (direction.tangent[entry], expected / factor)
    var input = direction.input
    if let input {
      (computed, expected) = (computed / direction.entries[input], expected / direction.entries[input])
    } else if let culprit = culprit(entry, direction, subject) {
      (input, computed, expected) = (culprit.input, culprit.computed, culprit.expected)
    }
    return .init(
      law: .difference, order: subject.order, function: subject.name, output: subject.outputs.place(entry),
      input: input.map { inputs.place($0) }, computed: computed, expected: expected,
      quantity: input == nil ? "the derivative along the direction" : "the partial derivative")
  }

  /// Finds the input entry that is to blame for the derivative of an output entry: of two halves of a direction, the one
  /// with the larger disagreement is halved again.
  ///
  /// - Returns: the entry and both partial derivatives; nil if they agree there, so that no entry stands out.
  private func culprit(
    _ output: Int, _ direction: Direction, _ subject: Subject
  ) -> (input: Int, computed: Double, expected: Double)? {
    func values(_ range: Range<Int>) -> (computed: Double, expected: Double)? {
      let part = direction.entries.indices.map { range.contains($0) ? direction.entries[$0] : 0 }
      guard let tangent = subject.exact.tangent(at: x, along: inputs.tensors(part))?.tangent else { return nil }
      let samples = LineSamples(center: subject.center, line(subject.exact, part))
      return (entries(of: tangent)[output], samples.derivative(output)?.value ?? .nan)
    }
    var range = 0..<inputs.count
    while range.count > 1 {
      let middle = range.lowerBound + range.count / 2
      let halves = [range.lowerBound..<middle, middle..<range.upperBound]
      let gaps = halves.map { half -> Double in
        guard let (computed, expected) = values(half) else { return .infinity }
        let gap = (computed - expected).magnitude
        return gap.isNaN ? .infinity : gap
      }
      range = gaps[0] >= gaps[1] ? halves[0] : halves[1]
    }
    guard let input = range.first, direction.entries[input] != 0, let (computed, expected) = values(range),
      (computed - expected).magnitude > tolerance(subject.order) * max(computed.magnitude, expected.magnitude)
    else { return nil }
    return (input, computed / direction.entries[input], expected / direction.entries[input])
  }
}
