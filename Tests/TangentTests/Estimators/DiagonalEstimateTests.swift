import AutoDiff
import Foundation
import Tangent
import Testing

@Suite struct DiagonalEstimateTests {
  static let spectra: [[Double]] = [
    (0..<40).map { (k: Int) -> Double in 1 - Double(k) / 20 },
    (1...40).map { (k: Int) -> Double in 1 / Double(k) },
    (0..<40).map { (k: Int) -> Double in pow(0.8, Double(k)) },
  ]

  /// Every entry by itself, over many seeds.
  @Test(arguments: DiagonalMethod.allCases, spectra)
  func hasNoBiasAndHonestErrors(method: DiagonalMethod, spectrum: [Double]) throws {
    var random = RandomGenerator(seed: 1)
    let matrix = try PlantedMatrix.random(spectrum, using: &random)
    let a = try DenseSymmetricOperator(matrix)
    let truth = (matrix * Tensor.eye(40)).sum(axes: [0]).scalars
    let results = try (0..<120).map { seed in
      var random = RandomGenerator(seed: UInt64(seed))
      return try estimateDiagonal(of: a, by: method, products: 24, using: &random)
    }
    #expect(results.allSatisfy { $0.products == 24 && $0.samples == (method == .hutchPlusPlus ? 8 : 24) })
    let (values, errors) = (results.map { $0.values.scalars }, results.map { $0.standardErrors.scalars })
    var coverage = 0.0
    for i in 0..<40 {
      let statistics = EstimateStatistics(of: truth[i], zip(values, errors).map { ($0[i], $1[i]) })
      #expect(abs(statistics.bias) < 4.5 * statistics.biasError, "entry \(i)")
      coverage += statistics.coverage / 40
    }
    #expect((0.85...1).contains(coverage), "coverage \(coverage)")
  }

  /// Σ_{j≠i} aᵢⱼ² / m.
  @Test func hutchinsonHasTheVarianceOfTheFormula() throws {
    var random = RandomGenerator(seed: 2)
    let matrix = try PlantedMatrix.random((1...20).map(Double.init), using: &random)
    let a = try DenseSymmetricOperator(matrix)
    let expected = square(matrix * (1 - Tensor.eye(20))).sum().scalar / 10
    var seen = 0.0
    for seed in 0..<200 {
      var random = RandomGenerator(seed: UInt64(seed))
      let values = try estimateDiagonal(of: a, products: 10, using: &random).values
      seen += square(values - (matrix * Tensor.eye(20)).sum(axes: [0])).sum().scalar / 200
    }
    #expect(abs(seen / expected - 1) < 0.1, "\(seen) for \(expected)")
  }

  @Test func decayingSpectraAreFollowed() throws {
    var random = RandomGenerator(seed: 3)
    let spectrum = (0..<96).map { pow(0.7, Double($0)) }
    let matrix = try PlantedMatrix.random(spectrum, using: &random)
    let a = try DenseSymmetricOperator(matrix)
    let truth = (matrix * Tensor.eye(96)).sum(axes: [0])
    func error(_ method: DiagonalMethod, _ products: Int) throws -> Double {
      var sum = 0.0
      for seed in 0..<20 {
        var random = RandomGenerator(seed: UInt64(seed))
        sum +=
          square(try estimateDiagonal(of: a, by: method, products: products, using: &random).values - truth).sum()
          .scalar
      }
      return sum.squareRoot()
    }
    let mean = (try error(.hutchinson, 12), try error(.hutchinson, 48))
    let x = (try error(.hutchPlusPlus, 12), try error(.hutchPlusPlus, 48))
    #expect((1.5...2.7).contains(mean.0 / mean.1) && x.0 / x.1 > 15, "\(mean), \(x)")
    #expect(x.1 < mean.1 / 20)
  }

  @Test(arguments: ScalarType.allCases) func lowRankIsExact(type: ScalarType) throws {
    for spectrum in [[5.0, -3, 2], [4.0, 4, 4, 4], []] {
      let whole = spectrum + [Double](repeating: 0, count: 64 - spectrum.count)
      for matrix in [PlantedMatrix.exact(whole, as: type), Tensor.eye(64, as: type) * Tensor(whole, as: type)] {
        let a = try DenseSymmetricOperator(matrix)
        let truth = (matrix * Tensor.eye(64, as: type)).sum(axes: [0]).as(.float64)
        var random = RandomGenerator(seed: 4)
        let result = try estimateDiagonal(of: a, by: .hutchPlusPlus, products: 21, using: &random)
        #expect(abs(result.values - truth).max().scalar < 200 * type.epsilon)
        #expect(result.standardErrors.max().scalar < 200 * type.epsilon)
      }
    }
  }

  @Test(arguments: DiagonalMethod.allCases, awkwardSpectra)
  func enoughProductsAreExact(method: DiagonalMethod, spectrum: [Double]) throws {
    let matrix = PlantedMatrix.exact(spectrum)
    let n = spectrum.count
    var random = RandomGenerator(seed: 5)
    let result = try estimateDiagonal(
      of: DenseSymmetricOperator(matrix), by: method, products: max(n, 3), using: &random)
    #expect(result.values == (matrix * Tensor.eye(n)).sum(axes: [0]) && result.standardErrors == .zeros([n]))
    #expect(result.method == .unitVectors && result.products == n)
  }

  /// That of a network's Hessian, in both types.
  @Test(arguments: ScalarType.allCases) func theDiagonalOfAHessian(type: ScalarType) throws {
    let p = SmallClassifier.parameters(type)
    let a = HessianOperator(of: { SmallClassifier.loss($0) }, at: p)
    let truth = (hessian(of: { SmallClassifier.loss($0) }, at: SmallClassifier.parameters()) * Tensor.eye(40))
      .sum(axes: [0]).scalars
    for method in DiagonalMethod.allCases {
      var random = RandomGenerator(seed: 6)
      let result = try estimateDiagonal(of: a, by: method, products: 38, using: &random)
      for ((value, error), truth) in zip(zip(result.values.scalars, result.standardErrors.scalars), truth) {
        #expect(abs(value - truth) < 5 * error + 1e-5)
      }
    }
  }

  @Test func tooFewProductsStop() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var random = RandomGenerator(seed: 1)
      _ = try estimateDiagonal(of: ClosureOperator(dimension: 9) { $0 }, products: 0, using: &random)
    }
    #expect(result.message.contains("estimateDiagonal: needs at least 1 products, but got 0."))
  }
}
