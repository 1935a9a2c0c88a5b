/// Reverse mode: the operations are recorded in order, then their `vjp` rules run backward.
///
/// The recording is flat. An entry holds the plain inputs and output and the places of the inputs on the tape, never the
/// traced values themselves, so there are no cycles and no chains of references to free recursively.
package final class Tape: Trace, @unchecked Sendable {
  /// One recorded operation. A leaf has neither an operation nor a segment. Of values that the operation's rules do not
  /// look at only the shape may be kept.
  package struct Entry {
    package var operation: (any Primitive)?
    /// A part of the computation that is not recorded but run again when it is needed.
    var segment: Segment?
    package var inputs: Inputs
    /// The place of every input on this tape, or -1 for a constant.
    package var parents: ShortList<Int32>
    package var output: Tensor

    fileprivate mutating func forgetWhatNoRuleReads() {
      guard let residuals = operation?.residuals else { return }
      if !residuals.contains(.inputs) { inputs = inputs.map(\.shapeOnly) }
      if !residuals.contains(.output) { output = output.shapeOnly }
    }
  }

  // Not checked for overlapping access: a trace serves one thread, and this is on the way of every operation.
  @exclusivity(unchecked) package private(set) var entries: ContiguousArray<Entry> = []
  private var isOpen = true

  /// Memory of earlier tapes, empty. Growing from nothing every time would cost a short recording as much as its
  /// operations.
  private nonisolated(unsafe) static var spareMemory: [ContiguousArray<Entry>] = []
  private static let spareMemoryLock = SpinLock()

  package override init() {
    super.init()
    if let memory = Self.spareMemoryLock.withLock({ Self.spareMemory.popLast() }) { entries = memory }
  }

  deinit {
    guard entries.capacity < 1 << 16 else { return }
    entries.removeAll(keepingCapacity: true)
    Self.spareMemoryLock.withLock { if Self.spareMemory.count < 4 { Self.spareMemory.append(entries) } }
  }

  /// Starts to follow a value; its cotangent will be kept.
  package func watch(_ tensor: Tensor) -> Tensor {
    entries.append(Entry(operation: nil, inputs: .many([]), parents: .many([]), output: tensor))
    return Tensor(node: TapeNode(self, tensor, Int32(truncatingIfNeeded: entries.count - 1)))
  }

  /// The place of a tensor on this tape, or nil for a constant.
  package func index(of tensor: Tensor) -> Int? { node(tensor, TapeNode.self).map { Int($0.index) } }

  /// The plain value behind a tensor.
  package func primal(of tensor: Tensor) -> Tensor { node(tensor, TapeNode.self)?.primal ?? tensor }

  package override func process(_ primitive: any Primitive, _ inputs: Inputs) -> Tensor {
    // Written out for one and two inputs: this is on the way of every recorded operation.
    switch inputs {
    case .one(let a):
      let x = unsafeDowncast(a.node, to: TapeNode.self)
      return record(primitive, .one(x.primal), .one(x.index))
    case .two(let a, let b):
      let (x, y) = (node(a, TapeNode.self), node(b, TapeNode.self))
      return record(primitive, .two(x?.primal ?? a, y?.primal ?? b), .two(x?.index ?? -1, y?.index ?? -1))
    case .many(let all):
      return record(
        primitive, .many(all.map { primal(of: $0) }), .many(all.map { node($0, TapeNode.self)?.index ?? -1 }))
    }
  }

  @inline(__always)
  private func record(_ primitive: any Primitive, _ primals: consuming Inputs, _ parents: ShortList<Int32>) -> Tensor {
    if !isOpen { stopAtClosedTape(primitive.name) }
    let output = dispatch(primitive, primals)
    let index = Int32(truncatingIfNeeded: entries.count)
    let holdsMuchMemory = output.node.holdsMuchMemory || primals.holdMuchMemory
    entries.append(Entry(operation: primitive, inputs: primals, parents: parents, output: output))
    if holdsMuchMemory { entries[Int(index)].forgetWhatNoRuleReads() }
    return Tensor(node: TapeNode(self, output, index))
  }

  package override func replaceSlice(
    _ primitive: ReplaceSlice, with piece: Tensor, in base: consuming Tensor
  ) -> Tensor {
    if !isOpen { stopAtClosedTape(primitive.name) }
    let parents = ShortList.two(
      node(piece, TapeNode.self)?.index ?? -1, node(base, TapeNode.self)?.index ?? -1)
    let (piece, whole) = (primal(of: piece), primal(of: base))
    // What is recorded must not refer to the memory that is written to, nor must the node that is given up.
    let kept = Inputs.two(piece.shapeOnly, whole.shapeOnly)
    _ = consume base
    let output = AutoDiff.replaceSlice(primitive, with: piece, in: consume whole)
    entries.append(Entry(operation: primitive, inputs: kept, parents: parents, output: output.shapeOnly))
    return Tensor(node: TapeNode(self, output, Int32(truncatingIfNeeded: entries.count - 1)))
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
    entries.removeAll(keepingCapacity: true)
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
      guard let operation = entry.operation, let cotangent = cotangents[place].take() else { continue }
      func contribute(_ argument: Int, _ parent: Int32, _ cotangent: consuming Tensor) {
        if parent < 0 { return }
        if let deferral, deferral(Contribution(entry: entry, argument: argument, cotangent: copy cotangent)) { return }
        operation.accumulateVJP(
          entry.inputs, output: entry.output, cotangent: cotangent, argument: argument,
          into: &cotangents[Int(parent)])
      }
      switch entry.parents {
      case .one(let parent): contribute(0, parent, consume cotangent)
      case .two(let left, let right):
        contribute(0, left, cotangent)
        contribute(1, right, consume cotangent)
      case .many(let parents):
        for (argument, parent) in parents.enumerated() { contribute(argument, parent, cotangent) }
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
    push(&moving, from: tangents.count, to: entries.count, keeping: places)
    return places.map { moving[$0] }
  }

  /// - Parameter kept: the places whose tangents are wanted afterwards; others are freed when they have been used.
  private func push(_ moving: inout ContiguousArray<Tensor?>, from first: Int, to end: Int, keeping kept: [Int]) {
    if moving.count < end { moving.append(contentsOf: repeatElement(nil, count: end - moving.count)) }
    let lastUses = lastUses(from: first, to: end, keeping: kept)
    for place in first..<max(first, end) {
      let entry = entries[place]
      if let segment = entry.segment { pushAgain(segment, &moving) }
      guard let operation = entry.operation, lastUses[place] >= 0 else { continue }
      let tangents = entry.parents.map { $0 >= 0 ? moving[Int($0)] : nil }
      for parent in entry.parents where parent >= 0 && lastUses[Int(parent)] == place { moving[Int(parent)] = nil }
      if tangents.contains(where: { $0 != nil }) {
        moving[place] = operation.jvp(entry.inputs, tangents, output: entry.output)
      }
    }
  }

  /// By place, the last entry of a range that uses it on the way to what is kept; `Int.max` for what is kept itself, and
  /// -1 where nothing that is kept depends on it.
  private func lastUses(from first: Int, to end: Int, keeping kept: [Int]) -> [Int] {
    // What a segment uses is not recorded.
    if entries[first..<max(first, end)].contains(where: { $0.segment != nil }) {
      return [Int](repeating: .max, count: end)
    }
    var uses = [Int](repeating: -1, count: max(first, end))
    for place in kept { uses[place] = .max }
    for place in (first..<max(first, end)).reversed() where uses[place] >= 0 {
      for parent in entries[place].parents where parent >= 0 && uses[Int(parent)] < 0 { uses[Int(parent)] = place }
    }
    return uses
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
    push(&moving, from: start, to: entries.count, keeping: Array(0..<start) + outputs)
    for (place, output) in zip(segment.outputs, outputs) { moving[place] = moving[output] }
    moving.removeSubrange(max(before, start)...)
    forget(from: start)
  }
}

extension Inputs {
  @inline(__always)
  fileprivate var holdMuchMemory: Bool {
    switch self {
    case .one(let a): a.node.holdsMuchMemory
    case .two(let a, let b): a.node.holdsMuchMemory || b.node.holdsMuchMemory
    case .many(let all): all.contains { $0.node.holdsMuchMemory }
    }
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

/// A value of ``Tape``.
final class TapeNode: TracedNode, @unchecked Sendable {
  private let value: Tensor
  let index: Int32

  override var primal: Tensor { value }

  init(_ trace: Tape, _ value: Tensor, _ index: Int32) {
    self.value = value
    self.index = index
    super.init(trace: trace, shape: value.node.shape, scalarType: value.node.scalarType)
  }
}
