import AutoDiff
import Tangent
import Testing

@Suite struct KernelRegressionTests {
  /// A linear kernel with features in memory: the representer theorem, and predictions by the weights.
  @Test(arguments: [KernelSolver.cholesky, .pseudoInverse()], ScalarType.allCases) func isRidgeRegressionInFeatures(
    solver: KernelSolver, type: ScalarType
  ) throws {
    var random = RandomGenerator(seed: 1)
    let features = Tensor.normal([7, 4], as: type, using: &random),
      new = Tensor.normal([3, 4], as: type, using: &random)
    let labels = Tensor.normal([7, 2], as: type, using: &random)
    let regression = try KernelRegression(
      kernel: matmul(features, features.transposed), labels: labels, ridge: 0.5, solver: solver)
    // (ΦᵀΦ + λ)⁻¹ Φᵀ y
    let normal = matmul(features.transposed, features) + Tensor.eye(4, as: type) * 0.5
    let weights = try choleskySolve(normal, matmul(features.transposed, labels))
    let tolerance = 500 * type.epsilon
    expectClose(regression.weights(features: features), weights, tolerance: tolerance)
    expectClose(regression.predictions(matmul(new, features.transposed)), matmul(new, weights), tolerance: tolerance)
    let norms = square(weights).sum(axes: [0])
    expectClose(Tensor(regression.squaredNorms), norms.as(.float64), tolerance: tolerance)
    let residuals = (matmul(features, weights) - labels).norm(axes: [0])
    expectClose(Tensor(regression.residuals), residuals.as(.float64), tolerance: tolerance)
  }

  /// Without a ridge, singular kernels included: no other α has a smaller residual, none with the same is shorter, and
  /// all of them give the same function.
  @Test(arguments: awkwardSpectra) func findsTheShortestMinimizer(spectrum: [Double]) throws {
    var random = RandomGenerator(seed: UInt64(spectrum.count))
    let n = spectrum.count
    let kernel = PlantedMatrix.exact(spectrum)
    let labels = Tensor.normal([n, 2], using: &random)
    let regression = try KernelRegression(kernel: kernel, labels: labels)
    let alpha = regression.coefficients
    let scale = max(spectrum[0], 1)
    // Normal equations K (K α − y) = 0 …
    #expect(abs(matmul(kernel, matmul(kernel, alpha) - labels)).max().scalar < 1e-12 * scale)
    // … and α orthogonal to the other minimizers.
    let directions = regression.minimizerDirections
    #expect(directions.shape == [n, spectrum.count { $0 == 0 }])
    if directions.count > 0 {
      #expect(abs(matmul(directions.transposed, alpha)).max().scalar < 1e-13)
      let other = alpha + matmul(directions, Tensor.normal([directions.shape[1], 2], using: &random))
      #expect(abs(matmul(kernel, other - alpha)).max().scalar < 1e-12 * scale)
    }
  }

  @Test func interpolatesAndKeepsTheShapeOfLabels() throws {
    let kernel = laplaceKernel(SixPoints.x, SixPoints.x, rate: 0.5)
    var random = RandomGenerator(seed: 2)
    for shape in [[6], [6, 3], [6, 2, 2]] {
      let labels = Tensor.normal(shape, using: &random)
      for solver in [KernelSolver.cholesky, .pseudoInverse()] {
        let regression = try KernelRegression(kernel: kernel, labels: labels, solver: solver)
        expectClose(regression.predictions(kernel), labels, tolerance: 1e-12)
        #expect(regression.coefficients.shape == shape)
        let weights = regression.weights(features: kernel)
        #expect(weights.shape == shape)
        expectClose(weights, labels, tolerance: 1e-12)
      }
    }
    let none = try KernelRegression(kernel: .zeros([0, 0]), labels: .zeros([0, 2]))
    #expect(none.predictions(.zeros([3, 0])) == .zeros([3, 2]))
  }

  /// Derivatives of predictions in the kernel's inputs and the labels, through Cholesky.
  @Test func derivativesAreDifferences() throws {
    let x = SixPoints.x
    func loss(_ x: Tensor, _ y: Tensor) -> Tensor {
      let regression = try! KernelRegression(
        kernel: rbfKernel(x, x, rate: 0.5), labels: y, ridge: 0.125, solver: .cholesky)
      return square(regression.predictions(rbfKernel(SixPoints.new, x, rate: 0.5))).sum()
    }
    var random = RandomGenerator(seed: 3)
    let (dx, dy) = (Tensor.normal([6, 2], using: &random), Tensor.normal([6], using: &random))
    let inX = dot(gradient(of: { loss($0, SixPoints.y) }, at: x).flattened, dx.flattened)
    expectClose(inX, differenceQuotient(of: { loss($0, SixPoints.y) }, at: x, along: dx), tolerance: 1e-8)
    let inY = dot(gradient(of: { loss(x, $0) }, at: SixPoints.y), dy)
    expectClose(inY, differenceQuotient(of: { loss(x, $0) }, at: SixPoints.y, along: dy), tolerance: 1e-8)
    // The pseudo-inverse is linear in the labels, and differentiable in them.
    let kernel = rbfKernel(x, x, rate: 0.5)
    let slope = try jvp(
      of: { try KernelRegression(kernel: kernel, labels: $0).coefficients }, at: SixPoints.y, along: dy
    ).tangent
    expectClose(slope, try KernelRegression(kernel: kernel, labels: dy).coefficients, tolerance: 1e-10)
  }

  @Test func badLabelsAreNamed() throws {
    #expect(throws: KernelMatrixError.labelNotFinite(example: 1, output: 2, value: -.infinity)) {
      try KernelRegression(kernel: .eye(2), labels: Tensor([[1, 2, 3], [4, 5, -.infinity]]))
    }
  }
}
