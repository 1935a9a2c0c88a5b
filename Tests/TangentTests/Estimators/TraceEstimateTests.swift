import AutoDiff
import Foundation
import Tangent
import Testing

@Suite struct TraceEstimateTests {
  static let methods: [TraceMethod] = [.hutchinson(), .hutchinson(.gaussian), .hutchPlusPlus, .xTrace]
  /// Of 48 entries: indefinite, decaying slowly and fast, semidefinite and flat.
  static let spectra: [[Double]] = [
    (0..<48).map { (k: Int) -> Double in 1 - Double(k) / 20 },
    (1...48).map { (k: Int) -> Double in 1 / Double(k) },
    (0..<48).map { (k: Int) -> Double in pow(0.8, Double(k)) },
    (0..<48).map { (k: Int) -> Double in k < 10 ? 10 : 1 },
  ]

  private func estimates(
    _ a: some SymmetricOperator, _ method: TraceMethod, products: Int, seeds: Range<UInt64>
  ) throws -> [RandomizedEstimate] {
    try seeds.map { seed in
      var random = RandomGenerator(seed: seed)
      return try estimateTrace(of: a, by: method, products: products, using: &random)
    }
  }

  /// The mean over many seeds is the trace, and two standard errors hold it as often as they say.
  @Test(arguments: methods, spectra) func hasNoBiasAndHonestErrors(method: TraceMethod, spectrum: [Double]) throws {
    var random = RandomGenerator(seed: 1)
    let a = try DenseSymmetricOperator(PlantedMatrix.random(spectrum, using: &random))
    let results = try estimates(a, method, products: 30, seeds: 0..<200)
    let statistics = EstimateStatistics(
      of: spectrum.reduce(0, +), results.map { ($0.value, $0.standardError) })
    #expect(abs(statistics.bias) < 3.5 * statistics.biasError)
    #expect((0.85...1).contains(statistics.coverage), "coverage \(statistics.coverage)")
    // The standard error is of the size of the error, and not below; that of XTrace is cautious.
    let mean = (results.reduce(0) { $0 + $1.standardError * $1.standardError } / 200).squareRoot()
    #expect(
      (0.85...(method == .xTrace ? 3.5 : 1.2)).contains(mean / statistics.rootMeanSquare),
      "\(mean) for \(statistics.rootMeanSquare)")
    #expect(results.allSatisfy { $0.products == 30 && $0.systematicError == 0 })
    let samples = ["hutchinson": 30, "hutchPlusPlus": 10, "xTrace": 15]
    #expect(results.allSatisfy { $0.samples == samples[$0.method.rawValue] })
  }

  /// 2 Σ_{i≠j} aᵢⱼ² / m for signs and 2 ‖A‖² / m for normal vectors.
  @Test(arguments: ProbeLaw.allCases) func hutchinsonHasTheVarianceOfTheFormula(law: ProbeLaw) throws {
    var random = RandomGenerator(seed: 2)
    let matrix = try PlantedMatrix.random((0..<32).map { Double($0 % 5) }, using: &random) + Tensor.eye(32) * 2
    let a = try DenseSymmetricOperator(matrix)
    let off = law == .rademacher ? matrix * (1 - Tensor.eye(32)) : matrix
    let expected = (2 * square(off).sum().scalar / 8).squareRoot()
    let values = try estimates(a, .hutchinson(law), products: 8, seeds: 0..<400)
    let trace = (matrix * Tensor.eye(32)).sum().scalar
    let seen = EstimateStatistics(of: trace, values.map { ($0.value, $0.standardError) }).rootMeanSquare
    #expect(abs(seen / expected - 1) < 0.12, "\(seen) for \(expected)")
  }

  /// From 12 to 48 products Hutchinson's error is halved, that of the others falls with the eigenvalues.
  @Test func decayingSpectraAreFollowed() throws {
    var random = RandomGenerator(seed: 3)
    let spectrum = (0..<96).map { pow(0.75, Double($0)) }
    let a = try DenseSymmetricOperator(PlantedMatrix.random(spectrum, using: &random))
    func error(_ method: TraceMethod, _ products: Int) throws -> Double {
      let results = try estimates(a, method, products: products, seeds: 0..<30)
      return EstimateStatistics(of: spectrum.reduce(0, +), results.map { ($0.value, $0.standardError) }).rootMeanSquare
    }
    let (few, many) = (12, 48)
    let hutchinson = (try error(.hutchinson(), few), try error(.hutchinson(), many))
    #expect((1.3...3).contains(hutchinson.0 / hutchinson.1))
    let plusPlus = (try error(.hutchPlusPlus, few), try error(.hutchPlusPlus, many))
    let x = (try error(.xTrace, few), try error(.xTrace, many))
    #expect(plusPlus.0 / plusPlus.1 > 15 && x.0 / x.1 > 60, "\(plusPlus), \(x)")
    #expect(x.1 < plusPlus.1 / 2 && plusPlus.1 < hutchinson.1 / 20)
  }

  /// A rank below the budget is known to rounding, also where the products are linearly dependent to the last bit.
  @Test(arguments: [TraceMethod.hutchPlusPlus, .xTrace], ScalarType.allCases)
  func lowRankIsExact(method: TraceMethod, type: ScalarType) throws {
    var random = RandomGenerator(seed: 4)
    let limit = 100 * type.epsilon
    for spectrum in [[5.0, -3, 2, 1e-3], [4.0, 4, 4, 4], [1.0], []] {
      let whole = spectrum + [Double](repeating: 0, count: 64 - spectrum.count)
      let truth = spectrum.reduce(0, +)
      for matrix in [PlantedMatrix.exact(whole, as: type), try PlantedMatrix.random(whole, as: type, using: &random)] {
        let a = try DenseSymmetricOperator(matrix)
        for result in try estimates(a, method, products: 15, seeds: 0..<5) {
          #expect(
            abs(result.value - truth) <= limit * 5 && result.standardError <= limit * 5, "\(result) of \(spectrum)")
        }
      }
      // diag(spectrum), with zeros that are zeros.
      let exact = try DenseSymmetricOperator(Tensor.eye(64, as: type) * Tensor(whole, as: type))
      for result in try estimates(exact, method, products: 15, seeds: 0..<5) {
        #expect(abs(result.value - truth) <= limit * 5 && result.standardError <= limit * 5, "\(result) of \(spectrum)")
      }
    }
  }

  /// As many products as the dimension are the diagonal itself.
  @Test(arguments: methods, awkwardSpectra) func enoughProductsAreExact(method: TraceMethod, spectrum: [Double]) throws
  {
    let a = try DenseSymmetricOperator(PlantedMatrix.exact(spectrum))
    let n = spectrum.count
    for products in [max(n, 3), n + 10] {
      var random = RandomGenerator(seed: 5)
      let result = try estimateTrace(of: a, by: method, products: products, using: &random)
      expectClose(result.value, spectrum.reduce(0, +), .exact, atLeast: 1)
      #expect(result.standardError == 0 && result.method == .unitVectors && result.products == n)
    }
  }

  /// Every number of products that is allowed, in both types.
  @Test(arguments: methods, ScalarType.allCases) func anyBudgetWorks(method: TraceMethod, type: ScalarType) throws {
    var random = RandomGenerator(seed: 6)
    let a = try DenseSymmetricOperator(PlantedMatrix.random((1...24).map(Double.init), as: type, using: &random))
    for products in (method == .hutchPlusPlus ? 3 : 2)...26 {
      let result = try estimateTrace(of: a, by: method, products: products, using: &random)
      let (most, value) = (min(products, 24), result.value)
      #expect(result.products <= most && result.products > most - 2 && value.isFinite)
      #expect(result.samples == 1 ? result.standardError == .infinity : result.standardError.isFinite)
      #expect(
        (1..<5).contains(result.samples) || abs(result.value - 300) < 6 * result.standardError + 1e-4, "\(result)")
    }
  }

  @Test func isAFunctionOfTheGenerator() throws {
    var random = RandomGenerator(seed: 7)
    let a = try DenseSymmetricOperator(PlantedMatrix.random((1...30).map(Double.init), using: &random))
    for method in Self.methods {
      let first = try estimates(a, method, products: 12, seeds: 1..<4)
      #expect(try first == estimates(a, method, products: 12, seeds: 1..<4))
      #expect(first[0] != first[1] && first[1] != first[2])
    }
  }

  /// A Hessian that is never formed.
  @Test(arguments: methods) func theTraceOfAHessian(method: TraceMethod) throws {
    let p = SmallClassifier.parameters()
    let a = HessianOperator(of: { SmallClassifier.loss($0) }, at: p)
    let truth = (hessian(of: { SmallClassifier.loss($0) }, at: p) * Tensor.eye(40)).sum().scalar
    for result in try estimates(a, method, products: 36, seeds: 0..<4) {
      #expect(abs(result.value - truth) < 4 * result.standardError)
    }
  }

  @Test func failuresOfProductsComeThrough() throws {
    var random = RandomGenerator(seed: 8)
    let bad = ClosureOperator(dimension: 20) { $0 * .nan }
    for method in Self.methods {
      #expect(throws: SymmetricMatrixError.self) {
        try estimateTrace(of: bad, by: method, products: 9, using: &random)
      }
    }
  }

  @Test func tooFewProductsStop() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var random = RandomGenerator(seed: 1)
      let a = ClosureOperator(dimension: 9) { $0 }
      _ = try estimateTrace(of: a, by: .hutchPlusPlus, products: 2, using: &random)
    }
    #expect(result.message.contains("estimateTrace: needs at least 3 products, but got 2."))
  }
}
