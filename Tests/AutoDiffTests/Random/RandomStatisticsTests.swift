import Foundation
import Testing

@testable import AutoDiff

/// What a million numbers look like. The seeds are fixed, so that nothing here fails by chance.
@Suite struct RandomStatisticsTests {
  private static let count = 1 << 20

  /// The largest distance between the share of numbers below x and the law's, times √n (Kolmogorov and Smirnov), at the
  /// borders of classes that are equally probable, and χ² of the classes in standard deviations.
  private static func distances(_ x: Tensor, _ law: (Double) -> Double) -> (kolmogorov: Double, chiSquare: Double) {
    let classes = 4096
    var counts = [Int](repeating: 0, count: classes)
    for entry in x.scalars { counts[Swift.min(classes - 1, Int(law(entry) * Double(classes)))] += 1 }
    let n = Double(x.count)
    let expected = n / Double(classes)
    var (below, distance, chiSquare) = (0, 0.0, 0.0)
    for (k, count) in counts.enumerated() {
      below += count
      distance = Swift.max(distance, Swift.abs(Double(below) / n - Double(k + 1) / Double(classes)))
      chiSquare += (Double(count) - expected) * (Double(count) - expected) / expected
    }
    let freedom = Double(classes - 1)
    return (distance * n.squareRoot(), (chiSquare - freedom) / (2 * freedom).squareRoot())
  }

  private static func normalLaw(_ x: Double) -> Double { 0.5 * Foundation.erfc(-x / 2.0.squareRoot()) }

  @Test(arguments: ScalarType.allCases) func normalLaw(type: ScalarType) {
    for seed: UInt64 in 0..<2 {
      var random = RandomGenerator(seed: seed)
      let x = Tensor.normal([Self.count], as: type, using: &random).as(.float64)
      let (ks, chi) = Self.distances(x, Self.normalLaw)
      #expect(ks < 1.95 && Swift.abs(chi) < 4, "\(ks), \(chi)")
      // Moments in standard deviations of their own: those of x, x² - 1, x³, x⁴ - 3 are √1, √2, √15, √96.
      let square = x * x
      let n = Double(Self.count).squareRoot()
      let deviations = [
        x.mean().scalar, (square.mean().scalar - 1) / 2.0.squareRoot(), (square * x).mean().scalar / 15.0.squareRoot(),
        ((square * square).mean().scalar - 3) / 96.0.squareRoot(),
      ].map { $0 * n }
      #expect(deviations.allSatisfy { Swift.abs($0) < 4 }, "\(deviations)")
      // As many numbers in the tails as there should be.
      let far = x.scalars.filter { Swift.abs($0) > 4 }.count
      let expected = 2 * Self.normalLaw(-4) * Double(Self.count)
      #expect(Swift.abs(Double(far) - expected) < 4 * expected.squareRoot(), "\(far) of \(expected)")
    }
  }

  @Test(arguments: ScalarType.allCases) func uniformLaw(type: ScalarType) {
    var random = RandomGenerator(seed: 21)
    let x = Tensor.uniform([Self.count], as: type, using: &random).as(.float64)
    let (ks, chi) = Self.distances(x) { $0 }
    #expect(ks < 1.95 && Swift.abs(chi) < 4, "\(ks), \(chi)")
    #expect(x.allSatisfy { $0 >= 0 && $0 < 1 })
  }

  /// Numbers at any distance are not correlated, nor are their squares: within a pair (32), a block, a group, a tile.
  @Test(arguments: ScalarType.allCases) func serialCorrelation(type: ScalarType) {
    var random = RandomGenerator(seed: 22)
    let x = Tensor.normal([Self.count], as: type, using: &random).as(.float64)
    let square = x * x - 1
    for lag in [1, 2, 3, 4, 8, 16, 31, 32, 33, 63, 64, 96, 127, 128, 129, 256, 16_384] {
      let rest = Self.count - lag
      let n = Double(rest).squareRoot()
      let plain = (x[0..<rest] * x[lag..<Self.count]).mean().scalar * n
      let squares = (square[0..<rest] * square[lag..<Self.count]).mean().scalar / 2 * n
      #expect(Swift.abs(plain) < 4.2 && Swift.abs(squares) < 4.2, "lag \(lag): \(plain), \(squares)")
    }
  }

  /// Neighboring seeds, and generators that were split off, are as independent as any others.
  @Test func crossCorrelation() {
    var parent = RandomGenerator(seed: 23)
    var generators = [parent.split(), parent.split(), parent]
    generators += [0, 1, 2, 1 << 32, 1 << 63].map { RandomGenerator(seed: $0) }
    let draws = generators.indices.map { Tensor.normal([1 << 17], using: &generators[$0]) }
    for a in draws.indices {
      for b in 0..<a {
        let correlation = (draws[a] * draws[b]).mean().scalar * Double(1 << 17).squareRoot()
        #expect(Swift.abs(correlation) < 4.2, "\(a) and \(b): \(correlation)")
      }
    }
  }
}
