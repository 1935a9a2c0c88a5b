/// Runs ``ScalarCode``: operations on so few entries that a step for each would be mostly overhead.
final class ScalarStep: ProgramStep, @unchecked Sendable {
  /// An entry that moves between memory and a register.
  struct Transfer {
    var buffer: Int
    var entry: Int
    var register: ScalarCode.Register
  }

  private let scalarType: ScalarType
  private let code: ScalarCode
  private let loads: [Transfer]
  private let stores: [Transfer]
  /// Memory for the registers.
  private let scratch: Int

  init(_ scalarType: ScalarType, _ code: ScalarCode, loads: [Transfer], stores: [Transfer], scratch: Int) {
    (self.scalarType, self.code, self.loads, self.stores) = (scalarType, code, loads, stores)
    self.scratch = scratch
  }

  /// Bytes for the registers, and behind them vectors for the operands and the result of a function.
  static func scratchBytes(_ code: ScalarCode, _ scalarType: ScalarType) -> Int {
    Program.padded(Int(code.registerCount) * scalarType.byteCount) + 4 * VectorMap.vectorBytes
  }

  override var listing: [String] {
    let names = Set(code.functions.map(\.name)).sorted()
    let functions = names.isEmpty ? "" : ", \(names.joined(separator: ", ")) among them"
    return ["\(code.instructions.count) operations on single numbers\(functions)"]
  }

  override func run(_ frame: ProgramFrame) {
    perType(scalarType, double: run(frame, Double.self), float: run(frame, Float.self))
  }

  private func run<T: LoopScalar>(_ frame: ProgramFrame, _: T.Type) {
    let registers = frame.addresses[scratch].assumingMemoryBound(to: T.self)
    for (register, value) in code.constants { registers[Int(register)] = T(value) }
    for load in loads {
      registers[Int(load.register)] = frame.addresses[load.buffer].assumingMemoryBound(to: T.self)[load.entry]
    }
    code.instructions.withUnsafeBufferPointer { instructions in
      for instruction in instructions {
        let a = registers[Int(instruction.a)], b = registers[Int(instruction.b)]
        let result: T
        switch instruction.operation {
        case .add: result = a + b
        case .subtract: result = a - b
        case .multiply: result = a * b
        case .divide: result = a / b
        case .negate: result = -a
        case .squareRoot: result = a.squareRoot()
        case .addProduct: result = Self.sum(a, b, registers[Int(instruction.c)])
        case .less: result = a < b ? 1 : 0
        case .lessOrEqual: result = a <= b ? 1 : 0
        case .equal: result = a == b ? 1 : 0
        case .notEqual: result = a == b ? 0 : 1
        case .select: result = a == 0 ? registers[Int(instruction.c)] : b
        case .chainProduct:
          let product = a * b
          result = product != product && a == 0 ? 0 : product
        case .vanish: result = a != a && b == 0 ? 0 : a
        case .function:
          result = apply(code.functions[Int(instruction.function)], a, b, registers[Int(instruction.c)], registers)
        }
        registers[Int(instruction.result)] = result
      }
    }
    for store in stores {
      frame.addresses[store.buffer].assumingMemoryBound(to: T.self)[store.entry] = registers[Int(store.register)]
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
    let bytes = Program.padded(Int(code.registerCount) * scalarType.byteCount)
    let first = UnsafeMutableRawPointer(registers) + bytes
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
      LaneOperand(base: vectors.0), LaneOperand(base: vectors.1), LaneOperand(base: vectors.2), result,
      T.Lanes.count, scalarType)
    return result.load(as: T.self)
  }
}
