import Testing

@testable import AutoDiff

private let sizes = [
  (1, 1, 1), (2, 3, 4), (12, 5, 16), (13, 7, 17), (6, 1, 8), (7, 2, 33), (24, 30, 32), (1, 40, 30), (30, 40, 1),
  (1, 90, 1), (5, 1, 5), (20, 25, 19), (40, 20, 3), (3, 20, 40), (3, 100, 2), (1, 1, 9), (9, 1, 1),
]

@Suite struct MatrixProductTests {
  @Test(arguments: MatrixLayout.allCases, MatrixLayout.allCases)
  func everyLayout(left: MatrixLayout, right: MatrixLayout) {
    func run<T: LoopScalar>(_: T.Type) {
      for (m, k, n) in sizes {
        let a = TestMatrix<T>(m, k, left, seed: 1)
        let b = TestMatrix<T>(k, n, right, seed: 2)
        for (scale, accumulate) in [(1, false), (-0.5, true)] as [(T, Bool)] {
          expectProduct(a.view, b.view, scale: scale, accumulate: accumulate) {
            MatrixProduct.multiply(a.view, b.view, into: $0, rowStride: $1, scale: scale, accumulate: accumulate)
          }
        }
      }
    }
    run(Double.self)
    run(Float.self)
  }

  @Test(arguments: [
    (65, 66, 67), (130, 90, 70), (300, 20, 40), (20, 40, 300), (31, 513, 45), (150, 10, 150), (1, 40_000, 1),
    (3, 40_000, 1),
    (1, 40_000, 3), (8, 9000, 5), (700, 30, 1), (500, 70, 7), (400, 50, 24), (90, 300, 10),
    (257, 300, 10), (600, 100, 17), (1100, 130, 5), (14, 1100, 300), (270, 40, 290),
  ])
  func largerSizes(m: Int, k: Int, n: Int) {
    func run<T: LoopScalar>(_: T.Type) {
      for (left, right) in [(.rows, .rows), (.columns, .rows), (.rows, .columns), (.columns, .columns)]
        as [(MatrixLayout, MatrixLayout)]
      {
        let a = TestMatrix<T>(m, k, left, seed: 3)
        let b = TestMatrix<T>(k, n, right, seed: 4)
        expectProduct(a.view, b.view, scale: 2, accumulate: left == .columns) {
          MatrixProduct.multiply(a.view, b.view, into: $0, rowStride: $1, scale: 2, accumulate: left == .columns)
        }
      }
    }
    run(Double.self)
    run(Float.self)
  }

  /// Large products against a vector: C x = A (B x) can be checked in a time that grows with the operands only.
  @Test(arguments: [(520, 530, 540), (240, 250, 270), (1100, 300, 280), (250, 270, 1030), (2100, 70, 2100)])
  func largeProductsTimesVector(m: Int, k: Int, n: Int) {
    let a = TestMatrix<Double>(m, k, seed: 13)
    let b = TestMatrix<Double>(k, n, seed: 14)
    var c = [Double](repeating: 0, count: m * n)
    MatrixProduct.multiply(a.view, b.view, into: &c, rowStride: n)
    var numbers = MatrixNumbers(seed: 15)
    let x = (0..<n).map { _ in numbers.next() }
    var y = [Double](repeating: 0, count: k)
    for p in 0..<k {
      for j in 0..<n { y[p] += b.memory[p * n + j] * x[j] }
    }
    for i in 0..<m {
      var expected = 0.0
      var found = 0.0
      for p in 0..<k { expected += a.memory[i * k + p] * y[p] }
      for j in 0..<n { found += c[i * n + j] * x[j] }
      #expect(abs(found - expected) < 1e-13 * Double(n * k), "row \(i)")
    }
  }

  @Test func emptyExtents() {
    for (m, k, n) in [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0, 0), (1, 0, 1)] {
      let a = TestMatrix<Double>(m, k, seed: 1)
      let b = TestMatrix<Double>(k, n, seed: 2)
      for accumulate in [false, true] {
        expectProduct(a.view, b.view, accumulate: accumulate) {
          MatrixProduct.multiply(a.view, b.view, into: $0, rowStride: $1, accumulate: accumulate)
        }
      }
    }
  }

  @Test(arguments: [
    (300, 520, 310), (600, 70, 70), (70, 600, 600), (150, 160, 170), (1, 70_000, 5), (2000, 100, 1), (900, 1, 200),
    (500, 130, 11), (400, 1300, 30),
  ])
  func sameBitsOnAnyNumberOfThreads(m: Int, k: Int, n: Int) {
    func run<T: LoopScalar>(_: T.Type, _ right: MatrixLayout) {
      let a = TestMatrix<T>(m, k, seed: 5)
      let b = TestMatrix<T>(k, n, right, seed: 6)
      let results = [1, 2, 3, 4].map { threads in
        var c = [T](repeating: 0.25, count: m * n)
        withThreadLimit(threads) {
          MatrixProduct.multiply(a.view, b.view, into: &c, rowStride: n, scale: 0.3, accumulate: true)
        }
        return c
      }
      #expect(results.allSatisfy { $0 == results[0] })
    }
    for right in [MatrixLayout.rows, .columns] {
      run(Double.self, right)
      run(Float.self, right)
    }
  }

  /// One exceptional entry reaches its row or column of the result, and nothing else.
  @Test(arguments: [(3, 4, 5), (13, 30, 18), (100, 90, 70), (40, 50, 1), (1, 50, 40), (9, 1, 9)])
  func exceptionalValuesPropagate(m: Int, k: Int, n: Int) {
    for value in [Double.nan, .infinity] {
      let a = TestMatrix<Double>(m, k, seed: 7)
      let b = TestMatrix<Double>(k, n, seed: 8)
      a.memory[(m - 1) * k + k / 2] = value
      b.memory[k / 2 * n + n - 1] = 0
      var c = [Double](repeating: 0, count: m * n)
      MatrixProduct.multiply(a.view, b.view, into: &c, rowStride: n)
      for i in 0..<m {
        for j in 0..<n { #expect(c[i * n + j].isFinite == (i < m - 1)) }
      }
      // Infinity times zero.
      #expect(c[m * n - 1].isNaN)
    }
  }

  @Test(arguments: [(0, 2, 2, 2), (7, 3, 2, 5), (100, 1, 1, 1), (9, 8, 8, 8), (30, 20, 15, 33), (3, 170, 160, 165)])
  func batches(count: Int, m: Int, k: Int, n: Int) {
    func run<T: LoopScalar>(_: T.Type) {
      let a = TestMatrix<T>(count * m, k, seed: 9)
      let b = TestMatrix<T>(k, n, .columns, seed: 10)
      var views = (a.view, b.view)
      views.0.rows = m
      var c = [T](repeating: 0, count: count * m * n)
      MatrixProduct.multiplyBatch(
        count, views.0, offset: { $0 * m * k }, views.1, offset: { _ in 0 }, into: &c)
      for index in 0..<count {
        var left = views.0
        left.base += index * m * k
        var expected = [T](repeating: 0, count: m * n)
        MatrixProduct.multiply(left, views.1, into: &expected, rowStride: n)
        #expect(Array(c[index * m * n..<(index + 1) * m * n]) == expected)
      }
    }
    run(Double.self)
    run(Float.self)
  }
}
