import TestSupport
import Testing

@testable import AutoDiff

/// Recorded programs against the functions that they were recorded from.
struct CompiledTests {
  static let types: [ScalarType] = [.float64, .float32]

  /// Runs a function and its recording, three times, and compares bits.
  func expectSame<Input: TensorTree, Output: TensorTree>(
    _ input: Input, sourceLocation: SourceLocation = #_sourceLocation, _ f: @escaping (Input) -> Output
  ) {
    let program = compiled(f)
    let expected = f(input).leaves
    for _ in 0..<3 {
      let leaves = program(input).leaves
      #expect(leaves.count == expected.count, sourceLocation: sourceLocation)
      for (mine, other) in zip(leaves, expected) {
        #expect(mine.shape == other.shape, sourceLocation: sourceLocation)
        #expect(mine.scalars.map(\.bitPattern) == other.scalars.map(\.bitPattern), sourceLocation: sourceLocation)
      }
    }
  }

  static func network(_ type: ScalarType) -> (x: Tensor, y: Tensor, p: [Tensor]) {
    var random = RandomGenerator(seed: 1)
    func normal(_ shape: [Int]) -> Tensor { .normal(shape, as: type, using: &random) }
    let (x, y) = (normal([32, 10]), normal([32, 1]))
    return (x, y, [normal([10, 64]), normal([64]), normal([64, 1]), normal([1])])
  }

  /// A step of gradient descent on half the squared error of ``network(_:)``.
  static func descent(_ x: Tensor, _ y: Tensor) -> ([Tensor]) -> [Tensor] {
    { p in
      let g = gradient(
        of: { (p: [Tensor]) in
          let h = tanh(matmul(x, p[0]) + p[1])
          return square(matmul(h, p[2]) + p[3] - y).sum() / 64
        }, at: p)
      return zip(p, g).map { $0 - 0.01 * $1 }
    }
  }

  @Test(arguments: types) func descentOfANetwork(type: ScalarType) {
    let (x, y, p) = Self.network(type)
    expectSame(p, Self.descent(x, y))
  }

  @Test(arguments: types) func severalInputs(type: ScalarType) throws {
    let (x, y, p) = Self.network(type)
    let loss = compiled { (p: [Tensor], x: Tensor) in square(matmul(tanh(matmul(x, p[0]) + p[1]), p[2])).sum() }
    let step = compiled { (p: [Tensor], x: Tensor, y: Tensor) in Self.descent(x, y)(p) }
    for batch in [0..<32, 5..<9, 0..<32] {
      let expected = Self.descent(x[batch], y[batch])(p)
      #expect(step(p, x[batch], y[batch]) == expected)
      #expect(loss(p, x[batch]) == square(matmul(tanh(matmul(x[batch], p[0]) + p[1]), p[2])).sum())
    }
    let positive = Tensor([[2, 1], [1, 3]], as: type)
    let solve = compiled { (a: Tensor, b: Tensor) in try choleskySolve(a, b) }
    let shifted = compiled { (a: Tensor, b: Tensor, c: Tensor) in try choleskySolve(a, b) + c }
    let (b, c) = (Tensor([1, 2], as: type), Tensor([3, 4], as: type))
    #expect(try solve(positive, b) == choleskySolve(positive, b))
    #expect(try shifted(positive, b, c) == choleskySolve(positive, b) + c)
    #expect(throws: (any Error).self) { try solve(-positive, b) }
    #expect(throws: (any Error).self) { try shifted(-positive, b, c) }
  }

  @Test(arguments: types) func loops(type: ScalarType) {
    let (x, y, p) = Self.network(type)
    let step = Self.descent(x, y)
    for count in 0...4 { expectSame(p) { repeated(count, $0, step) } }
    expectSame(Tensor(100, as: type)) { x in repeated(while: { $0 .> 1 }, x) { sin($0) * 0.25 + $0 / 2 } }
    // Loops inside loops, which use values of all that is around them.
    expectSame([Tensor(1, as: type), Tensor(50, as: type)]) { (s: [Tensor]) in
      repeated(3, s) { t in
        let doubled = repeated(while: { $0 .< t[1] * s[0] }, s[0] + 1) { $0 * 2 + t[0] * 0 }
        return [t[0] + doubled, t[1] / 2]
      }
    }
    expectSame([Tensor(5, as: type), x]) { (s: [Tensor]) in
      repeated(3, s) { s in
        let inner = repeated(4, s[1]) { tanh($0 * s[0]) + x }
        return [s[0] * 0.5, inner + s[1]]
      }
    }
  }

  // MARK: Fusion

  /// Chains of elementwise functions over operands that lie in memory in every way.
  @Test(
    arguments: [[1, 1], [3, 5], [1, 64], [100, 64], [37, 129], [9, 2048], [130, 1], [300, 301], [0, 4]], types)
  func chains(shape: [Int], type: ScalarType) {
    var random = RandomGenerator(seed: 2)
    func normal(_ shape: [Int]) -> Tensor { .normal(shape, as: type, using: &random) }
    let (m, n) = (shape[0], shape[1])
    let x = [normal([m, n]), normal([n]), normal([m, 1]), normal([n, m]), normal([]), normal([2 * m, n])]
    expectSame(x) { x in
      let a = tanh(x[0] * x[1] + x[2]) - x[3].transposed
      let b = a * x[4] + exp(x[5][0..<m] * 0.1) / (1 + square(x[1]))
      let c = select(b .> 0, b, a * 2)
      // Values of the chain that others need too, and views of them.
      return [c, b.sum(axes: [0]), (a + b.reshaped(to: [n, m]).transposed).flattened, c.transposed * x[3], tanh(x[4])]
    }
    let f: ([Tensor]) -> Tensor = { x in (sin(x[0] + x[1]) * x[2] * x[4]).sum() }
    let point = Array(x[..<5])
    let program = compiled { (x: [Tensor]) in valueWithGradient(of: f, at: x).gradient + [f(x)] }
    for _ in 0..<2 { expectClose(program(point), gradient(of: f, at: point) + [f(point)], .exact) }
  }

  /// Assignments to parts, which programs make in place where they may.
  @Test(arguments: types) func assignments(type: ScalarType) {
    let x = [
      Tensor.linspace(0, 1, count: 24, as: type).reshaped(to: [6, 4]), Tensor.linspace(1, 2, count: 4, as: type),
    ]
    let assigned: ([Tensor]) -> [Tensor] = { x in
      var y = tanh(x[0])
      let old = y
      for k in 0..<3 { y[k] = x[1] * Double(k) + y[k + 1] }
      y[3..<5] = y[2..<4]
      y[0..<2] = y[1..<3] * 2
      let middle = y
      y[5, 0] = middle.sum()
      return [
        y, old + 1, middle[2..., 1..<3], concatenate([y, x[0]], axis: 1), concatenate([y, y.transposed[0..<1, 0..<4]]),
      ]
    }
    expectSame(x, assigned)
    expectSame(x) { x in
      gradient(of: { (x: [Tensor]) in assigned(x).map { square($0).sum() }.reduce(Tensor(0, as: type), +) }, at: x)
    }
    expectSame(x) { x in
      var state = x[0]
      state = repeated(4, state) { state in
        var next = state
        next[0] = state[5] + x[1]
        next[1...] = state[0..<5]
        return next
      }
      return [state]
    }
  }

  @Test func equalOperationsAreDoneOnceAndUselessOnesNever() {
    let recorder = Recorder()
    let x = recorder.input([3], .float64)
    let a = tanh(x) + tanh(x)
    _ = exp(x)
    _ = matmul(x, x)
    let b = x.reshaped(to: [3, 1]).sum() + x.reshaped(to: [3, 1]).sum()
    let results = [a, b].map { recorder.value(of: $0, for: "test") }
    let needed = recorder.graph.isNeeded(for: results)
    // tanh, +, reshaped, sum, +.
    #expect(needed.count(where: { $0 }) == 5)
    recorder.close()
  }

  // MARK: What a program depends on

  @Test func otherShapesTypesAndStructuresRecordAnew() {
    let runs = Counter()
    let f = compiled { (x: [Tensor]) in
      runs.increment()
      return x.map { ($0 * $0).sum() }
    }
    for _ in 0..<3 {
      #expect(f([Tensor([1, 2])])[0].scalar == 5)
      #expect(f([Tensor([1, 2, 3])])[0].scalar == 14)
      #expect(f([Tensor([1, 2, 3], as: .float32)])[0].scalarType == .float32)
      #expect(f([Tensor([1, 2]), Tensor([3])]).map(\.scalar) == [5, 9])
      #expect(f([]).isEmpty)
    }
    #expect(runs.count == 5)
  }

  /// A tree with a part that is no tensor, and with lists whose leaves could be taken for each other's.
  struct Scaled: TensorTree {
    var power: Int
    var a: [Tensor]
    var b: [Tensor]
    var extra: [String: Tensor] = [:]
    mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
      a.forEachTensor(body)
      b.forEachTensor(body)
      extra.forEachTensor(body)
    }
  }

  @Test func partsThatAreNoTensorsBelongToTheStructure() {
    let f = compiled { (s: Scaled) -> Tensor in
      let sums = s.a.reduce(Tensor(0), +) - s.b.reduce(Tensor(0), +) + (s.extra["x"] ?? Tensor(0)) * 10
      return (0..<s.power).reduce(Tensor(1)) { power, _ in power * sums }
    }
    let (one, two) = (Tensor(1), Tensor(2))
    for _ in 0..<2 {
      #expect(f(Scaled(power: 1, a: [one, two], b: [])).scalar == 3)
      #expect(f(Scaled(power: 3, a: [one, two], b: [])).scalar == 27)
      #expect(f(Scaled(power: 1, a: [one], b: [two])).scalar == -1)
      #expect(f(Scaled(power: 1, a: [one], b: [], extra: ["x": two])).scalar == 21)
      #expect(f(Scaled(power: 1, a: [one], b: [], extra: ["y": two])).scalar == 1)
    }
  }

  @Test func programsAreForgottenInTime() {
    let f = compiled { (x: Tensor) in x + 1 }
    for n in 1...3 * Compiled<Tensor, Tensor>.mostPrograms { #expect(f(.zeros([n])).count == n) }
  }

  /// With the function its programs go, and what they keep.
  @Test func programsAreForgotten() {
    weak var kept: Node?
    func run() {
      let constant = Tensor.zeros([3]) + 0.5
      kept = constant.node
      let f = compiled { (x: Tensor) in
        gradient(of: { x in repeated(5, x) { tanh($0 * constant) + repeated(2, x) { $0 * constant } }.sum() }, at: x)
      }
      for _ in 0..<2 { _ = f(Tensor([1, 2, 3])) }
      #expect(kept != nil)
    }
    run()
    #expect(kept == nil)
  }

  @Test func capturedTensorsAreConstants() {
    let weight = Tensor([[1, 2], [3, 4]])
    let f = compiled { (x: Tensor) in matmul(weight.transposed, x) + weight[0] }
    #expect(f(Tensor([1, 1])).scalars == [5, 8])
    #expect(f(Tensor([0, 1])).scalars == [4, 6])
  }

  @Test func inputsAndConstantsMayBeResults() {
    let constant = Tensor([7, 8])
    let f = compiled { (x: [Tensor]) in [x[0], constant, x[0], x[1].transposed, x[0] + 1, x[1]] }
    let x = [Tensor([1, 2]), Tensor([[1, 2, 3], [4, 5, 6]])]
    for _ in 0..<2 {
      let y = f(x)
      #expect(y[0].scalars == [1, 2] && y[1].scalars == [7, 8] && y[2].scalars == [1, 2])
      #expect(y[3].shape == [3, 2] && y[3].scalars == [1, 4, 2, 5, 3, 6] && y[4].scalars == [2, 3])
    }
    // The same tensor twice, and a view as an input.
    let g = compiled { (x: [Tensor]) in x[0] * x[1] - x[0] }
    #expect(g([x[0], x[0]]).scalars == [0, 2])
    #expect(g([x[1].transposed, x[1].transposed]).scalars == [0, 12, 2, 20, 6, 30])
  }

  @Test func resultsStayWhatTheyAre() {
    let f = compiled { (x: Tensor) in tanh(x) * 2 }
    let first = f(Tensor([1, 2, 3]))
    let before = first.scalars
    for k in 0..<100 { _ = f(Tensor([Double(k), 0, 1])) }
    #expect(first.scalars == before)
  }

  @Test func insideTransformsTheFunctionIsCalled() {
    let f = compiled { (x: Tensor) in sin(x) * x }
    let x = Tensor(0.7)
    #expect(gradient(of: { f($0) }, at: x).scalar == gradient(of: { sin($0) * $0 }, at: x).scalar)
    #expect(vmap { f($0) }(Tensor([1, 2])).scalars == (sin(Tensor([1, 2])) * Tensor([1, 2])).scalars)
    let g = compiled { (x: Tensor) in f(x) + 1 }
    #expect(g(x).scalar == f(x).scalar + 1)
  }

  @Test func manyThreadsRunOneProgram() async {
    let f = SharedCompiled { (x: Tensor) in matmul(tanh(x), x.transposed).sum() }
    await withTaskGroup(of: Bool.self) { group in
      for seed in 0..<8 {
        group.addTask {
          var random = RandomGenerator(seed: UInt64(seed))
          return (0..<200).allSatisfy { _ in
            let x = Tensor.normal([3, 5], using: &random)
            return f(x).scalar == matmul(tanh(x), x.transposed).sum().scalar
          }
        }
      }
      for await same in group { #expect(same) }
    }
  }

  // MARK: Memory and indices

  /// Results stand in the memory of operands that nobody needs any more, and only of those.
  @Test(arguments: 0..<60) func overwrittenOperands(seed: Int) {
    var random = StridedNoise(UInt64(seed))
    func pick(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }
    let shape = [[3, 4], [4, 150], [8, 700]][seed % 3]
    let m = Tensor.ones([shape[0], shape[0]]) * 0.3 - Tensor.eye(shape[0])
    /// What is done, and to which of the values that are there.
    let choices = (0..<10).map { (kind: pick(8), first: pick(2 + $0), second: pick(2 + $0)) }
    let needed = (0..<4).map { _ in pick(12) }
    let x = [0, 5].map { (start: Int) -> Tensor in
      let entries: [Double] = (0..<shape.product).map { Double(($0 * 7 + start) % 13) }
      return Tensor(entries, shape: shape) / 6 - 1
    }
    expectSame(x) { (x: [Tensor]) -> [Tensor] in
      var values = x.map { matmul(m, $0) }
      for (kind, first, second) in choices {
        let (a, b) = (values[first], values[second])
        switch kind {
        case 0: values.append(a + b)
        case 1: values.append(a * b)
        case 2: values.append(tanh(a))
        case 3: values.append(select(a .> b, a, b * 0.5))
        case 4: values.append(a - b[0])
        case 5: values.append(a * b[1..., ...].sum(axes: [0]))
        case 6: values.append(a + concatenate([b[1...], b[..<1]]))
        default: values.append(matmul(m, a) - b)
        }
      }
      return needed.map { matmul(m, values[$0]) } + [values[needed[0]].sum()]
    }
  }

  /// A gradient needs the activations of all layers, and one array more.
  @Test(arguments: 2...6) func memoryOfAGradient(layers: Int) throws {
    let (n, w) = (100, Tensor.eye(100) * 0.9 + 0.01)
    let slope = compiled { (x: Tensor) in
      gradient(of: { (0..<layers).reduce($0) { h, _ in exp(matmul(h, w) * -1) }.sum() }, at: x)
    }
    _ = slope(Tensor.ones([n, n]) * 0.01)
    let words = "\(slope)".split(whereSeparator: { $0 == " " || $0 == "\n" })
    let bytes = try #require(words.firstIndex(of: "bytes").flatMap { Int(words[$0 - 1]) })
    #expect(bytes < (2 * layers + 3) * n * n * 8 / 2, "\(slope)")
  }

  /// Indices of either type, given or computed, of tables that lie in memory in any way; and their gradients.
  @Test(arguments: types, types) func indexing(type: ScalarType, indexType: ScalarType) {
    let table = Tensor((0..<60).map { Double($0 * 13 % 31) / 7 }, shape: [5, 12], as: type)
    let places = Tensor([[4, 0, 3], [3, 3, 1]], as: indexType)
    let uses: [([Tensor]) -> Tensor] = [
      { $0[0].gathered(at: $0[1]) }, { $0[0].gathered(at: $0[1], axis: 1) }, { $0[0].transposed.gathered(at: $0[1]) },
      { ($0[0] * 2)[1..., 2..<9].gathered(at: $0[1] * 0.5 + $0[1] * 0.25 - $0[1] * 0.75) },
      { x in vmap { (row: Tensor) in row.gathered(at: x[1]) }(x[0]) },
      { x in vmap { (i: Tensor) in x[0].gathered(at: i) }(x[1]) },
      { x in vmap { (row: Tensor, i: Tensor) in row.gathered(at: i) }(x[0][..<2], x[1]) },
      { $0[0].gathered(at: $0[1]).scatterAdded(at: $0[1], extent: 7) },
      { $0[0][..<2, ..<3].scatterAdded(at: $0[1], extent: 5) },
      { $0[0].gathered(at: $0[1][0..<0]) },
    ]
    for use in uses {
      expectSame([table, places], use)
      expectSame([table, places]) { x in gradient(of: { sin(use([$0, x[1]])).sum() }, at: x[0]) }
    }
  }
}

/// Counts calls from any thread.
final class Counter: Sendable {
  private let value = Locked(0)
  var count: Int { value.value }
  func increment() { value.value += 1 }
}
