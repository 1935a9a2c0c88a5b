/// Makes a function forget its intermediate values: the backward pass computes them again.
///
/// Use it for parts of deep models that would not fit into memory. Values that the closure captures are differentiated
/// like its input. Forward derivatives and batching pass through unchanged.
///
/// - Complexity: the gradient runs `f` once more; memory for its intermediate values is needed for one such part at a
///   time. Under a gradient of a gradient the outer one records both runs.
/// - Source: Griewank, Achieving logarithmic growth of temporal and spatial complexity in reverse automatic
///   differentiation, Optimization Methods and Software 1 (1992).
public func checkpoint<T: TensorTree, Out: TensorTree>(_ f: @escaping (T) -> Out) -> (T) -> Out {
  { x in
    guard let tape = x.leaves.lazy.compactMap(\.innermostTape).max(by: { $0.level < $1.level }) else { return f(x) }
    return tape.recordAgain(from: x, f)
  }
}

extension Tensor {
  /// The tape of the highest rank among the traces that follow this tensor, directly or behind others.
  fileprivate var innermostTape: Tape? {
    var node = node
    while node.level > 0 {
      let traced = unsafeDowncast(node, to: TracedNode.self)
      if let tape = traced.trace as? Tape { return tape }
      node = traced.primal.node
    }
    return nil
  }

  /// The same tensor with the values of a tape inside it replaced.
  fileprivate func replacingValues(of tape: Tape, _ replace: (TapeNode) -> Tensor) -> Tensor {
    if node.level < tape.level { return self }
    if let value = tape.node(self, TapeNode.self) { return replace(value) }
    let traced = unsafeDowncast(node, to: TracedNode.self)
    let primal = traced.primal.replacingValues(of: tape, replace)
    switch traced {
    case is BatchNode: return unsafeDowncast(traced.trace, to: Batch.self).hide(primal)
    case let dual as ForwardNode:
      return unsafeDowncast(traced.trace, to: Forward.self).dual(
        primal, tangent: dual.tangent.replacingValues(of: tape, replace))
    default: return self
    }
  }
}

extension Tape {
  /// Runs a function, forgets what was recorded meanwhile, and records instead how to run it again.
  fileprivate func recordAgain<T: TensorTree, Out: TensorTree>(from x: T, _ f: @escaping (T) -> Out) -> Out {
    let start = entries.count
    let output = f(x)
    // The values of this tape that the output consists of, in order.
    func values(in output: Out) -> [TapeNode] {
      var found: [TapeNode] = []
      for leaf in output.leaves {
        _ = leaf.replacingValues(of: self) { node in
          found.append(node)
          return leaf
        }
      }
      return found
    }
    let kept = values(in: output)
    // Without intermediate values there is nothing to forget.
    guard entries.count - start > kept.count else { return output }
    forget(from: start)
    var replaced: [Tensor] = []
    for node in kept { replaced.append(Int(node.index) < start ? Tensor(node: node) : watch(node.primal)) }
    let places = replaced.map { Int(unsafeDowncast($0.node, to: TapeNode.self).index) }
    record(
      Segment(outputs: places) { values(in: f(x)).map { Int($0.index) } })
    var next = -1
    return output.mapTensors { leaf in
      leaf.replacingValues(of: self) { _ in
        next += 1
        return replaced[next]
      }
    }
  }
}
