import AutoDiff
import Testing

/// Every transform takes a function that throws, and passes on what it throws; of one that does not it asks no `try`.
@Suite struct ThrowingTests {
  private struct Refusal: Error, Equatable { let entry: Int }

  private static func positive(_ x: Tensor) throws -> Tensor {
    if x.shape == [3] { throw Refusal(entry: 3) }
    return square(x)
  }

  @Test func values() throws {
    let (x, v) = (Tensor([1, 2]), Tensor([1, 1]))
    func sum(_ x: Tensor) throws -> Tensor { try Self.positive(x).sum() }
    #expect(try gradient(of: { try sum($0) }, at: x).scalars == [2, 4])
    #expect(try valueWithGradient(of: sum, at: x).value.scalar == 5)
    #expect(try vjp(of: Self.positive, at: x).pullback(v).scalars == [2, 4])
    #expect(try jvp(of: Self.positive, at: x, along: v).tangent.scalars == [2, 4])
    #expect(try directionalDerivative(of: Self.positive, at: x, along: v).scalars == [2, 4])
    #expect(try hvp(of: { try sum($0) }, at: x, along: v).scalars == [2, 2])
    #expect(try jacobian(of: { try Self.positive($0) }, at: x)[0].scalars == [2, 0])
    #expect(try hessian(of: { try sum($0) }, at: x)[1].scalars == [0, 2])
    #expect(try linearize(Self.positive, at: x).derivative(v).scalars == [2, 4])
    #expect(try gradient(of: { try sum($0) + sum($1) * 2 }, at: x, v).1.scalars == [4, 4])
    #expect(try checkpoint(Self.positive)(x).scalars == [1, 4])
    #expect(
      try gradient(of: { try checkpoint(Self.positive)(sin($0)).sum() }, at: x)
        == gradient(
          of: {
            square(sin($0)).sum()
          }, at: x))
    #expect(try gradient(of: { w in try checkpoint { try Self.positive($0 * w) }(v).sum() }, at: x).scalars == [2, 4])
    let matrix = Tensor([[1, 2], [3, 4]])
    let rows = vmap { try Self.positive($0) }
    #expect(try rows(matrix) == square(matrix))
    #expect(try vmap(Self.positive)(matrix) == square(matrix))
    #expect(try vmap({ try Self.positive($0) * $1 }, axes: (0, nil))(matrix, v) == square(matrix))
    #expect(try vmap { try Self.positive($0) * $1 * $2 }(matrix, matrix, matrix)[0].scalars == [1, 16])
    #expect(try vmap { (a: Tensor) in try cholesky(outer(a, a) + Tensor.eye(2)) }(matrix).shape == [2, 2, 2])
  }

  @Test func errors() {
    let x = Tensor([1, 2, 3])
    func refuses<R>(_ body: () throws -> R) { #expect(throws: Refusal(entry: 3)) { _ = try body() } }
    refuses { try gradient(of: { try Self.positive($0).sum() }, at: x) }
    refuses { try vjp(of: Self.positive, at: x) }
    refuses { try jvp(of: Self.positive, at: x, along: x) }
    refuses { try hvp(of: { try Self.positive($0).sum() }, at: x, along: x) }
    refuses { try jacobian(of: Self.positive, at: x) }
    refuses { try hessian(of: { try Self.positive($0).sum() }, at: x) }
    refuses { try linearize(Self.positive, at: x) }
    refuses { try checkpoint(Self.positive)(x) }
    refuses { try gradient(of: { try checkpoint { try Self.positive($0 * 2) }($0).sum() }, at: x) }
    refuses { try vmap { try Self.positive($0) }(Tensor.ones([2, 3])) }
    refuses { try vmap { try Self.positive($0) + $1 }(Tensor.ones([2, 3]), Tensor.ones([2, 3])) }
  }

  /// No `try` here: warnings are errors.
  @Test func functionsThatDoNotThrow() {
    let matrix = Tensor([[1, 2], [3, 4]])
    let f = vmap { (x: Tensor) in x * 2 }
    #expect(f(matrix) == matrix * 2)
    #expect(vmap { $0 * $1 }(matrix, matrix) == square(matrix))
    #expect(vmap(square)(matrix) == square(matrix))
    let multiples = [1.0, 2].map { c in vmap { $0 * c }(matrix) }
    #expect(multiples[1] == matrix * 2)
    #expect(checkpoint { $0 * 2 }(matrix) == matrix * 2)
    #expect(checkpoint(square)(matrix) == square(matrix))
    #expect(
      gradient(of: { checkpoint { x in sin(x) * x }($0).sum() }, at: matrix) == sin(matrix) + cos(matrix) * matrix)
  }

  @Test func checkpointStopsWhereOnlyTheSecondRunThrows() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var runs = 0
      _ = try gradient(
        of: { x in
          try checkpoint { (x: Tensor) in
            runs += 1
            if runs > 1 { throw Refusal(entry: runs) }
            return sin(sin(x))
          }(x)
        }, at: Tensor(1))
    }
    #expect(result.message.contains("checkpoint: the function must do the same every time, but got Refusal(entry: 2)"))
  }

  @Test func severalArguments() {
    let (x, w, b) = (Tensor([[1, 2], [3, 4]]), Tensor([[1.0, -1], [0.5, 2]]), Tensor([0.5, -0.5]))
    let (dw, db) = gradient(of: { w, b in square(matmul(x, w) + b).sum() }, at: w, b)
    let expected = gradient(of: { square(matmul(x, $0[0]) + $0[1]).sum() }, at: [w, b])
    #expect([dw, db] == expected)
    let (value, parts) = valueWithGradient(
      of: { a, p, c in (a * p.first * p.second).sum() + c["k"]!.sum() }, at: b, Pair(b, b), ["k": b])
    #expect(value.scalar == 0)
    #expect(parts.1.first == square(b) && parts.2["k"] == Tensor([1, 1]))
  }
}
