import Foundation
import Testing

@testable import AutoDiff

/// Derivatives of reductions where squares overflow, where nothing moves, and where one entry is all there is.
@Suite struct AwkwardReductionTests {
  // MARK: Norm

  @Test(arguments: [ScalarType.float64, .float32])
  func derivativesOfTheNormVanishAtZero(_ type: ScalarType) {
    let zero = Tensor.zeros([3], as: type)
    let norm = { (x: Tensor) in x.norm() }
    #expect(gradient(of: norm, at: zero) == zero)
    #expect(hessian(of: norm, at: zero) == .zeros([3, 3], as: type))
    #expect(gradient(of: { gradient(of: norm, at: $0).sum() }, at: zero) == zero)
    #expect(jvp(of: { hvp(of: norm, at: $0, along: .ones(like: $0)) }, at: zero, along: zero + 1).tangent == zero)
  }

  @Test func normOfSubnormalHugeAndInfiniteNumbers() {
    let norm = { (x: Tensor) in x.norm() }
    let tiny = Tensor([3, 4]) * Double.leastNonzeroMagnitude * 0x1p20
    for x in [tiny, Tensor([3, 4]) * 1e-300 * 1e-10, Tensor([3e300, 4e300]), Tensor([3e307, 4e307]) * 3] {
      expectClose(gradient(of: norm, at: x), Tensor([0.6, 0.8]), .analytic, "\(x)")
      // The Hessian times the direction of x is 0, along a number of its own as in the plane.
      let second = hessian(of: norm, at: x).scalars
      #expect(!second.contains { $0.isNaN }, "\(x)")
      let single = Tensor(x.scalars[0])
      #expect(gradient(of: { gradient(of: norm, at: $0) }, at: single).scalar == 0)
    }
    let far = hessian(of: norm, at: Tensor([3e300, 4e300]))
    expectClose(far * 1e300, Tensor([[0.128, -0.096], [-0.096, 0.072]]), .analytic)
    #expect(gradient(of: norm, at: Tensor([.infinity, 1])).scalars == [1, 0])
    #expect(gradient(of: norm, at: Tensor([1, -.infinity])).scalars == [0, -1])
    let half = 0.5.squareRoot()
    expectClose(gradient(of: norm, at: Tensor([.infinity, -.infinity, 5])), Tensor([half, -half, 0]), .exact)
    #expect(hessian(of: norm, at: Tensor([.infinity, 1])) == .zeros([2, 2]))
    let undefined = gradient(of: norm, at: Tensor([.nan, 1])).scalars
    #expect(undefined[0].isNaN && undefined[1].isNaN)
  }

  /// Rows of every size side by side, in one norm.
  @Test func rowsOfMixedSizes() {
    let x = Tensor([[0, 0], [3e-200, 4e-200], [3, -4], [3e200, 4e200], [.infinity, 1]])
    let expected = Tensor([[0, 0], [0.6, 0.8], [0.6, -0.8], [0.6, 0.8], [1, 0]])
    expectClose(gradient(of: { $0.norm(axes: [1]).sum() }, at: x), expected, .exact)
    expectClose(vmap { gradient(of: { $0.norm() }, at: $0) }(x), expected, .exact)
  }

  // MARK: Softmax

  /// Rows that are short, long, many and few go through different loops.
  @Test(arguments: [(1, 3), (1, 200), (40, 3), (40, 30)])
  func aDominantEntry(_ rows: Int, _ columns: Int) {
    for gap in [0.5, 10, 50, 300, 700] {
      for top in [0, 1, columns - 1] {
        let row = (0..<columns).map { $0 == top ? gap : 0.25 * Double($0 % 3) }
        let x = Tensor([[Double]](repeating: row, count: rows).flatMap { $0 }, shape: [rows, columns])
        let weights = row.map { Foundation.exp($0 - gap) }
        let others = row.indices.filter { $0 != top }.map { weights[$0] }.reduce(0, +)
        let p = weights.map { $0 / (1 + others) }
        // 1 − p, without a difference.
        let q = row.indices.map { $0 == top ? others / (1 + others) : 1 - p[$0] }
        let expected = row.indices.flatMap { i in row.indices.map { j in i == j ? p[i] * q[i] : -p[i] * p[j] } }
        let second = hessian(of: { logsumexp($0) }, at: x[0])
        expectEachClose(second, expected)
        expectEachClose(jacobian(of: { softmax($0) }, at: x[0]), expected)
        let third = p[top] * q[top] * (q[top] - p[top])
        let along = Tensor(row.indices.map { $0 == top ? 1.0 : 0 }, shape: [columns])
        let cubic = jvp(of: { hvp(of: { logsumexp($0) }, at: $0, along: along) }, at: x[0], along: along).tangent
        expectEachClose(cubic[top], [third])
        // The gradient of a cross entropy whose prediction is right, for all rows at once.
        let loss = { (x: Tensor) in -logSoftmax(x)[0..., top].sum() }
        let slope = row.indices.map { $0 == top ? -q[top] : p[$0] }
        expectEachClose(gradient(of: loss, at: x), [[Double]](repeating: slope, count: rows).flatMap { $0 })
        let direction = Tensor(row.indices.map { $0 == top ? 0 : 1.0 }, shape: [columns]).broadcast(to: [rows, columns])
        let moved = jvp(of: { logSoftmax($0) }, at: x, along: direction).tangent
        let shifts = row.indices.map { $0 == top ? -q[top] : p[top] }
        expectEachClose(moved, [[Double]](repeating: shifts, count: rows).flatMap { $0 })
      }
    }
  }

  private func expectEachClose(_ x: Tensor, _ expected: [Double], sourceLocation: SourceLocation = #_sourceLocation) {
    let entries = x.scalars
    #expect(entries.count == expected.count, sourceLocation: sourceLocation)
    for (a, b) in zip(entries, expected) where (a - b).magnitude > 1e-11 * b.magnitude + 1e-305 {
      Issue.record("\(a) and \(b)", sourceLocation: sourceLocation)
      return
    }
  }

  // MARK: Normalization

  @Test(arguments: [1, 40], [3, 200])
  func layerNormOfHugeAndTinyNumbers(_ rows: Int, _ columns: Int) {
    var generator = RandomGenerator(seed: 91)
    let x = Tensor.normal([rows, columns], using: &generator)
    let v = Tensor.normal([rows, columns], using: &generator)
    func product(_ x: Tensor, _ epsilon: Double) -> Tensor {
      gradient(of: { (layerNorm($0, epsilon: epsilon) * v).sum() }, at: x)
    }
    let (value, slope) = (layerNorm(x, epsilon: 0), product(x, 0))
    for exponent in [600, 1000, 1020, -600, -900] {
      let scale = Foundation.scalbn(1.0, exponent)
      let moved = x * scale
      expectClose(layerNorm(moved, epsilon: exponent > 0 ? 1e-5 : 0), value, .exact, "2^\(exponent)")
      expectClose(product(moved, exponent > 0 ? 1e-5 : 0) * scale, slope, .analytic, "2^\(exponent)")
    }
    // Of tiny deviations an ε that is larger makes nothing.
    let vanishing = layerNorm(x * 1e-200, epsilon: 1e-5).scalars
    #expect(!vanishing.contains { !($0.magnitude < 1e-190) })
    let single = x.as(.float32)
    expectClose(layerNorm(single * 1e37), layerNorm(single, epsilon: 0), .exact)
    let mixed = concatenate([x, x * 1e300])
    expectClose(layerNorm(mixed, epsilon: 0), concatenate([value, value]), .exact)
  }
}
