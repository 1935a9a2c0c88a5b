import AutoDiff
import Tangent
import Testing

@Suite struct LinearLeastSquaresTests {
  private static let shapes = [(1, 1), (3, 7), (7, 3), (5, 5), (1, 4), (4, 1)]

  /// A of given singular values.
  private func matrix(
    _ n: Int, _ d: Int, _ values: [Double], using generator: inout RandomGenerator
  ) throws -> Tensor {
    let k = min(n, d)
    let u = try qr(Tensor.normal([n, k], using: &generator)).q, v = try qr(Tensor.normal([d, k], using: &generator)).q
    return matmul(u * Tensor(values), v.transposed)
  }

  @Test(arguments: shapes) func solvesWithTheShortestWeights(n: Int, d: Int) throws {
    var random = RandomGenerator(seed: UInt64(10 * n + d))
    let k = min(n, d)
    for rank in Set([k, max(k - 1, 0), 0]) {
      let values = (0..<k).map { $0 < rank ? Double(k - $0) : 0 }
      let a = try matrix(n, d, values, using: &random)
      for type in ScalarType.allCases {
        let labels = Tensor.normal([n, 2], as: type, using: &random)
        let result = try LinearLeastSquares(features: a.as(type), labels: labels)
        #expect(result.rank == rank && result.weights.scalarType == type)
        for (value, truth) in zip(result.singularValues, values) {
          #expect(abs(value - truth) <= 100 * type.epsilon * Double(k))
        }
        let w = result.weights.as(.float64)
        let residual = matmul(a, w) - labels.as(.float64)
        let tolerance = 500 * type.epsilon
        #expect(abs(matmul(a.transposed, residual)).max().scalar < tolerance)
        #expect(abs(result.orthogonalPart(of: result.weights)).max().scalar < tolerance)
        #expect(abs(Tensor(result.residuals) - residual.norm(axes: [0])).max().scalar < tolerance)
      }
    }
  }

  /// Singular values of every size come with errors of ε s_max, where A Aᵀ would lose those below √ε s_max.
  @Test func smallSingularValuesKeepTheirDigits() throws {
    var random = RandomGenerator(seed: 7)
    let values = [1, 1e-3, 1e-6, 1e-9, 1e-12]
    let a = try matrix(5, 8, values, using: &random)
    let result = try LinearLeastSquares(features: a, labels: Tensor.zeros([5]))
    #expect(result.rank == 5)
    for (value, truth) in zip(result.singularValues, values) { #expect(abs(value - truth) < 5e-15) }
  }

  /// Gradient descent on Σ r² itself, from any start, more and fewer examples than weights, and deficient rank.
  @Test(arguments: shapes) func gradientDescentEndsAtTheLimit(n: Int, d: Int) throws {
    var random = RandomGenerator(seed: UInt64(20 * n + d))
    let k = min(n, d)
    let a = try matrix(n, d, (0..<k).map { $0 == k - 1 && k > 2 ? 0 : 1 + Double($0) / 4 }, using: &random)
    let labels = Tensor.normal([n, 2], using: &random), start = Tensor.normal([d, 2], using: &random)
    let result = try LinearLeastSquares(features: a, labels: labels)
    let largest = result.singularValues[0]
    let step = 0.4 / (largest * largest)
    var w = start
    for _ in 0..<600 { w = w - matmul(a.transposed, matmul(a, w) - labels) * (2 * step) }
    let limit = result.gradientDescentLimit(from: start)
    expectClose(w, limit, tolerance: 1e-12)
    #expect(abs(result.orthogonalPart(of: limit) - result.orthogonalPart(of: start)).max().scalar < 1e-13)
    expectClose(result.spanPart(of: start) + result.orthogonalPart(of: start), start, tolerance: 1e-15)
    // From inside the span nothing is left behind.
    expectClose(result.gradientDescentLimit(from: result.spanPart(of: start)), result.weights, tolerance: 1e-12)
  }

  /// Every output is a problem of its own, whatever the shape of the labels.
  @Test(arguments: [[], [1], [3], [2, 2]]) func weightsHaveTheLabelsAxes(outputs: [Int]) throws {
    var random = RandomGenerator(seed: 9)
    let a = try matrix(4, 6, [3, 2, 1, 0], using: &random)
    let labels = Tensor.normal([4] + outputs, using: &random), start = Tensor.normal([6] + outputs, using: &random)
    let result = try LinearLeastSquares(features: a, labels: labels)
    let limit = result.gradientDescentLimit(from: start)
    #expect(result.weights.shape == [6] + outputs && limit.shape == result.weights.shape)
    let columns = outputs.reduce(1, *)
    for k in 0..<columns {
      let one = try LinearLeastSquares(features: a, labels: labels.reshaped(to: [4, columns])[.all, k])
      expectClose(result.weights.reshaped(to: [6, columns])[.all, k], one.weights, tolerance: 1e-13)
      let end = one.gradientDescentLimit(from: start.reshaped(to: [6, columns])[.all, k])
      expectClose(limit.reshaped(to: [6, columns])[.all, k], end, tolerance: 1e-13)
    }
  }

  @Test func nothingToFitIsNoObstacle() throws {
    let noExamples = try LinearLeastSquares(features: .zeros([0, 3]), labels: .zeros([0]))
    #expect(noExamples.weights == .zeros([3]) && noExamples.rank == 0)
    #expect(noExamples.gradientDescentLimit(from: Tensor([1, 2, 3])) == Tensor([1, 2, 3]))
    let noFeatures = try LinearLeastSquares(features: .zeros([3, 0]), labels: Tensor([1, 2, 2]))
    #expect(noFeatures.weights.shape == [0] && noFeatures.residuals == [3])
    #expect(throws: SymmetricMatrixError.notFinite(row: 0, column: 1, value: .infinity)) {
      try LinearLeastSquares(features: Tensor([[1, .infinity]]), labels: Tensor([1]))
    }
  }
}
