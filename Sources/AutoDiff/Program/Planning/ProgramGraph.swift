/// The recorded operations of a function: a list in which everything stands behind what it is computed from.
final class ProgramGraph {
  /// Shape and scalar type of a value.
  typealias ValueType = (shape: [Int], scalarType: ScalarType)

  struct Value {
    var type: ValueType
    var origin: Origin
  }

  enum Origin {
    case input(Int)
    case constant(Tensor)
    /// One of the outputs of an operation.
    case result(operation: Int, output: Int)
  }

  struct Operation {
    var kind: Kind
    var inputs: [Int]
    /// The first output; the others follow it.
    var firstOutput: Int
    var outputCount: Int
    var outputs: Range<Int> { firstOutput..<firstOutput + outputCount }

    /// The memory of its first output.
    func byteCount(in graph: ProgramGraph) -> Int {
      let (shape, type) = graph.values[firstOutput].type
      return shape.product * type.byteCount
    }
  }

  enum Kind {
    case primitive(any Primitive)
    case loop(RecordedLoop)
  }

  private(set) var values: [Value] = []
  private(set) var operations: [Operation] = []
  /// The values that stand for the inputs.
  private(set) var inputs: [Int] = []

  private var constants: [ObjectIdentifier: Int] = [:]
  private var numbers: [NumberKey: Int] = [:]
  private var known: [OperationKey: Int] = [:]

  /// A constant of one entry.
  private struct NumberKey: Hashable {
    let bits: UInt64, shape: [Int], scalarType: ScalarType
  }

  /// What makes two operations the same.
  private struct OperationKey: Hashable {
    let primitive: PrimitiveIdentity
    let first: Int, second: Int
    let others: [Int]

    init(_ primitive: PrimitiveIdentity, _ inputs: [Int]) {
      self.primitive = primitive
      first = inputs.first ?? -1
      second = inputs.count > 1 ? inputs[1] : -1
      others = inputs.count > 2 ? Array(inputs[2...]) : []
    }
  }

  func addInput(_ shape: [Int], _ scalarType: ScalarType) -> Int {
    values.append(Value(type: (shape, scalarType), origin: .input(inputs.count)))
    inputs.append(values.count - 1)
    return values.count - 1
  }

  func addConstant(_ tensor: Tensor) -> Int {
    if let known = constants[ObjectIdentifier(tensor.node)] { return known }
    var key: NumberKey?
    if tensor.count == 1 {
      key = NumberKey(bits: tensor.scalar.bitPattern, shape: tensor.shape, scalarType: tensor.scalarType)
      if let known = numbers[key!] { return known }
    }
    values.append(Value(type: (tensor.shape, tensor.scalarType), origin: .constant(tensor)))
    // The value keeps the node, so that no other can have its identity.
    constants[ObjectIdentifier(tensor.node)] = values.count - 1
    if let key { numbers[key] = values.count - 1 }
    return values.count - 1
  }

  /// The value of a primitive; the one that is there already, if it has been applied to the same values before.
  func add(_ primitive: any Primitive, _ inputs: [Int], shape: [Int], _ scalarType: ScalarType) -> Int {
    let key = PrimitiveIdentity(primitive).map { OperationKey($0, inputs) }
    if let key, let value = known[key] { return value }
    let value = add(.primitive(primitive), inputs, [(shape, scalarType)]).lowerBound
    if let key { known[key] = value }
    return value
  }

  /// The outputs of an operation.
  func add(_ kind: Kind, _ inputs: [Int], _ outputs: [ValueType]) -> Range<Int> {
    let first = values.count
    for (k, type) in outputs.enumerated() {
      values.append(Value(type: type, origin: .result(operation: operations.count, output: k)))
    }
    operations.append(Operation(kind: kind, inputs: inputs, firstOutput: first, outputCount: outputs.count))
    return first..<values.count
  }

  /// Drops inputs, from one on, that nothing in `results` depends on, and says which of them stay.
  func dropUnusedInputs(from first: Int, results: [Int]) -> [Bool] {
    let needed = isNeeded(for: results)
    var used = Set(results)
    for (operation, isNeeded) in zip(operations, needed) where isNeeded { used.formUnion(operation.inputs) }
    let isUsed = inputs[first...].map(used.contains)
    inputs = inputs[..<first] + zip(inputs[first...], isUsed).compactMap { $1 ? $0 : nil }
    for (number, value) in inputs.enumerated() { values[value].origin = .input(number) }
    return isUsed
  }

  /// By operation, whether anything in `results` depends on it.
  func isNeeded(for results: [Int]) -> [Bool] {
    var needed = [Bool](repeating: false, count: operations.count)
    var pending = results
    while let value = pending.popLast() {
      guard case .result(let operation, _) = values[value].origin, !needed[operation] else { continue }
      needed[operation] = true
      pending += operations[operation].inputs
    }
    return needed
  }
}

/// What distinguishes a primitive from others: its type and its static parameters.
struct PrimitiveIdentity: Hashable {
  private let type: ObjectIdentifier
  /// The parameters' bits, where they are few and refer to nothing: most primitives have three numbers or fewer.
  private let bits: SIMD4<UInt64>
  private let parameters: AnyHashable?

  /// Nil where equality cannot be found out: the primitive then counts as different from all others.
  init?(_ primitive: any Primitive) {
    type = ObjectIdentifier(Swift.type(of: primitive))
    guard let (bits, parameters) = Self.parameters(primitive) else { return nil }
    (self.bits, self.parameters) = (bits, parameters)
  }

  private static func parameters<P: Primitive>(_ primitive: P) -> (SIMD4<UInt64>, AnyHashable?)? {
    var bits = SIMD4<UInt64>.zero
    if _isPOD(P.self), MemoryLayout<P>.size <= MemoryLayout<SIMD4<UInt64>>.size {
      withUnsafeMutableBytes(of: &bits) { bits in withUnsafeBytes(of: primitive) { bits.copyMemory(from: $0) } }
      return (bits, nil)
    }
    if let hashable = primitive as? any Hashable { return (bits, AnyHashable(hashable)) }
    return nil
  }
}
