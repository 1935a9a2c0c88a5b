import Testing

@testable import AutoDiff

struct CholeskyTests {
  static func factor<T: LoopScalar>(_ a: DenseMatrix<T>) throws -> DenseMatrix<T> {
    var l = a
    try l.entries.withUnsafeMutableBufferPointer { try Cholesky.factor($0.baseAddress!, n: a.rows) }
    return l
  }

  func check<T: LoopScalar>(_ a: DenseMatrix<T>, _ comment: Comment) throws {
    let n = a.rows
    let l = try Self.factor(a)
    for i in 0..<n {
      #expect(l[i, i] > 0, comment)
      for j in i + 1..<max(n, i + 1) { #expect(l[i, j] == 0, comment) }
    }
    let error = (l * l.transposed - a).largest / a.largest / Double(T.ulpOfOne)
    #expect(error <= 4 + Double(n) / 8, comment)
  }

  @Test(arguments: [1, 2, 3, 4, 5, 17, 63, 64, 65, 100, 128, 129, 200, 300])
  func reproducesTheMatrix(n: Int) throws {
    try check(DenseMatrix<Double>.positiveDefinite(n, seed: UInt64(n)), "Double, n = \(n)")
    try check(DenseMatrix<Float>.positiveDefinite(n, seed: UInt64(n)), "Float, n = \(n)")
  }

  @Test func illConditionedAndGraded() throws {
    let clustered = (0..<150).map { $0 < 10 ? 1.0 : 1e-13 }
    try check(DenseMatrix<Double>.symmetric(eigenvalues: clustered, seed: 1), "clustered")
    let base = DenseMatrix<Double>.positiveDefinite(150, seed: 2)
    func grade(_ i: Int) -> Double { Double(sign: .plus, exponent: -i / 4, significand: 1) }
    try check(DenseMatrix<Double>(150, 150) { base[$0, $1] * grade($0) * grade($1) }, "graded")
    try check(DenseMatrix<Double>.diagonal((1...100).map(Double.init)), "diagonal")
  }

  @Test func emptyMatrix() throws {
    var memory = 7.0
    try Cholesky.factor(&memory, n: 0)
    #expect(memory == 7)
  }

  @Test func readsTheLowerHalfOnly() throws {
    let a = DenseMatrix<Double>.positiveDefinite(130, seed: 3)
    var b = a
    for i in 0..<130 { for j in i + 1..<max(130, i + 1) { b[i, j] = .nan } }
    #expect(try Self.factor(a).entries == Self.factor(b).entries)
  }

  @Test(arguments: [0, 3, 64, 100, 150])
  func namesTheFirstBadPivot(pivot: Int) {
    for bad in [-2.0, 0, Double.nan, .infinity] {
      var a = DenseMatrix<Double>.diagonal([Double](repeating: 1, count: 160))
      a[pivot, pivot] = bad
      #expect { try Self.factor(a) } throws: { error in
        guard case LinearAlgebraError.notPositiveDefinite(pivot, let value) = error else { return false }
        return value == bad || value.isNaN && bad.isNaN
      }
    }
  }

  @Test func reportsAnIndefiniteMatrix() {
    let indefinite = DenseMatrix<Double>.symmetric(eigenvalues: (0..<100).map { Double($0) - 3 }, seed: 4)
    #expect(throws: LinearAlgebraError.self) { try Self.factor(indefinite) }
    var spoiled = DenseMatrix<Double>.positiveDefinite(100, seed: 5)
    spoiled[90, 2] = .nan
    #expect { try Self.factor(spoiled) } throws: { error in
      if case LinearAlgebraError.notPositiveDefinite(90, let value) = error { return value.isNaN }
      return false
    }
  }

  @Test func doesNotDependOnTheNumberOfThreads() throws {
    let a = DenseMatrix<Double>.positiveDefinite(333, seed: 6)
    let alone = try withThreadLimit(1) { try Self.factor(a) }
    for limit in 2...4 { #expect(try withThreadLimit(limit) { try Self.factor(a) }.entries == alone.entries) }
  }
}
