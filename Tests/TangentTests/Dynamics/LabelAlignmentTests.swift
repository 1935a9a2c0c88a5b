import AutoDiff
import Tangent
import Testing

@Suite struct LabelAlignmentTests {
  /// exp(−‖x − z‖²/2) on six points; figures by mpmath from the definitions, ⟨K, yyᵀ⟩ / (‖K‖ ‖yyᵀ‖).
  @Test(arguments: ScalarType.allCases) func agreesWithReference(type: ScalarType) throws {
    let kernel = rbfKernel(SixPoints.x, SixPoints.x, rate: 0.5)
    let spectrum = try KernelSpectrum(of: kernel.as(type))
    let tolerance = 10 * type.epsilon
    let plain = try spectrum.alignment(with: SixPoints.y.as(type))
    #expect(abs(plain.kernelTargetAlignment - 0.18954759003563157448) < tolerance)
    let centered = try spectrum.alignment(with: SixPoints.y, centering: .centered)
    #expect(abs(centered.kernelTargetAlignment - 0.1033585726592611641) < tolerance)
    #expect(abs(spectrum.effectiveRank - 1.7614632985927801991) < 10 * tolerance)
    #expect(abs(spectrum.entropyRank - 3.0599870245339236795) < 10 * tolerance)
  }

  @Test func aKernelOfTheLabelsIsAligned() throws {
    var random = RandomGenerator(seed: 1)
    let y = Tensor.normal([8, 3], using: &random)
    let spectrum = try KernelSpectrum(of: matmul(y, y.transposed))
    let alignment = try spectrum.alignment(with: y * 1e200)
    #expect(abs(alignment.kernelTargetAlignment - 1) < 1e-14)
    #expect(abs(alignment.cumulativeEnergies[2] - 1) < 1e-14 && alignment.energies[3...].allSatisfy { $0 < 1e-28 })
  }

  /// Energies against the eigenvectors one by one.
  @Test func energiesAreSharesOfTheLabels() throws {
    var random = RandomGenerator(seed: 2)
    let spectrum = try KernelSpectrum(of: try PlantedMatrix.random([4, 3, 2, 1, 0], using: &random))
    let y = Tensor.normal([5, 2, 2], using: &random)
    let result = try spectrum.alignment(with: y)
    let columns = y.reshaped(to: [5, 4])
    let total = square(columns).sum().scalar
    for k in 0..<5 {
      let v = spectrum.eigenvectors[TensorIndex.all, k]
      let naive = (0..<4).reduce(0.0) { sum, j in
        let part = dot(v, columns[TensorIndex.all, j]).scalar
        return sum + part * part
      }
      #expect(abs(result.energies[k] - naive / total) < 1e-14)
    }
    #expect(abs(result.cumulativeEnergies[4] - 1) < 1e-14)
    let single = try spectrum.alignment(with: spectrum.eigenvectors[TensorIndex.all, 2])
    #expect(abs(single.energies[2] - 1) < 1e-14)
    #expect(single.cumulativeEnergies.map { $0.rounded() } == [0, 0, 1, 1, 1])
  }

  @Test func constantsCountForNothingWhenCentered() throws {
    var random = RandomGenerator(seed: 3)
    let x = Tensor.normal([6, 3], using: &random)
    let y = Tensor.normal([6], using: &random)
    func centered(_ x: Tensor, _ y: Tensor) throws -> Double {
      try KernelSpectrum(of: matmul(x, x.transposed)).alignment(with: y, centering: .centered).kernelTargetAlignment
    }
    let shifted = try centered(x + Tensor([1, -2, 3]), y + 5)
    #expect(abs(try centered(x, y) - shifted) < 1e-12)
  }

  @Test func noLabelsAreAlignedWithNothing() throws {
    let spectrum = try KernelSpectrum(of: Tensor.eye(2))
    #expect(try spectrum.alignment(with: Tensor.zeros([2])).kernelTargetAlignment == 0)
    #expect(try spectrum.alignment(with: Tensor.ones([2]), centering: .centered).kernelTargetAlignment == 0)
    #expect(try KernelSpectrum(of: Tensor.zeros([0, 0])).alignment(with: Tensor.zeros([0, 2])).energies.isEmpty)
    #expect(throws: KernelMatrixError.labelNotFinite(example: 1, output: 0, value: .infinity)) {
      try spectrum.alignment(with: Tensor([1, .infinity]))
    }
  }
}
