import AutoDiff
import Tangent
import Testing

@Suite struct MinimumNormStepTests {
  /// A model that is linear in its parameters: two outputs from products with a matrix and an offset.
  private static let model: @Sendable (Tensor, [Tensor]) -> Tensor = { x, p in matmul(p[0], sin(x)) + p[1] * x.sum() }

  private func problem(_ n: Int) -> (p: [Tensor], x: Tensor, y: Tensor) {
    var random = RandomGenerator(seed: UInt64(n))
    let p = [Tensor.normal([2, 8], using: &random), Tensor.normal([2], using: &random)]
    return (p, .normal([n, 8], using: &random), .normal([n, 2], using: &random))
  }

  /// Fewer examples than parameters, and more of them.
  @Test(arguments: [1, 3, 24]) func isTheStepToTheLimitOfGradientDescent(n: Int) throws {
    let (start, x, y) = problem(n)
    let jacobian = FactoredJacobian(of: Self.model, at: start, on: x)
    let result = try jacobian.minimumNormStep(changing: y - jacobian.outputs)
    let limit = start.adding(result.step)
    func loss(_ p: [Tensor]) -> Tensor { square(vmap { Self.model($0, p) }(x) - y).sum() }
    var p = start
    let rate = 0.9 / result.spectrum.largest.upper.value
    for _ in 0..<10_000 {
      let g = gradient(of: loss, at: p)
      if g.euclideanNorm.scalar < 1e-8 { break }
      p = p.adding(g, scaledBy: -rate)
    }
    expectClose(p, limit, tolerance: 1e-6)
    #expect(abs(loss(limit).scalar.squareRoot() - result.residual) < 1e-12)
    #expect(result.rank == 2 * min(n, 9))
    // Shorter than any other step with the same effect: orthogonal to what J does not see.
    var random = RandomGenerator(seed: 9)
    let other = start.mapTensors { .normal($0.shape, using: &random) }
    let seen = try jacobian.minimumNormStep(changing: jacobian.jvp(other)).step
    let unseen = other.subtracting(seen)
    #expect(abs(jacobian.jvp(unseen)).max().scalar < 1e-11)
    #expect(abs(unseen.innerProduct(result.step).scalar) < 1e-11)
  }

  /// An example twice with different labels: the outputs go to their mean.
  @Test func contradictionsAreAveraged() throws {
    let (start, x, _) = problem(1)
    let twice = concatenate([x, x])
    let jacobian = FactoredJacobian(of: Self.model, at: start, on: twice)
    let y = Tensor([[1, 2], [3, -2]])
    let result = try jacobian.minimumNormStep(changing: y - jacobian.outputs)
    let outputs = vmap { Self.model($0, start.adding(result.step)) }(twice)
    expectClose(outputs + 1, Tensor([[3, 1], [3, 1]]), tolerance: 1e-12)
    #expect(abs(result.residual - 10.0.squareRoot()) < 1e-12 && result.rank == 2)
  }

  @Test func badChangesAreNamed() async throws {
    let (start, x, _) = problem(2)
    let jacobian = FactoredJacobian(of: Self.model, at: start, on: x)
    #expect(throws: KernelMatrixError.labelNotFinite(example: 3, output: 0, value: .infinity)) {
      try jacobian.minimumNormStep(changing: Tensor([[0, 0], [0, .infinity]]))
    }
    let shape = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let p = [Tensor.ones([2, 3]), Tensor.ones([2])]
      let jacobian = FactoredJacobian(of: MinimumNormStepTests.model, at: p, on: Tensor.ones([2, 3]))
      _ = try jacobian.minimumNormStep(changing: Tensor.ones([2]))
    }
    #expect(shape.message.contains("FactoredJacobian.minimumNormStep: needs a change of shape [2, 2], but got [2]"))
  }
}
