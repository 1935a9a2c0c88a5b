import Testing

@testable import AutoDiff

struct SymmetricEigenTests {
  static func decompose<T: LoopScalar>(_ a: DenseMatrix<T>) throws -> (values: [T], vectors: DenseMatrix<T>) {
    var vectors = a
    var values = [T](repeating: 0, count: a.rows)
    try vectors.entries.withUnsafeMutableBufferPointer { vectors in
      try values.withUnsafeMutableBufferPointer { values in
        try SymmetricEigen.decompose(vectors.baseAddress!, n: a.rows, values: values.baseAddress!)
      }
    }
    return (values, vectors)
  }

  static func values<T: LoopScalar>(_ a: DenseMatrix<T>) throws -> [T] {
    var values = [T](repeating: 0, count: a.rows)
    try a.entries.withUnsafeBufferPointer { a in
      try values.withUnsafeMutableBufferPointer { values in
        try SymmetricEigen.values(a.baseAddress!, n: values.count, values: values.baseAddress!)
      }
    }
    return values
  }

  func check<T: LoopScalar>(_ a: DenseMatrix<T>, known: [Double]? = nil, _ name: String) throws {
    let n = a.rows
    let comment: Comment = "\(T.self), \(name), n = \(n)"
    let (w, v) = try Self.decompose(a)
    let epsilon = Double(T.ulpOfOne)
    let norm = max(abs(Double(w.first!)), abs(Double(w.last!)), .leastNormalMagnitude)
    let bound = 16 + Double(n) / 8
    #expect(zip(w, w.dropFirst()).allSatisfy { $0 <= $1 }, comment)
    #expect(v.orthogonalityError <= bound, comment)
    let scaled = DenseMatrix<T>(n, n) { Double(v[$0, $1]) * Double(w[$1]) }
    #expect((a * v - scaled).largest <= bound * epsilon * norm, comment)
    for j in 0..<n {
      let column = (0..<n).map { v[$0, j] }
      let largest = column.map(abs).max()!
      #expect(column.first { abs($0) == largest }! > 0, comment)
    }
    let alone = try Self.values(a)
    for j in 0..<n { #expect(abs(Double(alone[j] - w[j])) <= bound * epsilon * norm, comment) }
    if let known {
      for (found, expected) in zip(w, known.sorted()) {
        #expect(abs(Double(found) - expected) <= bound * epsilon * norm, comment)
      }
    }
  }

  func checkBoth(known: [Double], seed: UInt64, _ name: String) throws {
    try check(DenseMatrix<Double>.symmetric(eigenvalues: known, seed: seed), known: known, name)
    try check(DenseMatrix<Float>.symmetric(eigenvalues: known, seed: seed), known: known, name)
  }

  @Test(arguments: [1, 2, 3, 4, 5, 7, 16, 31, 32, 33, 34, 50, 64, 65, 97, 128, 150, 257])
  func random(n: Int) throws {
    try check(DenseMatrix<Double>.symmetric(n, seed: UInt64(n)), "random")
    try check(DenseMatrix<Float>.symmetric(n, seed: UInt64(n)), "random")
  }

  @Test func largeEnoughForEveryThreadedPath() throws {
    try check(DenseMatrix<Double>.symmetric(450, seed: 1), "random")
    try check(DenseMatrix<Float>.symmetric(450, seed: 1), "random")
  }

  @Test func clusteredAndRepeated() throws {
    try checkBoth(known: (0..<120).map { Double($0 % 3) }, seed: 1, "three values")
    try checkBoth(known: (0..<120).map { 1 + 1e-14 * Double($0) }, seed: 2, "one cluster")
    try checkBoth(
      known: (0..<120).map { (i: Int) -> Double in i < 60 ? 1 + 1e-9 * Double(i) : -1 }, seed: 3, "two clusters")
  }

  @Test func rankDeficient() throws {
    try checkBoth(known: (0..<130).map { (i: Int) -> Double in i < 5 ? Double(i + 1) : 0 }, seed: 4, "rank 5")
    try checkBoth(known: (0..<70).map { $0 < 1 ? 3 : 0 }, seed: 5, "rank 1")
    try check(DenseMatrix<Double>(80, 80) { _, _ in 1 }, known: (0..<80).map { $0 == 0 ? 80 : 0 }, "all ones")
  }

  @Test func graded() throws {
    try checkBoth(known: (0..<140).map { Double(sign: .plus, exponent: -$0, significand: 1) }, seed: 6, "graded")
    let base = DenseMatrix<Double>.symmetric(100, seed: 7)
    for direction in [1, -1] {
      func grade(_ i: Int) -> Double { Double(sign: .plus, exponent: direction * i, significand: 1) }
      try check(DenseMatrix<Double>(100, 100) { base[$0, $1] * grade($0) * grade($1) }, "graded rows")
    }
  }

  @Test(arguments: [1, 2, 3, 10, 40, 100])
  func diagonalAndTridiagonal(n: Int) throws {
    let ramp = (0..<n).map { Double(n / 2 - $0) }
    try check(DenseMatrix<Double>.diagonal(ramp), known: ramp, "diagonal")
    try check(DenseMatrix<Float>.diagonal(ramp), known: ramp, "diagonal")
    try check(DenseMatrix<Double>.diagonal([Double](repeating: 0, count: n)), "zero")
    try check(DenseMatrix<Double>.diagonal([Double](repeating: -2, count: n)), "multiple of the identity")
    let laplacian = DenseMatrix<Double>(n, n) { $0 == $1 ? 2 : abs($0 - $1) == 1 ? -1 : 0 }
    try check(laplacian, "second difference")
    try check(DenseMatrix<Double>(n, n) { abs($0 - $1) == 1 ? 1 : 0 }, "path")
    // Wilkinson's matrix: pairs of eigenvalues that agree to many digits.
    try check(
      DenseMatrix<Double>(n, n) { $0 == $1 ? abs(Double(n - 1) / 2 - Double($0)) : abs($0 - $1) == 1 ? 1 : 0 },
      "Wilkinson")
    try check(DenseMatrix<Double>(n, n) { $0 + $1 == n - 1 ? 1 : 0 }, "exchange")
  }

  @Test func extremeMagnitudes() throws {
    for exponent in [-1000, -600, 600, 1000] {
      let scale = Double(sign: .plus, exponent: exponent, significand: 1)
      let base = DenseMatrix<Double>.symmetric(70, seed: 8)
      try check(DenseMatrix<Double>(70, 70) { base[$0, $1] * scale }, "times 2^\(exponent)")
    }
    for exponent in [-110, -70, 70, 110] {
      let scale = Double(sign: .plus, exponent: exponent, significand: 1)
      let base = DenseMatrix<Double>.symmetric(70, seed: 8)
      try check(DenseMatrix<Float>(70, 70) { base[$0, $1] * scale }, "times 2^\(exponent)")
    }
    // Columns whose squares underflow beside entries of ordinary size.
    try check(DenseMatrix<Double>(40, 40) { $0 == $1 ? Double($0) : 1e-160 * Double($0 + $1) }, "tiny beside large")
    try check(DenseMatrix<Float>(40, 40) { $0 == $1 ? Double($0) : 1e-22 * Double($0 + $1) }, "tiny beside large")
  }

  @Test func emptyMatrix() throws {
    var (memory, value) = (7.0, 8.0)
    try SymmetricEigen.decompose(&memory, n: 0, values: &value)
    try SymmetricEigen.values(&memory, n: 0, values: &value)
    #expect(memory == 7 && value == 8)
  }

  @Test func readsTheLowerHalfOnly() throws {
    let a = DenseMatrix<Double>.symmetric(90, seed: 9)
    var b = a
    for i in 0..<90 { for j in i + 1..<max(90, i + 1) { b[i, j] = .nan } }
    let (expected, found) = (try Self.decompose(a), try Self.decompose(b))
    #expect(expected.values == found.values && expected.vectors.entries == found.vectors.entries)
  }

  @Test func namesAnEntryThatIsNotFinite() {
    for bad in [Double.nan, .infinity, -.infinity] {
      var a = DenseMatrix<Double>.symmetric(90, seed: 10)
      a[80, 7] = bad
      for attempt in [{ _ = try Self.decompose(a) }, { _ = try Self.values(a) }] {
        #expect { try attempt() } throws: { error in
          guard case LinearAlgebraError.notFinite(80, 7, let value) = error else { return false }
          return value == bad || value.isNaN && bad.isNaN
        }
      }
    }
  }

  @Test func doesNotDependOnTheNumberOfThreads() throws {
    let a = DenseMatrix<Double>.symmetric(500, seed: 11)
    let alone = try withThreadLimit(1) { try Self.decompose(a) }
    for limit in 2...4 {
      let (values, vectors) = try withThreadLimit(limit) { try Self.decompose(a) }
      #expect(values == alone.values && vectors.entries == alone.vectors.entries)
    }
  }
}
