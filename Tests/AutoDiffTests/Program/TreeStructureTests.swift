import TestSupport
import Testing

@testable import AutoDiff

protocol Activation: Sendable {
  func callAsFunction(_ x: Tensor) -> Tensor
}

/// What is no leaf of a tree decides which program is run.
struct TreeStructureTests {
  struct Doubled: Activation { func callAsFunction(_ x: Tensor) -> Tensor { x * 2 } }
  struct Tripled: Activation { func callAsFunction(_ x: Tensor) -> Tensor { x * 3 } }

  /// A tree of a leaf and something else.
  struct With<Part>: TensorTree {
    var part: Part
    var x = Tensor(1)
    mutating func forEachTensor(_ body: (inout Tensor) -> Void) { body(&x) }
  }

  /// No tree, so that derivatives leave it alone.
  struct Constants { let mask: Tensor }

  final class Settings {
    let factor: Double
    init(_ factor: Double) { self.factor = factor }
  }

  indirect enum Formula: TensorTree {
    case leaf(Tensor)
    case difference(Formula, Formula)
    mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
      switch self {
      case .leaf(var x):
        body(&x)
        self = .leaf(x)
      case .difference(var a, var b):
        a.forEachTensor(body)
        b.forEachTensor(body)
        self = .difference(a, b)
      }
    }

    var value: Tensor {
      switch self {
      case .leaf(let x): x
      case .difference(let a, let b): a.value - b.value
      }
    }
  }

  /// Calls a function and its recording alternately with values that differ in what is no leaf.
  private func expectToldApart<Part>(
    _ parts: [Part], sourceLocation: SourceLocation = #_sourceLocation, _ f: @escaping (With<Part>) -> Tensor
  ) {
    let program = compiled(f)
    for _ in 0..<2 {
      for part in parts {
        let tree = With(part: part)
        #expect(program(tree).scalars == f(tree).scalars, sourceLocation: sourceLocation)
      }
    }
  }

  /// Trees that are as large as their leaves, though what they are is not said by these alone.
  enum Signed: TensorTree {
    case plus(Tensor), minus(Tensor)
    mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
      switch self {
      case .plus(var x):
        body(&x)
        self = .plus(x)
      case .minus(var x):
        body(&x)
        self = .minus(x)
      }
    }
    var value: Tensor {
      switch self {
      case .plus(let x): x
      case .minus(let x): -x
      }
    }
  }

  /// A leaf and a constant in the memory of two leaves; two leaves; two leaves, the second first.
  struct Scaled: TensorTree {
    var x: Tensor, factor: Tensor
    mutating func forEachTensor(_ body: (inout Tensor) -> Void) { body(&x) }
  }
  struct PairOfTensors: TensorTree {
    var x: Tensor, y: Tensor
    mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
      body(&x)
      body(&y)
    }
  }
  struct Reversed: TensorTree {
    var x: Tensor, y: Tensor
    mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
      body(&y)
      body(&x)
    }
  }

  @Test func ofTheSizeOfTheirLeaves() {
    let signed = compiled { (tree: Signed) in tree.value * 2 }
    for _ in 0..<2 {
      #expect(signed(.plus(Tensor([1, 2]))) == Tensor([2, 4]))
      #expect(signed(.minus(Tensor([1, 2]))) == Tensor([-2, -4]))
    }
    let reversed = compiled { (tree: Reversed) in tree.x - 2 * tree.y }
    for k in 0..<3 { #expect(reversed(Reversed(x: Tensor(Double(k)), y: Tensor(1))).scalar == Double(k) - 2) }
    let pair = compiled { (tree: PairOfTensors) in tree.x - 2 * tree.y }
    for k in 0..<3 {
      #expect(pair(PairOfTensors(x: Tensor(Double(k)), y: Tensor([1, 3]))) == Tensor([Double(k) - 2, Double(k) - 6]))
      #expect(pair(PairOfTensors(x: Tensor(Double(k)), y: Tensor(1))).scalar == Double(k) - 2)
    }
    // A constant that is not listed is a part of what tells the trees apart, also where it is the leaf itself.
    let (one, two) = (Tensor([1, 1]), Tensor([2, 2]))
    let scaled = compiled { (tree: Scaled) in tree.x * tree.factor }
    for _ in 0..<2 {
      for (x, factor) in [(one, two), (one, one), (two, two), (two, one)] {
        #expect(scaled(Scaled(x: x, factor: factor)) == x * factor)
      }
    }
  }

  @Test func typesOfProtocolValues() {
    expectToldApart([Doubled(), Tripled()] as [any Activation]) { $0.part($0.x) }
    expectToldApart([1, 1.0, "1", true] as [any Sendable]) { $0.x * ($0.part is Int ? 2 : $0.part is Double ? 3 : 5) }
    expectToldApart([Doubled.self, Tripled.self] as [any Activation.Type]) { $0.x * ($0.part == Doubled.self ? 2 : 3) }
  }

  @Test func closures() {
    let factors = (1...20).map(Double.init)
    expectToldApart(factors.map { factor in { @Sendable (x: Tensor) in x * factor } }) { $0.part($0.x) }
    // The same closure is the same.
    let runs = Counter()
    let program = compiled { (tree: With<@Sendable (Tensor) -> Tensor>) in
      runs.increment()
      return tree.part(tree.x)
    }
    let factor = factors[6]
    let tree = With<@Sendable (Tensor) -> Tensor>(part: { $0 * factor })
    for _ in 0..<5 { #expect(program(tree).scalar == factor) }
    #expect(runs.count == 1)
  }

  @Test func objectsThatComeAndGo() {
    let program = compiled { (tree: With<Settings>) in tree.x * tree.part.factor }
    for k in 1...200 { #expect(program(With(part: Settings(Double(k)))).scalar == Double(k)) }
  }

  /// Such as a mask, or the weights of a network that is not trained.
  @Test func tensorsThatTheTreeDoesNotList() {
    expectToldApart((1...20).map { Tensor(Double($0)) }) { $0.x * $0.part }
    expectToldApart((1...20).map { [Tensor(Double($0)), Tensor(7)] }) { $0.x * $0.part[0] - $0.part[1] }
    expectToldApart((1...5).map { Constants(mask: Tensor(Double($0))) }) { $0.x * $0.part.mask }
    expectToldApart([nil, Tensor(2), Tensor(3)]) { $0.x * ($0.part ?? Tensor(5)) }
    // One that is a leaf elsewhere.
    let (a, b) = (Tensor(2), Tensor(3))
    let program = compiled { (tree: With<Tensor>) in tree.x * 10 + tree.part }
    for (part, x) in [(a, a), (b, b), (a, b), (b, a)] {
      #expect(program(With(part: part, x: x)).scalar == 10 * x.scalar + part.scalar)
    }
  }

  @Test func nestedCases() {
    let one = Formula.leaf(Tensor(1))
    let formulas = [
      one, .difference(one, one), .difference(.difference(one, one), one), .difference(one, .difference(one, one)),
    ]
    let program = compiled { (formula: Formula) in formula.value }
    for _ in 0..<2 { for formula in formulas { #expect(program(formula).scalar == formula.value.scalar) } }
  }

  // MARK: States of loops

  @Test func aCountInAStateStops() async {
    let counted = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = compiled { (x: Tensor) in
        repeated(3, With(part: 1, x: x)) { With(part: $0.part + 1, x: $0.x * Double($0.part)) }.x
      }(Tensor(1))
    }
    #expect(counted.message.contains("repeated: in a program, parts of the state that are no leaves must not change"))
    #expect(counted.message.contains("Make a count a tensor."))
    // Outside programs, and where all steps have it, it is an ordinary loop's.
    let last = repeated(3, With(part: 1)) { (s: With<Int>) in With(part: s.part + 1, x: s.x * Double(s.part)) }
    #expect(last.x.scalar == 6)
    #expect(compiled { x in repeated(3, With(part: 3, x: x)) { With(part: 3, x: $0.x * 2) }.x }(Tensor(1)).scalar == 8)
  }
}
