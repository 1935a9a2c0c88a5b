/// Which results count as errors in a checked computation.
public enum RejectedNumbers: Sendable {
  /// Not-a-number. Infinities are let through: as masks and limits they are often meant.
  case notANumber
  /// Not-a-number and both infinities.
  case nonFinite

  @inline(__always)
  func contains<T: BinaryFloatingPoint>(_ number: T) -> Bool { self == .notANumber ? number.isNaN : !number.isFinite }
}

/// Computes f(x) and throws at the first primitive that makes a not-a-number, or an infinity, from inputs that hold none.
///
/// Gradients, forward derivatives and `vmap` inside `f` are followed too, so that a number lost in a backward pass is
/// named where it is lost:
///
///     try checkingNumbers(of: { x in gradient(of: { sqrt($0 * 0).sum() }, at: x) }, at: Tensor([1, 4]))
///     // scale, operation 5, made nan at [0] of shape [2] from the input inf.
///
/// Rejecting infinities as well leads to their source: powerSlope, operation 4, made inf from the inputs 1.0 and 0.0.
///
/// - Parameters:
///   - f: the function. Computations that do not depend on its argument are not followed; what they contribute is
///     reported where it enters.
///   - x: where: any tree of tensors.
///   - reject: what is an error; by default only not-a-number.
/// - Returns: f(x).
/// - Throws: ``NonFiniteError``, or what `f` throws if every number was acceptable until then.
/// - Complexity: the work of `f`, and one pass over the output of every primitive.
public func checkingNumbers<In: TensorTree, Out: TensorTree>(
  of f: (In) throws -> Out, at x: In, reject: RejectedNumbers = .notANumber
) throws -> Out {
  let check = NumberCheck(rejecting: reject)
  defer { check.close() }
  for (leaf, tensor) in x.leaves.enumerated() { check.examine(tensor, from: .input(leaf: leaf)) }
  if let finding = check.finding { throw finding }
  let output: Out
  do {
    output = try f(x.mapTensors { check.follow($0) })
  } catch {
    // A number lost on the way is the likelier cause of what went wrong later.
    throw check.finding ?? error
  }
  if check.finding == nil {
    for (leaf, tensor) in output.leaves.enumerated() { check.examine(check.plain(tensor), from: .output(leaf: leaf)) }
  }
  if let finding = check.finding { throw finding }
  return output.mapTensors { check.plain($0) }
}

/// Checked computation: every value is what it is, and every result is looked at.
///
/// Transforms inside the checked function rank higher, so the operations of their rules pass through here too.
final class NumberCheck: Trace, @unchecked Sendable {
  private let rejected: RejectedNumbers
  private var operations = 0
  /// The first rejected number.
  private(set) var finding: NonFiniteError?

  init(rejecting rejected: RejectedNumbers) { self.rejected = rejected }

  /// Written out, because the compiler warns of the one that it would synthesize.
  override package init() { rejected = .notANumber }

  /// Starts to follow a value.
  func follow(_ tensor: Tensor) -> Tensor {
    Tensor(node: CheckedNode(self, tensor))
  }

  /// The plain value behind a tensor.
  func plain(_ tensor: Tensor) -> Tensor { node(tensor, CheckedNode.self)?.primal ?? tensor }

  override func process(_ primitive: any Primitive, _ inputs: Inputs) -> Tensor {
    let values = inputs.map { plain($0) }
    let output = dispatch(primitive, values)
    operations += 1
    if finding == nil, firstRejected(output.beneathTraces()) != nil {
      // A followed input is clean, or there would be a finding; so it is a constant or this primitive.
      for (argument, value) in values.enumerated() where finding == nil {
        examine(value, from: .constant(argument: argument, of: primitive.name, operation: operations))
      }
      if finding == nil {
        examine(
          output, from: .primitive(primitive.name, operation: operations), inputs: values,
          isElementwise: primitive is any ElementwisePrimitive)
      }
    }
    return follow(output)
  }

  /// Records a finding if the tensor holds a rejected number.
  func examine(
    _ tensor: Tensor, from origin: NonFiniteError.Origin, inputs: Inputs = .many([]), isElementwise: Bool = false
  ) {
    let numbers = tensor.beneathTraces()
    guard let offset = firstRejected(numbers) else { return }
    let operands = inputs.map { $0.beneathTraces() }
    let fits = isElementwise && operands.allSatisfy { $0.shape == numbers.shape }
    finding = NonFiniteError(
      origin: origin, value: numbers.scalars[offset], index: index(of: offset, in: numbers.shape), shape: numbers.shape,
      inputShapes: operands.map { $0.shape }, inputValues: fits ? operands.map { $0.scalars[offset] } : nil,
      inputRanges: operands.map { operand in
        let entries = operand.scalars
        guard let least = entries.min(), let greatest = entries.max(), least <= greatest else { return nil }
        return least...greatest
      })
  }

  private func firstRejected(_ tensor: Tensor) -> Int? {
    func search<T: LoopScalar>(_: T.Type) -> Int? {
      tensor.withEntries(T.self) { (entries: UnsafePointer<T>) -> Int? in
        for i in 0..<tensor.count where rejected.contains(entries[i]) { return i }
        return nil
      }
    }
    return perType(tensor.scalarType, double: search(Double.self), float: search(Float.self))
  }
}

/// The index of an entry, given its offset in row-major order.
func index(of offset: Int, in shape: [Int]) -> [Int] {
  var rest = offset
  return shape.rowMajorStrides.map { stride in
    let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: Swift.max(stride, 1))
    rest = remainder
    return quotient
  }
}

/// A value of ``NumberCheck``.
private final class CheckedNode: TracedNode, @unchecked Sendable {
  private let value: Tensor
  override var primal: Tensor { value }

  override func replacingPrimal(_ replace: (Tensor) -> Tensor) -> Tensor {
    unsafeDowncast(trace, to: NumberCheck.self).follow(replace(value))
  }

  init(_ trace: NumberCheck, _ value: Tensor) {
    self.value = value
    super.init(trace: trace, shape: value.shape, scalarType: value.scalarType)
  }
}
