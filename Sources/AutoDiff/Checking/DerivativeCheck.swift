import Foundation

/// The work of ``checkDerivatives(of:at:orders:directions:seed:tolerance:)``, on lists of leaves.
///
/// Everything is compared entry by entry, in double precision even for `.float32` functions, and wrong is called only
/// what neither the error of the differences nor the rounding of the derivative itself explains. Both are measured, the
/// latter only where something looks wrong.
///
/// A class, like its subject, because every law is handed both: copying the fields of structures takes more code than the
/// laws themselves.
final class DerivativeCheck {
  /// The point in double precision, and the types that its leaves have.
  let x: [Tensor]
  let types: [ScalarType]
  let inputs: EntryLayout
  /// What every entry of x is measured by: its magnitude, where it is zero that of its leaf, or 1.
  let scales: [Double]
  /// Whether some input or output is `.float32`.
  let isSingle: Bool
  let directionCount: Int
  let batching: DerivativeReport.Batching
  /// The relative difference allowed between derivatives and differences, both in double precision.
  let tolerance: Double
  var report: DerivativeReport
  var random: RandomGenerator

  init(
    x leaves: [Tensor], isSingle: Bool, directionCount: Int, batching: DerivativeReport.Batching, tolerance: Double?,
    report: DerivativeReport
  ) {
    x = leaves.map { $0.as(.float64) }
    types = leaves.map(\.scalarType)
    inputs = EntryLayout(of: x)
    scales = leaves.flatMap { leaf in
      let entries = leaf.scalars
      let whole = largest(entries)
      let usable = 1e-150...1e150
      return entries.map { usable.contains($0.magnitude) ? $0.magnitude : usable.contains(whole) ? whole : 1 }
    }
    (self.isSingle, self.directionCount, self.batching, self.report) = (isSingle, directionCount, batching, report)
    // Rules may bring along constants that are rounded to float32, also where the rest is computed in double precision.
    self.tolerance = tolerance ?? (isSingle ? 2e-5 : 1e-6)
    random = RandomGenerator(seed: report.seed)
  }

  /// A function whose first derivative is under examination.
  final class Subject {
    let order: Int
    let name: String
    /// In double precision, and as it is.
    let exact: PrecisionView
    let own: PrecisionView
    let outputs: EntryLayout
    /// The types that its leaves show.
    let outputTypes: [ScalarType]
    /// The entries of its value.
    let center: [Double]
    /// The same as the function itself computes them, where that is in float32.
    let ownCenter: [Double]
    /// For every output leaf, the magnitude of terms that may cancel in its entries.
    let inherited: [Double]
    /// For every input leaf, the largest derivative of every output leaf along it.
    var references: [[Double]]

    init(
      order: Int, name: String, exact: PrecisionView, own: PrecisionView, outputs: EntryLayout,
      outputTypes: [ScalarType], center: [Double], ownCenter: [Double], inherited: [Double], references: [[Double]]
    ) {
      (self.order, self.name, self.exact, self.own) = (order, name, exact, own)
      (self.outputs, self.outputTypes, self.center, self.ownCenter) = (outputs, outputTypes, center, ownCenter)
      (self.inherited, self.references) = (inherited, references)
    }

    /// How large a value, or a term that cancels in it, an entry has to do with. Where it vanishes, nothing is known of
    /// what cancels, and 1 has to do.
    func magnitude(_ entry: Int, peak: Double) -> Double {
      let leaf = outputs.leaf(of: entry)
      let size = max(peak, center[entry].magnitude)
      let whole = size > 0 ? size : largest(center[outputs.ranges[leaf]])
      return max(whole > 0 ? whole : 1, inherited[leaf])
    }
  }

  /// A line through x, with the derivative along it.
  struct Direction {
    /// One for every entry of x.
    let entries: [Double]
    /// The input entry, if there is only one.
    let input: Int?
    /// The derivative along it, in double precision.
    let tangent: [Double]
  }

  // MARK: Orders

  /// Checks the first derivative of a function, then that of its derivatives, up to the highest order.
  func run(_ f: @escaping TensorsFunction, order: Int = 1, name: String = "f", inherited: [Double]? = nil) {
    let isGradient = order > 1 && name.hasPrefix("∇")
    let own = PrecisionView(f: f, types: types, precision: .own)
    let exact = isSingle ? PrecisionView(f: f, types: types, precision: .double) : own
    guard let output = exact.value(at: x) else { return failBecauseOfError("the value", order, name) }
    let outputs = EntryLayout(of: output)
    let single = own.shown(at: x)
    let subject = Subject(
      order: order, name: name, exact: exact, own: own, outputs: outputs,
      outputTypes: single?.map(\.scalarType) ?? output.map(\.scalarType), center: entries(of: output),
      ownCenter: entries(of: single ?? output),
      inherited: inherited ?? outputs.shapes.map { _ in 0 },
      references: inputs.shapes.map { _ in outputs.shapes.map { _ in 0 } })
    guard isFinite(output, "the value", subject) else { return }
    if isSingle, let single, !isFinite(single, "the value", subject) { return }
    let cotangent = randomLike(outputs, output)
    let directions = makeDirections()
    var remainder: DerivativeReport.Failure?
    if order >= report.orders.lowerBound {
      remainder = examine(subject, directions, isGradient: isGradient)
    }
    guard report.passed, order < report.orders.upperBound else { return }
    let magnitudes = outputs.shapes.indices.map { leaf in
      outputs.ranges[leaf].reduce(subject.inherited[leaf]) { max($0, subject.magnitude($1, peak: 0)) }
    }
    let largestMagnitude = magnitudes.max() ?? 0
    let leafScales = inputs.ranges.map { largest(scales[$0]) }
    run(
      { x in try gradient(of: { product(cotangent, try f($0)) }, at: x) }, order: order + 1,
      name: "∇⟨ȳ, \(name)⟩", inherited: leafScales.map { largestMagnitude / max($0, .leastNormalMagnitude) })
    if report.passed, let direction = directions.first {
      let tangents = zip(inputs.tensors(direction), types).map { $0.as($1) }
      run(
        { x in try jvp(of: f, at: x, along: tangents).tangent }, order: order + 1, name: "D[\(name)]·d",
        inherited: magnitudes)
    }
    // One power less than expected means that the second derivative is wrong, or a kink in the first one. It counts
    // where the check of the next order has found it wrong.
    if let remainder, report.verdict == .wrong { report.failures.insert(remainder, at: 1) }
  }

  /// All laws for one function.
  ///
  /// - Returns: what the Taylor remainder says against the second derivative, if anything.
  private func examine(
    _ subject: Subject, _ directions: [[Double]], isGradient: Bool
  ) -> DerivativeReport.Failure? {
    guard let (value, pullback) = subject.exact.pullback(at: x) else {
      failBecauseOfError("the pullback", subject.order, subject.name)
      return nil
    }
    compare(value, subject, "the value under vjp")
    if batching == .checked, subject.order == 1 { compareBatches(subject) }
    let coordinates = chooseCoordinates(order: subject.order)
    let isComplete = coordinates.count == inputs.count
    var suspect: DerivativeReport.Failure?
    var remainders: (first: DerivativeReport.Failure?, second: DerivativeReport.Failure?) = (nil, nil)
    var doubts: [DerivativeReport.Unresolved] = []
    for (number, entries) in directions.enumerated() {
      guard report.failures.isEmpty, let direction = differentiate(subject, entries, input: nil) else { return nil }
      remember(direction, subject)
      let samples =
        number == 0 ? LineSamples(center: subject.center, line(subject.exact, entries)) : nil
      if let samples { noteResolution(samples, direction, subject) }
      switch judge(direction, subject, samples) {
      case .right: break
      case .undecided(let doubt): doubts.append(doubt)
      case .wrong(let failure): suspect = suspect ?? failure
      }
      if let samples { remainders = compareRemainders(samples, direction, subject) }
      if suspect != nil { break }
      compareAdjoints(pullback, direction, subject)
      if isSingle { comparePrecisions(direction, subject) }
      if isGradient { compareSymmetry(pullback, direction, subject) }
      guard report.failures.isEmpty else { return nil }
    }
    // What a random direction could not resolve, its coordinates may.
    if isComplete { doubts = [] }
    var columns: [[Double]] = []
    for input in coordinates where report.failures.isEmpty && (suspect == nil || isComplete) {
      var unit = [Double](repeating: 0, count: inputs.count)
      unit[input] = scales[input]
      guard let direction = differentiate(subject, unit, input: input) else { return nil }
      columns.append(direction.tangent)
      switch judge(direction, subject, nil) {
      case .right: break
      case .undecided(let doubt): doubts.append(doubt)
      case .wrong(let failure): report.failures.append(failure)
      }
      if isSingle, report.failures.isEmpty { comparePrecisions(direction, subject) }
    }
    if let suspect, report.failures.isEmpty { report.failures.append(suspect) }
    guard report.failures.isEmpty else {
      if let first = remainders.first { report.failures.append(first) }
      return nil
    }
    compareRows(pullback, coordinates, columns, subject)
    report.unresolved += doubts
    return remainders.second
  }

  /// The derivative along a direction; nil after a failure.
  private func differentiate(_ subject: Subject, _ entries: [Double], input: Int?) -> Direction? {
    guard let (value, tangent) = subject.exact.tangent(at: x, along: inputs.tensors(entries)) else {
      failBecauseOfError("the forward derivative", subject.order, subject.name)
      return nil
    }
    guard haveShapes(tangent, subject.outputs, "the tangent", subject),
      isFinite(tangent, "the forward derivative", subject)
    else { return nil }
    if input == nil { compare(value, subject, "the value under jvp") }
    return Direction(entries: entries, input: input, tangent: AutoDiff.entries(of: tangent))
  }

  /// Keeps the size of the derivative along all leaves, or along one of them.
  private func remember(_ direction: Direction, _ subject: Subject) {
    let sizes = subject.outputs.ranges.map { largest(direction.tangent[$0]) }
    let used = inputs.ranges.map { range in range.contains { direction.entries[$0] != 0 } }
    let isOfAll = used.count { $0 } > 1 || inputs.ranges.count == 1
    for leaf in inputs.ranges.indices where used[leaf] {
      // Along one leaf it is more telling than along all of them, which comes first.
      subject.references[leaf] =
        isOfAll ? zip(subject.references[leaf], sizes).map { max($0, $1) } : sizes
    }
  }

  /// The values of a function along a line.
  func line(
    _ view: PrecisionView, _ direction: [Double], factor: Double = 1, from point: [Tensor]? = nil
  ) -> LineSamples.Line {
    let start = entries(of: point ?? x)
    return { [inputs] step in
      view.value(at: inputs.tensors(zip(start, direction).map { $0 + step * factor * $1 })).map { entries(of: $0) }
    }
  }

  private func noteResolution(_ samples: LineSamples, _ direction: Direction, _ subject: Subject) {
    for range in subject.outputs.ranges {
      let size = largest(direction.tangent[range])
      for entry in range {
        guard let error = samples.derivative(entry)?.error else { continue }
        if size > 64 * Double.ulpOfOne * subject.magnitude(entry, peak: samples.peaks[entry]) {
          report.resolution = max(report.resolution, error / size)
        }
      }
    }
  }

  // MARK: Directions

  /// Random directions through all entries; if there are several leaves, one along each of the first eight as well, so
  /// that a small leaf is not drowned by a large one.
  private func makeDirections() -> [[Double]] {
    var directions = (0..<directionCount).map { _ in scales.map { $0 * randomSign() } }
    if x.count > 1 {
      for range in inputs.ranges.prefix(8) where !range.isEmpty {
        directions.append(scales.indices.map { range.contains($0) ? scales[$0] * randomSign() : 0 })
      }
    }
    return directions
  }

  /// The entries of x along which the derivative is looked at by itself: all if there are not too many, else a few.
  private func chooseCoordinates(order: Int) -> [Int] {
    let limit = order == 1 ? 256 : order == 2 ? 64 : 16
    if inputs.count <= limit { return Array(0..<inputs.count) }
    return Array((0..<inputs.count).shuffled(using: &random).prefix(8))
  }

  /// A random sign times a number between 1/2 and 1.
  func randomSign() -> Double {
    let size = 0.5 + 0.5 * random.uniform()
    return random.next() & 1 == 0 ? size : -size
  }

  private func randomLike(_ layout: EntryLayout, _ leaves: [Tensor]) -> [Tensor] {
    layout.tensors((0..<layout.count).map { _ in randomSign() })
  }
}

/// ⟨a, b⟩ over all leaves as a tensor, which can be differentiated.
private func product(_ a: [Tensor], _ b: [Tensor]) -> Tensor {
  let type: ScalarType = b.allSatisfy { $0.scalarType == .float32 } ? .float32 : .float64
  return zip(a, b).map { dot($0.as($1.scalarType), $1).as(type) }.reduce(nil) { sum, part in
    sum.map { $0 + part } ?? part
  }
    ?? Tensor(0)
}
