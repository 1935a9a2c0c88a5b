import AutoDiff
import Foundation
import Tangent
import Testing

@testable import ad_demo

/// The hierarchy on the digits, in small.
@Suite struct HierarchyStudyTests {
  private static func digits(known: Int, heldOut: Int) throws -> DigitPair {
    try DigitPair(Digits.bundled(), 3, 8, known: known, heldOut: heldOut)
  }

  @Test func digitsAreOfLengthOneAndOfTwoKinds() throws {
    let digits = try Self.digits(known: 12, heldOut: 30)
    #expect(digits.known.shape == [12, 64] && digits.heldOut.shape == [30, 64])
    for length in digits.known.norm(axes: [1]).scalars { #expect(abs(length - 1) < 1e-14) }
    let labels = digits.labels.scalars + digits.heldOutLabels.scalars
    #expect(Set(labels) == [-1, 1])
    // The first 42 threes and eights of the data.
    let expected = try Digits.bundled().labels.filter { $0 == 3 || $0 == 8 }.prefix(42).map { $0 == 3 ? 1.0 : -1 }
    #expect(labels == expected)
    #expect(throws: UsageError.self) { _ = try Self.digits(known: 64, heldOut: 350) }
  }

  @Test func higherTruncationsPredictBetterThanTheFrozenKernel() throws {
    let digits = try Self.digits(known: 6, heldOut: 16)
    var errors = [0.0, 0, 0]
    for seed in 0..<3 {
      let study = try HierarchyStudy(
        HierarchyNetwork(depth: 2, width: 64) { tanh($0) }, seed: UInt64(seed), on: digits, highestOrder: 5,
        at: [0, 3], isPredicting: true)
      for k in 0..<3 { errors[k] += study.heldOutErrors[k].last! }
      #expect(study.heldOutErrors.allSatisfy { $0[0] == 0 })
      #expect(study.kernelMovements[0] == 0 && study.kernelMovements[1] > 0)
      #expect(study.kernelSizes.count == 4 && study.kernelSizes.allSatisfy { $0 > 0 })
      let shares = study.heldOutAccuracies(digits.heldOutLabels)
      #expect(shares.count == 4 && shares.allSatisfy { (0...1).contains($0) })
    }
    #expect(errors[1] < errors[0] / 1.5 && errors[2] < errors[1] / 4, "\(errors)")
  }

  @Test func slopesOfPowersAreFound() throws {
    // Values 3 m^(−1.5) with errors in proportion.
    let points = [8, 16, 32].map { width -> WidthAverage in
      let value = 3 * pow(Double(width), -1.5)
      return WidthAverage(width: width, [value * 0.9, value, value * 1.1])
    }
    #expect(abs(points[0].error / points[0].mean - 0.1 / 3.0.squareRoot()) < 1e-12)
    let slope = try #require(WidthAverage.slope(points))
    #expect(abs(slope.value + 1.5) < 1e-12)
    #expect(abs(slope.error - 0.1 / 3.0.squareRoot() / (2.0.squareRoot() * log(2))) < 1e-12)
    #expect(WidthAverage.slope([points[0]]) == nil)
    // Without errors, and off the line by as much at every point as makes the residual known.
    let exact = [2, 4, 8].map { WidthAverage(width: $0, [3 / Double($0)]) }
    let plain = try #require(WidthAverage.slope(exact))
    #expect(abs(plain.value + 1) < 1e-12 && plain.error < 1e-12)
    let bent = [(2, 1.0), (4, 2), (8, 1)].map { WidthAverage(width: $0.0, [$0.1]) }
    let level = try #require(WidthAverage.slope(bent))
    // Residuals −1/3, 2/3, −1/3 of log 2 over a spread of 2 log² 2.
    #expect(abs(level.value) < 1e-12 && abs(level.error - (1.0 / 3).squareRoot()) < 1e-12)
  }

  @Test func theCommandsShowTheirResults() throws {
    let hierarchy = try HostileCallTests.shell(
      "\"$AD\" hierarchy --width 16 --from 8 --to 32 --draws 2 --examples 3 --held-out 5 --time 0.5 --output o")
    #expect(hierarchy.status == 0, "\(hierarchy.complaint)")
    #expect(hierarchy.output.contains("p = 2, the kernel frozen") && hierarchy.output.contains("\n slope"))
    #expect(hierarchy.files == ["o", "o/hierarchy-error.svg", "o/hierarchy-width.svg"])
    let spectrum = try HostileCallTests.shell(
      "\"$AD\" spectrum --train 30 --width 6 --epochs 2 --eigenvalues 2 --probes 2 --steps 10 --examples 20 --output o")
    #expect(spectrum.status == 0, "\(spectrum.complaint)")
    #expect(spectrum.output.contains("After training: loss"))
    #expect(spectrum.files == ["o", "o/hessian.svg", "o/spectrum.svg"])
    let backwards = try HostileCallTests.shell("\"$AD\" hierarchy --from 64 --to 32")
    #expect(backwards.status == 2 && backwards.complaint.contains("--from 64 must not be larger than --to 32."))
    let many = try HostileCallTests.shell("\"$AD\" hierarchy --examples 64 --held-out 350")
    #expect(many.status == 2 && many.complaint.contains("are more than the"))
  }
}
