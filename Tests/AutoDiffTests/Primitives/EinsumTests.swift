import TestSupport
import Testing

@testable import AutoDiff

/// A formula with random factors, and what it is by its definition: a sum over all values of all letters.
private struct RandomEinsum: CustomTestStringConvertible {
  let formula: String
  let terms: [[Character]], result: [Character]
  let extents: [Character: Int]
  let factors: [Tensor]

  var testDescription: String { "\(formula) \(factors.map(\.shape))" }

  init(_ seed: UInt64, as type: ScalarType = .float64) {
    var generator = RandomGenerator(seed: seed)
    func choose(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
    let letters = Array("abcdX").prefix(choose(1...5))
    var extents: [Character: Int] = [:]
    for letter in letters { extents[letter] = choose(0...15) == 0 ? 0 : choose(1...3) }
    terms = (0..<choose(1...4)).map { _ in (0..<choose(0...3)).map { _ in letters[choose(0...letters.count - 1)] } }
    let used = Set(terms.joined())
    result = letters.shuffled(using: &generator).filter { used.contains($0) && choose(0...1) == 0 }
    let sides = terms.map { String($0) }.joined(separator: ",")
    formula = "\(sides)->\(String(result))"
    self.extents = extents
    factors = terms.map { Tensor.normal($0.map { extents[$0]! }, as: type, using: &generator) }
  }

  func expected() -> Tensor {
    let free = Set(terms.joined()).subtracting(result).sorted()
    let names = result + free
    let shape = result.map { extents[$0]! }
    var sums = [Double](repeating: 0, count: shape.reduce(1, *))
    let naive = factors.map { Naive($0) }
    for index in Naive.indices(of: names.map { extents[$0]! }) {
      let values = Dictionary(uniqueKeysWithValues: zip(names, index))
      let product = zip(terms, naive).reduce(1.0) { $0 * $1.1[$1.0.map { values[$0]! }] }
      let place = zip(shape, index).reduce(0) { $0 * $1.0 + $1.1 }
      sums[place] += product
    }
    return Tensor(sums, shape: shape)
  }
}

@Suite struct EinsumTests {
  @Test(arguments: [ScalarType.float64, .float32])
  func formulasAreTheirDefinition(type: ScalarType) {
    for seed in 0..<400 {
      let sum = RandomEinsum(UInt64(seed), as: type)
      let value = einsum(sum.formula, sum.factors)
      #expect(value.scalarType == type)
      let expected = sum.expected()
      #expect(value.shape == expected.shape, "\(sum.testDescription)")
      let tolerance = type.epsilon * 1e3
      #expect(value.as(.float64).isApproximatelyEqual(to: expected, tolerance: tolerance), "\(sum.testDescription)")
    }
  }

  @Test func derivatives() throws {
    for seed in 1000..<1040 {
      let sum = RandomEinsum(UInt64(seed))
      let report = checkDerivatives(of: { (x: [Tensor]) in einsum(sum.formula, x) }, at: sum.factors)
      try report.requirePassed()
      let recorded = compiled { (x: [Tensor]) in einsum(sum.formula, x) }
      #expect(recorded(sum.factors) == einsum(sum.formula, sum.factors), "\(sum.testDescription)")
    }
  }

  /// `...` is what the same formula gives for every example of a batch.
  @Test func ellipsisRunsInParallel() {
    for seed in 2000..<2060 {
      let sum = RandomEinsum(UInt64(seed))
      var generator = RandomGenerator(seed: UInt64(seed))
      // Some of the factors are the same for all examples; of the others some have an axis of extent 1 besides.
      let kinds = sum.factors.map { _ in Int.random(in: 0...2, using: &generator) }
      let batched = zip(sum.factors, kinds).map { factor, kind -> Tensor in
        kind == 0 ? factor : .normal([3] + factor.shape, using: &generator)
      }
      let terms = zip(sum.terms, kinds).map { $1 == 0 ? String($0) : "..." + String($0) }
      let sides = terms.joined(separator: ",")
      let isBatched = kinds.contains { $0 > 0 }
      let factors = zip(batched, kinds).map { $1 == 2 ? $0.expanded(at: 0) : $0 }
      let value = einsum("\(sides)->...\(String(sum.result))", factors)
      let examples = (0..<(isBatched ? 3 : 1)).map { example in
        einsum(sum.formula, zip(batched, kinds).map { $1 == 0 ? $0 : $0[example] })
      }
      let expected = isBatched ? stack(examples) : examples[0]
      #expect(value.reshaped(to: expected.shape).isApproximatelyEqual(to: expected, tolerance: 1e-12))
    }
  }

  @Test func formulasWithoutAnArrow() {
    let (a, b) = (Tensor([[1, 2], [3, 4]]), Tensor([[5, 6], [7, 8]]))
    #expect(einsum("ij, jk", a, b) == matmul(a, b))
    #expect(einsum("ba", a) == a.transposed)
    #expect(einsum("ii", a) == Tensor(5))
    #expect(einsum("ij,ij", a, b) == dot(a, b))
    #expect(einsum("...ii", stack([a, b])) == Tensor([5, 13]))
    #expect(einsum("", Tensor(3)) == Tensor(3))
  }

  /// Two factors are one contraction, which kernels can take apart, and nothing around it.
  @Test func twoFactorsAreOneContraction() {
    let primitive = Contraction(leftBatch: [1], rightBatch: [1], leftSummed: [2], rightSummed: [2])
    let program = compiled { (q: Tensor, k: Tensor) in einsum("qhd,khd->hqk", q, k) }
    var generator = RandomGenerator(seed: 1)
    let (q, k) = (Tensor.normal([4, 2, 3], using: &generator), Tensor.normal([5, 2, 3], using: &generator))
    #expect(program(q, k) == bind(primitive, q, k))
    #expect("\(program)".hasSuffix("\n  product of [4, 2, 3] and [5, 2, 3]"))
  }
}
