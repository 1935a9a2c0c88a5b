import Foundation
import Synchronization

/// One interpretation of a computation: recording it (``Tape``), carrying tangents along (``Forward``), or carrying a
/// hidden axis of examples (``Batch``).
///
/// Every transform makes its own trace and closes it when it ends. There is no list of active traces anywhere: a traced
/// value refers to its trace, so two threads may differentiate at once. A trace itself serves the thread that made it.
package class Trace: @unchecked Sendable {
  /// Which trace takes an operation: inner transforms are created later and have higher levels.
  @exclusivity(unchecked) package private(set) final var level: Int

  // Not checked for overlapping access: they are looked at on the way of every traced operation.
  @exclusivity(unchecked) private final var isOpen = true
  @exclusivity(unchecked) private final var thread = pthread_self()

  private static let lastLevel = Atomic<Int>(0)

  package init() { level = Self.lastLevel.wrappingAdd(1, ordering: .relaxed).newValue }

  /// Makes this a part of another trace, at its level: transforms inside that one follow the values of both.
  final func become(partOf whole: Trace) { level = whole.level }

  /// Interprets a primitive of whose inputs at least one, and none of a higher level, is followed by this trace.
  package func process(_ primitive: any Primitive, _ inputs: Inputs) -> Tensor {
    fatalError("Trace.process is abstract.")
  }

  /// Interprets the replacement of a part of a tensor that the caller gives up, so that its memory may be written to.
  package func replaceSlice(_ primitive: ReplaceSlice, with piece: Tensor, in base: consuming Tensor) -> Tensor {
    process(primitive, .two(piece, base))
  }

  /// The value of this trace behind a tensor, or nil if the tensor is a constant to it.
  @inline(__always)
  final func node<N: TracedNode>(_ tensor: Tensor, _ type: N.Type) -> N? {
    tensor.node.level == level ? unsafeDowncast(tensor.node, to: type) : nil
  }

  // MARK: The end of a trace

  /// Ends the transform: from now on an operation on a value of this trace stops.
  package final func close() { isOpen = false }

  /// Opens the trace for a part that is run again, now by this thread.
  package final func reopen() {
    isOpen = true
    thread = pthread_self()
  }

  /// Whether an operation may be added here and now.
  @inline(__always) final var acceptsOperations: Bool { isOpen && thread == pthread_self() }

  /// Called at an operation where ``acceptsOperations`` is false: stops, unless a part of a computation is being run again.
  @inline(never)
  final func requireRunningAgain(_ name: String) {
    if RunAgain.includes(self) { return }
    if isOpen {
      stop(
        name, "a value that a transform follows was used on another thread than the transform's",
        hint: "Threads may differentiate at once, each with transforms of its own.")
    }
    stop(
      name, "a value was used after the transform that followed it had ended",
      hint: "Return it from the transformed closure instead of storing it outside.")
  }
}

/// Runs a part of a computation again, after the traces have ended that had followed it.
final class RunAgain: @unchecked Sendable {
  @TaskLocal private static var current: RunAgain?
  private var reopened: [Trace] = []

  /// Calls `body`, in which ended traces go on; then they have ended again.
  static func of<Result>(_ body: () -> Result) -> Result {
    let again = RunAgain()
    defer { for trace in again.reopened { trace.close() } }
    return $current.withValue(again, operation: body)
  }

  /// Whether a part is being run again; then the trace goes on.
  fileprivate static func includes(_ trace: Trace) -> Bool {
    guard let current else { return false }
    trace.reopen()
    current.reopened.append(trace)
    return true
  }
}

/// A value that a trace follows.
package class TracedNode: Node, @unchecked Sendable {
  final let trace: Trace

  init(trace: Trace, shape: [Int], scalarType: ScalarType, holdsMuchMemory: Bool = false) {
    self.trace = trace
    super.init(shape: shape, scalarType: scalarType, level: trace.level, holdsMuchMemory: holdsMuchMemory)
  }

  /// What the trace follows, one level down: the plain value, or for ``Batch`` all examples at once.
  var primal: Tensor { fatalError("TracedNode.primal is abstract.") }

  /// Why there are no numbers beneath, and what to do without them; nil where there are.
  var absenceOfNumbers: (reason: String, hint: String)? { nil }

  /// The numbers where there are none beneath, but they can be computed if somebody insists.
  var computedNumbers: Tensor? { nil }

  /// This value with another one beneath it, and another tangent where it has one.
  func replacingPrimal(_ replace: (Tensor) -> Tensor) -> Tensor {
    fatalError("TracedNode.replacingPrimal is abstract.")
  }
}

extension Tensor {
  /// What a trace follows as this tensor, one level down; nil for numbers in memory.
  private var layerBeneath: TracedNode? {
    node.level > 0 ? unsafeDowncast(node, to: TracedNode.self) : nil
  }

  /// The tensor beneath all traces. Under `vmap` these are the numbers of all examples.
  ///
  /// - Parameters:
  ///   - operation: what needs the numbers, for the message where they are not known yet.
  ///   - pass: called for every trace on the way, from the innermost one outward.
  func beneathTraces(
    for operation: String = "Tensor", passing pass: (Trace) -> Void = { _ in }
  ) -> Tensor {
    let tensor = beneathRecordable(passing: pass)
    guard let layer = tensor.layerBeneath else { return tensor }
    if let numbers = layer.computedNumbers { return numbers }
    if let (reason, hint) = layer.absenceOfNumbers { stop(operation, reason, hint: hint) }
    return tensor
  }

  /// The same, where there may be no numbers: then the value that has none.
  func beneathRecordable(passing pass: (Trace) -> Void = { _ in }) -> Tensor {
    var tensor = self
    while let layer = tensor.layerBeneath {
      pass(layer.trace)
      if layer.absenceOfNumbers != nil { break }
      tensor = layer.primal
    }
    return tensor
  }

  /// Whether it stands for all values in a ball, so that there is nothing to check.
  var isBounded: Bool { beneathRecordable().node is BoundNode }

  /// The numbers beneath all tapes and forward traces. Stops under `vmap`, where every example has its own.
  func concrete(_ operation: String) -> Tensor {
    beneathTraces(for: operation) {
      guard $0 is Batch else { return }
      stop(
        operation, "the value of one example cannot be read inside vmap",
        hint: "Examples may differ; choose between values with select(_:_:_:).")
    }
  }

  /// Stops where its numbers cannot be looked at, with the name of what the user called and not of a property it reads.
  ///
  /// - Parameter operation: what looks at numbers of its input, to refuse some or to decide how to go on.
  package func requireNumbers(for operation: String) {
    var isOneExample = false
    let beneath = beneathRecordable { isOneExample = isOneExample || $0 is Batch }
    if isOneExample || beneath.recorded != nil {
      stop(
        operation, "looks at the numbers of its input",
        got: isOneExample ? "one example inside vmap" : "a value of a recorded function",
        hint: "Call it outside vmap(_:axis:outputAxis:) and compiled(_:).")
    }
  }

  /// The numbers of all examples, of one number for each inside `vmap`; nil outside, and where there are none.
  var entriesOfExamples: [Double]? {
    var isOneExample = false
    let beneath = beneathRecordable { isOneExample = isOneExample || $0 is Batch }
    return isOneExample && beneath.recorded == nil ? beneathTraces().scalars : nil
  }

  /// The tape of the highest level among the traces that follow this tensor, directly or behind others.
  var innermostTape: Tape? {
    var tape: Tape?
    _ = beneathRecordable { if tape == nil { tape = $0 as? Tape } }
    return tape
  }

  /// The same tensor with the values of a tape inside it replaced.
  func replacingValues(of tape: Tape, _ replace: (TapeNode) -> Tensor) -> Tensor {
    guard node.level >= tape.level, let layer = layerBeneath else { return self }
    if let value = tape.node(self, TapeNode.self) { return replace(value) }
    return layer.replacingPrimal { $0.replacingValues(of: tape, replace) }
  }
}
