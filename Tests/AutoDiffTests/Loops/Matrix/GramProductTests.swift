import Testing

@testable import AutoDiff

@Suite struct MatrixGramTests {
  @Test(
    arguments: [(0, 3), (1, 5), (4, 1), (6, 0), (20, 30), (70, 300), (300, 20), (7, 9000)],
    [MatrixLayout.rows, .columns])
  func gramIsTheProductWithTheTranspose(shape: (Int, Int), layout: MatrixLayout) {
    let (m, k) = shape
    func run<T: LoopScalar>(_: T.Type) {
      let a = TestMatrix<T>(m, k, layout, seed: 11)
      for scale: T in [1, 3] {
        expectProduct(a.view, a.view.transposed, scale: scale) {
          MatrixProduct.gram(a.view, into: $0, rowStride: $1, scale: scale)
        }
      }
    }
    run(Double.self)
    run(Float.self)
  }

  @Test func gramIsSymmetricAndTheSameOnAnyNumberOfThreads() {
    let (m, k) = (330, 270)
    let a = TestMatrix<Double>(m, k, seed: 12)
    let results = [1, 2, 3, 4].map { threads in
      var c = [Double](repeating: 0, count: m * m)
      withThreadLimit(threads) { MatrixProduct.gram(a.view, into: &c, rowStride: m, scale: 0.7) }
      return c
    }
    #expect(results.allSatisfy { $0 == results[0] })
    for i in 0..<m {
      for j in 0..<i where results[0][i * m + j] != results[0][j * m + i] {
        Issue.record("not symmetric at \(i), \(j)")
      }
    }
  }
}
