import AutoDiff
import Testing

@Suite struct CheckingNumbersTests {
  private func error<T: TensorTree, Out: TensorTree>(
    of f: (T) throws -> Out, at x: T, reject: RejectedNumbers = .notANumber
  ) -> NonFiniteError? {
    #expect(throws: NonFiniteError.self) { _ = try checkingNumbers(of: f, at: x, reject: reject) }
  }

  @Test func acceptableComputationsGiveTheirValue() throws {
    let x = Tensor([1, 2, 3])
    let y = try checkingNumbers(of: { exp($0).sum() }, at: x, reject: .nonFinite)
    #expect(!y.isTraced)
    #expect(y == exp(x).sum())
    let g = try checkingNumbers(of: { gradient(of: { exp($0).sum() }, at: $0) }, at: x)
    #expect(g == exp(x))
    #expect(!g.isTraced)
  }

  @Test func theFirstPrimitiveIsNamed() {
    let e = error(of: { (log($0 - 2) + 1).sum() }, at: Tensor([3, 1, 0]))
    #expect(e?.origin == .primitive("log", operation: 2))
    #expect(e?.index == [1])
    #expect(e?.value.isNaN == true)
    #expect(e?.inputValues == [-1])
    #expect(e?.inputShapes == [[3]])
  }

  @Test func infinitiesAreRejectedOnRequest() throws {
    let f = { (x: Tensor) in exp(-reciprocal(x)) }
    #expect(try checkingNumbers(of: f, at: Tensor([1, 0]))[1].scalar == 0)
    let e = error(of: f, at: Tensor([1, 0], as: .float32), reject: .nonFinite)
    #expect(e?.origin == .primitive("reciprocal", operation: 1))
    #expect(e?.value == .infinity)
    #expect(e?.inputValues == [0])
  }

  @Test func aBackwardPassIsFollowed() {
    // The value is 0; the derivative of sqrt at 0 is infinite and meets a 0.
    let f = { (x: Tensor) in gradient(of: { sqrt($0 * 0).sum() }, at: x) }
    let infinite = error(of: f, at: Tensor([1, 4]), reject: .nonFinite)
    #expect(infinite?.origin == .primitive("powerSlope", operation: 4))
    #expect(infinite?.inputValues == [1, 0])
    let nan = error(of: f, at: Tensor([1, 4]))
    #expect(nan?.origin == .primitive("multiply", operation: 5))
    #expect(nan?.inputValues == [.infinity])
    #expect(nan.map { "\($0)" } == "multiply, operation 5, made nan at [0] of shape [2] from the input inf.")
  }

  @Test func everyTransformIsFollowed() {
    let x = Tensor([1, 0])
    #expect(
      error(of: { jvp(of: { sqrt($0) - sqrt($0) }, at: $0, along: Tensor([1, 1])).tangent }, at: x)?.inputValues == [
        .infinity, -.infinity,
      ])
    let batched = error(of: { vmap { (x: Tensor) in log(x - 1) }($0) }, at: x)
    #expect(batched?.origin == .primitive("log", operation: 2))
    #expect(batched?.index == [1])
    let second = { (x: Tensor) in hessian(of: { (sqrt($0) - sqrt($0)).sum() }, at: x) }
    #expect(error(of: second, at: x) != nil)
    let example = vmap { (x: Tensor) in gradient(of: { log($0 * $0).sum() }, at: x) }
    #expect(error(of: example, at: Tensor([[1, 2], [0, 3]]), reject: .nonFinite)?.index == [1, 0])
  }

  @Test func theCheckWorksInsideTransforms() throws {
    let x = Tensor([1, 4])
    let g = try gradient(of: { try checkingNumbers(of: { sqrt($0).sum() }, at: $0) }, at: x)
    #expect(g == Tensor([0.5, 0.25]))
    #expect(throws: NonFiniteError.self) {
      _ = try gradient(of: { try checkingNumbers(of: { log($0 - 2).sum() }, at: $0) }, at: x)
    }
  }

  @Test func inputsConstantsAndResultsAreToldApart() {
    let x = Tensor([1, 2])
    let bad = Tensor([1, .nan])
    #expect(error(of: { $0.map { $0 * 2 } }, at: [x, bad])?.origin == .input(leaf: 1))
    #expect(error(of: { $0 * 2 + bad }, at: x)?.origin == .constant(argument: 1, of: "add", operation: 2))
    #expect(error(of: { [$0, bad] }, at: x)?.origin == .output(leaf: 1))
  }

  @Test func theFunctionsOwnErrorComesSecond() {
    struct Refusal: Error {}
    #expect(throws: Refusal.self) {
      _ = try checkingNumbers(of: { (_: Tensor) -> Tensor in throw Refusal() }, at: Tensor(1))
    }
    #expect(throws: NonFiniteError.self) {
      _ = try checkingNumbers(
        of: { (x: Tensor) -> Tensor in
          if log(x).scalar.isNaN { throw Refusal() }
          return x
        }, at: Tensor(-1))
    }
  }

  @Test func reductionsReportTheRangeOfTheirInputs() {
    let e = error(of: { ($0 * 1e308).sum() }, at: Tensor([1, 1.5]), reject: .nonFinite)
    #expect(e?.origin == .primitive("sum", operation: 2))
    #expect(e?.inputValues == nil)
    #expect(e?.inputRanges == [1e308...1.5e308])
    #expect(e.map { "\($0)".contains("within") } == true)
  }
}
