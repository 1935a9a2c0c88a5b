/// A loop of a program that a tape follows.
///
/// The loop keeps its states. On the way back another loop takes them, the last one first, and does for each the step once
/// more, now with its gradient: its own state are the cotangents of the state and the sums of those of what the body
/// captures.
struct LoopGradient {
  private let tape: Tape
  private let levels: LoopLevels
  /// The transforms inside the tape, and those outside.
  private let above: LoopLevels
  private let below: LoopLevels
  private var recorder: Recorder { levels.recorder }

  /// Nil where the steps must be followed one by one.
  init?(_ levels: LoopLevels, tape place: Int) {
    guard let tape = levels.traces[place] as? Tape, tape.carriesCotangents else { return nil }
    let outside = levels.traces[(place + 1)...]
    // The gradient of this gradient would have to follow the kept states as well.
    if outside.contains(where: { $0 is Tape }) { return nil }
    self.tape = tape
    self.levels = levels
    above = LoopLevels(levels.traces[..<place], levels.recorder)
    below = LoopLevels(outside, levels.recorder)
  }

  /// A step as the tape sees it.
  private typealias Step = ([Tensor]) -> [Tensor]

  /// What the tape follows of a loop.
  private struct Followed {
    /// Parts of the state.
    var parts: [Int]
    /// Entries from before the loop that the body uses.
    var captured: [Int]
  }

  /// Records the loop, and on the tape how to return through it; see
  /// ``LoopLevels/repeating(_:from:reading:keeping:while:step:)``.
  func repeating(
    _ repetition: RecordedLoop.Repetition, from state: [Tensor], reading readings: [LoopReading],
    while condition: ([Tensor]) -> Tensor, step: ([Tensor], [Tensor]) -> [Tensor]
  ) -> [Tensor] {
    let initial = above.lower(state)
    let values = initial.map { tape.primal(of: $0) }
    let readKinds = readings.map(\.history.kinds)
    func raised(_ read: [[Tensor]]) -> [Tensor] { zip(readings, read).flatMap { $0.history.levels.raise($1) } }
    let placeholders = raised(readKinds.map { $0.map { Tensor.zeros($0.shape, as: $0.scalarType) } })
    let followed = followed(initial) { above.lower(step(above.raise($0), placeholders)) }
    let prototypes = followed.parts.map { values[$0] } + followed.captured.map { tape.entries[$0].output }
    let carried = kinds(below.lower(prototypes.map { .zeros($0.shape, as: $0.scalarType) }))
    let kept = kinds(below.lower(values))
    let back = LoopPart.recorded(
      carried + readKinds.flatMap { $0 } + kept, optionalFrom: carried.count + readKinds.joined().count,
      inside: recorder
    ) { inputs in
      var inputs = inputs[...]
      func take(_ count: Int) -> [Tensor] {
        defer { inputs = inputs.dropFirst(count) }
        return Array(inputs.prefix(count))
      }
      let cotangents = below.raise(take(carried.count))
      let read = raised(readKinds.map { take($0.count) })
      let values = below.raise(take(kept.count))
      return below.lower(
        pulledBack(cotangents, followed, from: values) { above.lower(step(above.raise($0), read)) })
    }
    let plain = LoopLevels([], recorder)
    let start = tape.entries.count
    let (last, history) = plain.repeating(
      repetition, from: below.lower(values), reading: readings, keeping: back.isUsed.indices.filter { back.isUsed[$0] },
      while: { levels.isAnyTrue(condition(above.raise(below.raise($0)))) },
      step: { raw, read in
        defer { tape.forget(from: start) }
        let next = above.lower(step(above.raise(below.raise(raw)), read))
        return below.lower(next.map { tape.primal(of: $0) })
      })!
    tape.forget(from: start)
    var results = below.raise(last)
    for part in followed.parts { results[part] = tape.watch(results[part]) }
    let loop = RecordedLoop(
      .asKept, [back.part], stateCount: carried.count, readsBackward: readings.map { !$0.isBackward } + [true],
      kept: nil)
    let operands = readings.map(\.history.token) + [history!.token] + back.captured
    let inputs = followed.parts.map { tape.index(of: initial[$0]) ?? -1 } + followed.captured
    tape.record(
      Tape.LoopSegment(outputs: followed.parts.map { tape.index(of: results[$0])! }, inputs: inputs) {
        [below] cotangents in
        let known = cotangents + followed.captured.map { _ in nil }
        let start = below.lower(zip(known, prototypes).map { $0 ?? .zeros($1.shape, as: $1.scalarType) })
        return below.raise(loop.applied(to: start + operands))
      })
    return above.raise(results)
  }

  private func kinds(_ tensors: [Tensor]) -> [ProgramGraph.ValueType] { tensors.map { ($0.shape, $0.scalarType) } }

  /// Finds out what the tape follows, by steps that are left out of the program.
  private func followed(_ initial: [Tensor], _ step: Step) -> Followed {
    let start = tape.entries.count
    defer { tape.forget(from: start) }
    var parts = initial.indices.filter { tape.index(of: initial[$0]) != nil }
    while true {
      let results = step(watched(initial.map { tape.primal(of: $0) }, parts))
      let reached = results.indices.filter { tape.index(of: results[$0]) != nil }
      let more = Set(parts).union(reached).sorted()
      if more == parts {
        return Followed(
          parts: parts, captured: tape.sources(of: reached.map { tape.index(of: results[$0])! }, from: start))
      }
      parts = more
      tape.forget(from: start)
    }
  }

  private func watched(_ values: [Tensor], _ parts: [Int]) -> [Tensor] {
    var watched = values
    for part in parts { watched[part] = tape.watch(values[part]) }
    return watched
  }

  /// The cotangents before a step, given those behind it.
  private func pulledBack(_ cotangents: [Tensor], _ followed: Followed, from values: [Tensor], _ step: Step) -> [Tensor]
  {
    let start = tape.entries.count
    let results = step(watched(values, followed.parts))
    var pass = Cotangents(count: tape.entries.count)
    var seeded: [Int] = []
    for (part, cotangent) in zip(followed.parts, cotangents) {
      guard let index = tape.index(of: results[part]) else { continue }
      accumulate(&pass.values[index], cotangent)
      seeded.append(index)
    }
    tape.runBackward(&pass, from: tape.lastEntry(behind: seeded), to: start, consuming: true)
    tape.reopen()
    tape.forget(from: min(start, tape.entries.count))
    let before = followed.parts.indices.map { number in
      pass.values[start + number] ?? .zeros(values[followed.parts[number]].shape, as: cotangents[number].scalarType)
    }
    let sums = zip(followed.captured, cotangents[followed.parts.count...]).map { entry, sum in
      pass.values[entry].map { sum + $0 } ?? sum
    }
    return before + sums
  }
}

extension Tape {
  /// The entries from before `start` on which others depend.
  fileprivate func sources(of indices: [Int], from start: Int) -> [Int] {
    var isReached = [Bool](repeating: false, count: entries.count)
    for index in indices { isReached[index] = true }
    for index in (start..<max(start, entries.count)).reversed() {
      switch entries[index].segment {
      case nil:
        guard isReached[index] else { continue }
        for parent in entries[index].parents where parent >= 0 { isReached[Int(parent)] = true }
      case let loop as LoopSegment:
        guard loop.outputs.contains(where: { isReached[$0] }) else { continue }
        for input in loop.inputs where input >= 0 { isReached[input] = true }
      case let segment as CheckpointSegment:
        let needed = segment.outputs.indices.filter { isReached[segment.outputs[$0]] }
        if needed.isEmpty { continue }
        let (again, outputs) = recordAgain(segment)
        for source in sources(of: needed.map { outputs[$0] }, from: again) { isReached[source] = true }
        forget(from: again)
      default: fatalError("Tape.sources: unknown kind of segment.")
      }
    }
    return (0..<start).filter { isReached[$0] }
  }
}
