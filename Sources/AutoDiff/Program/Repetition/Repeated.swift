/// Applies a function to a state several times.
///
/// In a function that is ``compiled(_:)``, this is a loop inside the program: the body is recorded once, and what it
/// computes from values that stay the same is computed before the loop. Transforms inside that function become part of the
/// loop: `vmap`, derivatives in forward mode, and gradients, for which every step's state is kept and the step done once more
/// on the way back. (Gradients of gradients through one loop, and per-example Jacobians, follow its steps one by one.)
/// Elsewhere it is a loop of Swift's. The body may throw, which ends the loop.
///
/// - Parameters:
///   - count: how often; a negative number stops.
///   - initial: the state in the beginning.
///   - body: from a state to the next one, which in a program must have the same leaves, of the same shapes and types, and
///     be the same in everything that is no leaf.
/// - Returns: the last state.
public func repeated<State: TensorTree>(_ count: Int, _ initial: State, _ body: (State) -> State) -> State {
  repeated(count, initial, unless: { false }, body)
}

/// - Parameter isOver: what ends the loop earlier, where it is one of Swift's.
private func repeated<State: TensorTree>(
  _ count: Int, _ initial: State, unless isOver: () -> Bool, _ body: (State) -> State
) -> State {
  if count < 0 { stop("repeated", "the number of repetitions must not be negative", got: "\(count)") }
  var state = initial
  for k in 0..<count {
    // The first step is made here: what follows its result would follow all of them.
    if k > 0, let levels = LoopLevels(state.leaves),
      let last = levels.repeating(.times(count - k), from: state.leaves, step: { state.successor(of: $0, by: body) })
    {
      return state.replacingLeaves(with: last)
    }
    state = body(state)
    if isOver() { break }
  }
  return state
}

/// Applies a function to a state as long as a condition holds.
///
/// In a function that is ``compiled(_:)``, this is a loop inside the program, which transforms inside that function follow
/// as they follow ``repeated(_:_:_:)``. What body and condition compute from values that stay the same is computed
/// once, before the loop, even if the body never runs. Elsewhere the condition is read, and this is a loop of Swift's.
/// Both may throw, which ends the loop.
///
/// Under `vmap` it goes on as long as the condition holds for any example, and leaves the others as they are. (What a
/// factorization throws for an example that has ended counts as well: the body is evaluated for all of them.)
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
    let leaves = state.leaves
    // Condition and body may use what transforms and recordings follow that the state does not know of. (The step that is
    // made here to find out is left out of the program.)
    if (leaves + [holds]).contains(where: { $0.beneathRecordable().recorded != nil }),
      let levels = LoopLevels(leaves + [holds] + body(state).leaves),
      let last = levels.repeating(
        .whilst, from: leaves, while: { condition(state.replacingLeaves(with: $0)) },
        step: { state.successor(of: $0, by: body) })
    {
      return state.replacingLeaves(with: last)
    }
    if holds.isCheckedLater {
      stop(
        "repeated", "this transform needs to know how many steps a loop of a compiled function makes",
        hint:
          "Gradients of gradients, linearizations and per-example Jacobians do: use repeated(_:_:_:) or forward mode.")
    }
    // Inside vmap: as long as the condition holds for any example, and those for which it does not stay as they are.
    if let entries = holds.entriesOfExamples {
      if entries.allSatisfy({ $0 == 0 }) { return state }
      let (next, goesOn) = (body(state), holds .!= 0)
      state.checkSameStructure(as: next.leaves, "repeated")
      state = next.replacingLeaves(with: zip(next.leaves, leaves).map { select(goesOn, $0, $1) })
      continue
    }
    if holds.concrete("repeated").scalars[0] == 0 { return state }
    state = body(state)
  }
}

/// The same with a body that throws; see ``repeated(_:_:_:)``. In a program only factorizations and searches throw, and end
/// the loop.
@_disfavoredOverload
@_documentation(visibility: internal)
public func repeated<State: TensorTree>(
  _ count: Int, _ initial: State, _ body: (State) throws -> State
) throws -> State {
  var failure: (any Error)?
  let last = repeated(count, initial, unless: { failure != nil }) { next($0, by: body, unless: &failure) }
  if let failure { throw failure }
  return last
}

/// The same with a condition or a body that throws; see ``repeated(while:_:_:)``.
@_disfavoredOverload
@_documentation(visibility: internal)
public func repeated<State: TensorTree>(
  while condition: (State) throws -> Tensor, _ initial: State, _ body: (State) throws -> State
) throws -> State {
  var failure: (any Error)?
  func holds(_ state: State) -> Tensor {
    if failure != nil { return Tensor(0) }
    do {
      return try condition(state)
    } catch {
      failure = error
      return Tensor(0)
    }
  }
  let last = repeated(while: holds, initial) { next($0, by: body, unless: &failure) }
  if let failure { throw failure }
  return last
}

/// The next state, or the same one after the first failure, which ends the loop.
private func next<State>(
  _ state: State, by body: (State) throws -> State, unless failure: inout (any Error)?
) -> State {
  if failure != nil { return state }
  do {
    return try body(state)
  } catch {
    failure = error
    return state
  }
}

extension TensorTree {
  /// The leaves that follow others of this structure. Stops unless they are of the same kinds.
  fileprivate func successor(of leaves: [Tensor], by body: (Self) -> Self) -> [Tensor] {
    self.leaves(of: body(replacingLeaves(with: leaves)), following: leaves, "repeated")
  }

  /// The leaves of the next state of a loop in a program. Stops unless they are of the same kinds as those before.
  func leaves(of next: Self, following leaves: [Tensor], _ operation: String) -> [Tensor] {
    next.checkSameStructure(as: leaves, operation)
    let successors = next.leaves
    // What is no tensor is the same in all steps of a program.
    if TreeStructure(self, self.leaves) != TreeStructure(next, successors) {
      stop(
        operation, "in a program, parts of the state that are no leaves must not change from step to step",
        hint: "Make a count a tensor.")
    }
    return successors
  }
}
