import AutoDiff
import Foundation
import Tangent
import Testing

@Suite struct TrainedEnsembleTests {
  private func sixPoints(_ type: ScalarType) throws -> (TrainedEnsemble, tangent: Tensor, cross: Tensor, prior: Tensor)
  {
    let (x, new) = (SixPoints.x, SixPoints.new)
    let ensemble = try TrainedEnsemble(
      tangentKernel: SixPoints.tangentKernel(x, x).as(type), initialCovariance: SixPoints.rbf(x, x).as(type),
      labels: SixPoints.y.as(type))
    return (
      ensemble, SixPoints.tangentKernel(new, x).as(type), SixPoints.rbf(new, x).as(type),
      SixPoints.rbf(new, new).as(type)
    )
  }

  /// Equations (14) and (15) with matrix exponentials by mpmath.
  @Test(arguments: ScalarType.allCases) func agreesWithReference(type: ScalarType) throws {
    let (ensemble, tangent, cross, prior) = try sixPoints(type)
    let references: [(time: Double, mean: [Double], covariance: [[Double]])] = [
      (
        0.75, [0.34040455658847805089, 0.56107397824479172816],
        [[0.21144886445207628671, -0.010626946920982654405], [-0.010626946920982654405, 0.22296364899736411807]]
      ),
      (
        .infinity, [-4.1766100352054131693, 0.38266653349419873525],
        [[0.029216796692023442874, 0.011489368474549438096], [0.011489368474549438096, 0.087136798421795156331]]
      ),
    ]
    for (time, mean, covariance) in references {
      // The condition number is about 600.
      let tolerance = 5000 * type.epsilon
      expectClose(ensemble.mean(tangent, at: time), Tensor(mean, as: type), tolerance: tolerance)
      expectClose(
        ensemble.covariance(tangent, crossCovariance: cross, prior: prior, at: time), Tensor(covariance, as: type),
        tolerance: 10 * tolerance)
    }
  }

  @Test func beginsAsTheInitialEnsemble() throws {
    let (ensemble, tangent, cross, prior) = try sixPoints(.float64)
    #expect(ensemble.mean(tangent, at: 0) == .zeros([2]))
    #expect(ensemble.covariance(tangent, crossCovariance: cross, prior: prior, at: 0) == prior)
  }

  /// ∂ₜ mean = Θ(x, X)(y − mean(X)) at any time, on training points as on new ones.
  @Test(arguments: [0.1, 1, 10]) func obeysTheFlow(time: Double) throws {
    let (ensemble, tangent, _, _) = try sixPoints(.float64)
    let training = SixPoints.tangentKernel(SixPoints.x, SixPoints.x)
    for kernel in [tangent, training] {
      let h = 1e-3 * time
      func at(_ multiple: Double) -> Tensor { ensemble.mean(kernel, at: time + multiple * h) }
      let slope = ((at(1) - at(-1)) * 8 - (at(2) - at(-2))) / (12 * h)
      expectClose(slope, matmul(kernel, SixPoints.y - ensemble.mean(training, at: time)), tolerance: 1e-8)
    }
  }

  /// The law of many linear models, each trained by itself: f(x) = φ(x)·w from random w, by small steps of gradient descent.
  @Test func isTheLawOfTrainedModels() throws {
    var random = RandomGenerator(seed: 5)
    let (n, d, draws) = (3, 5, 5000)
    let features = Tensor.normal([n, d], using: &random), new = Tensor.normal([2, d], using: &random)
    // Initial weights of different variances, so that 𝒦 is not Θ.
    let deviations = Tensor([1, 0.5, 2, 0.25, 1.5])
    let w = Tensor.normal([d, draws], using: &random) * deviations.expanded(at: 1)
    let y = Tensor.normal([n], using: &random)
    func kernel(_ a: Tensor, _ b: Tensor) -> Tensor { matmul(a * square(deviations), b.transposed) }
    let ensemble = try TrainedEnsemble(
      tangentKernel: matmul(features, features.transposed), initialCovariance: kernel(features, features), labels: y)
    let cross = matmul(new, features.transposed)
    for time in [0.3, Double.infinity] {
      var trained = w
      let largest = ensemble.spectrum.largest.upper.value
      let (step, count) = time == .infinity ? (1 / largest, 1000) : (time / 100, 100)
      // The flow's steps are exact for the linear model to second order when taken at the middle.
      for _ in 0..<count {
        func slope(_ w: Tensor) -> Tensor { matmul(features.transposed, y.expanded(at: 1) - matmul(features, w)) }
        if time == .infinity, abs(slope(trained)).max().scalar < 1e-6 { break }
        trained = trained + slope(trained + slope(trained) * (step / 2)) * step
      }
      let outputs = matmul(new, trained)
      let mean = ensemble.mean(cross, at: time)
      let covariance = ensemble.covariance(
        cross, crossCovariance: kernel(new, features), prior: kernel(new, new), at: time)
      let errors = outputs - mean.expanded(at: 1)
      let sampled = matmul(errors, errors.transposed) / Double(draws)
      for i in 0..<2 {
        #expect(abs(errors[i].mean().scalar) < 5 * (covariance[i, i].scalar / Double(draws)).squareRoot() + 1e-4)
        for j in 0..<2 {
          let (ii, jj, ij) = (covariance[i, i].scalar, covariance[j, j].scalar, covariance[i, j].scalar)
          #expect(abs(sampled[i, j].scalar - ij) < 5 * ((ii * jj + ij * ij) / Double(draws)).squareRoot() + 1e-4)
        }
      }
    }
  }

  /// With Θ = 𝒦, which is training the last layer only, the ensemble at infinity is the posterior of equation (16).
  @Test func trainingTheLastLayerGivesThePosterior() throws {
    let (x, new) = (SixPoints.x, SixPoints.new)
    let k = SixPoints.rbf(x, x), cross = SixPoints.rbf(new, x), prior = SixPoints.rbf(new, new)
    let labels = stack([SixPoints.y, square(SixPoints.y)], axis: 1)
    let ensemble = try TrainedEnsemble(tangentKernel: k, initialCovariance: k, labels: labels)
    let process = try GaussianProcess(covariance: k, labels: labels)
    expectClose(ensemble.mean(cross), process.mean(cross), tolerance: 1e-11)
    expectClose(
      ensemble.covariance(cross, crossCovariance: cross, prior: prior), try process.covariance(cross, prior: prior),
      tolerance: 1e-10)
  }

  /// Directions that Θ does not see stay as they were initially, at every time, and late times meet infinity.
  @Test(arguments: ScalarType.allCases) func whatIsNotTrainedStays(type: ScalarType) throws {
    let theta = PlantedMatrix.exact([4, 2, 1, 0], as: type), k = PlantedMatrix.exact([3, 1, 1, 2], as: type)
    let ensemble = try TrainedEnsemble(tangentKernel: theta, initialCovariance: k, labels: .ones([4, 1], as: type))
    let last = ensemble.spectrum.eigenvectors[TensorIndex.all, 3].as(type)
    for time in [0.5, 10, 1e30, .infinity] {
      let covariance = ensemble.covariance(theta, crossCovariance: k, prior: k, at: time)
      #expect(abs(dot(last, matmul(covariance, last)).scalar - 2) < 200 * type.epsilon)
      #expect(ensemble.mean(theta, at: time).isFinite)
      if time > 100 {
        expectClose(ensemble.mean(theta, at: time), ensemble.mean(theta), tolerance: 100 * type.epsilon)
        expectClose(
          covariance, ensemble.covariance(theta, crossCovariance: k, prior: k), tolerance: 100 * type.epsilon)
      }
    }
    #expect(throws: KernelMatrixError.self) {
      try TrainedEnsemble(
        tangentKernel: PlantedMatrix.exact([4, 2, 1, -1], as: type), initialCovariance: k, labels: .ones([4], as: type))
    }
  }

  /// What is not trained stays where it was, also at late times and without any cut-off: a kernel of zeros, one of which the
  /// eigenvalues have no reciprocals, and one with an eigenvalue that is exactly 0.
  @Test func kernelsWithoutReciprocalsLeaveTheOutputs() throws {
    let labels = Tensor([1.0, -2])
    for (kernel, mean) in [
      (Tensor.zeros([2, 2]), 0.0), (Tensor.eye(2) * 0x1p-1060, 0), (Tensor([[1.0, 0], [0, 0]]), 1),
    ] {
      for cutoff in [nil, 0.0] {
        let ensemble = try TrainedEnsemble(
          tangentKernel: kernel, initialCovariance: .eye(2), labels: labels, cutoff: cutoff)
        for time in [1e300, Double.infinity] {
          let found = ensemble.mean(kernel, at: time)
          #expect((found[0].scalar - mean).magnitude < 1e-6, "\(kernel) at \(time)")
          #expect(found.isFinite)
        }
      }
    }
    #expect(throws: KernelMatrixError.self) { try KernelFactorization(.eye(2) * 0x1p-1060, solver: .cholesky) }
    #expect(throws: KernelMatrixError.self) {
      try KernelFactorization((Tensor.eye(2) * 0x1p-140).as(.float32), solver: .cholesky)
    }
    let single = try KernelFactorization((Tensor.eye(2) * 0x1p-140).as(.float32))
    #expect(single.rank == 0)
  }
}
