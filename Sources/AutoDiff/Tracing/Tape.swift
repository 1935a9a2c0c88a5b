/// Reverse mode: the operations are recorded in order, then their `vjp` rules run backward.
///
/// The recording is flat. An entry holds the plain inputs and output and the places of the inputs on the tape, never the
/// traced values themselves, so there are no cycles and no chains of references to free recursively.
package final class Tape: Trace, @unchecked Sendable {
  /// One recorded operation. A leaf has no operation.
  package struct Entry {
    package var operation: (any Primitive)?
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
    append(Entry(operation: nil, inputs: .many([]), parents: .many([]), output: tensor))
  }

  /// The place of a tensor on this tape, or nil for a constant.
  package func index(of tensor: Tensor) -> Int? { node(tensor, TapeNode.self).map { Int($0.index) } }

  /// The plain value behind a tensor.
  package func primal(of tensor: Tensor) -> Tensor { node(tensor, TapeNode.self)?.primal ?? tensor }

  package override func process(_ primitive: any Primitive, _ inputs: Operands) -> Tensor {
    let primals = inputs.map { node($0, TapeNode.self)?.primal ?? $0 }
    let output = dispatch(primitive, primals)
    let parents = inputs.map { node($0, TapeNode.self)?.index ?? -1 }
    return append(Entry(operation: primitive, inputs: primals, parents: parents, output: output))
  }

  private func append(_ entry: Entry) -> Tensor {
    guard isOpen else {
      stop(
        entry.operation?.name ?? "Tape", "a value was used after the transform that followed it had ended",
        hint: "Return it from the differentiated closure instead of storing it outside.")
    }
    let index = Int32(truncatingIfNeeded: entries.count)
    entries.append(entry)
    return Tensor(node: TapeNode(self, entry.output, index))
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
  ///   - defer: called before a rule is run; where it returns true the contribution is its own business.
  /// - Returns: the cotangents of the leaves; nil where the result does not depend on one.
  package func sweep(
    _ seeds: [(place: Int, cotangent: Tensor)], leaves: Int, consuming: Bool,
    deferring deferral: ((Contribution) -> Bool)? = nil
  ) -> [Tensor?] {
    close()
    let last = seeds.map(\.place).max() ?? -1
    var cotangents = ContiguousArray<Tensor?>(repeating: nil, count: max(last + 1, leaves))
    for seed in seeds { accumulate(&cotangents[seed.place], seed.cotangent) }
    var place = last
    while place >= leaves {
      defer { place -= 1 }
      guard let cotangent = cotangents[place] else {
        if consuming { release(place) }
        continue
      }
      cotangents[place] = nil
      // The operation's inputs and output are held here while the entry may already be freed.
      let entry = entries[place]
      if consuming { release(place) }
      guard let operation = entry.operation else { continue }
      for (argument, parent) in entry.parents.enumerated() where parent >= 0 {
        if let deferral, deferral(Contribution(entry: entry, argument: argument, cotangent: cotangent)) { continue }
        if let part = operation.vjp(entry.inputs, output: entry.output, cotangent: cotangent, argument: argument) {
          accumulate(&cotangents[Int(parent)], part)
        }
      }
    }
    return Array(cotangents.prefix(leaves))
  }

  private func release(_ place: Int) {
    entries[place] = Entry(operation: nil, inputs: .many([]), parents: .many([]), output: .zero)
  }

  /// Runs the `jvp` rules forward over the recording: the linearisation at the recorded point.
  ///
  /// - Returns: the tangents of the given places; nil where a result does not move.
  func push(_ tangents: [Tensor?], to places: [Int]) -> [Tensor?] {
    close()
    let last = places.max() ?? -1
    var moving = ContiguousArray<Tensor?>(repeating: nil, count: max(last + 1, tangents.count))
    for (place, tangent) in tangents.enumerated() { moving[place] = tangent }
    for place in tangents.count..<max(last + 1, tangents.count) {
      let entry = entries[place]
      guard let operation = entry.operation else { continue }
      let inner = entry.parents.map { $0 >= 0 ? moving[Int($0)] : nil }
      if inner.contains(where: { $0 != nil }) {
        moving[place] = operation.jvp(entry.inputs, inner, output: entry.output)
      }
    }
    return places.map { moving[$0] }
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
