/// Reverse mode: the operations are recorded in order, then their `vjp` rules run backward.
///
/// The recording is flat. An entry holds the plain inputs and output and the indices of the inputs on the tape, never the
/// traced values themselves, so there are no cycles and no chains of references to free recursively.
package final class Tape: Trace, @unchecked Sendable {
  /// One recorded operation. A leaf has neither an operation nor a segment. Of values that the operation's rules do not
  /// look at only the shape may be kept.
  package struct Entry {
    package var operation: (any Primitive)?
    /// A part of the computation that is not recorded but run again when it is needed.
    var segment: Segment?
    package var inputs: Inputs
    /// The index of every input on this tape, or -1 for a constant.
    package var parents: ShortList<Int32>
    package var output: Tensor

    fileprivate mutating func forgetWhatNoRuleReads() {
      guard let residuals = operation?.residuals else { return }
      if !residuals.contains(.inputs) { inputs = inputs.map(\.shapeOnly) }
      if !residuals.contains(.output) { output = output.shapeOnly }
    }
  }

  // Not checked for overlapping access: a trace serves one thread, and this is on the way of every operation.
  @exclusivity(unchecked) package var entries: ContiguousArray<Entry> = []
  /// How often entries have been forgotten.
  @exclusivity(unchecked) fileprivate var epoch: Int32 = 0
  /// From where on which values have been forgotten: those made before the end of an epoch. Both numbers increase.
  private var forgotten: [(epoch: Int32, start: Int)] = []
  /// Memory of earlier tapes, empty. Growing from nothing every time would cost a short recording as much as its
  /// operations.
  private nonisolated(unsafe) static var spareMemory: [ContiguousArray<Entry>] = []
  private static let spareMemoryLock = SpinLock()

  /// Whether what travels backward over the tape are cotangents, which loops of a program can carry; other passes follow
  /// the steps of a loop one by one.
  package let carriesCotangents: Bool

  package init(carriesCotangents: Bool = false) {
    self.carriesCotangents = carriesCotangents
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

  /// The index of a tensor on this tape, or nil for a constant.
  package func index(of tensor: Tensor) -> Int? {
    guard let value = node(tensor, TapeNode.self) else { return nil }
    if value.epoch != epoch { checkNotForgotten(value, "checkpoint") }
    return Int(value.index)
  }

  /// Forgets all entries from one on.
  func forget(from index: Int) {
    entries.removeSubrange(index...)
    while let last = forgotten.last, last.start >= index { forgotten.removeLast() }
    forgotten.append((epoch, index))
    epoch += 1
  }

  /// Stops if a value of an earlier epoch is one that a checkpoint has forgotten.
  @inline(never)
  private func checkNotForgotten(_ value: TapeNode, _ operation: String) {
    // The first that counts reaches furthest back.
    var (low, high) = (0, forgotten.count)
    while low < high {
      let middle = (low + high) / 2
      if forgotten[middle].epoch < value.epoch { low = middle + 1 } else { high = middle }
    }
    guard low < forgotten.count, forgotten[low].start <= Int(value.index) else { return }
    stop(
      operation, "a value was used that checkpoint has forgotten",
      hint: "Return it from the checkpointed function instead of storing it outside.")
  }

  /// The plain value behind a tensor.
  package func primal(of tensor: Tensor) -> Tensor { node(tensor, TapeNode.self)?.primal ?? tensor }

  package override func process(_ primitive: any Primitive, _ inputs: Inputs) -> Tensor {
    // Written out for one and two inputs: this is on the way of every recorded operation.
    switch inputs {
    case .one(let a):
      let x = unsafeDowncast(a.node, to: TapeNode.self)
      if x.epoch != epoch { checkNotForgotten(x, primitive.name) }
      return record(primitive, .one(x.primal), .one(x.index))
    case .two(let a, let b):
      let (x, y) = (node(a, TapeNode.self), node(b, TapeNode.self))
      if let x, x.epoch != epoch { checkNotForgotten(x, primitive.name) }
      if let y, y.epoch != epoch { checkNotForgotten(y, primitive.name) }
      return record(primitive, .two(x?.primal ?? a, y?.primal ?? b), .two(x?.index ?? -1, y?.index ?? -1))
    case .many(let all):
      let nodes = all.map { node($0, TapeNode.self) }
      for case let node? in nodes where node.epoch != epoch { checkNotForgotten(node, primitive.name) }
      return record(primitive, .many(all.map { primal(of: $0) }), .many(nodes.map { $0?.index ?? -1 }))
    }
  }

  @inline(__always)
  private func record(_ primitive: any Primitive, _ primals: consuming Inputs, _ parents: ShortList<Int32>) -> Tensor {
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

  /// Forgets the recording.
  package func clear() {
    close()
    entries.removeAll(keepingCapacity: true)
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

/// A value of ``Tape``.
final class TapeNode: TracedNode, @unchecked Sendable {
  private let value: Tensor
  let index: Int32
  /// The tape's when the value was made.
  fileprivate let epoch: Int32

  override var primal: Tensor { value }

  override func replacingPrimal(_ replace: (Tensor) -> Tensor) -> Tensor {
    // An index on the tape belongs to one value. Nobody asks: replacements are of values of the innermost tape.
    fatalError("TapeNode.replacingPrimal: a recorded value cannot be replaced.")
  }

  init(_ trace: Tape, _ value: Tensor, _ index: Int32) {
    self.value = value
    self.index = index
    epoch = trace.epoch
    super.init(trace: trace, shape: value.node.shape, scalarType: value.node.scalarType)
  }
}
