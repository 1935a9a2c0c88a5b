import AutoDiff
import Foundation
import Testing

@testable import Tangent

@Suite struct SpectralDensityTests {
  /// Of 80 entries: even, clustered with outliers as of a Hessian, indefinite in two bulks.
  static let spectra: [[Double]] = [
    (0..<80).map { (k: Int) -> Double in Double(k) / 79 },
    (0..<80).map { (k: Int) -> Double in k < 3 ? 20 - 4 * Double(k) : 1 / Double(k) },
    (0..<80).map { (k: Int) -> Double in k < 40 ? 1 + Double(k) / 100 : -1 - Double(k) / 300 },
  ]

  private func smoothed(_ spectrum: [Double], at t: Double, _ sigma: Double) -> (density: Double, cumulative: Double) {
    let n = Double(spectrum.count)
    let x = spectrum.map { (t - $0) / sigma }
    let density = x.reduce(0) { $0 + Foundation.exp(-$1 * $1 / 2) } / (n * sigma * (2 * Double.pi).squareRoot())
    return (density, x.reduce(0) { $0 + erfc(-$1 / 2.0.squareRoot()) / 2 } / n)
  }

  @Test(arguments: spectra, ScalarType.allCases) func integratesToOne(spectrum: [Double], type: ScalarType) throws {
    var random = RandomGenerator(seed: 1)
    let a = try DenseSymmetricOperator(PlantedMatrix.random(spectrum, as: type, using: &random))
    for steps in [1, 4, 20, 80] {
      let result = try LanczosQuadrature(of: a, probes: 4, steps: steps, using: &random).density()
      let step = result.grid[1] - result.grid[0]
      #expect(abs(result.density.reduce(0, +) * step - 1) < 1e-6, "\(steps) steps")
      #expect(result.cumulative[0] < 1e-6 && result.cumulative[result.grid.count - 1] > 1 - 1e-6)
      // The cumulative share is the integral of the density, and grows.
      var sum = 0.0
      for k in 1..<result.grid.count {
        sum += (result.density[k - 1] + result.density[k]) * step / 2
        #expect(abs(sum - result.cumulative[k]) < 0.02 && result.cumulative[k] >= result.cumulative[k - 1])
      }
      #expect(result.density.allSatisfy { $0 >= 0 } && result.probes == 4 && result.steps == min(steps, 80))
    }
  }

  /// Over the grid and seeds the truth lies within two standard errors and the bound as often as it should.
  @Test(arguments: spectra) func errorsAreHonest(spectrum: [Double]) throws {
    var random = RandomGenerator(seed: 2)
    let a = try DenseSymmetricOperator(PlantedMatrix.random(spectrum, using: &random))
    var (hits, cumulativeHits, points) = (0, 0, 0)
    for seed in 0..<25 {
      var random = RandomGenerator(seed: UInt64(seed))
      let rules = try LanczosQuadrature(of: a, probes: 10, steps: 40, using: &random)
      let result = rules.density()
      #expect(abs(result.quadratureBound * result.width * (2 * Double.pi).squareRoot() - 0.01) < 1e-4)
      for k in result.grid.indices {
        let truth = smoothed(spectrum, at: result.grid[k], result.width)
        // Where there is something to be seen.
        guard truth.density * result.width > 0.01 else { continue }
        points += 1
        if abs(result.density[k] - truth.density) <= 2 * result.standardErrors[k] + result.quadratureBound { hits += 1 }
        let error = abs(result.cumulative[k] - truth.cumulative)
        if error <= 2 * result.cumulativeStandardErrors[k] + result.cumulativeQuadratureBound { cumulativeHits += 1 }
      }
    }
    #expect(points > 200 && Double(hits) > 0.85 * Double(points), "\(hits) of \(points)")
    #expect(Double(cumulativeHits) > 0.85 * Double(points), "\(cumulativeHits) of \(points)")
  }

  /// Few steps against all of them from the same vectors: never further apart than the bound.
  @Test(arguments: spectra) func theBoundOfTheQuadratureHolds(spectrum: [Double]) throws {
    let a = try DenseSymmetricOperator(PlantedMatrix.exact(spectrum.prefix(64).sorted(by: >)))
    func rules(_ steps: Int) throws -> LanczosQuadrature {
      var random = RandomGenerator(seed: 3)
      return try LanczosQuadrature(of: a, probes: 3, steps: steps, law: .gaussian, using: &random)
    }
    let whole = try rules(64)
    var informative = 0
    for steps in [3, 6, 12, 24] {
      let few = try rules(steps)
      for width in [0.02, 0.05, 0.1, 0.3, 1] {
        let sigma = width * (few.bounds.upperBound - few.bounds.lowerBound) / 2
        let result = few.density(width: sigma)
        let truth = whole.density(width: sigma, on: result.grid)
        let worst = zip(result.density, truth.density).map { abs($0 - $1) }.max() ?? 0
        let worstShare = zip(result.cumulative, truth.cumulative).map { abs($0 - $1) }.max() ?? 0
        #expect(worst <= result.quadratureBound * 1.0001 + 1e-9, "\(steps) steps, width \(width)")
        #expect(worstShare <= result.cumulativeQuadratureBound * 1.0001 + 1e-9, "\(steps) steps, width \(width)")
        if result.quadratureBound * sigma < 0.1, !few.isExact { informative += 1 }
        #expect(!whole.isExact || truth.quadratureBound == 0 && truth.cumulativeQuadratureBound == 0)
      }
    }
    #expect(informative > 5)
  }

  /// Between clusters the cumulative share is that of a histogram.
  @Test func sharesAreThoseOfAHistogram() throws {
    var random = RandomGenerator(seed: 4)
    let spectrum = [Double](repeating: 3, count: 10) + .init(repeating: 1, count: 30) + .init(repeating: -2, count: 60)
    let a = try DenseSymmetricOperator(PlantedMatrix.random(spectrum.sorted(by: >), using: &random))
    let rules = try LanczosQuadrature(of: a, probes: 40, steps: 10, law: .gaussian, using: &random)
    let result = rules.density(width: 0.05, on: [-3, -0.5, 2, 4])
    for (share, (seen, error)) in zip([0, 0.6, 0.9, 1], zip(result.cumulative, result.cumulativeStandardErrors)) {
      #expect(abs(seen - share) <= 3 * error + 1e-9, "\(seen) ± \(error) for \(share)")
      #expect(error < 0.02)
    }
  }

  /// That of a network's Hessian, against its eigenvalues.
  @Test(arguments: ScalarType.allCases) func ofAHessian(type: ScalarType) throws {
    let a = HessianOperator(of: { SmallClassifier.loss($0) }, at: SmallClassifier.parameters(type))
    let dense = hessian(of: { SmallClassifier.loss($0) }, at: SmallClassifier.parameters())
    let eigenvalues = try symmetricEigenvalues(dense).scalars
    var random = RandomGenerator(seed: 5)
    let result = try LanczosQuadrature(of: a, probes: 20, steps: 40, using: &random).density(width: 0.01)
    for k in result.grid.indices {
      let truth = smoothed(eigenvalues, at: result.grid[k], 0.01)
      #expect(abs(result.density[k] - truth.density) <= 4.5 * result.standardErrors[k] + 0.02)
      #expect(abs(result.cumulative[k] - truth.cumulative) <= 4.5 * result.cumulativeStandardErrors[k] + 1e-3)
    }
  }

  @Test func oneEigenvalueIsNoObstacle() throws {
    var random = RandomGenerator(seed: 6)
    for value in [0.0, -3] {
      let a = ClosureOperator(dimension: 7) { $0 * value }
      let rules = try LanczosQuadrature(of: a, probes: 2, steps: 5, using: &random)
      let result = rules.density()
      #expect(rules.isExact && result.quadratureBound == 0 && rules.products == 2)
      let step = result.grid[1] - result.grid[0]
      #expect(abs(result.density.reduce(0, +) * step - 1) < 1e-6)
      #expect(result.standardErrors.allSatisfy { $0 == 0 })
    }
  }

  /// The default width takes fewer units the more steps there are.
  @Test func widthsFollowTheSteps() {
    for steps in [4, 16, 64, 256] {
      let width = GaussianQuadratureBound.resolvedWidth(steps: steps)
      #expect((1.9...2.5).contains(width * Double(steps)))
      #expect(abs(GaussianQuadratureBound(steps: steps, width: width).density - 0.01) < 1e-6)
    }
    // 4 exp(b² / 2σ²) ρ^(1 − 2m) / (ρ − 1) for m = 10, σ = 1/2 at the best ρ, to 30 digits; ours is next to it, above.
    let bound = GaussianQuadratureBound(steps: 10, width: 0.5)
    #expect((1...1.01).contains(bound.density / 4.17422947519920e-9))
    #expect((1...1.01).contains(bound.cumulative / 1.16507559369710e-9))
  }

  @Test func widthsMustBePositive() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var random = RandomGenerator(seed: 1)
      _ = try LanczosQuadrature(of: ClosureOperator(dimension: 3) { $0 }, using: &random).density(width: 0)
    }
    #expect(result.message.contains("density: the width must be positive and finite, but got 0.0."))
  }
}
