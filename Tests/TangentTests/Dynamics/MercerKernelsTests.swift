import AutoDiff
import Foundation
import Tangent
import Testing

@Suite struct MercerKernelsTests {
  private static let kernels: [(name: String, kernel: @Sendable (Tensor, Tensor) -> Tensor)] = [
    ("polynomial", { polynomialKernel($0, $1, degree: 3, offset: 0.5) }),
    ("rbf", { rbfKernel($0, $1, rate: 0.7) }),
    ("laplace", { laplaceKernel($0, $1, rate: 0.7) }),
  ]

  /// exp(−‖x − z‖²/2) on six points, by mpmath.
  @Test(arguments: ScalarType.allCases) func rbfAgreesWithReference(type: ScalarType) {
    let row = Tensor([
      0.88249690258459540286, 0.92484881321620483425, 1, 0.76672659607082008019, 0.19691167520419405006,
      0.0054993520652588152989,
    ])
    let kernel = rbfKernel(SixPoints.x.as(type), SixPoints.x.as(type), rate: 0.5)
    expectClose(kernel[2], row.as(type), tolerance: 2 * type.epsilon)
  }

  @Test(arguments: 0..<3) func isPositiveSemidefiniteAndSymmetric(index: Int) throws {
    var random = RandomGenerator(seed: 4)
    for type in ScalarType.allCases {
      for n in [1, 2, 9] {
        var x = Tensor.normal([n, 2, 2], as: type, using: &random)
        // A point twice: a singular kernel.
        if n > 1 { x[n - 1] = x[0] }
        let kernel = Self.kernels[index].kernel(x, x)
        let spectrum = try KernelSpectrum(of: kernel)
        try spectrum.requirePositiveSemidefinite()
        #expect(kernel.shape == [n, n] && n == 1 || spectrum.nearNullDimension() >= 1)
        expectClose(
          Self.kernels[index].kernel(x, x[0..<1])[TensorIndex.all, 0], kernel[0], tolerance: 10 * type.epsilon)
      }
    }
  }

  /// (x·z + c)² is the inner product of the features x ⊗ x, √(2c) x and c.
  @Test func polynomialsAreInnerProductsOfFeatures() {
    var random = RandomGenerator(seed: 5)
    let x = Tensor.normal([4, 3], using: &random), z = Tensor.normal([2, 3], using: &random)
    func features(_ x: Tensor) -> Tensor {
      let squares = (x.expanded(at: 1) * x.expanded(at: 2)).reshaped(to: [x.shape[0], 9])
      return concatenate([squares, x * (2 * 0.75).squareRoot(), .filled(0.75, [x.shape[0], 1])], axis: 1)
    }
    expectClose(polynomialKernel(x, z, degree: 2, offset: 0.75), matmul(features(x), features(z).transposed))
    expectClose(polynomialKernel(x, z, degree: 1, offset: 0), matmul(x, z.transposed))
    #expect(polynomialKernel(x, z, degree: 0) == .ones([4, 2]))
    expectClose(polynomialKernel(x, z, degree: 5, offset: 0), pow(matmul(x, z.transposed), 5))
  }

  /// 1 − exp(−√3 · 2⁻⁴⁰) from points that differ by 2⁻⁴⁰ in three entries; mpmath.
  @Test func laplaceIsAccurateBetweenClosePoints() {
    let x = Tensor([[1, 1, 1]])
    let value = laplaceKernel(x, x + 0x1p-40, rate: 1)[0, 0].scalar
    #expect(abs(value - 0.9999999999984247089673158) <= Double.ulpOfOne)
  }

  @Test(arguments: 0..<3) func derivativesAreDifferences(index: Int) {
    var random = RandomGenerator(seed: 6)
    let x = Tensor.normal([3, 2], using: &random), z = Tensor.normal([4, 2], using: &random)
    let weights = Tensor.normal([3, 4], using: &random), direction = Tensor.normal([3, 2], using: &random)
    let kernel = Self.kernels[index].kernel
    let slope = dot(gradient(of: { (kernel($0, z) * weights).sum() }, at: x).flattened, direction.flattened)
    expectClose(
      slope, differenceQuotient(of: { (kernel($0, z) * weights).sum() }, at: x, along: direction), tolerance: 1e-9)
    #expect(gradient(of: { kernel($0, $0).sum() }, at: x).isFinite)
  }

  @Test func badParametersStop() async {
    let rate = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = rbfKernel(Tensor.zeros([2, 3]), Tensor.zeros([2, 3]), rate: 0)
    }
    #expect(rate.message.contains("rbfKernel: the rate must be a positive finite number, but got 0.0"))
    let offset = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = polynomialKernel(Tensor.zeros([2, 3]), Tensor.zeros([2, 3]), degree: 2, offset: -1)
    }
    #expect(offset.message.contains("polynomialKernel: the offset must be a finite number of at least 0, but got -1.0"))
  }
}
