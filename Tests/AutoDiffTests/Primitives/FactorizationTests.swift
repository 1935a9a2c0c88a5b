import Testing

@testable import AutoDiff

/// What the public functions of linear algebra add to their primitives: compositions, errors, shapes of right-hand sides.
@Suite struct FactorizationTests {
  private func noise(_ shape: [Int], seed: UInt64) -> Tensor {
    var generator = RandomGenerator(seed: seed)
    return Tensor.normal(shape, using: &generator)
  }

  /// B Bᵀ + n for a matrix of noise, or a stack of them.
  private func positiveDefinite(_ shape: [Int], seed: UInt64) -> Tensor {
    let b = noise(shape, seed: seed)
    let n = shape[shape.count - 1]
    return matmul(b, b.transposed) + Tensor.eye(n) * Double(n)
  }

  private func expectEqual(
    _ a: Tensor, _ b: Tensor, tolerance: Double = 1e-12, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(a.isApproximatelyEqual(to: b, tolerance: tolerance), sourceLocation: sourceLocation)
  }

  // MARK: Values

  @Test func factorsMultiplyToTheMatrix() throws {
    let a = positiveDefinite([2, 70, 70], seed: 1)
    let l = try cholesky(a)
    expectEqual(matmul(l, l.transposed), a)
    for shape in [[2, 40, 30], [30, 30], [30, 50], [3, 0], [0, 3]] {
      let a = noise(shape, seed: 2)
      let (q, r) = try qr(a)
      let k = shape.suffix(2).min()!
      #expect(q.shape == shape.dropLast() + [k] && r.shape == shape.dropLast(2) + [k, shape[shape.count - 1]])
      expectEqual(matmul(q, r), a)
      expectEqual(matmul(q.transposed, q), Tensor.eye(k).broadcast(to: shape.dropLast(2) + [k, k]))
    }
    let (values, vectors) = try symmetricEigen(a)
    expectEqual(matmul(vectors * values.expanded(at: -2), vectors.transposed), a)
    expectEqual(try symmetricEigenvalues(a), values)
  }

  @Test func solvesWithColumnsVectorsAndStacks() throws {
    let a = positiveDefinite([2, 1, 5, 5], seed: 3)
    for shape in [[5], [5, 3], [3, 5, 2]] {
      let x = try choleskySolve(a, noise(shape, seed: 4))
      #expect(x.shape == (shape.count == 1 ? [2, 1, 5] : [2, shape.count == 3 ? 3 : 1] + shape.suffix(2)))
      let columns = shape.count == 1 ? x.expanded(at: -1) : x
      let b = noise(shape, seed: 4)
      let sides = (shape.count == 1 ? b.expanded(at: 1) : b).broadcast(to: columns.shape)
      expectEqual(matmul(a.broadcast(to: columns.shape.dropLast(2) + [5, 5]), columns), sides)
    }
    let l = try cholesky(a[0, 0])
    let b = noise([5], seed: 5)
    expectEqual(matmul(l, try triangularSolve(l, b)), b)
    expectEqual(matmul(l.transposed, try triangularSolve(l.transposed, b, .upper)), b)
  }

  @Test func solvesAnySystem() throws {
    let a = noise([2, 1, 5, 5], seed: 13)
    for shape in [[5], [5, 3], [3, 5, 2], [5, 0]] {
      let b = noise(shape, seed: 14)
      let x = try solve(a, b)
      #expect(x.shape == (shape.count == 1 ? [2, 1, 5] : [2, shape.count == 3 ? 3 : 1] + shape.suffix(2)))
      let columns = shape.count == 1 ? x.expanded(at: -1) : x
      let sides = (shape.count == 1 ? b.expanded(at: 1) : b).broadcast(to: columns.shape)
      expectEqual(matmul(a.broadcast(to: columns.shape.dropLast(2) + [5, 5]), columns), sides, tolerance: 1e-11)
    }
    // Not symmetric, with a pivot of 0, in either type.
    let turn = Tensor([[0, -1], [2, 0]], as: .float32)
    expectEqual(try solve(turn, Tensor([3, 4], as: .float32)), Tensor([2, -3], as: .float32), tolerance: 1e-6)
    let b = noise([5], seed: 15)
    try checkDerivatives(of: { (s: [Tensor]) in try solve(s[0], s[1]) }, at: [a[0, 0], b]).requirePassed()
    expectEqual(try vmap { try solve($0, b) }(a[.all, 0]), try solve(a[.all, 0], b.expanded(at: 1)).squeezed([-1]))
    let recorded = compiled(throwing: { (a: Tensor) in try solve(a, b) })
    expectEqual(try recorded(a[0, 0]), try solve(a[0, 0], b))
    for singular in [Tensor.zeros([2, 2]), Tensor([[1, 2], [0, 0]])] {
      #expect(throws: LinearAlgebraError.self) { try solve(singular, .ones([2])) }
      #expect(throws: LinearAlgebraError.self) {
        try compiled(throwing: { (a: Tensor) in try solve(a, .ones([2])) })(singular)
      }
    }
    #expect(throws: LinearAlgebraError.notFinite(row: 0, column: 1, value: .infinity)) {
      try solve(Tensor([[1, .infinity], [0, 1]]), .ones([2]))
    }
  }

  @Test func diagonalsOfMatricesAndStacks() throws {
    for shape in [[1, 1], [4, 4], [3, 5, 5], [2, 0, 3, 3], [0, 0]] {
      let a = noise(shape, seed: 16)
      let n = shape[shape.count - 1]
      expectEqual(a.diagonal, (a * Tensor.eye(n)).sum(axes: [-1]))
      expectEqual(vmap { $0.diagonal }(a.expanded(at: 0)), a.diagonal.expanded(at: 0))
      expectEqual(a.transposed.diagonal, a.diagonal)
    }
    let a = noise([4, 4], seed: 17)
    expectEqual(
      gradient(of: { (square($0.diagonal) * Tensor.range(to: 4)).sum() }, at: a),
      2 * Tensor.eye(4) * Tensor.range(to: 4) * a)
  }

  @Test func logDeterminantAndItsGradient() throws {
    let a = positiveDefinite([4, 4], seed: 6)
    let values = try symmetricEigenvalues(a)
    expectEqual(try logDeterminant(a), log(values).sum())
    let inverse = try choleskySolve(a, .eye(4))
    expectEqual(try gradient(of: { try logDeterminant($0) }, at: a), inverse)
    // −A⁻¹ Ȧ A⁻¹
    let direction = noise([4, 4], seed: 7).symmetricPart
    let moved = try hvp(of: { try logDeterminant($0) }, at: a, along: direction)
    expectEqual(moved, -matmul(inverse, matmul(direction, inverse)))
    #expect(try logDeterminant(.zeros([2, 0, 0])).scalars == [0, 0])
  }

  /// Gradients of Aᵀ A \ b by the composition, against those by the formula for the solution of a linear system.
  @Test func solveIsDifferentiable() throws {
    let (a, b) = (positiveDefinite([4, 4], seed: 8), noise([4], seed: 9))
    let x = try choleskySolve(a, b)
    let (da, db) = (
      try gradient(of: { square(try choleskySolve($0, b)).sum() }, at: a),
      try gradient(of: { square(try choleskySolve(a, $0)).sum() }, at: b)
    )
    let expected = 2 * (try choleskySolve(a, x))
    expectEqual(db, expected)
    expectEqual(da, -outer(expected, x).symmetricPart)
  }

  // MARK: Repeated eigenvalues

  @Test func eigenvaluesThatAreEqual() throws {
    // A = I + t E: the sum of squares of the eigenvalues is the sum of squares of A's entries.
    let a = Tensor.eye(3)
    let squares = { (a: Tensor) in square(try symmetricEigenvalues(a)).sum() }
    expectEqual(try gradient(of: squares, at: a), 2 * a)
    // The projection onto the span of the two equal vectors does not depend on their choice.
    let projection = { (a: Tensor) in
      let vectors = try symmetricEigen(a).vectors
      let pair = vectors[TensorIndex.all, 0..<2]
      return matmul(pair, pair.transposed)
    }
    let twice = Tensor([[2, 0, 0], [0, 2, 0], [0, 0, 5]])
    let direction = Tensor([[1, 2, 3], [2, 4, 5], [3, 5, 6]])
    let tangent = try jvp(of: projection, at: twice, along: direction).tangent
    // First-order perturbation: Ṗ = Σ over pairs across the gap, Ȧᵢⱼ / (λ of the span − λ of the rest).
    expectEqual(tangent, Tensor([[0, 0, -1], [0, 0, -5.0 / 3], [-1, -5.0 / 3, 0]]))
    let pulled = try vjp(of: projection, at: twice).pullback(tangent)
    #expect(pulled.isFinite)
    expectEqual(dot(pulled, direction), dot(tangent, tangent))
  }

  // MARK: Errors

  @Test func errorsNameThePivot() {
    let indefinite = Tensor([[4, 0, 0], [0, -2, 0], [0, 0, 1]])
    let error = LinearAlgebraError.notPositiveDefinite(pivot: 1, value: -2)
    #expect(throws: error) { try cholesky(indefinite) }
    #expect(throws: error) { try logDeterminant(indefinite) }
    #expect(throws: error) { try choleskySolve(indefinite, .ones([3])) }
    let singular = Tensor([[1, 0], [5, 0]])
    #expect(throws: LinearAlgebraError.singular(pivot: 1, value: 0)) { try triangularSolve(singular, .ones([2])) }
    #expect(throws: LinearAlgebraError.singular(pivot: 1, value: 0)) {
      try triangularSolve(singular.transposed, .ones([2]), .upper)
    }
    let infinite = Tensor([[1, 2], [.infinity, 3]])
    #expect(throws: LinearAlgebraError.notFinite(row: 1, column: 0, value: .infinity)) { try qr(infinite) }
    #expect(throws: LinearAlgebraError.notFinite(row: 0, column: 1, value: .infinity)) {
      try qr(Tensor([[1, .infinity]]))
    }
    #expect(throws: LinearAlgebraError.notFinite(row: 1, column: 0, value: .infinity)) { try symmetricEigen(infinite) }
    #expect(throws: LinearAlgebraError.notFinite(row: 1, column: 0, value: .infinity)) {
      try symmetricEigenvalues(infinite)
    }
  }

  /// The error is thrown where the function is called: in gradients, in forward mode, and for any example of a batch.
  @Test func errorsPassThroughTransforms() {
    let good = Tensor.eye(2)
    let bad = Tensor([[1, 2], [2, 1]])
    let error = LinearAlgebraError.notPositiveDefinite(pivot: 1, value: -3)
    #expect(throws: error) { try gradient(of: { try logDeterminant($0) }, at: bad) }
    #expect(throws: error) { try hvp(of: { try logDeterminant($0) }, at: bad, along: good) }
    #expect(throws: error) { try cholesky(stack([good, good, bad])) }
    for matrices in [stack([good, bad]), stack([good, good])] {
      var caught: LinearAlgebraError?
      let values = vmap { (a: Tensor) -> Tensor in
        do throws(LinearAlgebraError) {
          return try logDeterminant(a)
        } catch {
          caught = error
          return a[0, 0] * 0
        }
      }(matrices)
      #expect(values.scalars == [0, 0])
      #expect(caught == (matrices == stack([good, good]) ? nil : error))
    }
    var singular: LinearAlgebraError?
    _ = vmap { (a: Tensor) -> Tensor in
      do throws(LinearAlgebraError) {
        return try triangularSolve(a, .ones([2]))
      } catch {
        singular = error
        return a[0]
      }
    }(stack([good, Tensor.zeros([2, 2])]))
    #expect(singular == .singular(pivot: 0, value: 0))
  }
}
