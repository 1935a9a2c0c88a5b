import Testing

@testable import AutoDiff

struct QRTests {
  static func decompose<T: LoopScalar>(_ a: DenseMatrix<T>) throws -> (q: DenseMatrix<T>, r: DenseMatrix<T>) {
    let k = min(a.rows, a.columns)
    var q = DenseMatrix<T>(a.rows, k) { _, _ in .nan }
    var r = DenseMatrix<T>(k, a.columns) { _, _ in .nan }
    let (rows, columns) = (a.rows, a.columns)
    try a.entries.withUnsafeBufferPointer { a in
      try q.entries.withUnsafeMutableBufferPointer { q in
        try r.entries.withUnsafeMutableBufferPointer { r in
          try QR.decompose(a.baseAddress!, rows: rows, columns: columns, q: q.baseAddress!, r: r.baseAddress!)
        }
      }
    }
    return (q, r)
  }

  func check<T: LoopScalar>(_ a: DenseMatrix<T>, _ name: String) throws {
    let comment: Comment = "\(T.self), \(name), \(a.rows) × \(a.columns)"
    let (q, r) = try Self.decompose(a)
    let bound = 32 + Double(a.rows + a.columns) / 8
    #expect(q.orthogonalityError <= bound, comment)
    #expect((q * r - a).largest <= bound * Double(T.ulpOfOne) * r.largest, comment)
    for i in 0..<r.rows {
      #expect(r[i, i] >= 0, comment)
      for j in 0..<i { #expect(r[i, j] == 0, comment) }
    }
  }

  @Test(arguments: [1, 2, 3, 8, 9, 64, 65, 150], [1, 2, 3, 7, 16, 17, 64, 70, 200])
  func random(rows: Int, columns: Int) throws {
    try check(DenseMatrix<Double>.random(rows, columns, seed: 1), "random")
    try check(DenseMatrix<Float>.random(rows, columns, seed: 1), "random")
  }

  @Test func rankDeficientAndGraded() throws {
    let left = DenseMatrix<Double>.random(120, 5, seed: 2)
    let right = DenseMatrix<Double>.random(5, 90, seed: 3)
    try check(left * right, "rank 5")
    try check(DenseMatrix<Double>(90, 70) { _, _ in 0 }, "zero")
    try check(DenseMatrix<Double>(90, 70) { _, _ in -1 }, "constant")
    let base = DenseMatrix<Double>.random(100, 100, seed: 4)
    for exponent in [-5, 5] {
      try check(
        DenseMatrix<Double>(100, 100) { base[$0, $1] * Double(sign: .plus, exponent: exponent * $1, significand: 1) },
        "graded columns")
    }
    for exponent in [-1000, 1000] {
      let scale = Double(sign: .plus, exponent: exponent, significand: 1)
      try check(DenseMatrix<Double>(100, 100) { base[$0, $1] * scale }, "times 2^\(exponent)")
    }
    try check(DenseMatrix<Double>(60, 60) { $0 == $1 ? -1 : 0 }, "minus the identity")
  }

  /// With a diagonal that is not negative, the factors of Q₀ R₀ are these.
  @Test func isUnique() throws {
    let (q, r) = try Self.decompose(DenseMatrix<Double>.random(80, 40, seed: 5))
    let again = try Self.decompose(q * r)
    #expect((again.q - q).largest < 1e-12)
    #expect((again.r - r).largest < 1e-12 * r.largest)
  }

  @Test func emptyMatrices() throws {
    let none = 0.0
    var (q, r) = (7.0, 8.0)
    try withUnsafePointer(to: none) { try QR.decompose($0, rows: 0, columns: 3, q: &q, r: &r) }
    try withUnsafePointer(to: none) { try QR.decompose($0, rows: 3, columns: 0, q: &q, r: &r) }
    #expect(q == 7 && r == 8)
  }

  @Test func namesAnEntryThatIsNotFinite() {
    var a = DenseMatrix<Double>.random(50, 30, seed: 6)
    a[40, 20] = .infinity
    #expect(throws: LinearAlgebraError.notFinite(row: 40, column: 20, value: .infinity)) { try Self.decompose(a) }
  }

  @Test func doesNotDependOnTheNumberOfThreads() throws {
    let a = DenseMatrix<Double>.random(400, 300, seed: 7)
    let alone = try withThreadLimit(1) { try Self.decompose(a) }
    let together = try Self.decompose(a)
    #expect(together.q.entries == alone.q.entries && together.r.entries == alone.r.entries)
  }
}
