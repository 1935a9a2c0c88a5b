/// Arithmetic on single numbers, as a list of instructions for ``ScalarStep``.
struct ScalarCode {
  /// A number of the running code.
  typealias Register = Int32

  enum Operation: UInt8 {
    case add, subtract, multiply, divide, negate, squareRoot
    /// a + b · c, in one rounding where the host has the instruction.
    case addProduct
    /// 1 where it holds, else 0.
    case less, lessOrEqual, equal, notEqual
    /// b where a is not 0, else c.
    case select
    /// a · b, but 0 where a is 0 and the product is not a number.
    case chainProduct
    /// a, but 0 where b is 0 and a is not a number.
    case vanish
    /// Another function, of up to three inputs.
    case function
  }

  struct Instruction: Hashable {
    var operation: Operation
    /// Of a function its number.
    var function: UInt16 = 0
    var a: Register
    var b: Register = 0
    var c: Register = 0
    var result: Register
  }

  private(set) var instructions: [Instruction] = []
  private(set) var functions: [TileFunction] = []
  /// The numbers that are known, by register.
  private(set) var constants: [(register: Register, value: Double)] = []
  private(set) var registerCount: Register = 0
  private var constantOfBits: [UInt64: Register] = [:]
  /// The results of instructions, which stand there as if their own results were 0.
  private var known: [Instruction: Register] = [:]

  mutating func addRegister() -> Register {
    registerCount += 1
    return registerCount - 1
  }

  mutating func constant(_ value: Double) -> Register {
    if let known = constantOfBits[value.bitPattern] { return known }
    let register = addRegister()
    constants.append((register, value))
    constantOfBits[value.bitPattern] = register
    return register
  }

  /// The result of an operation, once for the same inputs.
  mutating func apply(_ operation: Operation, _ a: Register, _ b: Register = 0, _ c: Register = 0) -> Register {
    switch operation {
    case .multiply, .chainProduct:
      // One times a number has its bits.
      if let one = constantOfBits[Self.one] {
        if a == one { return b }
        if b == one { return a }
      }
    case .divide: if b == constantOfBits[Self.one] { return a }
    default: break
    }
    return apply(Instruction(operation: operation, a: a, b: b, c: c, result: 0))
  }

  private static let one = (1.0).bitPattern

  private mutating func apply(_ instruction: Instruction) -> Register {
    if let result = known[instruction] { return result }
    let result = addRegister()
    known[instruction] = result
    instructions.append(instruction)
    instructions[instructions.count - 1].result = result
    return result
  }

  mutating func apply(_ function: TileFunction, _ inputs: [Register]) -> Register {
    var number = functions.count
    if let last = functions.last, last === function {
      number -= 1
    } else {
      functions.append(function)
    }
    return apply(
      Instruction(
        operation: .function, function: UInt16(number), a: inputs[0], b: inputs.count > 1 ? inputs[1] : 0,
        c: inputs.count > 2 ? inputs[2] : 0, result: 0))
  }

  /// Puts the instructions into an order in which many of one operation follow each other. It is found block by block, so
  /// that numbers that are used soon stay near.
  mutating func schedule() {
    let blockLength = 256
    var writer = [Int](repeating: -1, count: Int(registerCount))
    instructions = stride(from: 0, to: instructions.count, by: blockLength).flatMap { start in
      scheduled(start..<min(start + blockLength, instructions.count), &writer)
    }
  }

  /// The instructions of a block in their new order.
  ///
  /// - Parameter writer: by register, the instruction that has written it, those of the block included behind this.
  private func scheduled(_ block: Range<Int>, _ writer: inout [Int]) -> [Instruction] {
    /// By instruction, how many of the block it waits for, and which wait for it.
    var waiting = [Int](repeating: 0, count: block.count)
    var followers = [[Int]](repeating: [], count: block.count)
    var ready: [Operation: [Int]] = [:]
    for k in block {
      let instruction = instructions[k]
      for source in [instruction.a, instruction.b, instruction.c].map({ writer[Int($0)] }) where block.contains(source)
      {
        waiting[k - block.lowerBound] += 1
        followers[source - block.lowerBound].append(k)
      }
      writer[Int(instruction.result)] = k
      if waiting[k - block.lowerBound] == 0 { ready[instruction.operation, default: []].append(k) }
    }
    var scheduled: [Instruction] = []
    scheduled.reserveCapacity(block.count)
    // The operation of which most are ready, and then all that get ready on the way.
    while let next = ready.max(by: { ($0.value.count, $1.key.rawValue) < ($1.value.count, $0.key.rawValue) })?.key {
      var place = 0
      while let stretch = ready[next], place < stretch.count {
        scheduled.append(instructions[stretch[place]])
        for follower in followers[stretch[place] - block.lowerBound] {
          waiting[follower - block.lowerBound] -= 1
          if waiting[follower - block.lowerBound] > 0 { continue }
          ready[instructions[follower].operation, default: []].append(follower)
        }
        place += 1
      }
      ready[next] = nil
    }
    return scheduled
  }

  /// Whether it can grow by so many functions.
  func hasRoom(functions count: Int) -> Bool { functions.count + count <= Int(UInt16.max) }

  /// The sum in the order of ``ReductionLoop``: all entries as those of a vector, those of rows one after the other.
  mutating func sum(_ terms: [Register], isTotal: Bool) -> Register {
    let zero = constant(0)
    if !isTotal { return terms.reduce(zero) { apply(.add, $0, $1) } }
    var terms = terms.map { apply(.add, zero, $0) }
    while terms.count > 1 {
      // Half of a vector that they would fill.
      let half = 1 << (Int.bitWidth - 1 - (terms.count - 1).leadingZeroBitCount)
      let pairs =
        InstructionSet.addsNeighbors
        ? stride(from: 0, to: terms.count, by: 2).map { ($0, $0 + 1) } : (0..<half).map { ($0, $0 + half) }
      terms = pairs.map { a, b in b < terms.count ? apply(.add, terms[a], terms[b]) : terms[a] }
    }
    return terms[0]
  }
}

/// An elementwise function that is made of a few instructions.
protocol ScalarPrimitive: ElementwisePrimitive {
  /// Adds the instructions for one entry, which give the bits that the function gives; nil where they are too many.
  func lower(into code: inout ScalarCode, _ inputs: [ScalarCode.Register]) -> ScalarCode.Register?
}

/// An elementwise function that is one instruction.
protocol ScalarInstruction: ScalarPrimitive {
  var instruction: ScalarCode.Operation { get }
}

extension ScalarInstruction {
  func lower(into code: inout ScalarCode, _ inputs: [ScalarCode.Register]) -> ScalarCode.Register? {
    code.apply(instruction, inputs[0], inputs.count > 1 ? inputs[1] : 0, inputs.count > 2 ? inputs[2] : 0)
  }
}

extension Add: ScalarInstruction {
  var instruction: ScalarCode.Operation { .add }
}

extension Subtract: ScalarInstruction {
  var instruction: ScalarCode.Operation { .subtract }
}

extension Multiply: ScalarInstruction {
  var instruction: ScalarCode.Operation { .multiply }
}

extension Divide: ScalarInstruction {
  var instruction: ScalarCode.Operation { .divide }
}

extension AddScaled: ScalarPrimitive {
  func lower(into code: inout ScalarCode, _ inputs: [ScalarCode.Register]) -> ScalarCode.Register? {
    code.apply(.addProduct, inputs[0], inputs[1], code.constant(factor))
  }
}

extension Negate: ScalarInstruction {
  var instruction: ScalarCode.Operation { .negate }
}

extension Scale: ScalarPrimitive {
  func lower(into code: inout ScalarCode, _ inputs: [ScalarCode.Register]) -> ScalarCode.Register? {
    code.apply(.multiply, inputs[0], code.constant(factor))
  }
}

extension DivideByConstant: ScalarPrimitive {
  func lower(into code: inout ScalarCode, _ inputs: [ScalarCode.Register]) -> ScalarCode.Register? {
    code.apply(.divide, inputs[0], code.constant(divisor))
  }
}

extension Offset: ScalarPrimitive {
  func lower(into code: inout ScalarCode, _ inputs: [ScalarCode.Register]) -> ScalarCode.Register? {
    code.apply(.add, inputs[0], code.constant(offset))
  }
}

extension Reciprocal: ScalarPrimitive {
  func lower(into code: inout ScalarCode, _ inputs: [ScalarCode.Register]) -> ScalarCode.Register? {
    code.apply(.divide, code.constant(1), inputs[0])
  }
}

extension Square: ScalarPrimitive {
  func lower(into code: inout ScalarCode, _ inputs: [ScalarCode.Register]) -> ScalarCode.Register? {
    code.apply(.multiply, inputs[0], inputs[0])
  }
}

extension Sqrt: ScalarInstruction {
  var instruction: ScalarCode.Operation { .squareRoot }
}

extension Compare: ScalarInstruction {
  var instruction: ScalarCode.Operation {
    switch relation {
    case .less: .less
    case .lessOrEqual: .lessOrEqual
    case .equal: .equal
    case .notEqual: .notEqual
    }
  }
}

extension Select: ScalarInstruction {
  var instruction: ScalarCode.Operation { .select }
}

extension ChainProduct: ScalarPrimitive {
  func lower(into code: inout ScalarCode, _ inputs: [ScalarCode.Register]) -> ScalarCode.Register? {
    let product = code.apply(.chainProduct, inputs[0], inputs[1])
    return isBilinear ? code.apply(.vanish, product, inputs[1]) : product
  }
}

extension PowerSlope: ScalarPrimitive {
  func lower(into code: inout ScalarCode, _ inputs: [ScalarCode.Register]) -> ScalarCode.Register? {
    guard [0, 1, 2, 0.5, -0.5, -1, -1.5, -2, -2.5, -3].contains(exponent) else { return nil }
    let scaled = code.apply(.multiply, inputs[0], code.constant(coefficient))
    if exponent == 0 { return scaled }
    var x = inputs[1]
    if isOneSided {
      let zero = code.constant(0)
      x = code.apply(.select, code.apply(.less, x, zero), code.constant(.nan), code.apply(.add, x, zero))
    }
    var product = scaled
    switch exponent {
    case 1, 2: for _ in 0..<Int(exponent) { product = code.apply(.multiply, product, x) }
    case 0.5: product = code.apply(.multiply, product, code.apply(.squareRoot, x))
    case -1: product = code.apply(.divide, product, x)
    default:
      if exponent <= -1 {
        let r = code.apply(.divide, code.constant(1), x)
        for _ in 0..<Int(-exponent) { product = code.apply(.multiply, product, r) }
      }
      if exponent != exponent.rounded() { product = code.apply(.divide, product, code.apply(.squareRoot, x)) }
    }
    return code.apply(.vanish, product, inputs[0])
  }
}
