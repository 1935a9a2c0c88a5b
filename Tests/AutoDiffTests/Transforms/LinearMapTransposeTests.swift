import AutoDiff
import Testing

@Suite struct LinearMapTransposeTests {
  /// ⟨ȳ, J ẋ⟩ = ⟨Jᵀȳ, ẋ⟩ and the pullback of a recording of its own, in any order of calls.
  @Test(arguments: ScalarType.allCases) func isThePullback(type: ScalarType) {
    var random = RandomGenerator(seed: 31)
    func normal(_ shape: [Int]) -> Tensor { .normal(shape, as: type, using: &random) }
    let x = [normal([3]), normal([4, 3]), normal([])]
    let f = { (x: [Tensor]) in
      let y = checkpoint { (x: [Tensor]) in softmax(matmul(x[1], tanh(x[0]))) }(x)
      return [y, y.sum() * x[2], Tensor(4, as: type)]
    }
    let map = linearize(f, at: x).derivative
    let pullback = vjp(of: f, at: x).pullback
    for _ in 0..<3 {
      let direction = [normal([3]), normal([4, 3]), normal([])]
      let cotangent = [normal([4]), normal([]), normal([])]
      expectClose(map.transposed(cotangent), pullback(cotangent), .exact)
      let (forward, backward) = (map(direction), map.transposed(cotangent))
      let left = zip(cotangent, forward).map { dot($0.flattened, $1.flattened).scalar }.reduce(0, +)
      let right = zip(backward, direction).map { dot($0.flattened, $1.flattened).scalar }.reduce(0, +)
      #expect(abs(left - right) < 100 * type.epsilon)
    }
    // Many cotangents at once.
    let many = [normal([5, 4]), normal([5]), normal([5])]
    let together = vmap { (u: [Tensor]) in map.transposed(u) }(many)
    for k in 0..<5 { expectClose(together.map { $0[k] }, pullback(many.map { $0[k] }), .exact) }
  }
}
