/// Makes a function forget its intermediate values: the backward pass computes them again.
///
/// Use it for parts of deep models that would not fit into memory. Values that the closure captures are differentiated
/// like its input. Forward derivatives and batching pass through unchanged.
///
/// - Parameter f: a function that does the same every time it is run. What it computes must leave it as its result: a value
///   stored elsewhere is forgotten, and stops when it is used. It may throw; what its first run throws is thrown.
/// - Complexity: the gradient runs `f` once more; memory for its intermediate values is needed for one such part at a
///   time. Where only captured values are differentiated, not the input, one more run finds out what `f` records; pass
///   them in the input to save it. Under a gradient of a gradient the outer one records both runs.
/// - Source: Griewank, Achieving logarithmic growth of temporal and spatial complexity in reverse automatic
///   differentiation, Optimization Methods and Software 1 (1992).
public func checkpoint<T: TensorTree, Out: TensorTree>(_ f: @escaping (T) -> Out) -> (T) -> Out {
  { x in forgetting(f, at: x, again: f) }
}

/// The same of a function that throws; see ``checkpoint(_:)``. What it throws in its first run is thrown; when
/// it is run again it must not throw, and stops.
@_disfavoredOverload
@_documentation(visibility: internal)
public func checkpoint<T: TensorTree, Out: TensorTree>(_ f: @escaping (T) throws -> Out) -> (T) throws -> Out {
  { x in
    try forgetting(f, at: x) { x in
      do {
        return try f(x)
      } catch {
        stopAtAnotherRun("\(error), thrown in its second run only")
      }
    }
  }
}

/// f(x), of whose intermediate values the tape keeps only how to compute them again.
private func forgetting<T: TensorTree, Out: TensorTree>(
  _ f: (T) throws -> Out, at x: T, again: @escaping (T) -> Out
) rethrows -> Out {
  let known = innermostTape(of: x)
  let start = known?.entries.count ?? 0
  let output = try f(x)
  guard let tape = innermostTape(of: output) else { return output }
  if tape === known { return tape.replacing(from: start, output, of: again, at: x) }
  // The tape follows what the closure captures, and was not known before the run.
  let end = tape.entries.count
  let copy = again(x)
  let recorded = tape.entries.count - end
  let (first, second) = (tape.values(in: output), tape.values(in: copy))
  guard recorded <= end, first.count == second.count,
    zip(first, second).allSatisfy({
      Int($1.index) < end ? $0.index == $1.index : Int($0.index) + recorded == $1.index
    })
  else { stopAtAnotherRun("another computation in its second run") }
  tape.forget(from: end)
  return tape.replacing(from: end - recorded, output, of: again, at: x)
}

private func stopAtAnotherRun(_ difference: String) -> Never {
  stop("checkpoint", "the function must do the same every time", got: difference)
}

/// The tape of the highest level among those that follow a leaf.
private func innermostTape(of tree: some TensorTree) -> Tape? {
  tree.leaves.lazy.compactMap(\.innermostTape).max { $0.level < $1.level }
}

extension Tape {
  /// The values of this tape that a tree consists of, in order.
  fileprivate func values(in tree: some TensorTree) -> [TapeNode] {
    var found: [TapeNode] = []
    for leaf in tree.leaves {
      _ = leaf.replacingValues(of: self) { node in
        found.append(node)
        return leaf
      }
    }
    return found
  }

  /// Forgets what a function recorded from an entry on, and records instead how to run it again.
  ///
  /// - Returns: the function's output, as values that are leaves of the tape.
  fileprivate func replacing<T: TensorTree, Out: TensorTree>(
    from start: Int, _ output: Out, of f: @escaping (T) -> Out, at x: T
  ) -> Out {
    let kept = values(in: output)
    // Without intermediate values there is nothing to forget.
    guard entries.count - start > kept.count else { return output }
    forget(from: start)
    let replaced = kept.map { Int($0.index) < start ? Tensor(node: $0) : watch($0.primal) }
    record(
      CheckpointSegment(outputs: replaced.map { index(of: $0)! }) { [unowned self] in
        values(in: f(x)).map { Int($0.index) }
      })
    var next = -1
    return output.mapTensors { leaf in
      leaf.replacingValues(of: self) { _ in
        next += 1
        return replaced[next]
      }
    }
  }
}
