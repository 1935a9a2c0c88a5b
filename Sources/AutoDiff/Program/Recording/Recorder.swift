/// Recording: the operations of a function without their numbers, to be run again later.
///
/// A recorder is the lowest of the traces of its function: whatever transforms the function applies inside are made later,
/// so what reaches the recorder is what would otherwise be evaluated. Operations on numbers that are known are evaluated on the
/// spot, which folds constants.
final class Recorder: Trace, @unchecked Sendable {
  let graph = ProgramGraph()
  /// The recorder of the function in whose loop this one records the body.
  private let outer: Recorder?
  /// When it was made: of the recorders of a function the last one that has not ended records the innermost loop.
  private(set) var order = 0
  /// Values of ``outer`` that the body uses, in the order of the inputs that stand for them.
  private(set) var captured: [Tensor] = []
  private var inputOfCaptured: [ObjectIdentifier: Int] = [:]
  /// Values that do not change from one run of the loop's body to the next, and what they are in ``outer``.
  private var invariants: [Int: Tensor] = [:]

  /// What the inputs are, in a recording that is given up where somebody reads a number, captures what a transform outside
  /// follows, or begins a loop.
  private let numbers: [Tensor]?
  /// Whether somebody has done that.
  private(set) var isGivenUp = false
  /// The values that have been read.
  private var read: [Int: Tensor] = [:]

  /// Whether what a function checks about numbers is left to the program, rather than read.
  var keepsChecks: Bool { numbers == nil }

  /// Records a function.
  override init() {
    (outer, numbers) = (nil, nil)
    super.init()
    order = level
  }

  /// Records a function of known numbers; see ``RecordedWherePossible``.
  init(reading numbers: [Tensor]) {
    (outer, self.numbers) = (nil, numbers)
    super.init()
    order = level
  }

  /// Records the body of a loop of another recording, which does what is the same in every run of the body.
  init(inside outer: Recorder) {
    (self.outer, numbers) = (outer, nil)
    super.init()
    order = level
    become(partOf: outer)
  }

  /// The recorder of the innermost loop to which one of these values belongs.
  static func innermost(of tensors: [Tensor]) -> Recorder? {
    tensors.compactMap { $0.recorded?.recorder }.max { $0.order < $1.order }
  }

  /// A recorded value that stands for an input.
  func input(_ shape: [Int], _ scalarType: ScalarType) -> Tensor { wrap(graph.addInput(shape, scalarType)) }

  override func process(_ primitive: any Primitive, _ inputs: Inputs) -> Tensor {
    let innermost = inputs.reduce(self) { recorder, input in
      guard let other = node(input, RecordedNode.self)?.recorder, other.order > recorder.order else { return recorder }
      return other
    }
    if innermost !== self {
      if !innermost.acceptsOperations { innermost.requireRunningAgain(primitive.name) }
      return innermost.process(primitive, inputs)
    }
    if primitive.isTransparent { return primitive.evaluate(inputs) }
    if numbers != nil, isGivenUp || inputs.contains(where: { $0.isTraced && ownValue(of: $0) == nil }) {
      // What a transform outside follows cannot be in a program, and what comes behind it is done at once.
      isGivenUp = true
      return dispatch(primitive, Inputs(inputs.map(known)))
    }
    if let slope = primitive as? any SlopePrimitive, !isKnown(inputs[0]), inputs.dropFirst().allSatisfy(isKnown) {
      return dispatch(ChainProduct(), .two(inputs[0], slope.derivative(at: inputs)))
    }
    let outside = inputs.compactMap { invariant($0) }
    let isInvariant = outside.count == inputs.count
    // A view costs nothing where it is; what is computed from it shall move out all the same.
    let isView = primitive is any ViewPrimitive
    if isInvariant, !isView {
      return wrap(value(of: dispatch(primitive, Inputs(outside)), for: primitive.name))
    }
    let operands = inputs.map { value(of: $0, for: primitive.name) }
    let result = graph.add(
      primitive, Array(operands), shape: primitive.shape(of: inputs), primitive.scalarType(of: inputs))
    if isInvariant, isView { invariants[result] = dispatch(primitive, Inputs(outside)) }
    return wrap(result)
  }

  /// What a tensor is outside the loop whose body this records; nil if it may change from one run to the next.
  private func invariant(_ tensor: Tensor) -> Tensor? {
    if outer == nil { return nil }
    guard let value = ownValue(of: tensor) else { return tensor }
    return invariants[value]
  }

  /// The number of a value of this recording; nil for others, those of a recording around it among them.
  private func ownValue(of tensor: Tensor) -> Int? {
    guard let node = node(tensor, RecordedNode.self), node.recorder === self else { return nil }
    return node.value
  }

  /// The value that a tensor is in the recording: recorded, or a constant of it.
  func value(of tensor: Tensor, for operation: String) -> Int {
    if let value = ownValue(of: tensor) { return value }
    if tensor.node.level == 0 { return graph.addConstant(tensor) }
    // A loop may use the state of another loop that its own state does not know of.
    guard outer != nil, let node = tensor.recorded, node.recorder.level == level, node.recorder.acceptsOperations else {
      stop(
        operation, "a recorded function must not capture a value that a transform outside it follows",
        hint: "Pass it as an input.")
    }
    let known = inputOfCaptured[ObjectIdentifier(tensor.node)]
    if let known { return known }
    let input = graph.addInput(tensor.shape, tensor.scalarType)
    captured.append(tensor)
    inputOfCaptured[ObjectIdentifier(tensor.node)] = input
    invariants[input] = tensor
    return input
  }

  /// Whether a tensor is known before the program, or the loop whose body this records, runs.
  private func isKnown(_ tensor: Tensor) -> Bool { tensor.node.level == 0 || invariant(tensor) != nil }

  /// Forgets the inputs, from one on, from which nothing is computed that the results need; captured values are the last.
  ///
  /// - Returns: which of those that are not captured have stayed.
  func dropUnusedInputs(from first: Int, results: [Int]) -> [Bool] {
    let isUsed = graph.dropUnusedInputs(from: first, results: results)
    let own = isUsed.count - captured.count
    captured = zip(captured, isUsed[own...]).compactMap { $1 ? $0 : nil }
    return Array(isUsed[..<own])
  }

  /// Records a loop; returns the last state with the stacks, and the history of the parts that it keeps, which `levels` lie
  /// above.
  func add(
    _ loop: RecordedLoop, _ operands: [Tensor], levels: LoopLevels
  ) -> (outputs: [Tensor], history: LoopHistory?) {
    let kinds = loop.outputKinds
    let values = graph.add(.loop(loop), operands.map { value(of: $0, for: "repeated") }, kinds)
    guard let kept = loop.kept else { return (values.map { wrap($0) }, nil) }
    let token = HistoryNode(self, values.last!, levels, kinds: kept.map { kinds[$0] })
    return (values.dropLast().map { wrap($0) }, LoopHistory(Tensor(node: token)))
  }

  /// The numbers of a value, for which everything is computed that has led to it; nil where numbers may not be read.
  func read(_ value: Int) -> Tensor? {
    guard let numbers else { return nil }
    isGivenUp = true
    if let known = read[value] { return known }
    // Whoever reads them checks them too.
    let tensor = ProgramPlanner.program(graph, results: [value]).outcome(numbers).results[0]
    read[value] = tensor
    return tensor
  }

  /// Gives the recording up, if it may be; says whether it was.
  func givesUp() -> Bool {
    if numbers != nil { isGivenUp = true }
    return isGivenUp
  }

  /// A tensor without this recording.
  func known(_ tensor: Tensor) -> Tensor { ownValue(of: tensor).flatMap { read($0) } ?? tensor }

  /// The program that computes a function's output, and the output without its numbers: recorded values must not outlive
  /// their recording.
  ///
  /// - Parameter operation: what the user called, for messages.
  func program<Output: TensorTree>(of output: Output, for operation: String) -> (program: Program, shell: Output) {
    let results = output.leaves.map { value(of: $0, for: operation) }
    return (ProgramPlanner.program(graph, results: results), output.mapTensors { _ in Tensor(0) })
  }

  func wrap(_ value: Int) -> Tensor {
    let (shape, type) = graph.values[value].type
    return Tensor(node: RecordedNode(self, value, shape, type))
  }
}

/// A value of ``Recorder``.
class RecordedNode: TracedNode, @unchecked Sendable {
  /// Its number in the graph.
  final let value: Int

  init(_ trace: Recorder, _ value: Int, _ shape: [Int], _ scalarType: ScalarType) {
    self.value = value
    super.init(trace: trace, shape: shape, scalarType: scalarType)
  }

  override var absenceOfNumbers: (reason: String, hint: String)? {
    (
      "a number of a recorded function is known only when the program runs",
      "Choose between values with select(_:_:_:), and repeat with repeated(_:_:_:), scan or repeated(while:_:_:)."
    )
  }

  override var computedNumbers: Tensor? { recorder.read(value) }

  final var recorder: Recorder { unsafeDowncast(trace, to: Recorder.self) }
}

extension Tensor {
  /// This tensor as a recorded value that no other transform follows; nil if it is none.
  var recorded: RecordedNode? { node.level > 0 ? node as? RecordedNode : nil }
}
