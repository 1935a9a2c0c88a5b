/// Runs a ``RecordedLoop``.
final class LoopStep: ProgramStep, @unchecked Sendable {
  private let loop: RecordedLoop
  /// The state, the histories, the stacks, then what the body uses, then what the condition uses.
  private let inputs: [Place]
  /// The last state, then the stacks that are filled.
  private let results: [Int]
  /// Where the token of the history goes; nil if nobody reads what the loop keeps.
  private let token: Int?
  /// For every part of the state memory beside the result's: the two take turns. For every stack memory for an entry.
  private let scratch: [Int]
  private let firstProgram: Int
  /// By part of the state, and by entry of a stack that is filled.
  private let byteCounts: [Int]
  /// The stacks that are read: where they stand, and the bytes of an entry.
  private let stacks: [(address: Address, byteCount: Int)]
  /// The parts of the state that are kept.
  private let kept: [Int]

  init(
    _ loop: RecordedLoop, _ inputs: [Place], results: [Int], token: Int?, scratch: [Int], firstProgram: Int
  ) {
    (self.loop, self.inputs, self.results) = (loop, inputs, results)
    (self.token, self.scratch, self.firstProgram) = (token, scratch, firstProgram)
    kept = loop.kept ?? []
    byteCounts = loop.parts[0].program.resultTypes.map { $0.shape.product * $0.scalarType.byteCount }
    stacks = inputs[(loop.stateCount + loop.readsBackward.count)...].prefix(loop.readCount).map {
      (.init($0), $0.shape[1...].reduce($0.scalarType.byteCount, *))
    }
  }

  override var listing: [String] {
    let parts = loop.parts.map { $0.program.listing.map { "  " + $0 } }
    switch loop.repetition {
    case .times(let count): return ["\(count) times"] + parts[0]
    case .asKept: return ["once for every step of a loop before"] + parts[0]
    case .whilst: return ["while this is not 0"] + parts[1] + ["do"] + parts[0]
    }
  }

  override func run(_ frame: ProgramFrame) {
    let states = loop.stateCount
    let body = frame.children[firstProgram]
    let histories = inputs[states...].prefix(loop.readsBackward.count).map { place in
      HistoryMemory.stored(in: frame.address(place))
    }
    let firstCaptured = states + histories.count + loop.readCount
    let captured = loop.parts[0].capturedCount
    for k in 0..<captured {
      body.setInput(body.program.inputCount - captured + k, frame.address(inputs[firstCaptured + k]))
    }
    let kept = history(frame)
    // Tables in memory, because arrays are counted references, on the way of every step.
    withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer.self, capacity: 3 * states + 1) { table in
      let initial = table.baseAddress!
      let (own, other) = (initial + states, initial + 2 * states)
      for k in 0..<states {
        (initial + k).initialize(to: frame.address(inputs[k]))
        (own + k).initialize(to: frame.addresses[results[k]])
        (other + k).initialize(to: frame.addresses[scratch[k]])
      }
      var current = initial
      var done = 0
      func step(into target: UnsafeMutablePointer<UnsafeMutableRawPointer>) {
        if let kept { keep(current, in: kept) }
        for k in 0..<states { body.setInput(k, current[k]) }
        if !histories.isEmpty { read(histories, done, body) }
        if !stacks.isEmpty { readStacks(done, frame, body) }
        for k in 0..<states { body.setResult(k, target[k]) }
        for k in states..<results.count { body.setResult(k, frame.addresses[scratch[k]]) }
        body.run()
        if let failure = body.failure { frame.fail(failure) }
        if results.count > states { fillStacks(done, frame) }
        current = target
        done += 1
      }
      // Where the number of steps is known, the last state shall stand in the result's memory.
      func run(_ count: Int) {
        for k in 0..<count where frame.failure == nil { step(into: (count - 1 - k).isMultiple(of: 2) ? own : other) }
      }
      switch loop.repetition {
      case .times(let count): run(count)
      case .asKept: run(histories[0].count)
      case .whilst:
        let condition = frame.children[firstProgram + 1]
        for k in 0..<loop.parts[1].capturedCount {
          condition.setInput(states + k, frame.address(inputs[firstCaptured + captured + k]))
        }
        // A result takes at least a cache line, since whole vectors are written.
        withUnsafeTemporaryAllocation(byteCount: Program.padded(1), alignment: 64) { memory in
          let verdict = memory.baseAddress!
          let type = condition.program.resultTypes[0].scalarType
          condition.setResult(0, verdict)
          var target = own
          func holds() -> Bool {
            for k in 0..<states { condition.setInput(k, current[k]) }
            condition.run()
            if let failure = condition.failure { frame.fail(failure) }
            return perType(
              type, double: verdict.load(as: Double.self) != 0, float: verdict.load(as: Float.self) != 0)
          }
          while holds(), frame.failure == nil {
            step(into: target)
            target = target == own ? other : own
          }
        }
        condition.finish()
      }
      if current != own {
        for k in 0..<states { own[k].copyMemory(from: current[k], byteCount: byteCounts[k]) }
      }
    }
    body.finish()
  }

  // MARK: Stacks

  /// Which entry of the stacks a step reads and fills.
  private func entry(_ step: Int) -> Int { loop.isBackward ? loop.length - 1 - step : step }

  private func readStacks(_ step: Int, _ frame: ProgramFrame, _ body: ProgramFrame) {
    let first = body.program.inputCount - loop.parts[0].capturedCount - stacks.count
    for (k, stack) in stacks.enumerated() {
      body.setInput(first + k, stack.address(frame) + entry(step) * stack.byteCount)
    }
  }

  /// Copies what the body has computed, because it writes whole vectors.
  private func fillStacks(_ step: Int, _ frame: ProgramFrame) {
    for k in loop.stateCount..<results.count {
      let target = frame.addresses[results[k]] + entry(step) * byteCounts[k]
      target.copyMemory(from: frame.addresses[scratch[k]], byteCount: byteCounts[k])
    }
  }

  // MARK: Histories

  /// An empty history for the parts to be kept; nil where nobody reads them.
  private func history(_ frame: ProgramFrame) -> HistoryMemory? {
    guard let token else { return nil }
    let history = frame.history(token) {
      var expected: Int?
      if case .times(let count) = loop.repetition { expected = count }
      return HistoryMemory(kept.map { byteCounts[$0] }, expected: expected)
    }
    history.removeAll()
    history.store(in: frame.addresses[token])
    return history
  }

  private func keep(_ state: UnsafeMutablePointer<UnsafeMutableRawPointer>, in history: HistoryMemory) {
    let entry = history.append()
    for (part, k) in kept.enumerated() {
      history.address(entry, part: part).copyMemory(from: state[k], byteCount: byteCounts[k])
    }
  }

  private func read(_ histories: [HistoryMemory], _ step: Int, _ body: ProgramFrame) {
    var input = loop.stateCount
    for (history, isBackward) in zip(histories, loop.readsBackward) {
      for part in 0..<history.partCount {
        body.setInput(input, history.address(isBackward ? history.count - 1 - step : step, part: part))
        input += 1
      }
    }
  }
}
