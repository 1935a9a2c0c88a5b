/// A loop inside a program: the body is a program of its own, from the state (and what else it uses) to the next state.
final class RecordedLoop: Sendable {
  enum Repetition: Sendable {
    case times(Int)
    /// As long as the condition, the loop's second part, is not 0.
    case whilst
    /// As often as there are states in the histories that it reads.
    case asKept
  }

  let repetition: Repetition
  /// The body, and for some the condition.
  let parts: [LoopPart]
  let stateCount: Int
  /// How many stacks it reads, an entry in every step, and how many it fills.
  let readCount: Int, filledCount: Int
  /// How many entries a stack has, and whether the last one comes first.
  let length: Int, isBackward: Bool
  /// The histories that the body reads: whether the last state comes first.
  let readsBackward: [Bool]
  /// Which parts of the state are kept at the beginning of every step; nil where no loop reads them. None are kept where
  /// such a loop must only know how many steps there were.
  let kept: [Int]?

  init(
    _ repetition: Repetition, _ parts: [LoopPart], stateCount: Int, readsBackward: [Bool], readCount: Int, length: Int,
    isBackward: Bool, kept: [Int]?
  ) {
    (self.repetition, self.parts, self.stateCount) = (repetition, parts, stateCount)
    (self.readCount, self.length, self.isBackward) = (readCount, length, isBackward)
    filledCount = parts[0].program.resultTypes.count - stateCount
    (self.readsBackward, self.kept) = (readsBackward, kept)
  }

  /// Shapes and types of the outputs: the last state, the stacks, and the token of a history.
  var outputKinds: [ProgramGraph.ValueType] {
    let kinds = parts[0].program.resultTypes
    let stacks = kinds[stateCount...].map { (shape: [length] + $0.shape, scalarType: $0.scalarType) }
    return kinds[..<stateCount] + stacks + (kept == nil ? [] : [LoopHistory.tokenKind])
  }

  /// Applies the loop where some transforms may follow the inputs.
  ///
  /// - Returns: the last state and the stacks.
  func applied(to inputs: [Tensor]) -> [Tensor] {
    guard let levels = LoopLevels(inputs), levels.traces.isEmpty else { return replay(inputs) }
    return levels.recorder.add(self, inputs, levels: levels).outputs
  }

  /// Applies the loop to other inputs, which transforms may follow, by recording it again.
  ///
  /// - Parameter inputs: the state, the histories, the stacks, and what the parts capture.
  /// - Returns: the last state, the stacks and, if states are kept, their history.
  func replay(_ inputs: [Tensor]) -> [Tensor] {
    var rest = inputs[...]
    func take(_ count: Int) -> [Tensor] {
      defer { rest = rest.dropFirst(count) }
      return Array(rest.prefix(count))
    }
    let state = take(stateCount)
    let readings = zip(take(readsBackward.count), readsBackward).map {
      LoopReading(history: LoopHistory($0), isBackward: $1)
    }
    let scan = LoopScan(length: length, stacks: take(readCount), isBackward: isBackward)
    let captures = parts.map { take($0.capturedCount) }
    guard let levels = LoopLevels(inputs, and: readings.map(\.history.levels)),
      let (last, filled, history) = levels.repeating(
        repetition, from: state, reading: readings, scanning: scan, keeping: kept,
        while: { self.parts[1].replay($0 + captures[1])[0] },
        step: { self.parts[0].replay($0 + $1 + captures[0]) })
    else { LoopLevels.stopAtSecondGradient() }
    return last + filled + (history.map { [$0.token] } ?? [])
  }
}

/// The stacks of which a loop reads an entry in every step; what it computes in every step beside the state fills others.
struct LoopScan {
  /// How many entries every stack has, along its first axis.
  var length = 0
  var stacks: [Tensor] = []
  /// Whether the last entry comes first.
  var isBackward = false

  /// Shapes and types of the entries.
  var kinds: [ProgramGraph.ValueType] { stacks.map { (Array($0.shape.dropFirst()), $0.scalarType) } }
}

/// The recording of a loop's body or condition.
struct LoopPart: @unchecked Sendable {
  private let graph: ProgramGraph
  private let results: [Int]
  let program: Program
  /// How many values of the recording around it it uses, which are its last inputs.
  let capturedCount: Int

  /// - Parameters:
  ///   - inputs: the kinds of the inputs.
  ///   - optional: from which input on those that nobody uses are left out.
  /// - Returns: the part, what it captures, and which of the optional inputs have stayed.
  static func recorded(
    _ inputs: [ProgramGraph.ValueType], optionalFrom optional: Int? = nil, inside outer: Recorder,
    _ f: ([Tensor]) -> [Tensor]
  ) -> (part: LoopPart, captured: [Tensor], isUsed: [Bool]) {
    let recorder = Recorder(inside: outer)
    defer { recorder.close() }
    let output = f(inputs.map { recorder.input($0.shape, $0.scalarType) })
    let results = output.map { recorder.value(of: $0, for: "repeated") }
    let isUsed = recorder.dropUnusedInputs(from: optional ?? inputs.count, results: results)
    let part = LoopPart(
      graph: recorder.graph, results: results,
      program: ProgramPlanner.program(recorder.graph, results: results, ownsResults: true),
      capturedCount: recorder.captured.count)
    return (part, recorder.captured, isUsed)
  }

  /// Applies the operations to other inputs, which transforms may follow.
  func replay(_ inputs: [Tensor]) -> [Tensor] { graph.replay(inputs, results: results) }
}

extension ProgramGraph {
  /// Applies the operations to other inputs than the recorded ones.
  fileprivate func replay(_ inputs: [Tensor], results: [Int]) -> [Tensor] {
    var known = [Tensor?](repeating: nil, count: values.count)
    for (value, input) in zip(self.inputs, inputs) { known[value] = input }
    func tensor(_ value: Int) -> Tensor {
      if case .constant(let tensor) = values[value].origin { return tensor }
      return known[value]!
    }
    for (operation, isNeeded) in zip(operations, isNeeded(for: results)) where isNeeded {
      let inputs = operation.inputs.map(tensor)
      switch operation.kind {
      case .primitive(let primitive): known[operation.firstOutput] = dispatch(primitive, Inputs(inputs))
      case .loop(let loop):
        for (output, value) in zip(operation.outputs, loop.replay(inputs)) { known[output] = value }
      }
    }
    return results.map(tensor)
  }
}

extension LoopLevels {
  /// Records a loop.
  ///
  /// - Parameters:
  ///   - readings: the histories that it reads.
  ///   - scan: the stacks that it reads.
  ///   - kept: which parts of the state are kept for other loops.
  ///   - condition: of a loop that goes on as long as it holds.
  ///   - step: from a state, and what is read in this step, histories first, to the next state and what else it computes.
  /// - Returns: the last state, the stacks of what else was computed, and the history of the parts to be kept, if there are
  ///   any; nil where this cannot be a loop of a program.
  func repeating(
    _ repetition: RecordedLoop.Repetition, from state: [Tensor], reading readings: [LoopReading] = [],
    scanning scan: LoopScan = LoopScan(), keeping kept: [Int]? = nil,
    while condition: ([Tensor]) -> Tensor = { _ in Tensor(0) }, step: ([Tensor], [Tensor]) -> [Tensor]
  ) -> (state: [Tensor], filled: [Tensor], history: LoopHistory?)? {
    var examplesDiffer = false
    if case .whilst = repetition, hasBatches { examplesDiffer = isFollowedByBatch(condition(raise(lower(state)))) }
    /// Examples that have ended stay as they are.
    func next(_ old: [Tensor], _ read: [Tensor]) -> [Tensor] {
      let new = step(old, read)
      if !examplesDiffer { return new }
      let holds = condition(old).reshaped(to: [])
      return zip(old, new).map { select(holds.as($0.scalarType), $1, $0) }
    }
    if let place = traces.firstIndex(where: { $0 is Tape }) {
      guard kept == nil, let gradient = LoopGradient(self, tape: place) else { return nil }
      let (last, filled) = gradient.repeating(
        repetition, from: state, reading: readings, scanning: scan, while: condition, step: next)
      return (last, filled, nil)
    }
    let lowered = lower(state)
    let loweredScan = lower(scan)
    let kinds = lowered.map { ($0.shape, $0.scalarType) }
    let readKinds = readings.flatMap(\.history.kinds)
    func read(_ inputs: ArraySlice<Tensor>) -> [Tensor] {
      var rest = inputs
      let histories = readings.flatMap { reading in
        defer { rest = rest.dropFirst(reading.history.kinds.count) }
        return reading.history.levels.raise(Array(rest.prefix(reading.history.kinds.count)))
      }
      return histories + raise(Array(rest))
    }
    var parts: [(part: LoopPart, captured: [Tensor], isUsed: [Bool])] = []
    if case .whilst = repetition {
      parts.append(
        LoopPart.recorded(kinds, inside: recorder) { inputs in
          [isAnyTrue(condition(raise(inputs)))]
        })
    }
    let body = LoopPart.recorded(kinds + readKinds + loweredScan.kinds, inside: recorder) { inputs in
      lower(next(raise(Array(inputs[..<kinds.count])), read(inputs[kinds.count...])), stateCount: state.count)
    }
    parts.insert(body, at: 0)
    let loop = RecordedLoop(
      repetition, parts.map(\.part), stateCount: lowered.count, readsBackward: readings.map(\.isBackward),
      readCount: loweredScan.stacks.count, length: scan.length, isBackward: scan.isBackward,
      kept: kept.map { places(of: $0, in: state.count) })
    let operands = lowered + readings.map(\.history.token) + loweredScan.stacks + parts.flatMap(\.captured)
    let (outputs, history) = (Recorder.innermost(of: operands) ?? recorder).add(loop, operands, levels: self)
    return (raise(Array(outputs[..<lowered.count])), raise(stacks: Array(outputs[lowered.count...])), history)
  }

  /// The same for a loop that has a state only, which is returned.
  func repeating(
    _ repetition: RecordedLoop.Repetition, from state: [Tensor],
    while condition: ([Tensor]) -> Tensor = { _ in Tensor(0) }, step: ([Tensor]) -> [Tensor]
  ) -> [Tensor]? {
    repeating(repetition, from: state, while: condition) { state, _ in step(state) }?.state
  }

  /// Whether a batch follows a tensor.
  private func isFollowedByBatch(_ tensor: Tensor) -> Bool {
    var isFollowed = false
    _ = tensor.beneathRecordable { if $0 is Batch { isFollowed = true } }
    return isFollowed
  }
}
