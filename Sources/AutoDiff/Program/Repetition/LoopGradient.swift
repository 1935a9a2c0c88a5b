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

  /// A step as the tape sees it: from the state and the entries of stacks to the next state and what fills stacks.
  private typealias Step = ([Tensor], [Tensor]) -> [Tensor]

  /// What the tape follows of a loop.
  private struct Followed {
    /// Parts of the state.
    var parts: [Int]
    /// Stacks that are read.
    var stacks: [Int]
    /// Stacks that are filled, and what an entry is like.
    var filled: [Int] = []
    var filledKinds: [ProgramGraph.ValueType] = []
    /// Entries from before the loop that the body uses.
    var captured: [Int] = []
  }

  /// Records the loop, and on the tape how to return through it; see
  /// ``LoopLevels/repeating(_:from:reading:scanning:keeping:while:step:)``.
  func repeating(
    _ repetition: RecordedLoop.Repetition, from state: [Tensor], reading readings: [LoopReading],
    scanning scan: LoopScan, while condition: ([Tensor]) -> Tensor, step: ([Tensor], [Tensor]) -> [Tensor]
  ) -> (state: [Tensor], filled: [Tensor]) {
    let initial = above.lower(state)
    let scan = above.lower(scan)
    let values = initial.map { tape.primal(of: $0) }
    let stackValues = scan.stacks.map { tape.primal(of: $0) }
    let readKinds = readings.map(\.history.kinds)
    func raised(_ read: [[Tensor]]) -> [Tensor] { zip(readings, read).flatMap { $0.history.levels.raise($1) } }
    /// A step without the transforms above the tape.
    func lowered(_ values: [Tensor], _ read: [Tensor], _ entries: [Tensor]) -> [Tensor] {
      above.lower(step(above.raise(values), read + above.raise(entries)), stateCount: state.count)
    }
    let placeholders = raised(readKinds.map { zeros($0) })
    let followed = followed(initial, scan) { lowered($0, placeholders, $1) }
    let prototypes = followed.parts.map { values[$0] } + followed.captured.map { tape.entries[$0].output }
    let carried = kinds(below.lower(zeros(kinds(prototypes))))
    let kept = kinds(below.lower(values))
    let read = below.lower(LoopScan(length: scan.length, stacks: stackValues, isBackward: scan.isBackward))
    let cotangentKinds = kinds(below.lower(zeros(followed.filledKinds)))
    let back = LoopPart.recorded(
      carried + readKinds.flatMap { $0 } + kept + cotangentKinds + read.kinds,
      optionalFrom: carried.count + readKinds.joined().count, inside: recorder
    ) { inputs in
      var inputs = inputs[...]
      func take(_ count: Int) -> [Tensor] {
        defer { inputs = inputs.dropFirst(count) }
        return Array(inputs.prefix(count))
      }
      let cotangents = below.raise(take(carried.count))
      let history = raised(readKinds.map { take($0.count) })
      let values = below.raise(take(kept.count))
      let filled = below.raise(take(cotangentKinds.count))
      let entries = below.raise(take(read.stacks.count))
      let (before, ofEntries) = pulledBack(cotangents, filled, followed, from: values, entries) {
        lowered($0, history, $1)
      }
      return below.lower(before) + below.lower(ofEntries)
    }
    let (keeps, isRead) = (back.isUsed.prefix(kept.count), back.isUsed.dropFirst(kept.count))
    let plain = LoopLevels([], recorder)
    let start = tape.entries.count
    let (last, filled, history) = plain.repeating(
      repetition, from: below.lower(values), reading: readings, scanning: read,
      keeping: keeps.indices.filter { keeps[$0] },
      while: { levels.isAnyTrue(condition(above.raise(below.raise($0)))) },
      step: { raw, inputs in
        defer { tape.forget(from: start) }
        let (history, entries) = (inputs.dropLast(read.stacks.count), inputs.suffix(read.stacks.count))
        let results = lowered(below.raise(raw), Array(history), below.raise(Array(entries))).map { tape.primal(of: $0) }
        return below.lower(results, stateCount: initial.count)
      })!
    tape.forget(from: start)
    var results = below.raise(last)
    var stacks = below.raise(stacks: filled)
    for part in followed.parts { results[part] = tape.watch(results[part]) }
    for stack in followed.filled { stacks[stack] = tape.watch(stacks[stack]) }
    let loop = RecordedLoop(
      .asKept, [back.part], stateCount: carried.count, readsBackward: readings.map { !$0.isBackward } + [true],
      readCount: isRead.count { $0 }, length: scan.length, isBackward: !scan.isBackward, kept: nil)
    let tokens = readings.map(\.history.token) + [history!.token]
    let outputs = followed.parts.map { results[$0] } + followed.filled.map { stacks[$0] }
    let inputs =
      followed.parts.map { tape.index(of: initial[$0]) ?? -1 } + followed.captured
      + followed.stacks.map { tape.index(of: scan.stacks[$0])! }
    tape.record(
      Tape.LoopSegment(outputs: outputs.map { tape.index(of: $0)! }, inputs: inputs) { [below] cotangents in
        let known = cotangents[..<followed.parts.count] + followed.captured.map { _ in nil }
        let start = below.lower(zip(known, prototypes).map { $0 ?? .zeros($1.shape, as: $1.scalarType) })
        let filled = zip(cotangents[followed.parts.count...], followed.filledKinds).map {
          $0 ?? .zeros([scan.length] + $1.shape, as: $1.scalarType)
        }
        let all = below.lower(LoopScan(length: scan.length, stacks: filled)).stacks + read.stacks
        let stacks = zip(all, isRead).compactMap { $1 ? $0 : nil }
        let results = loop.applied(to: start + tokens + stacks + back.captured)
        return below.raise(Array(results[..<carried.count])) + below.raise(stacks: Array(results[carried.count...]))
      })
    return (above.raise(results), above.raise(stacks: stacks))
  }

  private func kinds(_ tensors: [Tensor]) -> [ProgramGraph.ValueType] { tensors.map { ($0.shape, $0.scalarType) } }

  private func zeros(_ kinds: [ProgramGraph.ValueType]) -> [Tensor] {
    kinds.map { .zeros($0.shape, as: $0.scalarType) }
  }

  /// Finds out what the tape follows, by steps that are left out of the program.
  private func followed(_ initial: [Tensor], _ scan: LoopScan, _ step: Step) -> Followed {
    let start = tape.entries.count
    defer { tape.forget(from: start) }
    var followed = Followed(
      parts: initial.indices.filter { tape.index(of: initial[$0]) != nil },
      stacks: scan.stacks.indices.filter { tape.index(of: scan.stacks[$0]) != nil })
    let values = initial.map { tape.primal(of: $0) }
    while true {
      let results = step(watched(values, followed.parts), watched(zeros(scan.kinds), followed.stacks))
      let reached = results.indices.filter { tape.index(of: results[$0]) != nil }
      let more = Set(followed.parts).union(reached.filter { $0 < initial.count }).sorted()
      if more == followed.parts {
        followed.captured = tape.sources(of: reached.map { tape.index(of: results[$0])! }, from: start)
        let filled = reached.filter { $0 >= initial.count }
        followed.filled = filled.map { $0 - initial.count }
        followed.filledKinds = kinds(filled.map { results[$0] })
        return followed
      }
      followed.parts = more
      tape.forget(from: start)
    }
  }

  private func watched(_ values: [Tensor], _ parts: [Int]) -> [Tensor] {
    var watched = values
    for part in parts { watched[part] = tape.watch(values[part]) }
    return watched
  }

  /// The cotangents before a step, given those behind it: of the state and of what is captured, and of the entries of stacks.
  private func pulledBack(
    _ cotangents: [Tensor], _ filled: [Tensor], _ followed: Followed, from values: [Tensor], _ entries: [Tensor],
    _ step: Step
  ) -> (before: [Tensor], entries: [Tensor]) {
    let start = tape.entries.count
    let results = step(watched(values, followed.parts), watched(entries, followed.stacks))
    var pass = Cotangents(count: tape.entries.count)
    var seeded: [Int] = []
    let outputs = followed.parts + followed.filled.map { values.count + $0 }
    for (output, cotangent) in zip(outputs, cotangents[..<followed.parts.count] + filled) {
      guard let index = tape.index(of: results[output]) else { continue }
      accumulate(&pass.values[index], cotangent)
      seeded.append(index)
    }
    tape.runBackward(&pass, from: tape.lastEntry(behind: seeded), to: start, consuming: true)
    tape.reopen()
    tape.forget(from: min(start, tape.entries.count))
    /// The cotangents of what was watched first, from an entry on.
    func arrived(at watched: [Tensor], from first: Int) -> [Tensor] {
      watched.enumerated().map { pass.values[first + $0] ?? .zeros($1.shape, as: $1.scalarType) }
    }
    let before = arrived(at: followed.parts.map { values[$0] }, from: start)
    let ofEntries = arrived(at: followed.stacks.map { entries[$0] }, from: start + followed.parts.count)
    let sums = zip(followed.captured, cotangents[followed.parts.count...]).map { entry, sum in
      pass.values[entry].map { sum + $0 } ?? sum
    }
    return (before + sums, ofEntries)
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
