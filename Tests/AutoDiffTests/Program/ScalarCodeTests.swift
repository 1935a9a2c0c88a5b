import TestSupport
import Testing

@testable import AutoDiff

/// Operations on few entries, which programs do number by number: the bits are those of the eager operations.
struct ScalarCodeTests {
  static let awkward: [Double] = [
    0, -0.0, 1, -1, 0.3, -2.5, 1e-160, -1e160, .leastNonzeroMagnitude, -.leastNormalMagnitude / 256, .infinity,
    -.infinity, .nan, 7, 1.5, 3,
  ]

  private func expectSameBits(
    _ label: String, _ x: [Tensor], _ f: @escaping ([Tensor]) -> Tensor, at location: SourceLocation = #_sourceLocation
  ) {
    let (computed, expected) = (compiled(f)(x), f(x))
    let isSame = zip(computed.scalars, expected.scalars).allSatisfy {
      $0.bitPattern == $1.bitPattern || $0.isNaN && $1.isNaN
    }
    #expect(
      isSame && computed.shape == expected.shape,
      "\(label): \(computed.scalars) instead of \(expected.scalars), of \(x.map(\.scalars))", sourceLocation: location)
  }

  static let functions: [(name: String, f: @Sendable (Tensor, Tensor) -> Tensor)] = [
    ("a + b", { $0 + $1 }), ("a - b", { $0 - $1 }), ("a * b", { $0 * $1 }), ("a / b", { $0 / $1 }),
    ("-a", { a, _ in -a }),
    ("a * 3", { a, _ in a * 3 }), ("a / 3", { a, _ in a / 3 }), ("a + 3", { a, _ in a + 3 }),
    ("1 / a", { a, _ in reciprocal(a) }), ("a²", { a, _ in square(a) }), ("√a", { a, _ in sqrt(a) }),
    ("a < b", { $0 .< $1 }), ("a <= b", { $0 .<= $1 }), ("a == b", { $0 .== $1 }), ("a != b", { $0 .!= $1 }),
    ("select", { select($0, $1, $0 * 2) }), ("chain product", { chainProduct($0, $1) }),
    ("bilinear product", { bilinearProduct($0, $1) }), ("chain quotient", { chainQuotient($0, $1) }),
    ("max", { maximum($0, $1) }), ("min", { minimum($0, $1) }), ("|a|", { a, _ in abs(a) }),
    ("sign", { a, _ in sign(a) }),
    ("exp", { a, _ in exp(a) }), ("tanh", { a, _ in tanh(a) }), ("a^b", { pow($0, $1) }), ("erf", { a, _ in erf(a) }),
    (
      "a + 0.3 b",
      { a, b in
        var a = a
        a.add(b, scaledBy: 0.3)
        return a
      }
    ),
  ]

  @Test(arguments: [ScalarType.float64, .float32], 0..<functions.count)
  func functionsHaveTheirBits(type: ScalarType, number: Int) {
    let (name, f) = Self.functions[number]
    for count in 1...8 {
      for start in stride(from: 0, to: Self.awkward.count, by: 3) {
        for shift in [0, 1, 5, 11] {
          let a = (0..<count).map { Self.awkward[(start + $0) % Self.awkward.count] }
          let b = (0..<count).map { Self.awkward[(start + shift + $0) % Self.awkward.count] }
          expectSameBits("\(name), \(type)", [Tensor(a, as: type), Tensor(b, as: type)]) { f($0[0], $0[1]) }
        }
      }
    }
  }

  @Test(arguments: [ScalarType.float64, .float32]) func slopesOfPowersHaveTheirBits(type: ScalarType) {
    let x = Tensor(Self.awkward, as: type)
    for exponent in [0, 1, 2, 0.5, -0.5, -1, -1.5, -2, -2.5, -3, 1.5, -4] {
      for isOneSided in [false, true] {
        let slope = PowerSlope(coefficient: 0.7, exponent: exponent, isOneSided: isOneSided)
        for shift in 0..<x.count {
          let v = Tensor(Self.awkward[shift], as: type)
          for k in 0..<x.count { expectSameBits("\(slope)", [v, x[k]]) { bind(slope, $0[0], $0[1]) } }
        }
      }
    }
  }

  /// Every array of up to eight entries, over every choice of axes.
  @Test(arguments: [ScalarType.float64, .float32]) func sumsHaveTheirBits(type: ScalarType) {
    var random = RandomGenerator(seed: 4)
    for shape in [
      [1], [2], [3], [4], [5], [8], [1, 3], [3, 1], [2, 2], [2, 3], [3, 2], [4, 2], [2, 4], [2, 2, 2], [1, 4, 2],
    ] {
      for mask in 1..<(1 << shape.count) {
        let axes = shape.indices.filter { mask >> $0 & 1 == 1 }
        for _ in 0..<4 {
          let x = Tensor.normal(shape, as: type, using: &random)
          expectSameBits("sum of \(shape) over \(axes)", [x]) { $0[0].sum(axes: axes) }
          expectSameBits("sum of a product of \(shape) over \(axes)", [x]) { ($0[0] * 1.7).sum(axes: axes) * 2 }
        }
      }
    }
    expectSameBits("-0", [Tensor([-0.0, -0.0], as: type)]) { $0[0].sum() }
  }

  /// What only moves entries costs no instruction, wherever it stands.
  @Test(arguments: [ScalarType.float64, .float32]) func entriesMove(type: ScalarType) {
    let x = [Tensor([[1, 2, 3], [4, 5, 6]], as: type), Tensor([7, 8, 9], as: type)]
    expectSameBits("moves", x) { x in
      let t = (x[0] * 2).transposed
      var y = concatenate([t[0], x[1], t[2] * x[0][1, 0]])
      y[1..<3] = x[1][1...] - 1
      let z = (y[1...2].broadcast(to: [3, 2]) + t)[1...].reshaped(to: [4])
      return concatenate([z, y])
    }
    // Memory that is changed in place, with parts in registers.
    expectSameBits("in place", x) { x in
      var big = Tensor.zeros([40], as: type) + x[1].sum()
      big[3..<6] = x[1] * 2
      let middle = big[2..<7] * 3
      big[0..<3] = middle[1..<4] - x[1]
      return big * middle.sum()
    }
  }

  /// A matrix that is read and filled number by number, at sizes on both sides of the one up to which that is single numbers.
  @Test(arguments: [ScalarType.float64, .float32], [1, 2, 5, 8, 9]) func entriesOfMatrices(type: ScalarType, n: Int) {
    let x = [Tensor((0..<n * n).map { 1 + Double($0 * 7 % 11) / 8 }, shape: [n, n], as: type)]
    let value = { (x: [Tensor]) in
      (0..<n).reduce(Tensor(1, as: type)) { $0 * x[0][$1, $1] - x[0][$1, 0] * x[0][n - 1, $1] }
    }
    expectSameBits("value", x, value)
    expectSameBits("gradient", x) { gradient(of: value, at: $0)[0] }
    expectSameBits("filled", x) { x in
      var y = x[0] * 2
      for k in 0..<n { y[k, n - 1 - k] = value([y]) * x[0][k, 0] }
      return y
    }
    if n == 8 {
      let slope = compiled { gradient(of: value, at: $0) }
      _ = slope(x)
      #expect("\(slope)".split(separator: "\n").count == 2, "one step for all numbers: \(slope)")
    }
  }

  /// Instructions change places, but none comes before what it reads, and none is lost.
  @Test(arguments: 0..<20) func schedules(seed: Int) {
    var random = StridedNoise(UInt64(seed))
    var code = ScalarCode()
    var registers = (0..<5).map { _ in code.addRegister() }
    let operations: [ScalarCode.Operation] = [.add, .subtract, .multiply, .divide, .addProduct, .chainProduct]
    func pick(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }
    for _ in 0..<[1, 40, 255, 256, 257, 900][seed % 6] {
      let inputs = (0..<3).map { _ in registers[max(0, registers.count - 1 - pick(30))] }
      registers.append(code.apply(operations[pick(6)], inputs[0], inputs[1], inputs[2]))
    }
    let recorded = code.instructions
    code.schedule()
    let scheduled = code.instructions
    #expect(Set(scheduled) == Set(recorded) && scheduled.count == recorded.count)
    var isThere = Set(registers[..<5])
    for instruction in scheduled {
      #expect([instruction.a, instruction.b, instruction.c].allSatisfy { isThere.contains($0) })
      isThere.insert(instruction.result)
    }
    func changes(_ list: [ScalarCode.Instruction]) -> Int {
      zip(list, list.dropFirst()).count { $0.operation != $1.operation }
    }
    #expect(changes(scheduled) <= changes(recorded))
  }

  /// Long chains, of instructions and of functions of vectors.
  @Test func longChains() {
    for f in [{ (x: Tensor) in x * 1.0001 + 0.5 }, { (x: Tensor) in sin(x) }] as [(Tensor) -> Tensor] {
      let chain = { (x: [Tensor]) in (0..<300).reduce(x[0]) { y, _ in f(y) } }
      expectSameBits("chain", [Tensor(0.3)], chain)
      expectSameBits("gradient", [Tensor(0.3)]) { gradient(of: chain, at: $0)[0] }
    }
  }
}
