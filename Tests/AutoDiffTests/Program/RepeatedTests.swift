import AutoDiff
import TestSupport
import Testing

/// Loops outside of recordings. Those inside are compared with them.
@Suite struct RepeatedTests {
  /// Halves and sines until the norm is small: after 0 to some 20 steps, which differ among the examples.
  private func settled(_ x: Tensor, _ c: Tensor) -> Pair<Tensor, Tensor> {
    repeated(while: { ($0.first.norm() .> c) * ($0.second .< 20) }, Pair(x, Tensor(0, as: x.scalarType))) {
      Pair(sin($0.first * 0.7 + c * 0.1), $0.second + 1)
    }
  }

  /// Every example ends on its own: the same numbers as one loop for each.
  @Test(arguments: ScalarType.allCases) func examplesEndOnTheirOwn(type: ScalarType) {
    var random = RandomGenerator(seed: 1)
    for (count, size) in [(1, 1), (7, 3), (0, 2), (40, 2)] {
      let x = Tensor.normal([count, size], as: type, using: &random) * 3
      let c = Tensor.uniform([count], in: 0.2..<2, as: type, using: &random)
      let together = vmap { settled($0, $1) }(x, c)
      for k in 0..<count {
        let alone = settled(x[k], c[k])
        expectClose(together.first[k], alone.first, tolerance: 16 * type.epsilon)
        #expect(together.second[k] == alone.second)
      }
      if count > 7 { #expect(together.second.max().scalar >= together.second.min().scalar + 3) }
      // The condition depends on the examples, the state in the beginning does not.
      let shared = vmap { (c: Tensor) in settled(Tensor([2, 1], as: type), c).second }(c)
      for k in 0..<count { #expect(shared[k] == settled(Tensor([2, 1], as: type), c[k]).second) }
    }
  }

  @Test func transformsFollowExamples() {
    var random = RandomGenerator(seed: 2)
    let x = Tensor.normal([6, 2], using: &random) * 3
    let c = Tensor([0.2, 0.5, 0.9])
    let f = { (x: Tensor, c: Tensor) in square(self.settled(x, c).first).sum() }
    func each(_ g: (Tensor, Tensor) -> Tensor) -> Tensor {
      stack((0..<6).map { i in stack((0..<3).map { j in g(x[i], c[j]) }) })
    }
    let all = { (g: @escaping (Tensor, Tensor) -> Tensor) in
      vmap({ (x: Tensor, c: Tensor) in vmap { (c: Tensor) in g(x, c) }(c) }, axes: (0, nil))(x, c)
    }
    expectClose(all(f), each(f), tolerance: 1e-14)
    let slope = { (x: Tensor, c: Tensor) in gradient(of: { f($0, c) }, at: x) }
    expectClose(all(slope), each(slope), tolerance: 1e-13)
    let bend = { (x: Tensor, c: Tensor) in hvp(of: { f($0, c) }, at: x, along: Tensor([1, -2])) }
    expectClose(all(bend), each(bend), tolerance: 1e-12)
    // The transform outside, and a recorded function that is called as what it records.
    let outside = gradient(of: { x in all(f).sum() + vmap { f($0, c[1]) }(x).sum() }, at: x)
    expectClose(outside, stack((0..<6).map { slope(x[$0], c[1]) }), tolerance: 1e-13)
    let recorded = compiled { (x: Tensor) in f(x, c[1]) }
    expectClose(vmap { recorded($0) }(x), vmap { f($0, c[1]) }(x), tolerance: 1e-13)
  }
}
