/// What travels backward over a recording from entry to entry: the cotangents of a gradient, or whatever else is made of
/// them on the way.
package protocol BackwardPass {
  /// Whether anything has arrived at an entry.
  func hasArrived(at index: Int) -> Bool

  /// Hands what has arrived at an operation on to its parents. All later entries have been visited. At a leaf it stays.
  mutating func visit(_ entry: Tape.Entry, at index: Int)

  /// What has arrived at one entry is due at another one.
  mutating func move(from source: Int, to target: Int)

  /// Makes room for at least so many entries.
  mutating func grow(to count: Int)

  /// Hands what has arrived at the results of a loop on to what it depends on. Only tapes that carry cotangents have loops.
  mutating func cross(_ loop: Tape.LoopSegment)
}

extension BackwardPass {
  package mutating func cross(_ loop: Tape.LoopSegment) {
    fatalError("BackwardPass.cross: only tapes of gradients record loops.")
  }
}

extension Tape {
  /// The last entry of a backward pass that starts at the given ones.
  package func lastEntry(behind indices: some Sequence<Int>) -> Int {
    var last = indices.max() ?? -1
    // A segment stands behind its outputs, which are leaves: where the result is one of them, the walk starts there.
    while last >= 0, last + 1 < entries.count, entries[last].segment == nil, entries[last + 1].operation == nil {
      last += 1
    }
    return last
  }

  /// Visits the recorded operations backward.
  ///
  /// - Parameter consuming: frees every entry before it is visited; otherwise the tape can be run again.
  package func runBackward(
    _ pass: inout some BackwardPass, from last: Int, to first: Int, consuming: Bool
  ) {
    close()
    if consuming { entries.removeSubrange(max(last + 1, first)...) }
    var index = last
    while index >= first {
      // Taken off the end of a tape that is used up, so that nothing is copied and memory is freed at once.
      let entry = consuming ? entries.removeLast() : entries[index]
      if let segment = entry.segment {
        runAgain(segment, backward: &pass)
      } else {
        pass.visit(entry, at: index)
      }
      index -= 1
    }
  }

  private func runAgain(_ segment: Segment, backward pass: inout some BackwardPass) {
    guard segment.outputs.contains(where: { pass.hasArrived(at: $0) }) else { return }
    if let loop = segment as? LoopSegment { return pass.cross(loop) }
    guard let segment = segment as? CheckpointSegment else { fatalError("Tape.runBackward: unknown kind of segment.") }
    let (start, outputs) = recordAgain(segment)
    let end = entries.count
    pass.grow(to: end)
    for (output, copy) in zip(segment.outputs, outputs) { pass.move(from: output, to: copy) }
    runBackward(&pass, from: end - 1, to: start, consuming: true)
    forget(from: start)
  }

  /// Runs the `vjp` rules backward.
  ///
  /// - Parameters:
  ///   - seeds: the cotangents to start from, by entry.
  ///   - leaves: how many leading entries keep their cotangents.
  ///   - consuming: frees every entry when it has been used; otherwise the tape can be run again.
  /// - Returns: the cotangents of the leaves; nil where the result does not depend on one.
  func runBackward(
    _ seeds: [(index: Int, cotangent: Tensor)], leaves: Int, consuming: Bool
  ) -> [Tensor?] {
    let last = lastEntry(behind: seeds.lazy.map(\.index))
    var pass = Cotangents(count: max(last + 1, leaves))
    for seed in seeds { accumulate(&pass.values[seed.index], seed.cotangent) }
    runBackward(&pass, from: last, to: leaves, consuming: consuming)
    return Array(pass.values.prefix(leaves))
  }
}

/// The cotangents of entries: the pass of every gradient.
struct Cotangents: BackwardPass {
  var values: ContiguousArray<Tensor?>

  init(count: Int) { values = .init(repeating: nil, count: count) }

  func hasArrived(at index: Int) -> Bool { values[index] != nil }

  mutating func visit(_ entry: Tape.Entry, at index: Int) {
    guard let operation = entry.operation, let cotangent = values[index].take() else { return }
    // The cotangent is given up to the last input that is followed, which may then change it in place. Written out: a
    // local function would copy the operation.
    switch entry.parents {
    case .one(let parent):
      operation.accumulateVJP(
        entry.inputs, output: entry.output, cotangent: consume cotangent, argument: 0, into: &values[Int(parent)])
    case .two(let left, let right) where left < 0:
      operation.accumulateVJP(
        entry.inputs, output: entry.output, cotangent: consume cotangent, argument: 1, into: &values[Int(right)])
    case .two(let left, let right) where right < 0:
      operation.accumulateVJP(
        entry.inputs, output: entry.output, cotangent: consume cotangent, argument: 0, into: &values[Int(left)])
    default:
      if let parts = operation.cotangents(
        entry.inputs, output: entry.output, cotangent: cotangent, wanted: entry.parents.map { $0 >= 0 })
      {
        for (parent, part) in zip(entry.parents, parts) where parent >= 0 {
          if let part { accumulate(&values[Int(parent)], part) }
        }
        return
      }
      if case .two(let left, let right) = entry.parents {
        operation.accumulateVJP(
          entry.inputs, output: entry.output, cotangent: cotangent, argument: 0, into: &values[Int(left)])
        operation.accumulateVJP(
          entry.inputs, output: entry.output, cotangent: consume cotangent, argument: 1, into: &values[Int(right)])
      } else {
        for (argument, parent) in entry.parents.enumerated() where parent >= 0 {
          operation.accumulateVJP(
            entry.inputs, output: entry.output, cotangent: cotangent, argument: argument, into: &values[Int(parent)])
        }
      }
    }
  }

  mutating func move(from source: Int, to target: Int) {
    if let value = values[source].take() { accumulate(&values[target], value) }
  }

  mutating func cross(_ loop: Tape.LoopSegment) {
    let cotangents = loop.pullBack(loop.outputs.map { values[$0].take() })
    for (input, cotangent) in zip(loop.inputs, cotangents) where input >= 0 { accumulate(&values[input], cotangent) }
  }

  mutating func grow(to count: Int) {
    if values.count < count { values.append(contentsOf: repeatElement(nil, count: count - values.count)) }
  }
}

/// Adds to a sum that may still be zero, in place where nobody else refers to it.
package func accumulate(_ sum: inout Tensor?, _ part: Tensor) {
  guard var old = sum.take() else {
    sum = part
    return
  }
  old += part
  sum = old
}
