import TestSupport
import Testing

@testable import AutoDiff

/// Factorizations inside programs, which may fail when they run.
@Suite struct CheckedProgramTests {
  private static func positive(_ n: Int, seed: UInt64, _ type: ScalarType = .float64) -> Tensor {
    var generator = RandomGenerator(seed: seed)
    let a = Tensor.normal([n, n], as: type, using: &generator)
    return matmul(a, a.transposed) + Tensor.eye(n, as: type)
  }

  private let indefinite = Tensor([[1, 2], [2, 1]])

  /// The likelihood of a Gaussian process with the scale and the length of its kernel.
  private func likelihood(_ p: Pair<Tensor, Tensor>) throws -> Tensor {
    let x = Tensor.range(to: 6, as: p.first.scalarType) * 0.3
    let y = sin(x)
    let distance = square(x.expanded(at: 1) - x.expanded(at: 0))
    let kernel = p.first * exp(distance * -square(p.second)) + 0.1 * Tensor.eye(6, as: x.scalarType)
    return dot(y, try choleskySolve(kernel, y)) + (try logDeterminant(kernel))
  }

  @Test(arguments: [ScalarType.float64, .float32]) func derivativesOfALikelihood(type: ScalarType) throws {
    let slope = compiled { p in try gradient(of: likelihood, at: p) }
    let curvature = compiled { p in try hvp(of: likelihood, at: p, along: p) }
    for (scale, length) in [(1.0, 0.5), (2, 1), (0.3, 2)] {
      let p = Pair(Tensor(scale, as: type), Tensor(length, as: type))
      let expected = (try gradient(of: likelihood, at: p), try hvp(of: likelihood, at: p, along: p))
      for (a, b) in zip(try slope(p).leaves, expected.0.leaves) { expectClose(a, b, .analytic) }
      for (a, b) in zip(try curvature(p).leaves, expected.1.leaves) { expectClose(a, b, .analytic) }
    }
  }

  @Test func itThrowsWhatItWouldHaveThrown() throws {
    let factor = compiled { (a: Tensor) in try cholesky(a) }
    let solve = compiled { (a: Tensor) in try vmap { try choleskySolve($0, Tensor([1, 2])) }(a) }
    let good = Self.positive(2, seed: 1)
    for _ in 0..<3 {
      #expect(throws: LinearAlgebraError.notPositiveDefinite(pivot: 1, value: -3)) { try factor(indefinite) }
      // A run that failed leaves nothing behind.
      expectClose(try factor(good), try cholesky(good), .exact)
      #expect(throws: LinearAlgebraError.self) { try solve(stack([good, indefinite])) }
      expectClose(try solve(stack([good, good]))[1], try choleskySolve(good, Tensor([1, 2])), .analytic)
    }
  }

  /// Also what the function throws itself, and then nothing has been recorded.
  @Test func itPassesOnWhatTheFunctionThrows() throws {
    struct Refusal: Error {}
    var isWilling = false
    let f = compiled { (x: Tensor) throws -> Tensor in
      if !isWilling { throw Refusal() }
      return x * 2
    }
    #expect(throws: Refusal.self) { try f(Tensor([1])) }
    isWilling = true
    expectClose(try f(Tensor([1])), Tensor([2]), .exact)
  }

  /// A loop ends where a factorization fails, even one whose condition would go on for ever.
  @Test func loopsEndWithTheFailure() throws {
    let move = { (a: Tensor) throws -> Tensor in try cholesky(a) - 0.4 * Tensor.eye(2) }
    let endless = { (a: Tensor) in try repeated(while: { .ones([]) + 0 * $0.sum() }, a, move) }
    let three = { (a: Tensor) in try repeated(3, a, move).sum() }
    let recorded = compiled(throwing: endless)
    let slope = compiled { a in try gradient(of: three, at: a) }
    for _ in 0..<2 {
      #expect(throws: LinearAlgebraError.self) { try endless(Self.positive(2, seed: 2)) }
      #expect(throws: LinearAlgebraError.self) { try recorded(Self.positive(2, seed: 2)) }
      #expect(throws: LinearAlgebraError.self) { try three(indefinite) }
      #expect(throws: LinearAlgebraError.self) { try slope(indefinite) }
      let good = 4 * Tensor.eye(2)
      expectClose(try slope(good), try gradient(of: three, at: good), .analytic)
    }
    // One step follows the other, and the first failure is the last.
    var steps = 0
    #expect(throws: LinearAlgebraError.self) {
      try repeated(1000, Self.positive(2, seed: 2)) { (a: Tensor) in
        steps += 1
        return try move(a)
      }
    }
    #expect(steps < 100)
  }

  @Test func othersStop() async {
    let stopped = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let factor = compiled { (a: Tensor) in try! cholesky(a) }
      _ = factor(Tensor([[4, 0], [0, 9]]))
      _ = factor(Tensor([[1, 2], [2, 1]]))
    }
    #expect(stopped.message.contains("compiled: cholesky: the matrix must be positive definite, but pivot 1 is -3.0"))
  }

  /// Searches are done when the program runs, and fail there.
  @Test func searches() throws {
    let f = { (p: Tensor) in try root(of: { (z: Tensor, p: Tensor) in z * z * p - 1 }, from: Tensor([0.5]), at: p) }
    let (value, slope) = (compiled { p in try f(p) }, compiled { p in try gradient(of: { try f($0).sum() }, at: p) })
    let flat = compiled { (p: Tensor) in
      try root(of: { (z: Tensor, p: Tensor) in z * 0 + p }, from: Tensor([0.5]), at: p)
    }
    for _ in 0..<2 {
      expectClose(try value(Tensor([4])), Tensor([0.5]), .analytic)
      expectClose(try slope(Tensor([4])), Tensor([-1.0 / 16]), .analytic)
      #expect(throws: ImplicitSolverError.self) { try flat(Tensor([1])) }
      #expect(throws: ImplicitSolverError.self) { try value(Tensor([.nan])) }
      expectClose(
        try vmap { try value($0) }(Tensor([[4], [1]])), Tensor([[0.5], [1]]), .analytic)
    }
  }

  /// Searches for every example by itself, whether or not the examples begin in different places.
  @Test func searchesOfBatches() throws {
    let residual: @Sendable (Tensor, Tensor) -> Tensor = { z, q in z * z - q }
    let parameters = Tensor([[1, 4, 9], [0.25, 2, 3]])
    let starts: [@Sendable (Tensor) -> Tensor] = [{ _ in .ones([3]) }, { $0 + 1 }]
    for start in starts {
      let all = { (p: Tensor) in
        try vmap { (q: Tensor) in try root(of: residual, from: start(q), at: q) }(p)
      }
      let slope = { (p: Tensor) in try gradient(of: { try all($0).sum() }, at: p) }
      let tangent = { (p: Tensor) in try jvp(of: all, at: p, along: p).tangent }
      for f in [all, slope, tangent] {
        let recorded = compiled(throwing: f)
        for _ in 0..<2 { expectClose(try recorded(parameters), try f(parameters), .analytic) }
      }
    }
    let shared = { (p: Tensor) in
      try vmap { (q: Tensor) in
        try root(of: { (z: [Tensor], q: Tensor) in [z[0] - q, z[1] * z[1] - q] }, from: [Tensor(1), Tensor(1)], at: q)
      }(p)
    }
    let recorded = compiled(throwing: shared)
    for (a, b) in zip(try recorded(Tensor([4, 9])), try shared(Tensor([4, 9]))) { expectClose(a, b, .analytic) }
  }

  @Test func otherFactorizations() throws {
    let a = Self.positive(4, seed: 3)
    let eigen = compiled { (a: Tensor) -> [Tensor] in
      let parts = try symmetricEigen(a)
      return [parts.values, parts.vectors]
    }
    let parts = try symmetricEigen(a)
    for (x, y) in zip(try eigen(a), [parts.values, parts.vectors]) { expectClose(x, y, .exact) }
    let solve = compiled { (a: Tensor) in try triangularSolve(a, Tensor([1, 2, 3, 4])) }
    expectClose(try solve(a), try triangularSolve(a, Tensor([1, 2, 3, 4])), .exact)
    #expect(throws: LinearAlgebraError.singular(pivot: 0, value: 0)) { try solve(a * 0) }
    let infinite = a * Tensor.infinity(4)
    #expect(throws: LinearAlgebraError.self) { try eigen(infinite) }
  }
}

extension Tensor {
  /// A matrix of ones, but for an infinite corner.
  fileprivate static func infinity(_ n: Int) -> Tensor {
    var matrix = Tensor.ones([n, n])
    matrix[0, 0] = Tensor(.infinity)
    return matrix
  }
}
