/// The transforms between the state of a loop and the values of the recording beneath, from the innermost one outward.
struct LoopLevels {
  let traces: [Trace]
  /// The innermost of the recordings to which the values beneath belong.
  let recorder: Recorder

  /// What follows some tensors; nil if no recording is beneath, or if it is followed by what cannot follow a loop.
  ///
  /// - Parameter others: whose transforms are to be among these as well.
  init?(_ tensors: [Tensor], and others: [LoopLevels] = []) {
    var traces: [Trace] = []
    var beneath = tensors
    while let trace = Self.innermostTransform(beneath) {
      switch trace {
      case let forward as Forward:
        beneath = beneath.map { forward.primal(of: $0) } + beneath.compactMap { forward.tangent(of: $0) }
      case let batch as Batch: beneath = beneath.map { batch.node($0, BatchNode.self)?.primal ?? $0 }
      case let tape as Tape: beneath = beneath.map { tape.primal(of: $0) }
      default: return nil
      }
      traces.append(trace)
    }
    guard let innermost = Recorder.innermost(of: beneath), !innermost.givesUp() else { return nil }
    for trace in others.flatMap(\.traces) where !traces.contains(where: { $0 === trace }) { traces.append(trace) }
    self.init(traces.sorted { $0.level > $1.level }, innermost)
  }

  init(_ traces: some Sequence<Trace>, _ recorder: Recorder) {
    (self.traces, self.recorder) = (Array(traces), recorder)
  }

  private static func innermostTransform(_ tensors: [Tensor]) -> Trace? {
    var innermost: TracedNode?
    for tensor in tensors where tensor.node.level > innermost?.level ?? 0 {
      if let node = tensor.node as? TracedNode, !(node is RecordedNode) { innermost = node }
    }
    return innermost?.trace
  }

  private var batchCount: Int { traces.count { $0 is Batch } }
  var hasBatches: Bool { batchCount > 0 }

  // MARK: Down and up

  /// What is followed as some tensors: under forward mode their values, then their tangents; all examples of a batch; of what
  /// a tape follows the values.
  ///
  /// Other transforms may follow the tensors as well; they then follow what is returned.
  func lower(_ tensors: [Tensor]) -> [Tensor] {
    traces.reduce(tensors) { tensors, trace in
      switch trace {
      case let forward as Forward:
        tensors.map { Self.beneath($0, forward) { tensor, _ in forward.primal(of: tensor) } }
          + tensors.map {
            Self.beneath($0, forward) { tensor, _ in
              forward.tangent(of: tensor) ?? .zeros(tensor.shape, as: tensor.scalarType)
            }
          }
      case let batch as Batch:
        // An axis of examples stands in front of those that are hidden from what follows it.
        tensors.map { Self.beneath($0, batch) { batch.reveal($0).movingAxis(0, to: $1) } }
      case let tape as Tape:
        tensors.map { Self.beneath($0, tape) { tensor, _ in tape.primal(of: tensor) } }
      default: tensors
      }
    }
  }

  /// The same for the results of a step: the state, and behind it what fills stacks.
  func lower(_ results: [Tensor], stateCount: Int) -> [Tensor] {
    lower(Array(results[..<stateCount])) + lower(Array(results[stateCount...]))
  }

  /// The reverse of ``lower(_:)``, but without a tape, which follows only what it is told to.
  func raise(_ tensors: [Tensor]) -> [Tensor] {
    traces.reversed().reduce(tensors) { tensors, trace in
      switch trace {
      case let forward as Forward:
        zip(tensors[..<(tensors.count / 2)], tensors[(tensors.count / 2)...]).map { Self.joined($0, $1, forward) }
      case let batch as Batch:
        tensors.map { Self.beneath($0, batch) { batch.hide($0.movingAxis($1, to: 0)) } }
      default: tensors
      }
    }
  }

  /// The same for stacks: the axis of the steps stands before those of the examples.
  func lower(_ scan: LoopScan) -> LoopScan {
    LoopScan(
      length: scan.length, stacks: lower(scan.stacks).map { $0.movingAxis(batchCount, to: 0) },
      isBackward: scan.isBackward)
  }

  /// The reverse of that.
  func raise(stacks: [Tensor]) -> [Tensor] { raise(stacks.map { $0.movingAxis(0, to: batchCount) }) }

  /// Where parts of a state of so many stand when it has been lowered.
  func places(of parts: [Int], in count: Int) -> [Int] {
    var (parts, count) = (parts, count)
    for trace in traces where trace is Forward {
      parts += parts.map { $0 + count }
      count *= 2
    }
    return parts
  }

  /// Changes a tensor beneath all transforms that lie inside another one.
  ///
  /// - Parameter change: is also told how many axes of examples lie in front.
  private static func beneath(
    _ tensor: Tensor, _ trace: Trace, axes: Int = 0, _ change: (Tensor, Int) -> Tensor
  ) -> Tensor {
    guard tensor.node.level > trace.level, let node = tensor.node as? TracedNode else { return change(tensor, axes) }
    if node is TapeNode { stopAtSecondGradient() }
    return node.replacingPrimal { beneath($0, trace, axes: axes + (node is BatchNode ? 1 : 0), change) }
  }

  /// A value and its tangent, both followed by the same transforms inside the one that they belong to.
  private static func joined(_ primal: Tensor, _ tangent: Tensor, _ forward: Forward) -> Tensor {
    let inner = [primal, tangent].compactMap { $0.node as? TracedNode }.filter { $0.level > forward.level }
    switch inner.max(by: { $0.level < $1.level })?.trace {
    case let other as Forward:
      func tangents(_ tensor: Tensor) -> Tensor {
        other.tangent(of: tensor) ?? .zeros(tensor.shape, as: tensor.scalarType)
      }
      return other.dual(
        joined(other.primal(of: primal), other.primal(of: tangent), forward),
        tangent: joined(tangents(primal), tangents(tangent), forward))
    case let batch as Batch: return batch.hide(joined(batch.reveal(primal), batch.reveal(tangent), forward))
    case nil: return forward.dual(primal, tangent: tangent)
    default: stopAtSecondGradient()
    }
  }

  static func stopAtSecondGradient() -> Never {
    stop("repeated", "a gradient cannot follow the gradient of this loop", hint: "Use forward mode for one of them.")
  }

  /// Whether a condition holds, for any of the examples.
  func isAnyTrue(_ condition: Tensor) -> Tensor {
    var condition = condition
    for trace in traces {
      switch trace {
      case let forward as Forward: condition = forward.primal(of: condition)
      case let tape as Tape: condition = tape.primal(of: condition)
      case let batch as Batch:
        if let node = batch.node(condition, BatchNode.self) { condition = node.primal }
      default: break
      }
    }
    return condition.count == 1 ? condition : (condition .!= 0).sum()
  }
}
