/// Applies a function to a state several times.
///
/// In a function that is ``compiled(_:)``, this is a loop inside the program: the body is recorded once, and what it
/// computes from values that stay the same is computed before the loop. `vmap` and derivatives in forward mode inside that
/// function become part of the loop. Elsewhere, and where a gradient follows the state, it is a loop of Swift's.
///
/// - Parameters:
///   - count: how often; a negative number stops.
///   - initial: the state in the beginning.
///   - body: from a state to the next one, which in a program must have the same leaves, of the same shapes and types, and
///     be the same in everything that is no leaf.
/// - Returns: the last state.
public func repeated<State: TensorTree>(_ count: Int, _ initial: State, _ body: (State) -> State) -> State {
  if count < 0 { stop("repeated", "the number of repetitions must not be negative", got: "\(count)") }
  var state = initial
  for k in 0..<count {
    // The first step is made here: what follows its result would follow all of them.
    if k > 0, let recorder = state.recorder {
      let next = LoopPart(of: state, inside: recorder) { state.checkedSuccessor(body($0)) }
      return recorder.addLoop(.times(count - k), [next], from: state)
    }
    if k > 0, let forward = state.transformInRecording as? Forward {
      return forward.joined(repeated(count - k, forward.split(state)) { forward.split(body(forward.joined($0))) })
    }
    if k > 0, let batch = state.transformInRecording as? Batch {
      return batch.hidden(repeated(count - k, batch.revealed(state)) { batch.revealed(body(batch.hidden($0))) })
    }
    state = body(state)
  }
  return state
}

/// Applies a function to a state as long as a condition holds.
///
/// In a function that is ``compiled(_:)``, this is a loop inside the program; what body and condition compute from values
/// that stay the same is computed once, before the loop, even if the body never runs. Elsewhere the condition is read, which
/// stops inside `vmap`. Inside a compiled function, forward mode follows the loop, the derivative becoming a part of the
/// state; a gradient cannot follow it, as the number of steps is not known then.
///
/// - Parameters:
///   - condition: from a state to one number; the loop goes on as long as it is not 0.
///   - initial: the state in the beginning.
///   - body: from a state to the next one, which in a program must have the same leaves, of the same shapes and types, and
///     be the same in everything that is no leaf.
/// - Returns: the first state where the condition does not hold.
public func repeated<State: TensorTree>(
  while condition: (State) -> Tensor, _ initial: State, _ body: (State) -> State
) -> State {
  var state = initial
  while true {
    let holds = condition(state)
    if holds.count != 1 { stop("repeated", "the condition must be one number", got: "shape \(holds.shape)") }
    if let forward = Pair(state, holds).transformInRecording as? Forward {
      return forward.joined(
        repeated(while: { forward.primal(of: condition(forward.joined($0))) }, forward.split(state)) {
          forward.split(body(forward.joined($0)))
        })
    }
    // Condition and body may use what a recording inside that of the state knows. (The step that is made here to find out
    // is left out of the program.)
    if state.recorder != nil || holds.recorder != nil {
      let parts = Pair(Pair(state, holds), body(state))
      if let forward = parts.transformInRecording as? Forward {
        // Only what the body captures has a tangent yet.
        state = forward.joined(forward.split(state))
        continue
      }
      if let recorder = parts.recorder {
        let next = LoopPart(of: state, inside: recorder) { state.checkedSuccessor(body($0)) }
        let test = LoopPart(of: state, inside: recorder, condition)
        return recorder.addLoop(.whilst, [next, test], from: state)
      }
    }
    if holds.scalar == 0 { return state }
    state = body(state)
  }
}

/// The recording of a loop's body or condition.
private struct LoopPart {
  let program: Program
  /// What it uses of the recording around it.
  let captured: [Tensor]

  init<State: TensorTree, Output: TensorTree>(of state: State, inside outer: Recorder, _ f: (State) -> Output) {
    let recorder = Recorder(inside: outer)
    defer { recorder.close() }
    let output = f(state.mapTensors { recorder.input(like: $0) })
    let results = output.leaves.map { recorder.value(of: $0, for: "repeated") }
    recorder.dropUnusedCaptures(results: results)
    program = ProgramPlanner.program(recorder.graph, results: results, ownsResults: true)
    captured = recorder.captured
  }
}

extension Recorder {
  /// Records a loop and returns the state behind it.
  fileprivate func addLoop<State: TensorTree>(
    _ repetition: RecordedLoop.Repetition, _ parts: [LoopPart], from state: State
  ) -> State {
    let leaves = state.leaves
    let loop = RecordedLoop(repetition, parts.map(\.program), stateCount: leaves.count)
    let operands = (leaves + parts.flatMap(\.captured)).map { value(of: $0, for: "repeated") }
    let outputs = graph.add(.loop(loop), operands, leaves.map { ($0.shape, $0.scalarType) })
    return state.replacingLeaves(with: outputs.map { wrap($0) })
  }
}

extension TensorTree {
  /// The innermost transform that follows leaves of this tree, where the numbers beneath are not known yet.
  fileprivate var transformInRecording: Trace? {
    var innermost: TracedNode?
    for leaf in leaves where leaf.isTraced && leaf.node.level > innermost?.level ?? 0 {
      innermost = leaf.node as? TracedNode
    }
    guard let innermost, leaves.contains(where: { $0.beneathRecordable().isTraced }) else { return nil }
    return innermost.trace
  }

  /// The recorder of the innermost loop or function to which leaves of this tree belong, if no other transform follows any.
  fileprivate var recorder: Recorder? {
    var innermost: Recorder?
    for leaf in leaves where leaf.isTraced {
      guard let recorder = leaf.recorded?.recorder else { return nil }
      if recorder.depth >= innermost?.depth ?? 0 { innermost = recorder }
    }
    return innermost
  }

  /// The state that follows this one. Stops unless it has the same leaves.
  fileprivate func checkedSuccessor(_ next: Self) -> Self {
    next.checkSameStructure(as: leaves, "repeated")
    for (old, new) in zip(leaves, next.leaves) { requireOneScalarType("repeated", old, new) }
    requireSameStructure(as: next)
    return next
  }

  /// Stops unless this state and the next one differ in leaves alone: what is no tensor is the same in all steps of a program.
  private func requireSameStructure(as next: Self) {
    if TreeStructure(self, leaves) == TreeStructure(next, next.leaves) { return }
    stop(
      "repeated", "in a program, parts of the state that are no leaves must not change from step to step",
      hint: "Make a count a tensor.")
  }
}

extension Forward {
  /// Values and tangents of a state as two trees.
  fileprivate func split<State: TensorTree>(_ state: State) -> Pair<State, State> {
    Pair(
      state.mapTensors { primal(of: $0) },
      state.mapTensors { tangent(of: $0) ?? .zeros($0.shape, as: $0.scalarType) })
  }

  fileprivate func joined<State: TensorTree>(_ parts: Pair<State, State>) -> State {
    parts.first.replacingLeaves(
      with: zip(parts.first.leaves, parts.second.leaves).map { dual($0, tangent: $1) })
  }
}

extension Batch {
  /// All examples of a state.
  fileprivate func revealed<State: TensorTree>(_ state: State) -> State { state.mapTensors { reveal($0) } }

  fileprivate func hidden<State: TensorTree>(_ state: State) -> State { state.mapTensors { hide($0) } }
}
