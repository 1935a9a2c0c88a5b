import Testing

@testable import AutoDiff

/// The public functions for eigenvalues and eigenvectors, under every transform.
@Suite struct EigenvaluesTests {
  /// Not symmetric, so that every test also sees that the symmetric part counts; eigenvalues lie apart.
  private func matrix(_ n: Int, seed: UInt64, stack: [Int] = []) -> Tensor {
    var generator = RandomGenerator(seed: seed)
    let noise = Tensor.normal(stack + [n, n], using: &generator)
    return noise + Tensor.eye(n) * (Tensor.range(to: Double(n)) * 3)
  }

  private func expectEqual(
    _ a: Tensor, _ b: Tensor, tolerance: Double = 1e-11, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let difference = a.difference(from: b)
    #expect(difference.relative <= tolerance, "\(difference)", sourceLocation: sourceLocation)
  }

  @Test(arguments: [ScalarType.float64, .float32], [0, 1, 2, 5, 33]) func decomposes(type: ScalarType, n: Int) throws {
    let a = matrix(n, seed: 1).as(type)
    let (values, vectors) = try symmetricEigen(a)
    let tolerance = 100 * type.epsilon
    #expect(values.shape == [n] && vectors.shape == [n, n] && values.scalarType == type)
    #expect(zip(values.scalars, values.scalars.dropFirst()).allSatisfy { $0 <= $1 })
    expectEqual(matmul(vectors * values, vectors.transposed), a.symmetricPart, tolerance: tolerance)
    expectEqual(matmul(vectors.transposed, vectors), .eye(n, as: type), tolerance: tolerance)
    expectEqual(try symmetricEigenvalues(a), values, tolerance: tolerance)
  }

  /// ∂w / ∂A = v vᵀ
  @Test func gradientOfAnEigenvalue() throws {
    let a = matrix(5, seed: 2)
    let vectors = try symmetricEigen(a).vectors
    for i in 0..<5 {
      let v = vectors[..., i]
      expectEqual(try gradient(of: { try symmetricEigen($0).values[i] }, at: a), outer(v, v))
      expectEqual(try gradient(of: { try symmetricEigenvalues($0)[i] }, at: a), outer(v, v))
    }
    // w = vᵀ A v is stationary in v: through the vectors the same gradient comes out.
    let quotient = { (a: Tensor) in
      let v = try symmetricEigen(a).vectors[..., 2]
      return dot(v, matmul(a.symmetricPart, v))
    }
    let v = vectors[..., 2]
    expectEqual(try gradient(of: quotient, at: a), outer(v, v))
  }

  /// A function of all eigenvalues and, through a fixed matrix, of all eigenvectors.
  private func energy(_ a: Tensor) throws(LinearAlgebraError) -> Tensor {
    let (values, vectors) = try symmetricEigen(a)
    let n = a.shape[a.rank - 1]
    let fixed = sin(Tensor.range(to: Double(n * n))).reshaped(to: [n, n])
    return (tanh(values * 0.3) * (fixed * vectors * vectors * vectors).sum(axes: [0])).sum()
  }

  @Test func derivativesAgreeWithDifferences() throws {
    let (a, direction, h) = (matrix(4, seed: 3), matrix(4, seed: 4), 1e-4)
    /// Fourth order, along the direction.
    func difference(_ f: (Tensor) throws -> Tensor) rethrows -> Tensor {
      let near = try f(a + direction * h) - f(a - direction * h)
      let far = try f(a + direction * (2 * h)) - f(a - direction * (2 * h))
      return (near * 8 - far) / (12 * h)
    }
    let first = try jvp(of: energy, at: a, along: direction).tangent
    expectEqual(first, try difference(energy), tolerance: 1e-8)
    expectEqual(dot(try gradient(of: energy, at: a), direction), first)
    let second = try hvp(of: energy, at: a, along: direction)
    expectEqual(second, try difference { try gradient(of: energy, at: $0) }, tolerance: 1e-7)
    // Reverse over reverse.
    let again = try gradient(of: { dot(try gradient(of: energy, at: $0), direction) }, at: a)
    expectEqual(again, second, tolerance: 1e-9)
  }

  @Test func vmapIsALoop() throws {
    let matrices = matrix(4, seed: 5, stack: [3])
    let (values, vectors) = try symmetricEigen(matrices)
    let gradients = vmap { (a: Tensor) in try! gradient(of: energy, at: a) }(matrices)
    let mapped = vmap { (a: Tensor) in try! symmetricEigen(a).vectors }(matrices)
    let mappedValues = vmap { (a: Tensor) in try! symmetricEigenvalues(a) }(matrices)
    for k in 0..<3 {
      let one = try symmetricEigen(matrices[k])
      expectEqual(values[k], one.values)
      expectEqual(mappedValues[k], one.values)
      expectEqual(vectors[k], one.vectors)
      expectEqual(mapped[k], one.vectors)
      expectEqual(gradients[k], try gradient(of: energy, at: matrices[k]))
    }
  }

  @Test func errors() {
    let bad = Tensor([[1, 0], [.nan, 1]])
    #expect(throws: LinearAlgebraError.self) { try symmetricEigen(bad) }
    #expect(throws: LinearAlgebraError.self) { try gradient(of: { try symmetricEigen($0).values[0] }, at: bad) }
    let stacked = stack([Tensor.eye(2), Tensor([[1, .infinity], [.infinity, 1]])])
    let error = LinearAlgebraError.notFinite(row: 1, column: 0, value: .infinity)
    #expect(throws: error) { try symmetricEigenvalues(stacked) }
  }
}
