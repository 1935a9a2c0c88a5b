/// A loop inside a program: the body is a program of its own, from the state (and what else it uses) to the next state.
final class RecordedLoop: Sendable {
  enum Repetition: Sendable {
    case times(Int)
    /// As long as the first result of the loop's second program is not 0.
    case whilst
  }

  let repetition: Repetition
  /// The body, and for a condition the program that computes it.
  let programs: [Program]
  let stateCount: Int

  init(_ repetition: Repetition, _ programs: [Program], stateCount: Int) {
    (self.repetition, self.programs, self.stateCount) = (repetition, programs, stateCount)
  }
}

/// Runs a ``RecordedLoop``.
final class LoopStep: ProgramStep, @unchecked Sendable {
  private let loop: RecordedLoop
  /// The state, then what the body uses, then what the condition uses.
  private let inputs: [Place]
  private let results: [Int]
  /// For every part of the state memory beside the result's: the two take turns.
  private let scratch: [Int]
  private let firstProgram: Int

  init(_ loop: RecordedLoop, _ inputs: [Place], results: [Int], scratch: [Int], firstProgram: Int) {
    (self.loop, self.inputs, self.results) = (loop, inputs, results)
    (self.scratch, self.firstProgram) = (scratch, firstProgram)
  }

  override func run(_ frame: ProgramFrame) {
    let states = loop.stateCount
    let body = frame.children[firstProgram]
    for k in states..<body.program.inputCount { body.setInput(k, frame.address(inputs[k])) }
    var current = inputs[..<states].map { frame.address($0) }
    let own = results.map { frame.addresses[$0] }
    let other = scratch.map { frame.addresses[$0] }
    func step(into target: [UnsafeMutableRawPointer]) {
      for k in 0..<states { body.setInput(k, current[k]) }
      for k in 0..<states { body.setResult(k, target[k]) }
      body.run()
      current = target
    }
    var intoOwn = true
    switch loop.repetition {
    case .times(let count):
      // The last state shall stand in the result's memory.
      for k in 0..<count { step(into: (count - 1 - k).isMultiple(of: 2) ? own : other) }
      intoOwn = count > 0
    case .whilst:
      let condition = frame.children[firstProgram + 1]
      let first = body.program.inputCount
      for k in states..<condition.program.inputCount {
        condition.setInput(k, frame.address(inputs[first + k - states]))
      }
      // A result takes at least a cache line, since whole vectors are written.
      withUnsafeTemporaryAllocation(byteCount: Program.padded(1), alignment: 64) { memory in
        let verdict = memory.baseAddress!
        condition.setResult(0, verdict)
        var target = own
        func holds() -> Bool {
          for k in 0..<states { condition.setInput(k, current[k]) }
          condition.run()
          return perType(
            condition.program.resultTypes[0].scalarType, double: verdict.load(as: Double.self) != 0,
            float: verdict.load(as: Float.self) != 0)
        }
        while holds() {
          step(into: target)
          target = target == own ? other : own
        }
      }
      condition.finish()
      intoOwn = current == own
    }
    if !intoOwn {
      for k in 0..<states {
        let place = inputs[k]
        own[k].copyMemory(from: current[k], byteCount: place.shape.product * place.scalarType.byteCount)
      }
    }
    body.finish()
  }
}
