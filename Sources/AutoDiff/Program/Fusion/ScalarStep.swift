/// Runs ``ScalarCode``: operations on so few entries that a step for each would be mostly overhead.
final class ScalarStep: ProgramStep, @unchecked Sendable {
  /// An entry that moves between memory and a register.
  struct Transfer {
    var buffer: Int
    var entry: Int
    var register: ScalarCode.Register
  }

  private let scalarType: ScalarType
  private let functions: [TileFunction]
  private let instructions: FixedList<ScalarCode.Instruction>
  /// Where the instructions of one operation that follow each other end.
  private let ends: FixedList<Int>
  private let constants: FixedList<(register: ScalarCode.Register, value: Double)>
  private let loads: FixedList<Transfer>
  private let stores: FixedList<Transfer>
  /// Memory for the registers, and how many bytes of it they take.
  private let scratch: Int
  private let registerBytes: Int

  init(_ scalarType: ScalarType, _ code: ScalarCode, loads: [Transfer], stores: [Transfer], scratch: Int) {
    (self.scalarType, self.scratch, functions) = (scalarType, scratch, code.functions)
    registerBytes = Self.registerBytes(code, scalarType)
    let instructions = code.instructions
    self.instructions = FixedList(instructions)
    ends = FixedList(
      instructions.indices.map { $0 + 1 }.filter {
        $0 == instructions.count || instructions[$0].operation != instructions[$0 - 1].operation
      })
    constants = FixedList(code.constants)
    self.loads = FixedList(loads)
    self.stores = FixedList(stores)
  }

  /// Bytes for the registers, and behind them vectors for the operands and the result of a function.
  static func scratchBytes(_ code: ScalarCode, _ scalarType: ScalarType) -> Int {
    registerBytes(code, scalarType) + 4 * VectorMap.vectorBytes
  }

  private static func registerBytes(_ code: ScalarCode, _ scalarType: ScalarType) -> Int {
    Program.padded(Int(code.registerCount) * scalarType.byteCount)
  }

  override var listing: [String] {
    let names = Set(functions.map(\.name)).sorted()
    let among = names.isEmpty ? "" : ", \(names.joined(separator: ", ")) among them"
    return ["\(instructions.count) operations on single numbers\(among)"]
  }

  override func run(_ frame: ProgramFrame) {
    perType(scalarType, double: run(frame, Double.self), float: run(frame, Float.self))
  }

  private func run<T: LoopScalar>(_ frame: ProgramFrame, _: T.Type) {
    let registers = frame.addresses[scratch].assumingMemoryBound(to: T.self)
    constants.forEach { registers[Int($0.register)] = T($0.value) }
    loads.forEach {
      registers[Int($0.register)] = frame.addresses[$0.buffer].assumingMemoryBound(to: T.self)[$0.entry]
    }
    var next = 0
    for k in 0..<ends.count {
      let end = ends[k]
      /// Does one operation several times, without asking each time which one.
      @inline(__always) func each(_ f: (_ a: T, _ b: T, ScalarCode.Instruction) -> T) {
        repeat {
          let instruction = instructions[next]
          registers[Int(instruction.result)] = f(
            registers[Int(instruction.a)], registers[Int(instruction.b)], instruction)
          next += 1
        } while next < end
      }
      @inline(__always) func c(_ instruction: ScalarCode.Instruction) -> T { registers[Int(instruction.c)] }
      switch instructions[next].operation {
      case .add: each { a, b, _ in a + b }
      case .subtract: each { a, b, _ in a - b }
      case .multiply: each { a, b, _ in a * b }
      case .divide: each { a, b, _ in a / b }
      case .negate: each { a, _, _ in -a }
      case .squareRoot: each { a, _, _ in a.squareRoot() }
      case .addProduct: each { Self.sum($0, $1, c($2)) }
      case .less: each { a, b, _ in a < b ? 1 : 0 }
      case .lessOrEqual: each { a, b, _ in a <= b ? 1 : 0 }
      case .equal: each { a, b, _ in a == b ? 1 : 0 }
      case .notEqual: each { a, b, _ in a == b ? 0 : 1 }
      case .select: each { a, b, instruction in a == 0 ? c(instruction) : b }
      case .chainProduct:
        each { a, b, _ in
          let product = a * b
          return product != product && a == 0 ? 0 : product
        }
      case .vanish: each { a, b, _ in a != a && b == 0 ? 0 : a }
      case .function:
        each { apply(functions[Int($2.function)], $0, $1, c($2), registers) }
      }
    }
    stores.forEach {
      frame.addresses[$0.buffer].assumingMemoryBound(to: T.self)[$0.entry] = registers[Int($0.register)]
    }
  }

  /// a + b · c as vectors have it.
  @inline(__always)
  private static func sum<T: LoopScalar>(_ a: T, _ b: T, _ c: T) -> T {
    T.Lanes(repeating: a).adding(T.Lanes(repeating: b), times: T.Lanes(repeating: c)).first
  }

  @inline(never)
  private func apply<T: LoopScalar>(
    _ function: TileFunction, _ a: T, _ b: T, _ c: T, _ registers: UnsafeMutablePointer<T>
  ) -> T {
    let first = UnsafeMutableRawPointer(registers) + registerBytes
    let vectors = (first, first + VectorMap.vectorBytes, first + 2 * VectorMap.vectorBytes)
    // Whole vectors, so that no other entry takes a longer way than these.
    func fill(_ vector: UnsafeMutableRawPointer, _ number: T) {
      T.Lanes(repeating: number).store(vector.assumingMemoryBound(to: T.self))
    }
    fill(vectors.0, a)
    fill(vectors.1, b)
    fill(vectors.2, c)
    let result = first + 3 * VectorMap.vectorBytes
    function.run(
      TileOperand(base: vectors.0), TileOperand(base: vectors.1), TileOperand(base: vectors.2), result,
      TileRows(length: T.Lanes.count), scalarType)
    return result.load(as: T.self)
  }
}
