import AutoDiff
import TestSupport
import Testing

/// Recorded programs against the functions that they were recorded from.
struct CompiledTests {
  static let types: [ScalarType] = [.float64, .float32]

  /// Runs a function and its recording, three times, and compares bits.
  func expectSame<Input: TensorTree, Output: TensorTree>(
    _ input: Input, sourceLocation: SourceLocation = #_sourceLocation, _ f: @escaping @Sendable (Input) -> Output
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

  @Test(arguments: types) func descentOfANetwork(type: ScalarType) {
    let (x, y, p) = Self.network(type)
    expectSame(p) { p in
      let g = gradient(
        of: { (p: [Tensor]) in
          let h = tanh(matmul(x, p[0]) + p[1])
          return square(matmul(h, p[2]) + p[3] - y).sum() / 64
        }, at: p)
      return zip(p, g).map { $0 - 0.01 * $1 }
    }
  }

  @Test(arguments: types) func loops(type: ScalarType) {
    let (x, y, p) = Self.network(type)
    for count in 0...4 {
      expectSame(p) { p in
        repeated(count, p) { p in
          let g = gradient(
            of: { (p: [Tensor]) in
              let h = tanh(matmul(x, p[0]) + p[1])
              return square(matmul(h, p[2]) + p[3] - y).sum() / 64
            }, at: p)
          return zip(p, g).map { $0 - 0.01 * $1 }
        }
      }
    }
    expectSame(Tensor(100, as: type)) { x in repeated(while: { $0 .> 1 }, x) { sin($0) * 0.25 + $0 / 2 } }
    expectSame([Tensor(5, as: type), x]) { (s: [Tensor]) in
      repeated(3, s) { s in
        let inner = repeated(4, s[1]) { tanh($0 * s[0]) + x }
        return [s[0] * 0.5, inner + s[1]]
      }
    }
  }
}
