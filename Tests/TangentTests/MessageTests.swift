import AutoDiff
import Layers
import Tangent
import TestSupport
import Testing

/// Whatever is wrong, the text begins with what the user called, not with something that it calls in turn.
@Suite struct MessageTests {
  private static let matrix = Tensor([[2, 1], [1, 3]])
  private static let labels = Tensor([1, -1])

  /// What looks at the numbers of a kernel, or of what follows from it: here of one that is multiplied by a number.
  static let readers: [(name: String, call: @Sendable (Tensor) throws -> Void)] = [
    ("GaussianProcess", { _ = try GaussianProcess(covariance: matrix * $0, labels: labels, noise: 0.1) }),
    ("GaussianProcess", { _ = try GaussianProcess(covariance: matrix, labels: labels, noise: $0) }),
    ("GaussianProcess", { _ = try GaussianProcess(covariance: matrix, labels: labels * $0) }),
    ("KernelRegression", { _ = try KernelRegression(kernel: matrix * $0, labels: labels) }),
    ("KernelRegression", { _ = try KernelRegression(kernel: matrix * $0, labels: labels, solver: .cholesky) }),
    ("KernelRegression", { _ = try KernelRegression(kernel: matrix, labels: labels * $0) }),
    ("KernelFactorization", { _ = try KernelFactorization(matrix * $0) }),
    ("KernelSpectrum", { _ = try KernelSpectrum(of: matrix * $0) }),
    ("DenseSymmetricOperator", { _ = try DenseSymmetricOperator(matrix * $0) }),
    ("LinearLeastSquares", { _ = try LinearLeastSquares(features: matrix * $0, labels: labels) }),
    (
      "TrainedEnsemble",
      { _ = try TrainedEnsemble(tangentKernel: matrix, initialCovariance: matrix * $0, labels: labels) }
    ),
    (
      "LinearizedTraining",
      { _ = try LinearizedTraining(kernel: matrix, outputs: labels * $0, targets: labels, loss: .sum) }
    ),
    ("FunctionSpaceTraining", { _ = try FunctionSpaceTraining(kernel: matrix, outputs: labels * $0) { $0.sum() } }),
    ("conjugateGradients", { _ = try conjugateGradients(DenseSymmetricOperator(matrix), labels * $0) }),
    ("ODESolver", { _ = try ODESolver().solve(from: $0, at: [0, 1]) { _, y in -y } }),
    ("ODESolver", { t in _ = try ODESolver().solve(from: Tensor(1), at: [0, 1]) { _, y in y * t } }),
  ]

  @Test func whoLooksAtNumbersSaysSo() async {
    for index in Self.readers.indices {
      let name = Self.readers[index].name
      let example = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        [index = index as Int] in
        _ = try vmap { (t: Tensor) in
          try MessageTests.readers[index].call(t)
          return t
        }(Tensor([1, 2]))
      }
      let found = example.message
      #expect(found.contains("Fatal error: \(name): ") && found.contains("vmap"), "\(index): \(name), got \(found)")
      let recorded = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        [index = index as Int] in
        _ = try compiled(throwing: { (t: Tensor) in
          try MessageTests.readers[index].call(t)
          return t
        })(Tensor(1))
      }
      let text = recorded.message
      #expect(text.contains("Fatal error: \(name): ") && text.contains("compiled"), "\(index): \(name), got \(text)")
    }
  }

  /// What takes a kernel as a matrix, and a tangent kernel as it comes by default.
  static let takers: [(name: String, call: @Sendable (Tensor) throws -> Void)] = [
    ("GaussianProcess", { _ = try GaussianProcess(covariance: $0, labels: labels) }),
    ("KernelRegression", { _ = try KernelRegression(kernel: $0, labels: labels) }),
    ("KernelFactorization", { _ = try KernelFactorization($0) }),
    ("KernelSpectrum", { _ = try KernelSpectrum(of: $0) }),
    ("DenseSymmetricOperator", { _ = try DenseSymmetricOperator($0) }),
    ("TrainedEnsemble", { _ = try TrainedEnsemble(tangentKernel: $0, initialCovariance: $0, labels: labels) }),
  ]

  @Test func kernelsOfAllOutputsAreNoMatrices() async {
    for index in Self.takers.indices {
      let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        [index = index as Int] in
        let net = Sequential([Dense(1)])
        let x = Tensor([[1, 2], [3, 4]])
        try MessageTests.takers[index].call(tangentKernel(of: net, at: net.initialized(like: x[0], seed: 0), on: x))
      }
      let expected = "Fatal error: \(Self.takers[index].name): needs a square matrix [n, n], but got shape [2, 2, 1, 1]"
      #expect(result.message.contains(expected) && result.message.contains("outputs: .traceMean"), "\(result.message)")
    }
  }
}
