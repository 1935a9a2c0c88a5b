import AutoDiff
import Foundation
import Tangent
import Testing

/// What is learned from a kernel of another unit is the same at times in that unit; and where a number cannot be had in the
/// type, an error says which.
@Suite struct KernelScaleTests {
  /// Kernels of rank 7 and of rank 2 on 5 training points and 3 new ones.
  static func kernel(rank: Int, _ type: ScalarType, exponent: Int) -> (train: Tensor, cross: Tensor) {
    var random = RandomGenerator(seed: 8)
    let features = Tensor.normal([8, rank], using: &random)
    let unit = scalbn(1.0, exponent)
    let whole = (matmul(features, features.transposed) * unit).as(type)
    return (whole[0..<5, 0..<5], whole[5..., 0..<5])
  }

  static func labels(_ type: ScalarType, _ n: Int = 5) -> Tensor {
    Tensor((0..<2 * n).map { cos(Double($0)) }, as: type).reshaped(to: [n, 2])
  }

  static let scales: [(type: ScalarType, exponent: Int)] = [
    (.float64, -960), (.float64, -500), (.float64, 500), (.float64, 960), (.float32, -100), (.float32, 100),
  ]

  @Test(arguments: scales, [2, 7]) func trainingKnowsNoUnit(
    scale: (type: ScalarType, exponent: Int), rank: Int
  ) throws {
    let (type, unit) = (scale.type, scalbn(1.0, scale.exponent))
    let tolerance = type == .float64 ? 1e-9 : 1e-3
    func training(_ exponent: Int) throws -> LinearizedPredictor {
      let kernel = Self.kernel(rank: rank, type, exponent: exponent)
      let y = Self.labels(type)
      return try LinearizedTraining(kernel: kernel.train, outputs: y * -0.5, targets: y, loss: .halfSum)
        .predictor(kernel: kernel.cross, outputs: Self.labels(type, 3))
    }
    let (plain, scaled) = (try training(0), try training(scale.exponent))
    for time in [0, 0.3, .infinity] {
      for (a, b) in [
        (try plain.outputs(at: .flow(time)), try scaled.outputs(at: .flow(time / unit))),
        (try plain.training.outputs(at: .flow(time)), try scaled.training.outputs(at: .flow(time / unit))),
      ] {
        expectClose(b.as(.float64), a.as(.float64), tolerance: tolerance)
      }
    }
    let (a, b) = (
      try plain.outputs(at: .steps(200, of: 0.01, momentum: .heavyBall(0.5))),
      try scaled.outputs(at: .steps(200, of: 0.01 / unit, momentum: .heavyBall(0.5)))
    )
    expectClose(b.as(.float64), a.as(.float64), tolerance: tolerance)
  }

  /// Kernels below the least normal number, of which nothing has a finite reciprocal, are the kernel 0: as the pseudo-inverse
  /// takes them, nothing is learned, and nothing becomes infinite.
  @Test(arguments: [(ScalarType.float64, -1060), (.float32, -140)], [2, 7]) func whatHasNoReciprocalIsZero(
    scale: (type: ScalarType, exponent: Int), rank: Int
  ) throws {
    let (train, cross) = Self.kernel(rank: rank, scale.type, exponent: scale.exponent)
    let y = Self.labels(scale.type)
    let training = try LinearizedTraining(kernel: train, outputs: .zeros(like: y), targets: y, loss: .halfSum)
    let predictor = try training.predictor(kernel: cross, outputs: Self.labels(scale.type, 3))
    for time in [TrainingTime.flow(1), .flow(.infinity), .steps(100, of: 1e30)] {
      expectClose(try training.outputs(at: time), .zeros(like: y))
      expectClose(try predictor.outputs(at: time), predictor.initialOutputs)
      #expect(try training.coefficients(at: time).isFinite && training.displacementNorm(at: time) == 0)
    }
    let regression = try KernelRegression(kernel: train, labels: y)
    expectClose(regression.predictions(cross), .zeros([3, 2], as: scale.type))
  }

  /// Labels and kernels so far apart that their quotient leaves the type.
  @Test func coefficientsThatLeaveTheTypeAreErrors() throws {
    for (type, small, large) in [(ScalarType.float64, 1e-200, 1e200), (.float32, 1e-30, 1e20)] {
      let (kernel, y) = (Tensor.eye(3, as: type) * small, Tensor([0, large, 1], as: type))
      let training = try LinearizedTraining(kernel: kernel, outputs: .zeros(like: y), targets: y, loss: .halfSum)
      #expect {
        _ = try training.coefficients(at: .flow(.infinity))
      } throws: { error in
        guard case .notFinite("coefficients", _, let value)? = error as? TrainingError else { return false }
        return !value.isFinite
      }
      // What they would be needed for is there all the same.
      let found = try training.predictor(kernel: kernel, outputs: .zeros(like: y)).outputs(at: .flow(.infinity))
      expectClose(found / large, y / large, tolerance: 1e-6)
      for solver in [KernelSolver.pseudoInverse(), .cholesky] {
        expectNoSolution { _ = try KernelRegression(kernel: kernel, labels: y, solver: solver) }
        expectNoSolution { _ = try GaussianProcess(covariance: kernel, labels: y, solver: solver) }
      }
      expectNoSolution { _ = try LinearLeastSquares(features: kernel, labels: y) }
    }
    let error = KernelMatrixError.solutionNotFinite(row: 1, output: 0, value: .infinity)
    #expect("\(error)".contains("entry 1 for output 0 is inf"))
  }

  private func expectNoSolution(_ body: () throws -> Void) {
    #expect {
      try body()
    } throws: { error in
      guard case .solutionNotFinite(_, 0, let value)? = error as? KernelMatrixError else { return false }
      return !value.isFinite
    }
  }

  /// 1 − r_k of a mode with momentum loses no digits where hardly anything has been learned. The twin sums positive terms:
  /// u = (1 − r)/x follows u₊ = τ u − δ u₋ + 1.
  @Test(arguments: [129, 1001, 20_000], [1e-9, 1e-6]) func slowModesWithMuchMomentumKeepTheirDigits(
    count: Int, lack: Double
  ) throws {
    let share = 1 - lack
    for x in [lack * lack * 4, lack * 1e-3] {
      for (momentum, trace, product) in [
        (Momentum.heavyBall(share), 1 + share - x, share), (.nesterov(share), (1 + share) * (1 - x), share * (1 - x)),
      ] {
        var (u, before) = (1.0, 0.0)
        for _ in 1..<count { (u, before) = (trace * u - product * before + 1, u) }
        guard x * u < 0.4 else { continue }
        let training = try LinearizedTraining(
          kernel: Tensor([[x]]), outputs: Tensor([0.0]), targets: Tensor([1.0]), loss: .halfSum)
        let found = try training.coefficients(at: .steps(count, of: 1, momentum: momentum)).scalars[0]
        #expect(abs(found / u - 1) < 2e-7, "\(found) for \(u), x = \(x), \(momentum)")
      }
    }
  }
}
