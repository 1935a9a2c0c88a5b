import AutoDiff
import Tangent
import Testing

@Suite struct SymmetricOperatorTests {
  @Test(arguments: ScalarType.allCases) func denseAndClosureMultiplyAlike(type: ScalarType) throws {
    var random = RandomGenerator(seed: 1)
    for n in [1, 2, 7] {
      let a = try PlantedMatrix.random((0..<n).map { Double($0) - 2 }, as: type, using: &random)
      let dense = try DenseSymmetricOperator(a)
      let closure = ClosureOperator(dimension: n, as: type) { matmul(a, $0) }
      let v = Tensor.normal([n, 3], as: type, using: &random)
      #expect(dense.dimension == n && closure.dimension == n && dense.scalarType == type)
      let naive = (0..<n).map { i in
        (0..<3).map { k in (0..<n).reduce(0.0) { $0 + a[i, $1].scalar * v[$1, k].scalar } }
      }
      expectClose(dense.product(with: v), Tensor(naive, as: type), tolerance: 20 * type.epsilon)
      #expect(try closure.product(with: v) == dense.product(with: v))
    }
  }

  @Test func theSymmetricPartCounts() throws {
    let tilted = Tensor([[1, 2 + 1e-14], [2 - 1e-14, 5]])
    let matrix = try DenseSymmetricOperator(tilted).matrix
    #expect(matrix == matrix.transposed)
    #expect(
      try DenseSymmetricOperator(Tensor([[1, 3], [1, 5]]), symmetryTolerance: 1).matrix == Tensor([[1, 2], [2, 5]]))
  }

  @Test func theWorstPairIsNamed() throws {
    var entries = [[Double]](repeating: [Double](repeating: 1, count: 4), count: 4)
    entries[0][3] += 1e-3
    entries[3][1] += 0.5
    #expect(
      throws: SymmetricMatrixError.notSymmetric(
        row: 1, column: 3, value: 1, mirror: 1.5, tolerance: 1024 * Double.ulpOfOne * 1.5)
    ) { try DenseSymmetricOperator(Tensor(entries)) }
  }

  @Test(arguments: ScalarType.allCases) func theFirstBadEntryIsNamed(type: ScalarType) {
    var entries = [[Double]](repeating: [Double](repeating: 1, count: 4), count: 4)
    entries[2][1] = -.infinity
    entries[3][3] = .nan
    #expect(throws: SymmetricMatrixError.notFinite(row: 2, column: 1, value: -.infinity)) {
      try DenseSymmetricOperator(Tensor(entries, as: type))
    }
  }

  @Test func aProductThatIsNoNumberIsNamed() {
    let a = ClosureOperator(dimension: 3) { v in
      var product = v
      product[1, 0] = Tensor(.infinity)
      return product
    }
    var random = RandomGenerator(seed: 0)
    #expect(throws: SymmetricMatrixError.productNotFinite(row: 1, column: 0, value: .infinity)) {
      try lanczos(a, using: &random)
    }
    #expect(throws: SymmetricMatrixError.productNotFinite(row: 1, column: 0, value: .infinity)) {
      try conjugateGradients(a, Tensor([1, 2, 3]))
    }
  }

  @Test func whatAProductThrowsPassesThrough() {
    struct Broken: Error {}
    let a = ClosureOperator(dimension: 3) { _ in throw Broken() }
    var random = RandomGenerator(seed: 0)
    #expect(throws: Broken.self) { try lanczos(a, using: &random) }
    #expect(throws: Broken.self) { try conjugateGradients(a, Tensor([1, 2, 3])) }
  }

  @Test func wrongShapesStop() async {
    let product = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var random = RandomGenerator(seed: 0)
      _ = try lanczos(ClosureOperator(dimension: 3) { $0.transposed }, using: &random)
    }
    #expect(product.message.contains("lanczos: the operator's product must be [3, 1] of float64, but got [1, 3]"))
    let matrix = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = try DenseSymmetricOperator(Tensor.zeros([2, 3]))
    }
    #expect(matrix.message.contains("DenseSymmetricOperator: needs a square matrix [n, n], but got shape [2, 3]"))
  }
}
