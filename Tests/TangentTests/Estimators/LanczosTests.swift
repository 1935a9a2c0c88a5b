import AutoDiff
import Foundation
import Tangent
import Testing

@Suite struct LanczosTests {
  @Test(arguments: awkwardSpectra, ScalarType.allCases) func findsBothEnds(spectrum: [Double], type: ScalarType) throws
  {
    let n = spectrum.count
    let a = try DenseSymmetricOperator(PlantedMatrix.exact(spectrum, as: type))
    let scale = spectrum.map(\.magnitude).max() ?? 0
    for count in [1, 2, 3, 5] {
      var random = RandomGenerator(seed: UInt64(n + count))
      let result = try lanczos(a, count: count, using: &random)
      let expected = min(count, n)
      #expect(result.largest.values.count == expected && result.smallest.values.count == expected)
      #expect(result.stoppingReason != .productLimit)
      for (pairs, truths) in [(result.largest, spectrum), (result.smallest, spectrum.reversed())] {
        for k in 0..<expected {
          #expect(abs(pairs.values[k] - truths[k]) <= 100 * type.epsilon * scale, "\(k) of \(spectrum)")
          #expect(pairs.brackets[k].contains(truths[k]), "\(pairs.brackets[k]) of \(spectrum)")
        }
        checkPairs(pairs, of: a, scale: scale)
      }
    }
  }

  /// The vectors are orthonormal, and the residuals are those of a dense product.
  private func checkPairs(_ pairs: LanczosEigenpairs, of a: DenseSymmetricOperator, scale: Double) {
    let x = pairs.vectors.as(.float64)
    let tolerance = 200 * a.scalarType.epsilon
    expectClose(matmul(x.transposed, x), .eye(pairs.values.count), tolerance: tolerance)
    let residuals = (matmul(a.matrix.as(.float64), x) - x * Tensor(pairs.values)).norm(axes: [0]).scalars
    for (residual, reported) in zip(residuals, pairs.residuals) {
      #expect(abs(residual - reported) <= tolerance * max(scale, 1e-300))
    }
  }

  /// Eigenvalues at relative distances of 1e-3 and 1e-6 at the ends, and a restarted iteration.
  @Test func clusteredEndsNeedRestarts() throws {
    var random = RandomGenerator(seed: 3)
    let inner = (0..<140).map { 1 + Double($0) / 140 }
    let spectrum = ([3, 3 - 3e-3, 3 - 3e-6, 0.5, 0.5 + 5e-4, 0.5 + 5e-7] + inner).sorted(by: >)
    let a = try DenseSymmetricOperator(try PlantedMatrix.random(spectrum, using: &random))
    let options = LanczosOptions(tolerance: 1e-12, basisLimit: 24)
    let result = try lanczos(a, count: 3, using: &random, options: options)
    #expect(result.stoppingReason == .converged && result.restarts > 0)
    for k in 0..<3 {
      #expect(abs(result.largest.values[k] - spectrum[k]) < 1e-13)
      #expect(abs(result.smallest.values[k] - spectrum[spectrum.count - 1 - k]) < 1e-13)
      #expect(result.largest.residuals[k] < 1e-11 && result.smallest.residuals[k] < 1e-11)
    }
  }

  /// 4 sin²(kπ / 2(n + 1)) lie at relative distances of 1e-5 at the upper end.
  @Test func findsOneEndOfASecondDifference() throws {
    let n = 200
    let a = try DenseSymmetricOperator(PlantedMatrix.secondDifference(n))
    func value(_ k: Int) -> Double { 4 * pow(sin(Double(k) * .pi / Double(2 * (n + 1))), 2) }
    var random = RandomGenerator(seed: 4)
    let largest = try lanczos(a, count: 2, end: .largest, using: &random)
    #expect(abs(largest.largest.values[0] - value(n)) < 1e-12 && abs(largest.largest.values[1] - value(n - 1)) < 1e-12)
    #expect(largest.smallest.values.isEmpty && largest.smallest.vectors.shape == [n, 0])
    let smallest = try lanczos(a, count: 1, end: .smallest, using: &random)
    #expect(abs(smallest.smallest.values[0] - value(1)) < 1e-12 && smallest.largest.values.isEmpty)
  }

  /// A multiple of the identity ends every Krylov space after one vector.
  @Test(arguments: [0.0, 1.0, -2.5]) func aMultipleOfTheIdentityIsNoObstacle(factor: Double) throws {
    let a = ClosureOperator(dimension: 12) { $0 * factor }
    var random = RandomGenerator(seed: 6)
    for extent in [1, 4] {
      let result = try lanczos(a, count: 4, using: &random, options: .init(blockExtent: extent))
      #expect(result.largest.values.allSatisfy { abs($0 - factor) < 1e-14 } && result.largest.values.count == 4)
      #expect(result.breakdowns > 0)
    }
  }

  @Test func onlyAsManyCopiesAsTheBlockHasVectorsAreCertain() throws {
    let spectrum = [4.0, 4, 4] + (0..<61).map { 2 - Double($0) / 61 }
    let a = try DenseSymmetricOperator(PlantedMatrix.exact(spectrum))
    var random = RandomGenerator(seed: 8)
    let result = try lanczos(a, count: 3, end: .largest, using: &random)
    #expect(result.largest.values.allSatisfy { abs($0 - 4) < 1e-13 })
  }

  @Test func theLimitOfProductsIsKept() throws {
    let a = try DenseSymmetricOperator(PlantedMatrix.secondDifference(300))
    var random = RandomGenerator(seed: 9)
    let result = try lanczos(a, using: &random, options: .init(productLimit: 20))
    #expect(result.stoppingReason == .productLimit && result.products <= 20)
    // What was attained is a proved inner bound all the same.
    #expect(result.largest.brackets[0].lower.value <= 4 && result.largest.brackets[0].lower.basis == .interlacing)
    #expect(result.largest.residuals[0] > 1e-6)
  }

  @Test func isAFunctionOfTheGenerator() throws {
    let a = try DenseSymmetricOperator(PlantedMatrix.secondDifference(40))
    var (first, second, third) = (RandomGenerator(seed: 1), RandomGenerator(seed: 1), RandomGenerator(seed: 2))
    let x = try lanczos(a, using: &first).largest.vectors
    #expect(try x == lanczos(a, using: &second).largest.vectors)
    #expect(try x != lanczos(a, using: &third).largest.vectors)
  }

  /// A tangent kernel that is never formed: K v = J (Jᵀ v), here for all outputs of all examples.
  @Test func worksOnATangentKernelByItsProducts() throws {
    var random = RandomGenerator(seed: 11)
    let p = [Tensor.normal([6, 3], using: &random), Tensor.normal([2, 6], using: &random)]
    let x = Tensor.normal([5, 3], using: &random)
    let jacobian = FactoredJacobian(
      of: { (x: Tensor, p: [Tensor]) in matmul(p[1], tanh(matmul(p[0], x))) }, at: p, on: x)
    let kernel = ClosureOperator(dimension: 10) { v in
      stack(
        (0..<v.shape[1]).map { k in
          jacobian.jvp(jacobian.vjp(v[TensorIndex.all, k].reshaped(to: [5, 2]))).flattened
        }, axis: 1)
    }
    let dense = jacobian.gram().permuted([0, 2, 1, 3]).reshaped(to: [10, 10])
    let spectrum = try KernelSpectrum(of: dense)
    let result = try lanczos(kernel, count: 2, using: &random)
    for k in 0..<2 {
      #expect(result.largest.brackets[k].contains(spectrum.eigenvalues[k]))
      #expect(result.smallest.brackets[k].contains(spectrum.eigenvalues[9 - k]))
    }
    let b = Tensor.normal([10], using: &random)
    expectClose(
      try conjugateGradients(kernel, b, ridge: 0.1).solution, try choleskySolve(dense + Tensor.eye(10) * 0.1, b),
      tolerance: 1e-8)
  }

  @Test func noDimensionHasNoPairs() throws {
    var random = RandomGenerator(seed: 0)
    let result = try lanczos(ClosureOperator(dimension: 0) { $0 }, count: 2, using: &random)
    #expect(result.largest.values.isEmpty && result.products == 0 && result.stoppingReason == .wholeSpace)
  }
}
