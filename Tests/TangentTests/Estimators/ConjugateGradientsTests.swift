import AutoDiff
import Tangent
import Testing

@Suite struct ConjugateGradientsTests {
  @Test(arguments: ScalarType.allCases, [0, 0.5]) func agreesWithCholesky(type: ScalarType, ridge: Double) throws {
    var random = RandomGenerator(seed: 1)
    for n in [1, 2, 5, 40] {
      let a = try PlantedMatrix.random((0..<n).map { 1 + Double($0 * $0) / Double(n) }, as: type, using: &random)
      let b = Tensor.normal([n, 3], as: type, using: &random)
      let expected = try choleskySolve(a + Tensor.eye(n, as: type) * ridge, b)
      let result = try conjugateGradients(try DenseSymmetricOperator(a), b, ridge: ridge)
      #expect(result.stoppingReason == .converged && result.residuals.allSatisfy { $0 <= 1e-4 })
      expectClose(result.solution, expected, tolerance: type == .float64 ? 1e-9 : 2e-3)
      let single = try conjugateGradients(try DenseSymmetricOperator(a), b[TensorIndex.all, 1], ridge: ridge)
      #expect(single.solution.shape == [n])
      expectClose(single.solution, expected[TensorIndex.all, 1], tolerance: type == .float64 ? 1e-9 : 2e-3)
    }
  }

  /// In exact arithmetic it ends after as many iterations as there are different eigenvalues.
  @Test func endsAfterAsManyStepsAsEigenvalues() throws {
    var random = RandomGenerator(seed: 2)
    let spectrum = (0..<32).map { [1.0, 4, 9][$0 % 3] }.sorted(by: >)
    let a = try DenseSymmetricOperator(try PlantedMatrix.random(spectrum, using: &random))
    let b = Tensor.normal([32, 2], using: &random)
    let result = try conjugateGradients(a, b)
    #expect(result.iterations == 3 && result.history.count == 4)
    #expect(result.history[0].allSatisfy { abs($0 - 1) < 1e-14 })
    #expect(result.history[2].allSatisfy { $0 > 1e-6 })
  }

  /// The error in the norm of A is below Chebyshev's bound after every number of iterations.
  @Test func convergesAsPromised() throws {
    var random = RandomGenerator(seed: 3)
    let (n, condition) = (60, 100.0)
    let spectrum = (0..<n).map { 1 + (condition - 1) * Double($0) / Double(n - 1) }
    let a = try PlantedMatrix.random(spectrum, using: &random)
    let b = Tensor.normal([n], using: &random)
    let truth = try choleskySolve(a, b)
    func energy(_ e: Tensor) -> Double { dot(e, matmul(a, e)).scalar.squareRoot() }
    let rate = (condition.squareRoot() - 1) / (condition.squareRoot() + 1)
    var bound = 2 * energy(truth)
    for k in 1...25 {
      bound *= rate
      let result = try conjugateGradients(
        try DenseSymmetricOperator(a), b, options: .init(tolerance: 1e-14, iterationLimit: k))
      #expect(energy(result.solution - truth) <= bound && result.iterations == k)
      #expect(result.stoppingReason == .iterationLimit)
    }
  }

  @Test func aPreconditionerSavesIterations() throws {
    var random = RandomGenerator(seed: 4)
    let n = 50
    let scales = Tensor((0..<n).map { Double(1 + $0 * $0) })
    let core = try PlantedMatrix.random((0..<n).map { 1 + Double($0) / Double(n) }, using: &random)
    let a = try DenseSymmetricOperator(core * scales * scales.expanded(at: 1))
    let inverse = ClosureOperator(dimension: n) { $0 / square(scales).expanded(at: 1) }
    let b = Tensor.normal([n, 2], using: &random)
    let plain = try conjugateGradients(a, b, options: .init(tolerance: 1e-8, iterationLimit: 5000))
    let helped = try conjugateGradients(a, b, preconditioner: inverse, options: .init(tolerance: 1e-8))
    #expect(helped.stoppingReason == .converged && helped.iterations < 30 && helped.iterations * 5 < plain.iterations)
    expectClose(matmul(a.matrix, helped.solution), b, tolerance: 1e-7)
  }

  /// Every right-hand side goes its own way, whatever stands beside it and on whatever scale.
  @Test func columnsDoNotMix() throws {
    var random = RandomGenerator(seed: 5)
    let a = try DenseSymmetricOperator(try PlantedMatrix.random((0..<20).map { 1 + Double($0) }, using: &random))
    let b = Tensor.normal([20, 3], using: &random) * Tensor([1e-200, 0, 1e200])
    let result = try conjugateGradients(a, b)
    #expect(result.residuals[1] == 0 && result.residuals.allSatisfy { $0 < 1e-10 })
    for k in 0..<3 {
      let alone = try conjugateGradients(a, b[TensorIndex.all, k]).solution
      expectClose(result.solution[TensorIndex.all, k], alone, tolerance: 1e-9)
    }
    #expect(result.solution[TensorIndex.all, 1] == .zeros([20]))
  }

  @Test func negativeCurvatureIsNamed() throws {
    var random = RandomGenerator(seed: 6)
    let a = try DenseSymmetricOperator(try PlantedMatrix.random([3, 2, 1, -0.5], using: &random))
    let b = Tensor.normal([4, 2], using: &random)
    let error = try #require(throws: SymmetricMatrixError.self) { try conjugateGradients(a, b) }
    guard case .negativeCurvature(let value, let iteration, let column) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(value <= 0 && value >= -0.5 - 1e-12 && (1...4).contains(iteration) && (0...1).contains(column))
    #expect("\(error)".contains("\(value)"))
    // A ridge beyond it helps.
    #expect(try conjugateGradients(a, b, ridge: 0.75).stoppingReason == .converged)
  }

  @Test func aBadPreconditionerIsNamed() throws {
    let a = try DenseSymmetricOperator(Tensor.eye(3))
    #expect(throws: SymmetricMatrixError.preconditionerNotPositive(value: -1, iteration: 1, column: 0)) {
      try conjugateGradients(a, Tensor([1, 2, 3]), preconditioner: ClosureOperator(dimension: 3) { -$0 })
    }
  }

  @Test func whatRoundingForbidsIsSaid() throws {
    var random = RandomGenerator(seed: 7)
    let spectrum = (0..<30).map { 1 + 1e7 * Double($0) }
    let a = try DenseSymmetricOperator(try PlantedMatrix.random(spectrum, using: &random))
    let result = try conjugateGradients(
      a, Tensor.normal([30], using: &random), options: .init(tolerance: 1e-17, iterationLimit: 2000))
    #expect(result.stoppingReason == .attainableAccuracy || result.stoppingReason == .iterationLimit)
    #expect(result.residuals[0] > 1e-17 && result.residuals[0] < 1e-7)
  }

  @Test func badRightHandSidesAreNamed() throws {
    let a = try DenseSymmetricOperator(Tensor.eye(2))
    let error = SymmetricMatrixError.notFinite(row: 1, column: 0, value: .infinity)
    #expect(throws: error) { try conjugateGradients(a, Tensor([1, .infinity])) }
    let none = try conjugateGradients(ClosureOperator(dimension: 0) { $0 }, Tensor.zeros([0, 2]))
    #expect(none.solution.shape == [0, 2] && none.iterations == 0 && none.stoppingReason == .converged)
  }
}
