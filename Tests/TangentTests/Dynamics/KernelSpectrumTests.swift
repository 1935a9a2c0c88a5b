import AutoDiff
import Foundation
import Testing

@testable import Tangent

@Suite struct KernelSpectrumTests {
  @Test(arguments: awkwardSpectra, [1.0, 0x1p-900, 0x1p900]) func bracketsContainEveryEigenvalue(
    spectrum: [Double], scale: Double
  ) throws {
    let result = try KernelSpectrum(of: PlantedMatrix.exact(spectrum) * scale)
    let largest = spectrum.map(\.magnitude).max() ?? 0
    for (k, truth) in spectrum.enumerated() { #expect(result.bracket(k).contains(truth * scale)) }
    #expect(result.largest.isProved && result.smallest.isProved)
    #expect(result.eigenvalueError <= 40 * Double(spectrum.count) * Double.ulpOfOne * largest * scale + 1e-300)
    let v = result.eigenvectors
    // The product here is rounded.
    let departure = (matmul(v.transposed, v) - .eye(spectrum.count)).norm().scalar
    #expect(abs(departure - result.orthogonalityError) <= 4 * Double(spectrum.count) * Double.ulpOfOne)
    #expect(result.trace.contains(spectrum.reduce(0, +) * scale))
  }

  @Test(arguments: awkwardSpectra) func singlePrecisionIsSolvedInDouble(spectrum: [Double]) throws {
    // The entries are dyadic, so they are the same in both types.
    let result = try KernelSpectrum(of: PlantedMatrix.exact(spectrum, as: .float32))
    for (k, truth) in spectrum.enumerated() { #expect(result.bracket(k).contains(truth)) }
    #expect(result.eigenvalueError < 1e-10 && result.scalarType == .float32)
    #expect(result.defaultCutoff == Double(spectrum.count) * Double(Float.ulpOfOne))
    #expect(result.nearNullDimension() == spectrum.count { $0 == 0 })
  }

  /// Hilbert's matrix of order 10, rounded to double: eigenvalues by mpmath's eigsy with 60 digits.
  @Test func bracketsContainHilbertsEigenvalues() throws {
    let truths = [
      1.7519196702651775066, 0.34292954848350909963, 0.035741816271639232787, 0.0025308907686700285995,
      0.00012874961427637339136, 4.7296892931900962987e-6, 1.2289677387429185853e-7, 2.1474388217975422457e-9,
      2.2667455503810731916e-11, 1.093252433497455222e-13,
    ]
    let result = try KernelSpectrum(of: hilbert(10))
    for (k, truth) in truths.enumerated() { #expect(result.bracket(k).contains(truth), "\(result.bracket(k))") }
    #expect(result.eigenvalueError < 2e-14)
    #expect(result.conditionNumber.contains(truths[0] / truths[9]))
    #expect(result.smallest.lower.value > 0 && result.conditionNumber.upper.value < 2e13)
  }

  private func hilbert(_ n: Int) -> Tensor {
    func entry(_ i: Int, _ j: Int) -> Double { 1 / Double(i + j + 1) }
    return Tensor((0..<n).map { i in (0..<n).map { j in entry(i, j) } })
  }

  /// A wrong decomposition must be seen: the bound grows with what is wrong.
  @Test(arguments: [1e-3, 1e-6, 1e-9]) func theBoundSeesWrongVectors(size: Double) throws {
    var random = RandomGenerator(seed: 3)
    let a = try PlantedMatrix.random([0.9, 0.5, 0.25, 0.125], using: &random)
    let (values, vectors) = try symmetricEigen(a)
    let wrong = vectors + Tensor.normal([4, 4], using: &random) * size
    let bound = EigenvalueError(a, vectors: wrong, values: values).bound
    #expect(bound > size / 10 && bound < 100 * size)
    let shifted = EigenvalueError(a, vectors: vectors, values: values + Tensor([0, 0, size, 0])).bound
    #expect(shifted >= size * 0.999 && shifted < 1.1 * size)
  }

  @Test func ranksAreThoseOfTheirDefinitions() throws {
    let equal = try KernelSpectrum(of: PlantedMatrix.exact([2, 2, 2, 0]))
    #expect(abs(equal.effectiveRank - 3) < 1e-14 && abs(equal.entropyRank - 3) < 1e-13)
    #expect(equal.nearNullDimension() == 1 && equal.conditionNumber.upper.value == .infinity)
    // Eigenvalues 4, 2, 1, 1 of the sum 8: exp(½ ln 2 + ¼ ln 4 + ¼ ln 8) = 2^1.75.
    let uneven = try KernelSpectrum(of: PlantedMatrix.exact([4, 2, 1, 1]))
    #expect(abs(uneven.effectiveRank - 2) < 1e-14 && abs(uneven.entropyRank - pow(2, 1.75)) < 1e-13)
    #expect(uneven.conditionNumber.contains(4) && uneven.conditionNumber.width < 1e-13)
    #expect(uneven.nearNullDimension(cutoff: 0.3) == 2)
  }

  @Test func aZeroKernelAndNoKernelHaveNumbers() throws {
    for kernel in [Tensor.zeros([0, 0]), Tensor.zeros([3, 3])] {
      let result = try KernelSpectrum(of: kernel)
      #expect(result.largest.estimate == 0 && result.effectiveRank == 0 && result.entropyRank == 0)
      #expect(result.trace.estimate == 0 && !result.conditionNumber.estimate.isNaN)
      #expect(result.nearNullDimension() == kernel.shape[0])
      try result.requirePositiveSemidefinite()
    }
  }

  @Test func anIndefiniteKernelIsNamed() throws {
    let result = try KernelSpectrum(of: PlantedMatrix.exact([3, 1, 1, -1]))
    let error = try #require(throws: KernelMatrixError.self) { try result.requirePositiveSemidefinite() }
    guard case .indefinite(let smallest, let count, let cutoff) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(abs(smallest + 1) < 1e-14 && count == 4 && abs(cutoff - 12 * Double.ulpOfOne) < 1e-18)
    #expect("\(error)".contains("smallest of its 4 eigenvalues is \(smallest)"))
    try result.requirePositiveSemidefinite(cutoff: 0.5)
  }

  @Test func badEntriesAreNamed() {
    #expect(throws: SymmetricMatrixError.notFinite(row: 0, column: 1, value: .infinity)) {
      try KernelSpectrum(of: Tensor([[1, .infinity], [0, 1]]))
    }
    #expect(
      throws: SymmetricMatrixError.notSymmetric(
        row: 0, column: 1, value: 1, mirror: 0, tolerance: 1024 * Double.ulpOfOne)
    ) { try KernelSpectrum(of: Tensor([[1, 1], [0, 1]])) }
  }
}
