extension Tape {
  /// Runs the `jvp` rules forward over the recording: the linearization at the recorded point.
  ///
  /// - Returns: the tangents of the given entries; nil where a result does not move.
  func runForward(_ tangents: [Tensor?], to indices: [Int]) -> [Tensor?] {
    close()
    let last = max(indices.max() ?? -1, tangents.count - 1)
    var moving = ContiguousArray(tangents)
    moving.append(contentsOf: repeatElement(nil, count: last + 1 - moving.count))
    // A segment stands behind its outputs, so the walk goes to the end.
    runForward(&moving, from: tangents.count, to: entries.count, keeping: indices)
    return indices.map { moving[$0] }
  }

  /// - Parameter kept: the entries whose tangents are wanted afterwards; others are freed when they have been used.
  private func runForward(_ moving: inout ContiguousArray<Tensor?>, from first: Int, to end: Int, keeping kept: [Int]) {
    if moving.count < end { moving.append(contentsOf: repeatElement(nil, count: end - moving.count)) }
    let lastUses = lastUses(from: first, to: end, keeping: kept)
    for index in first..<max(first, end) {
      let entry = entries[index]
      if let segment = entry.segment { runAgain(segment, forward: &moving) }
      guard let operation = entry.operation, lastUses[index] >= 0 else { continue }
      let tangents = entry.parents.map { $0 >= 0 ? moving[Int($0)] : nil }
      for parent in entry.parents where parent >= 0 && lastUses[Int(parent)] == index { moving[Int(parent)] = nil }
      if tangents.contains(where: { $0 != nil }) {
        moving[index] = operation.jvp(entry.inputs, tangents, output: entry.output)
      }
    }
  }

  /// By entry, the last one of a range that uses it on the way to what is kept; `Int.max` for what is kept itself, and
  /// -1 where nothing that is kept depends on it.
  private func lastUses(from first: Int, to end: Int, keeping kept: [Int]) -> [Int] {
    // What a segment uses is not recorded.
    if entries[first..<max(first, end)].contains(where: { $0.segment != nil }) {
      return [Int](repeating: .max, count: end)
    }
    var uses = [Int](repeating: -1, count: max(first, end))
    for index in kept { uses[index] = .max }
    for index in (first..<max(first, end)).reversed() where uses[index] >= 0 {
      for parent in entries[index].parents where parent >= 0 && uses[Int(parent)] < 0 { uses[Int(parent)] = index }
    }
    return uses
  }

  private func runAgain(_ segment: Segment, forward moving: inout ContiguousArray<Tensor?>) {
    guard let segment = segment as? CheckpointSegment else {
      fatalError("Tape.runForward: only tapes of gradients record loops.")
    }
    let before = moving.count
    let (start, outputs) = recordAgain(segment)
    runForward(&moving, from: start, to: entries.count, keeping: Array(0..<start) + outputs)
    for (output, copy) in zip(segment.outputs, outputs) { moving[output] = moving[copy] }
    moving.removeSubrange(max(before, start)...)
    forget(from: start)
  }
}
