import AutoDiff
import Tangent
import Testing

@Suite struct BatchMeanOperatorTests {
  /// Batches of 5, 5 and 2 examples.
  static let ranges = stride(from: 0, to: 12, by: 5).map { $0..<min($0 + 5, 12) }
  static let weights = ranges.map { Double($0.count) }

  private func check(
    _ whole: some SymmetricOperator, _ part: @escaping (Range<Int>) throws -> some SymmetricOperator, _ name: String
  ) throws {
    let mean = try BatchMeanOperator(over: Self.ranges, weights: Self.weights, part)
    #expect(mean.dimension == whole.dimension && mean.scalarType == whole.scalarType)
    expectClose(try mean.dense(), try whole.dense(), .analytic, name)
  }

  @Test(arguments: ScalarType.allCases) func theMeanOverBatchesIsTheWhole(type: ScalarType) throws {
    let (p, x) = (SmallClassifier.parameters(type), SmallClassifier.examples(type))
    let data = Pair(x, SmallClassifier.labels(type))
    let f = { SmallClassifier.f($0, $1) }
    try check(
      HessianOperator(of: { SmallClassifier.loss($0) }, at: p),
      { range in HessianOperator(of: { SmallClassifier.loss($0, range) }, at: p) }, "Hessian")
    let loss = { (y: Tensor) in -logSoftmax(y).sum() / Double(y.shape[0]) }
    try check(
      GaussNewtonOperator(of: f, at: p, on: x, loss: loss),
      { try GaussNewtonOperator(of: f, at: p, on: x[$0], loss: loss) }, "Gauss-Newton")
    try check(
      FisherOperator(of: f, at: p, on: x, distribution: .categorical),
      { try FisherOperator(of: f, at: p, on: x[$0], distribution: .categorical) }, "Fisher")
    let one = { (e: Pair<Tensor, Tensor>, p: [Tensor]) in SmallClassifier.loss(e, p) }
    try check(
      EmpiricalFisherOperator(of: one, at: p, on: data),
      { range in try EmpiricalFisherOperator(of: one, at: p, on: data.mapTensors { $0[range] }) }, "empirical Fisher")
  }

  @Test func oneBatchIsHeldAtATime() throws {
    final class Part: SymmetricOperator {
      nonisolated(unsafe) static var alive = 0, most = 0, made = 0
      let (dimension, scalarType) = (2, ScalarType.float64)
      let factor: Double
      init(_ factor: Double) {
        self.factor = factor
        Part.made += 1
        Part.alive += 1
        Part.most = max(Part.most, Part.alive)
      }
      deinit { Part.alive -= 1 }
      func product(with vectors: Tensor) -> Tensor { vectors * factor }
    }
    let a = try BatchMeanOperator(over: [1.0, 2, 6]) { Part($0) }
    #expect(Part.made == 1 && Part.alive == 0)
    #expect(try a.product(with: .ones([2, 3])) == .filled(3, [2, 3]))
    #expect(Part.made == 4 && Part.most == 1)
    // A batch without weight is not made.
    let b = try BatchMeanOperator(over: [1.0, 2, 6], weights: [3, 0, 1]) { Part($0) }
    #expect(try b.product(with: .ones([2, 1])) == .filled(2.25, [2, 1]))
    #expect(Part.made == 7)
  }

  @Test func wrongWeightsStop() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = try BatchMeanOperator(over: [1, 2], weights: [1]) { _ in ClosureOperator(dimension: 1) { $0 } }
    }
    #expect(
      result.message.contains(
        "BatchMeanOperator: needs 2 weights of at least 0 with a positive, finite sum, but got 1 with the sum 1.0."))
    let none = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = try BatchMeanOperator(over: [Int]()) { _ in ClosureOperator(dimension: 1) { $0 } }
    }
    #expect(none.message.contains("BatchMeanOperator: needs a batch, but got none."))
  }
}
