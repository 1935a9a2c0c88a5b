import TestSupport
import Testing

@testable import AutoDiff

/// Chains of elementwise functions in tiles of every shape: the bits are those that the functions have one by one.
struct ElementwiseTileTests {
  /// How an operand of a shape lies in memory.
  private enum Lie: CaseIterable {
    case whole, repeated, partOfLarger, transposed, number
  }

  /// An operand that is broadcast to the shape, from a part of its axes.
  private static func operand(
    _ shape: [Int], _ type: ScalarType, _ lie: Lie, _ g: inout RandomGenerator
  ) -> Tensor {
    switch lie {
    case .whole: return .normal(shape, as: type, using: &g)
    case .repeated:
      let own = shape.map { Bool.random(using: &g) ? $0 : 1 }
      return Tensor.normal(own, as: type, using: &g).broadcast(to: shape)
    case .partOfLarger:
      let first = Int.random(in: 0...2, using: &g)
      let larger = zip(shape, shape.indices).map { $0 + ($1 == 0 || $1 == shape.count - 1 ? 3 : 0) }
      let x = Tensor.normal(larger, as: type, using: &g)
      return shape.count == 1 ? x[first..<first + shape[0]] : x[first..<first + shape[0]][..., 1..<shape.last! + 1]
    case .transposed:
      return Tensor.normal(shape.reversed(), as: type, using: &g).permuted(shape.indices.reversed())
    case .number: return Tensor.normal([], as: type, using: &g).broadcast(to: shape)
    }
  }

  @Test(arguments: [ScalarType.float64, .float32], 0..<60) func chains(type: ScalarType, seed: Int) {
    var g = RandomGenerator(seed: UInt64(seed) &* 977 &+ 5)
    let rank = Int.random(in: 1...4, using: &g)
    let last = [1, 3, 16, 32, 64, 96, 100, 128, 256, 320, 512, 1000, 2048].randomElement(using: &g)!
    var shape = (1..<rank).map { _ in [1, 2, 3, 5, 8, 17, 40].randomElement(using: &g)! } + [last]
    while shape.product > 40_000 { shape[0] = max(1, shape[0] / 2); if shape[0] == 1 { shape.removeFirst() } }
    let inputs = (0..<Int.random(in: 2...5, using: &g)).map { _ in
      Self.operand(shape, type, Lie.allCases.randomElement(using: &g)!, &g)
    }
    let choices = (0..<Int.random(in: 1...7, using: &g)).map { _ in
      (Int.random(in: 0..<6, using: &g), Int.random(in: 0..<100, using: &g), Int.random(in: 0..<100, using: &g))
    }
    let call = { (x: [Tensor]) -> [Tensor] in
      var values = x
      for (kind, a, b) in choices {
        let (a, b) = (values[a % values.count], values[b % values.count])
        switch kind {
        case 0: values.append(a + b)
        case 1: values.append(a * b)
        case 2: values.append(tanh(a))
        case 3: values.append(a - b)
        case 4: values.append(select(a .< b, a, -b))
        default: values.append(exp(-square(a)))
        }
      }
      return [values.last!, values[values.count / 2], values.last!.sum()]
    }
    let program = compiled(call)
    let (expected, first, again) = (call(inputs), program(inputs), program(inputs))
    for k in 0..<2 {
      #expect(first[k].scalars == expected[k].scalars && again[k].scalars == expected[k].scalars, "\(shape) \(program)")
    }
    expectClose(
      first[2], expected[2], .exact, atLeast: 1 + sqrt(square(expected[0]).sum()).scalar, seed: UInt64(seed), "sum")
  }
}
