/// Reverse mode: the operations are recorded in order, then their `vjp` rules run backward.
///
/// The recording is flat. An entry holds the plain inputs and output and the places of the inputs on the tape, never the
/// traced values themselves, so there are no cycles and no chains of references to free recursively.
package final class Tape: Trace, @unchecked Sendable {
  /// One recorded operation. A leaf has neither an operation nor a segment.
  package struct Entry {
    package var operation: (any Primitive)?
    /// A part of the computation that is not recorded but run again when it is needed.
    var segment: Segment?
    package var inputs: Operands
    /// The place of every input on this tape, or -1 for a constant.
    package var parents: Few<Int32>
    package var output: Tensor
  }

  package private(set) var entries: ContiguousArray<Entry> = []
  private var isOpen = true

  package override init() { super.init() }

  /// Starts to follow a value; its cotangent will be kept.
  package func watch(_ tensor: Tensor) -> Tensor {
    entries.append(Entry(operation: nil, inputs: .many([]), parents: .many([]), output: tensor))
    return Tensor(node: TapeNode(self, tensor, Int32(truncatingIfNeeded: entries.count - 1)))
  }

  /// The place of a tensor on this tape, or nil for a constant.
  package func index(of tensor: Tensor) -> Int? { node(tensor, TapeNode.self).map { Int($0.index) } }

  /// The plain value behind a tensor.
  package func primal(of tensor: Tensor) -> Tensor { node(tensor, TapeNode.self)?.primal ?? tensor }

  package override func process(_ primitive: any Primitive, _ inputs: Operands) -> Tensor {
    // Written out for one and two inputs: this is on the way of every recorded operation.
    let primals: Operands
    let parents: Few<Int32>
    switch inputs {
    case .one(let a):
      let x = unsafeDowncast(a.node, to: TapeNode.self)
      (primals, parents) = (.one(x.primal), .one(x.index))
    case .two(let a, let b):
      let (x, y) = (node(a, TapeNode.self), node(b, TapeNode.self))
      (primals, parents) = (.two(x?.primal ?? a, y?.primal ?? b), .two(x?.index ?? -1, y?.index ?? -1))
    case .many(let all):
      primals = .many(all.map { primal(of: $0) })
      parents = .many(all.map { node($0, TapeNode.self)?.index ?? -1 })
    }
    let output = dispatch(primitive, primals)
    if !isOpen { stopAtClosedTape(primitive.name) }
    let index = Int32(truncatingIfNeeded: entries.count)
    entries.append(Entry(operation: primitive, inputs: primals, parents: parents, output: output))
    return Tensor(node: TapeNode(self, output, index))
  }

  @inline(never)
  private func stopAtClosedTape(_ name: String) -> Never {
    stop(
      name, "a value was used after the transform that followed it had ended",
      hint: "Return it from the differentiated closure instead of storing it outside.")
  }

  /// Ends the recording.
  package func close() { isOpen = false }

  /// Forgets the recording.
  package func clear() {
    isOpen = false
    entries = []
  }

  /// Runs the rules backward.
  ///
  /// - Parameters:
  ///   - seeds: the cotangents to start from, by place.
  ///   - leaves: how many leading places keep their cotangents.
  ///   - consuming: frees every entry when it has been used; otherwise the tape can be run again.
  ///   - deferral: called before a rule is run; where it returns true the contribution is its own business.
  /// - Returns: the cotangents of the leaves; nil where the result does not depend on one.
  package func sweep(
    _ seeds: [(place: Int, cotangent: Tensor)], leaves: Int, consuming: Bool,
    deferring deferral: ((Contribution) -> Bool)? = nil
  ) -> [Tensor?] {
    close()
    var last = seeds.map(\.place).max() ?? -1
    // A segment stands behind its outputs, which are leaves: where the result is one of them, the walk starts there.
    while last >= 0, last + 1 < entries.count, entries[last].segment == nil, entries[last + 1].operation == nil {
      last += 1
    }
    var cotangents = ContiguousArray<Tensor?>(repeating: nil, count: max(last + 1, leaves))
    for seed in seeds { accumulate(&cotangents[seed.place], seed.cotangent) }
    sweep(&cotangents, from: last, to: leaves, consuming: consuming, deferral)
    return Array(cotangents.prefix(leaves))
  }

  private func sweep(
    _ cotangents: inout ContiguousArray<Tensor?>, from last: Int, to first: Int, consuming: Bool,
    _ deferral: ((Contribution) -> Bool)?
  ) {
    if consuming { entries.removeSubrange(max(last + 1, first)...) }
    var place = last
    while place >= first {
      defer { place -= 1 }
      // Taken off the end of a tape that is used up, so that nothing is copied and memory is freed at once.
      let entry = consuming ? entries.removeLast() : entries[place]
      if let segment = entry.segment {
        sweepAgain(segment, &cotangents, deferral)
        continue
      }
      guard let operation = entry.operation, let cotangent = cotangents[place] else { continue }
      cotangents[place] = nil
      func contribute(_ argument: Int, _ parent: Int32) {
        if parent < 0 { return }
        if let deferral, deferral(Contribution(entry: entry, argument: argument, cotangent: cotangent)) { return }
        if let part = operation.vjp(entry.inputs, output: entry.output, cotangent: cotangent, argument: argument) {
          accumulate(&cotangents[Int(parent)], part)
        }
      }
      switch entry.parents {
      case .one(let parent): contribute(0, parent)
      case .two(let left, let right):
        contribute(0, left)
        contribute(1, right)
      case .many(let parents): for (argument, parent) in parents.enumerated() { contribute(argument, parent) }
      }
    }
  }

  /// Runs the `jvp` rules forward over the recording: the linearisation at the recorded point.
  ///
  /// - Returns: the tangents of the given places; nil where a result does not move.
  func push(_ tangents: [Tensor?], to places: [Int]) -> [Tensor?] {
    close()
    let last = max(places.max() ?? -1, tangents.count - 1)
    var moving = ContiguousArray(tangents)
    moving.append(contentsOf: repeatElement(nil, count: last + 1 - moving.count))
    // A segment stands behind its outputs, so the walk goes to the end.
    push(&moving, from: tangents.count, to: entries.count)
    return places.map { moving[$0] }
  }

  private func push(_ moving: inout ContiguousArray<Tensor?>, from first: Int, to end: Int) {
    if moving.count < end { moving.append(contentsOf: repeatElement(nil, count: end - moving.count)) }
    for place in first..<max(first, end) {
      let entry = entries[place]
      if let segment = entry.segment { pushAgain(segment, &moving) }
      guard let operation = entry.operation else { continue }
      let inner = entry.parents.map { $0 >= 0 ? moving[Int($0)] : nil }
      if inner.contains(where: { $0 != nil }) {
        moving[place] = operation.jvp(entry.inputs, inner, output: entry.output)
      }
    }
  }
}

// MARK: - Segments

extension Tape {
  /// A part of the computation that is run again when its operations are needed; see ``checkpoint(_:)``.
  final class Segment {
    /// The places of the part's results.
    let outputs: [Int]
    /// Records the part at the end of the tape and returns where its results are.
    let run: () -> [Int]

    init(outputs: [Int], run: @escaping () -> [Int]) {
      self.outputs = outputs
      self.run = run
    }
  }

  /// Forgets all entries from a place on.
  func forget(from place: Int) { entries.removeSubrange(place...) }

  /// Notes that the preceding leaves are the results of a part that can be run again.
  func record(_ segment: Segment) {
    entries.append(Entry(operation: nil, segment: segment, inputs: .many([]), parents: .many([]), output: .zero))
  }

  private func recordAgain(_ segment: Segment) -> (start: Int, outputs: [Int]) {
    let start = entries.count
    isOpen = true
    let outputs = segment.run()
    isOpen = false
    return (start, outputs)
  }

  private func sweepAgain(
    _ segment: Segment, _ cotangents: inout ContiguousArray<Tensor?>, _ deferral: ((Contribution) -> Bool)?
  ) {
    let results = segment.outputs.map { cotangents[$0] }
    guard results.contains(where: { $0 != nil }) else { return }
    for place in segment.outputs { cotangents[place] = nil }
    let (start, outputs) = recordAgain(segment)
    let end = entries.count
    let before = cotangents.count
    if before < end { cotangents.append(contentsOf: repeatElement(nil, count: end - before)) }
    for (place, cotangent) in zip(outputs, results) {
      if let cotangent { accumulate(&cotangents[place], cotangent) }
    }
    sweep(&cotangents, from: end - 1, to: start, consuming: true, deferral)
    cotangents.removeSubrange(max(before, start)...)
    forget(from: start)
  }

  private func pushAgain(_ segment: Segment, _ moving: inout ContiguousArray<Tensor?>) {
    let before = moving.count
    let (start, outputs) = recordAgain(segment)
    push(&moving, from: start, to: entries.count)
    for (place, output) in zip(segment.outputs, outputs) { moving[place] = moving[output] }
    moving.removeSubrange(max(before, start)...)
    forget(from: start)
  }
}

/// What one recorded operation is about to contribute to the cotangent of one of its inputs.
package struct Contribution {
  package let entry: Tape.Entry
  /// Which input the contribution is for.
  package let argument: Int
  /// The cotangent of the operation's output.
  package let cotangent: Tensor
}

/// Adds to a cotangent that may still be zero.
func accumulate(_ sum: inout Tensor?, _ part: Tensor) {
  if let old = sum { sum = old + part } else { sum = part }
}

/// A value of ``Tape``.
final class TapeNode: TracedNode, @unchecked Sendable {
  let index: Int32

  init(_ trace: Tape, _ primal: Tensor, _ index: Int32) {
    self.index = index
    super.init(trace: trace, primal: primal, shape: primal.shape)
  }
}
