import AutoDiff
import Testing

@testable import Layers

@Suite struct InitializerTests {
  @Test func lawsAreWhatTheySay() {
    var random = RandomGenerator(seed: 3)
    #expect(Initializer.zeros.make([2, 3], .float64, &random) == .zeros([2, 3]))
    #expect(Initializer.ones.make([4], .float32, &random) == .ones([4], as: .float32))
    let normal = Initializer.normal(standardDeviation: 2).make([50_000], .float64, &random)
    #expect(normal.mean().scalar.magnitude < 0.05)
    #expect((square(normal).mean().scalar.squareRoot() - 2).magnitude < 0.05)
    let uniform = Initializer.uniform(bound: 0.5).make([50_000], .float64, &random)
    #expect(uniform.scalars.allSatisfy { (-0.5...0.5).contains($0) })
    #expect((square(uniform).mean().scalar - 1 / 12.0).magnitude < 0.003)
    let single = Initializer.uniform(bound: 1).make([3], .float32, &random)
    #expect(single.scalarType == .float32)
  }

  @Test func aLawOfOnesOwnCanBeUsed() {
    struct Scale: Layer {
      func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor {
        x * p.tensor("factor", x.shape, Initializer { shape, type, _ in .filled(3, shape, as: type) })
      }
    }
    let x = Tensor([1, 2], as: .float32)
    #expect(Scale()(x, Scale().initialized(like: x, seed: 0)) == Tensor([3, 6], as: .float32))
  }
}
