import AutoDiff
import Foundation
import Tangent
import Testing

@Suite struct GaussianProcessTests {
  /// exp(−‖x − z‖²/2), noise 1/8: mean, covariance and log marginal likelihood from the formulas, by mpmath.
  @Test(arguments: ScalarType.allCases, [KernelSolver.cholesky, .pseudoInverse()]) func agreesWithReference(
    type: ScalarType, solver: KernelSolver
  ) throws {
    let (x, new, y) = (SixPoints.x.as(type), SixPoints.new.as(type), SixPoints.y.as(type))
    let tolerance = 500 * type.epsilon
    let process = try GaussianProcess(
      covariance: rbfKernel(x, x, rate: 0.5), labels: y, noise: 0.125, solver: solver)
    let cross = rbfKernel(new, x, rate: 0.5)
    let mean = Tensor([-0.25623683987647270877, 0.95510372545369818315])
    expectClose(process.mean(cross), mean.as(type), tolerance: tolerance)
    let covariance = Tensor([
      [0.21400153145579529802, 0.029782810671750011041], [0.029782810671750011041, 0.18034478046469079559],
    ])
    let prior = rbfKernel(new, new, rate: 0.5)
    expectClose(try process.covariance(cross, prior: prior), covariance.as(type), tolerance: tolerance)
    let variances = Tensor([0.21400153145579529802, 0.18034478046469079559])
    expectClose(try process.variances(cross, prior: .ones([2], as: type)), variances.as(type), tolerance: tolerance)
    expectClose(
      try process.logMarginalLikelihood(), Tensor(-16.001212639283605263, as: type), tolerance: tolerance)
  }

  /// Conditioning on one half of the observations and then on the other is conditioning on all, and the likelihood is a product.
  @Test func conditioningInStepsIsConditioningAtOnce() throws {
    var random = RandomGenerator(seed: 1)
    let x = Tensor.normal([9, 2], using: &random), y = Tensor.normal([9, 2], using: &random)
    let noise = Tensor.uniform([9], in: 0.1..<0.5, using: &random)
    let k = laplaceKernel(x, x, rate: 1)
    // Observations 0…3, then 4…6; 7 and 8 are new.
    let first = try GaussianProcess(covariance: k[0..<4, 0..<4], labels: y[0..<4], noise: noise[0..<4])
    let mean = first.mean(k[4..., 0..<4])
    let covariance = try first.covariance(k[4..., 0..<4], prior: k[4..., 4...])
    let second = try GaussianProcess(
      covariance: covariance[0..<3, 0..<3], labels: y[4..<7] - mean[0..<3], noise: noise[4..<7])
    let whole = try GaussianProcess(covariance: k[0..<7, 0..<7], labels: y[0..<7], noise: noise[0..<7])
    let cross = covariance[3..., 0..<3]
    expectClose(mean[3...] + second.mean(cross), whole.mean(k[7..., 0..<7]), tolerance: 1e-12)
    expectClose(
      try second.covariance(cross, prior: covariance[3..., 3...]),
      try whole.covariance(k[7..., 0..<7], prior: k[7..., 7...]), tolerance: 1e-12)
    expectClose(
      try first.logMarginalLikelihood() + second.logMarginalLikelihood(), try whole.logMarginalLikelihood(),
      tolerance: 1e-12)
  }

  /// Draws of the joint process, conditioned by regression of the sample: within six standard errors.
  @Test func agreesWithSampling() throws {
    let points = concatenate([SixPoints.x[1..<4], SixPoints.new])
    let k = rbfKernel(points, points, rate: 0.5)
    var random = RandomGenerator(seed: 2)
    let draws = 40_000
    let f = matmul(try cholesky(k), Tensor.normal([5, draws], using: &random))
    let y = f[0..<3] + Tensor.normal([3, draws], using: &random) * 0.125.squareRoot()
    let process = try GaussianProcess(covariance: k[0..<3, 0..<3], labels: y, noise: 0.125)
    // The posterior mean is that of every draw, so the errors have mean 0 and the posterior covariance.
    let errors = f[3...] - process.mean(k[3..., 0..<3])
    let covariance = try process.covariance(k[3..., 0..<3], prior: k[3..., 3...])
    let sampled = matmul(errors, errors.transposed) / Double(draws)
    for i in 0..<2 {
      for j in 0..<2 {
        let (ii, jj, ij) = (covariance[i, i].scalar, covariance[j, j].scalar, covariance[i, j].scalar)
        let standardError = ((ii * jj + ij * ij) / Double(draws)).squareRoot()
        #expect(abs(sampled[i, j].scalar - ij) < 6 * standardError)
      }
      #expect(abs(errors[i].mean().scalar) < 6 * (covariance[i, i].scalar / Double(draws)).squareRoot())
    }
    // Errors and observations are uncorrelated.
    let products = matmul(errors, y.transposed) / Double(draws)
    #expect(abs(products).max().scalar < 6 / Double(draws).squareRoot())
  }

  /// Examples may be measured in units of their own: with y, K and the noise of each multiplied by powers of two, nothing
  /// changes, not by a bit, and a point seen twice is singular in any units.
  @Test func unitsOfExamplesDoNotMatter() throws {
    var random = RandomGenerator(seed: 4)
    for _ in 0..<10 {
      let x = Tensor.normal([7, 3], using: &random), y = Tensor.normal([7], using: &random)
      let noise = Tensor.uniform([7], in: 0..<0.1, using: &random)
      let units = Tensor((0..<7).map { _ in scalbn(1.0, Int(random.next() % 300) - 150) })
      let k = rbfKernel(x, x, rate: 0.5), cross = rbfKernel(Tensor.normal([2, 3], using: &random), x, rate: 0.5)
      let plain = try GaussianProcess(covariance: k, labels: y, noise: noise)
      let scaled = try GaussianProcess(
        covariance: k * outer(units, units), labels: y * units, noise: noise * square(units))
      #expect(plain.mean(cross) == scaled.mean(cross * units))
      #expect(
        try plain.variances(cross, prior: .ones([2])) == scaled.variances(cross * units, prior: .ones([2])))
      let twice = concatenate([x, x[0..<1]])
      let all = concatenate([units, units[6..<7]])
      for units in [Tensor.ones([8]), all] {
        #expect(throws: KernelMatrixError.self) {
          _ = try GaussianProcess(
            covariance: rbfKernel(twice, twice, rate: 0.5) * outer(units, units), labels: .ones([8]))
        }
      }
    }
  }

  /// An observation with huge noise is none.
  @Test(arguments: [1e18, 1e30, 1e200]) func anUnobservedExampleDoesNotMatter(variance: Double) throws {
    let (x, y) = (SixPoints.x, SixPoints.y)
    let others = Tensor([0.1, 0.2, 0.3, 0.1, 0.2])
    let noise = concatenate([Tensor([variance]), others])
    let all = try GaussianProcess(covariance: rbfKernel(x, x, rate: 0.5), labels: y, noise: noise)
    let rest = try GaussianProcess(covariance: rbfKernel(x[1...], x[1...], rate: 0.5), labels: y[1...], noise: others)
    let cross = rbfKernel(SixPoints.new, x, rate: 0.5)
    expectClose(all.mean(cross), rest.mean(cross[.all, 1...]), tolerance: 1e-13)
    expectClose(
      try all.variances(cross, prior: .ones([2])), try rest.variances(cross[.all, 1...], prior: .ones([2])),
      tolerance: 1e-13)
  }

  /// Without noise the process passes through the labels and is certain there; a point seen twice is singular.
  @Test func singularCovariancesAreRefusedOrConditionedOn() throws {
    let x = concatenate([SixPoints.x, SixPoints.x[2..<3]])
    let k = laplaceKernel(x, x, rate: 1)
    let y = concatenate([SixPoints.y, SixPoints.y[2..<3]])
    let error = try #require(throws: KernelMatrixError.self) { try GaussianProcess(covariance: k, labels: y) }
    guard case .singular(let smallest, 7, _) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(abs(smallest) < 1e-14)
    let process = try GaussianProcess(covariance: k, labels: y, solver: .pseudoInverse())
    let once = try GaussianProcess(covariance: k[0..<6, 0..<6], labels: SixPoints.y)
    let cross = laplaceKernel(SixPoints.new, x, rate: 1)
    expectClose(process.mean(cross), once.mean(cross[TensorIndex.all, 0..<6]), tolerance: 1e-12)
    expectClose(
      try process.variances(cross, prior: .ones([2])),
      try once.variances(cross[TensorIndex.all, 0..<6], prior: .ones([2])), tolerance: 1e-12)
    expectClose(once.mean(k[0..<6, 0..<6]), SixPoints.y, tolerance: 1e-12)
    let certain = try once.variances(k[0..<6, 0..<6], prior: .ones([6]))
    #expect(certain.allSatisfy { (0..<1e-13).contains($0) })
    #expect(throws: KernelMatrixError.self) { try process.logMarginalLikelihood() }
    for solver in [KernelSolver.cholesky, .pseudoInverse()] {
      #expect(throws: KernelMatrixError.self) {
        try GaussianProcess(covariance: PlantedMatrix.exact([2, 1, 1, -1]), labels: .ones([4]), solver: solver)
      }
    }
  }

  /// The derivative of the likelihood in the inputs and the noise.
  @Test func theLikelihoodIsDifferentiable() throws {
    func likelihood(_ x: Tensor, _ noise: Tensor) -> Tensor {
      let k = rbfKernel(x, x, rate: 0.5)
      return try! GaussianProcess(covariance: k, labels: SixPoints.y, noise: noise).logMarginalLikelihood()
    }
    var random = RandomGenerator(seed: 3)
    let noise = Tensor.uniform([6], in: 0.1..<0.4, using: &random)
    let (dx, dn) = (Tensor.normal([6, 2], using: &random), Tensor.normal([6], using: &random) * 0.01)
    let inX = dot(gradient(of: { likelihood($0, noise) }, at: SixPoints.x).flattened, dx.flattened)
    expectClose(
      inX, differenceQuotient(of: { likelihood($0, noise) }, at: SixPoints.x, along: dx), tolerance: 1e-8)
    let inNoise = dot(gradient(of: { likelihood(SixPoints.x, $0) }, at: noise), dn)
    expectClose(
      inNoise, differenceQuotient(of: { likelihood(SixPoints.x, $0) }, at: noise, along: dn), tolerance: 1e-7)
  }

  @Test func withoutObservationsThePriorStays() throws {
    let process = try GaussianProcess(covariance: .zeros([0, 0]), labels: .zeros([0, 2]), noise: 0.5)
    #expect(process.mean(.zeros([3, 0])) == .zeros([3, 2]))
    #expect(try process.covariance(.zeros([3, 0]), prior: .eye(3)) == .eye(3))
    #expect(try process.logMarginalLikelihood() == .zeros([2]))
  }
}
