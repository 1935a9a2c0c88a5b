/// Operations on few entries that will be one step; see ``ScalarStep``.
///
/// Entries have numbers of their own here, so that broadcasting, transposing, slicing and joining cost nothing.
final class ScalarGroup {
  let scalarType: ScalarType
  private var code = ScalarCode()
  /// By buffer that is computed here, the registers of its entries.
  private var computed: [Int: [ScalarCode.Register]] = [:]
  /// Entries of other buffers that have been loaded.
  private var loaded: [EntryKey: ScalarCode.Register] = [:]
  private var loads: [ScalarStep.Transfer] = []

  private struct EntryKey: Hashable {
    let buffer: Int, entry: Int
  }

  private var constants: [Int: Tensor] = [:]

  init(_ scalarType: ScalarType) { self.scalarType = scalarType }

  /// The buffers that it computes.
  var results: some Sequence<Int> { computed.keys }

  /// The most entries of a result for which instructions are faster than vectors.
  static func mostEntries(_ primitive: any Primitive) -> Int {
    if primitive is any ScalarPrimitive { return 8 }
    return (primitive as? any LaneFunction).map { $0.weight > 1 ? 1 : 2 } ?? 0
  }

  /// Whether so many sums of so many terms are faster as instructions.
  ///
  /// Where the terms of a row fill a vector, the order in which they are added depends on where the rows stand in memory.
  static func takesSums(of terms: Int, count: Int, _ type: ScalarType) -> Bool {
    let lanes = VectorMap.vectorBytes / type.byteCount
    return terms * count <= 8 && (count == 1 ? terms <= 4 : terms <= 2 || terms == 3 && lanes > 3)
  }

  /// The most entries of an array that is put together from others. It is worth more where some of these are single numbers
  /// already, as where a matrix is filled number by number, or a gradient with respect to its entries.
  static func mostJoined(areComputed: Bool) -> Int { areComputed ? 64 : 16 }

  var hasRoom: Bool { code.hasRoom(functions: 8) }

  // MARK: Adding operations

  /// Says that a buffer is a constant.
  func addConstant(_ tensor: Tensor, buffer: Int) { constants[buffer] = tensor }

  /// An elementwise function of operands that are seen in the result's shape.
  func add(_ primitive: any Primitive, _ function: TileFunction, _ inputs: [Place], count: Int, result: Int) {
    let operands = inputs.map { registers($0) }
    computed[result] = (0..<count).map { entry in
      let inputs = operands.map { $0[entry] }
      if let short = primitive as? any ScalarPrimitive, let register = short.lower(into: &code, inputs) {
        return register
      }
      return code.apply(function, inputs)
    }
  }

  /// Sums of so many entries that follow each other in `terms`.
  func addSum(_ terms: Place, each count: Int, result: Int) {
    let registers = registers(terms)
    let isTotal = registers.count == count
    computed[result] = stride(from: 0, to: registers.count, by: count).map {
      code.sum(Array(registers[$0..<$0 + count]), isTotal: isTotal)
    }
  }

  /// Entries that stand elsewhere, or 0.
  func addAssembly(_ beginning: Place?, _ pieces: [(place: Place, target: Layout)], count: Int, result: Int) {
    var entries = beginning.map { registers($0) } ?? [ScalarCode.Register](repeating: code.constant(0), count: count)
    for piece in pieces {
      for (register, target) in zip(registers(piece.place), piece.target.entries) { entries[target] = register }
    }
    computed[result] = entries
  }

  /// The registers of what stands at a place, in the order of its shape.
  private func registers(_ place: Place) -> [ScalarCode.Register] {
    place.layout.entries.map { entry in
      if let known = computed[place.buffer] { return known[entry] }
      if let constant = constants[place.buffer] { return code.constant(constant.number(atMemory: entry)) }
      let key = EntryKey(buffer: place.buffer, entry: entry)
      if let known = loaded[key] { return known }
      let register = code.addRegister()
      loads.append(.init(buffer: place.buffer, entry: entry, register: register))
      loaded[key] = register
      return register
    }
  }

  // MARK: The step

  var scratchBytes: Int { ScalarStep.scratchBytes(code, scalarType) }

  /// - Parameter isVirtual: by buffer, whether nobody else reads it.
  func step(isVirtual: [Bool], scratch: Int) -> ScalarStep {
    let stores = computed.filter { !isVirtual[$0.key] }.sorted { $0.key < $1.key }.flatMap { buffer, registers in
      registers.enumerated().map { ScalarStep.Transfer(buffer: buffer, entry: $0, register: $1) }
    }
    code.schedule()
    return ScalarStep(scalarType, code, loads: loads, stores: stores, scratch: scratch)
  }
}

extension Tensor {
  /// The number so many entries behind the first one in memory.
  fileprivate func number(atMemory place: Int) -> Double {
    func number<T: LoopScalar>(_: T.Type) -> Double { array.withAddress(T.self) { Double($0[place]) } }
    return perType(scalarType, double: number(Double.self), float: number(Float.self))
  }
}

extension Layout {
  /// Where the entries stand, in row-major order.
  fileprivate var entries: [Int] { (0..<shape.product).map { offset + offset(ofEntry: $0) } }
}
