import AutoDiff
import Tangent
import Testing

@Suite struct SpectrumBoundsTests {
  @Test(arguments: awkwardSpectra, [1.0, 0x1p-600, 0x1p600]) func enclosesAllEigenvalues(
    spectrum: [Double], scale: Double
  )
    throws
  {
    let bounds = try DenseSymmetricOperator(PlantedMatrix.exact(spectrum) * scale).spectrumBounds
    #expect(bounds.lower.value <= spectrum[spectrum.count - 1] * scale)
    #expect(bounds.upper.value >= spectrum[0] * scale)
    #expect(bounds.lower.basis.isProved && bounds.upper.basis.isProved)
  }

  /// One eigenvalue apart from n − 1 equal ones attains the second bound, and a diagonal matrix the first.
  @Test func bothTheoremsAreAttained() throws {
    let lonely = try DenseSymmetricOperator(PlantedMatrix.exact([9, 1, 1, 1, 1, 1, 1, 1])).spectrumBounds
    #expect(lonely.upper.value < 9 + 1e-12)
    let diagonal = try DenseSymmetricOperator(Tensor.eye(4) * Tensor([4, -1, 0, 2])).spectrumBounds
    #expect(abs(diagonal.upper.value - 4) < 1e-14 && diagonal.upper.basis == .gershgorin)
    #expect(abs(diagonal.lower.value + 1) < 1e-14 && diagonal.lower.basis == .gershgorin)
    var random = RandomGenerator(seed: 5)
    let mixed = try DenseSymmetricOperator(
      PlantedMatrix.random([9] + [Double](repeating: 1, count: 30), using: &random))
    #expect(abs(mixed.spectrumBounds.upper.value - 9) < 1e-11 && mixed.spectrumBounds.upper.basis == .moments)
  }

  @Test func noEigenvaluesGiveZero() throws {
    let bounds = try DenseSymmetricOperator(Tensor.zeros([0, 0])).spectrumBounds
    #expect(bounds.lower.value == 0 && bounds.upper.value == 0)
  }
}
