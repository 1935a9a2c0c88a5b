/// Applies a function to a state several times, and collects what it computes on the way: a loss in every step of gradient
/// descent, the points of a trajectory.
///
///     let (last, losses) = scan(1000, p) { p in
///       let (value, slope) = valueWithGradient(of: loss, at: p)
///       return (p.adding(slope, scaledBy: -0.1), value)
///     }
///
/// In a function that is ``compiled(_:)``, this is a loop inside the program, which transforms inside that function follow as
/// they follow ``repeated(_:_:_:)``. Elsewhere it is a loop of Swift's.
///
/// - Parameters:
///   - count: how often, at least once; other numbers stop.
///   - initial: the state in the beginning.
///   - step: from a state to the next one and an output. Both must keep their leaves, with their shapes and types; in a
///     program, the state must also be the same in everything that is no leaf.
/// - Returns: the last state, and the outputs of all steps along a new first axis of their leaves.
public func scan<State: TensorTree, Output: TensorTree>(
  _ count: Int, _ initial: State, _ step: (State) -> (state: State, output: Output)
) -> (state: State, outputs: Output) {
  try! scanned(count, initial) { state, _ in step(state) }
}

/// Applies a function to a state and each of several inputs in turn, and collects what it computes on the way: a recurrent
/// network over the tokens of a sequence, an optimizer over the batches of an epoch.
///
/// In a function that is ``compiled(_:)``, this is a loop inside the program; see ``scan(_:_:_:)``.
///
/// - Parameters:
///   - initial: the state in the beginning.
///   - inputs: a tree whose leaves have one first axis of the same extent, at least 1: an entry for every step. Others stop.
///   - step: from a state and an input, whose leaves lack that axis, to the next state and an output. State and output must
///     keep their leaves, with their shapes and types; in a program, the state must also be the same in everything that is
///     no leaf.
/// - Returns: the last state, and the outputs of all steps along a new first axis of their leaves.
/// - Complexity: in a program, every step reads its input where it stands; a gradient keeps the states of all steps, and does
///   each step once more.
public func scan<State: TensorTree, Input: TensorTree, Output: TensorTree>(
  _ initial: State, over inputs: Input, _ step: (State, Input) -> (state: State, output: Output)
) -> (state: State, outputs: Output) {
  try! scanned(inputs, initial) { step($0, $1) }
}

/// The same with a step that throws; see ``scan(_:_:_:)``. In a program only factorizations and searches throw, and end the
/// loop.
@_disfavoredOverload
@_documentation(visibility: internal)
public func scan<State: TensorTree, Output: TensorTree>(
  _ count: Int, _ initial: State, _ step: (State) throws -> (state: State, output: Output)
) throws -> (state: State, outputs: Output) {
  try scanned(count, initial) { state, _ in try step(state) }
}

/// The same with a step that throws; see ``scan(_:over:_:)``.
@_disfavoredOverload
@_documentation(visibility: internal)
public func scan<State: TensorTree, Input: TensorTree, Output: TensorTree>(
  _ initial: State, over inputs: Input, _ step: (State, Input) throws -> (state: State, output: Output)
) throws -> (state: State, outputs: Output) {
  try scanned(inputs, initial) { try step($0, $1) }
}

private func scanned<State: TensorTree, Input: TensorTree, Output: TensorTree>(
  _ inputs: Input, _ initial: State, _ step: (State, Input) throws -> (state: State, output: Output)
) throws -> (state: State, outputs: Output) {
  let stacks = inputs.leaves
  guard let count = stacks.first?.shape.first, count > 0, stacks.allSatisfy({ $0.shape.first == count }) else {
    stop(
      "scan", "the leaves of the inputs must have one first axis of the same extent, at least 1",
      got: "shapes \(stacks.map(\.shape))")
  }
  return try scanned(count, initial, reading: stacks) { try step($0, inputs.replacingLeaves(with: $1)) }
}

private func scanned<State: TensorTree, Output: TensorTree>(
  _ count: Int, _ initial: State, reading stacks: [Tensor] = [],
  _ step: (State, [Tensor]) throws -> (state: State, output: Output)
) throws -> (state: State, outputs: Output) {
  if count < 1 { stop("scan", "needs at least one step", got: "\(count)") }
  // The first step is made here: what follows its results would follow all of them.
  var (state, first) = try step(initial, stacks.map { $0[0] })
  var outputs = [first.leaves]
  func next(_ state: State, _ inputs: [Tensor]) throws -> (state: State, output: [Tensor]) {
    let (next, output) = try step(state, inputs)
    output.checkSameStructure(as: outputs[0], "scan")
    return (next, output.leaves)
  }
  /// The outputs of all steps, the last of which may be in stacks.
  func collected(_ rest: [Tensor]? = nil) -> Output {
    let known = outputs[0].indices.map { leaf in stack(outputs.map { $0[leaf] }) }
    return first.replacingLeaves(with: rest.map { zip(known, $0).map { concatenate([$0, $1]) } } ?? known)
  }
  if count > 1, let levels = LoopLevels(state.leaves + stacks + outputs[0]) {
    let rest = LoopScan(length: count - 1, stacks: stacks.map { $0[1...] })
    var failure: (any Error)?
    let loop = levels.repeating(.times(count - 1), from: state.leaves, scanning: rest) { leaves, inputs in
      do {
        let (next, output) = try next(state.replacingLeaves(with: leaves), inputs)
        return state.leaves(of: next, following: leaves, "scan") + output
      } catch {
        failure = error
        return leaves + outputs[0]
      }
    }
    if let failure { throw failure }
    if let (last, filled, _) = loop { return (state.replacingLeaves(with: last), collected(filled)) }
  }
  for k in 1..<count {
    let (next, output) = try next(state, stacks.map { $0[k] })
    state = next
    outputs.append(output)
  }
  return (state, collected())
}
