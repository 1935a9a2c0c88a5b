/// Recording: the operations of a function without their numbers, to be run again later.
///
/// A recorder is the lowest of the traces of its function: whatever transforms the function applies inside are made later,
/// so what reaches the recorder is what would otherwise be evaluated. Operations on numbers that are known are evaluated on the
/// spot, which folds constants.
final class Recorder: Trace, @unchecked Sendable {
  let graph = ProgramGraph()
  /// The recorder of the function in whose loop this one records the body.
  private let outer: Recorder?
  /// Values of ``outer`` that the body uses, in the order of the inputs that stand for them.
  private(set) var captured: [Tensor] = []
  private var inputOfCaptured: [ObjectIdentifier: Int] = [:]

  /// Records a function.
  override init() {
    outer = nil
    super.init()
  }

  /// Records the body of a loop of another recording.
  init(inside outer: Recorder) {
    self.outer = outer
    super.init()
  }

  /// A recorded value that stands for a tensor of the shape and type of another.
  func input(like tensor: Tensor) -> Tensor { wrap(graph.addInput(tensor.shape, tensor.scalarType)) }

  override func process(_ primitive: any Primitive, _ inputs: Inputs) -> Tensor {
    if primitive.isTransparent { return primitive.evaluate(inputs) }
    let operands = inputs.map { value(of: $0, for: primitive.name) }
    return wrap(
      graph.add(primitive, Array(operands), shape: primitive.shape(of: inputs), primitive.scalarType(of: inputs)))
  }

  /// The value that a tensor is in the recording: recorded, or a constant of it.
  func value(of tensor: Tensor, for operation: String) -> Int {
    if let node = node(tensor, RecordedNode.self) { return node.value }
    if tensor.node.level == 0 { return graph.addConstant(tensor) }
    guard let outer, let node = tensor.recorded, node.recorder.contains(outer) else {
      stop(
        operation, "a recorded function must not capture a value that a transform outside it follows",
        hint: "Pass it as an input.")
    }
    let known = inputOfCaptured[ObjectIdentifier(tensor.node)]
    if let known { return known }
    let input = graph.addInput(tensor.shape, tensor.scalarType)
    captured.append(tensor)
    inputOfCaptured[ObjectIdentifier(tensor.node)] = input
    return input
  }

  /// Whether `other` is this recorder, or records a loop inside it.
  private func contains(_ other: Recorder) -> Bool {
    var candidate: Recorder? = other
    while let recorder = candidate {
      if recorder === self { return true }
      candidate = recorder.outer
    }
    return false
  }

  func wrap(_ value: Int) -> Tensor {
    let (shape, type) = graph.values[value].type
    return Tensor(node: RecordedNode(self, value, shape, type))
  }
}

/// A value of ``Recorder``.
final class RecordedNode: TracedNode, @unchecked Sendable {
  /// Its number in the graph.
  let value: Int

  init(_ trace: Recorder, _ value: Int, _ shape: [Int], _ scalarType: ScalarType) {
    self.value = value
    super.init(trace: trace, shape: shape, scalarType: scalarType)
  }

  override var absenceOfNumbers: (reason: String, hint: String)? {
    (
      "a number of a recorded function is known only when the program runs",
      "Choose between values with select(_:_:_:), and repeat with repeated(_:_:_:) or repeated(while:_:_:)."
    )
  }

  var recorder: Recorder { unsafeDowncast(trace, to: Recorder.self) }
}

extension Tensor {
  /// This tensor as a recorded value that no other transform follows; nil if it is none.
  var recorded: RecordedNode? { node.level > 0 ? node as? RecordedNode : nil }
}
