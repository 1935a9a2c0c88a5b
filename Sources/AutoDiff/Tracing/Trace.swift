import Synchronization

/// One interpretation of a computation: recording it (``Tape``), carrying tangents along (``Forward``), or carrying a
/// hidden axis of examples (``Batch``).
///
/// Every transform makes its own trace. There is no list of active traces anywhere: a traced value refers to its trace,
/// so two threads may differentiate at once. A trace itself serves one thread.
package class Trace: @unchecked Sendable {
  /// The rank: inner transforms are created later and rank higher.
  package final let level: Int

  private static let lastLevel = Atomic<Int>(0)

  package init() { level = Self.lastLevel.wrappingAdd(1, ordering: .relaxed).newValue }

  /// Interprets a primitive of whose inputs at least one, and none of a higher rank, is followed by this trace.
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
}

extension Tensor {
  /// The untraced tensor under all tapes and forward traces. Stops under ``vmap(_:)``, where there are many.
  func concrete(_ operation: String) -> Tensor {
    var tensor = self
    while tensor.node.level > 0 {
      if tensor.node is BatchNode {
        stop(
          operation, "the value of one example cannot be read inside vmap",
          hint: "Examples may differ; choose between values with select(_:_:_:).")
      }
      tensor = unsafeDowncast(tensor.node, to: TracedNode.self).primal
    }
    return tensor
  }
}
