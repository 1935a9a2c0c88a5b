import Foundation
import Testing

@testable import AutoDiff

struct TridiagonalEigenTests {
  func check<T: LoopScalar>(_ diagonal: [T], _ beside: [T], _ name: String) throws {
    let n = diagonal.count
    let comment: Comment = "\(T.self), \(name), n = \(n)"
    var (d, e) = (diagonal, beside + [0])
    var rows = DenseMatrix<T>(n, n) { _, _ in .nan }
    try rows.entries.withUnsafeMutableBufferPointer {
      try TridiagonalEigen.decompose(diagonal: &d, offDiagonal: &e, n: n, vectors: $0.baseAddress!)
    }
    let a = DenseMatrix<T>(n, n) { i, j in
      i == j ? Double(diagonal[i]) : abs(i - j) == 1 ? Double(beside[min(i, j)]) : 0
    }
    let v = rows.transposed
    let norm = max(abs(Double(d[0])), abs(Double(d[n - 1])), .leastNormalMagnitude)
    let bound = 16 + Double(n) / 8
    #expect(zip(d, d.dropFirst()).allSatisfy { $0 <= $1 }, comment)
    #expect(v.orthogonalityError <= bound, comment)
    let scaled = DenseMatrix<T>(n, n) { Double(v[$0, $1]) * Double(d[$1]) }
    #expect((a * v - scaled).largest <= bound * Double(T.ulpOfOne) * norm, comment)

    var (values, destroyed) = (diagonal, beside + [0])
    try TridiagonalEigen.values(diagonal: &values, offDiagonal: &destroyed, n: n)
    for j in 0..<n {
      #expect(abs(Double(values[j] - d[j])) <= bound * Double(T.ulpOfOne) * norm, comment)
    }
  }

  @Test(arguments: [1, 2, 3, 20, 33, 64, 100, 200, 333])
  func random(n: Int) throws {
    var generator = SplitMix(state: UInt64(n))
    let d = (0..<n).map { _ in generator.next() }
    let e = (1..<max(n, 1)).map { _ in generator.next() }
    try check(d, e, "random")
    try check(d.map { Float($0) }, e.map { Float($0) }, "random")
    try check(d, e.map { $0 * 1e-9 }, "weakly coupled")
    try check(d.map { 1 + $0 * 1e-12 }, e.map { $0 * 1e-13 }, "one cluster")
    try check(d.map { $0 * 1e200 }, e.map { $0 * 1e200 }, "large")
    try check(d, e.enumerated().map { $0.offset % 7 == 3 ? 0 : $0.element }, "reducible")
    try check(d.map { _ in 0 }, e.map { _ in -1 }, "constant coupling")
  }

  @Test func glued() throws {
    // Copies of one matrix, weakly joined: every eigenvalue is nearly repeated.
    let copies = 6
    let d = (0..<copies * 21).map { abs(Double($0 % 21) - 10) }
    let e = (1..<copies * 21).map { $0 % 21 == 0 ? 1e-10 : 1.0 }
    try check(d, e, "glued")
    try check(d.map { Float($0) }, e.map { Float($0) }, "glued")
  }

  /// Families that have broken one solver or another: a few large entries beside noise, at either end or scattered, and
  /// magnitudes over the whole range of the type.
  @Test(arguments: 0..<40)
  func hardCases(trial: Int) throws {
    var generator = SplitMix(state: UInt64(1000 + trial))
    let n = 20 + Int(abs(generator.next()) * 130)
    let (p, q) = (30 * generator.next(), 30 * generator.next())
    let noise = pow(10, -18 * abs(generator.next()))
    var d = (0..<n).map { generator.next() * pow(10, p * Double($0) / Double(n)) }
    var e = (0..<n - 1).map { generator.next() * pow(10, q * Double($0) / Double(n)) }
    for i in 0..<n {
      let isNoise =
        switch trial % 4 {
        case 0: false
        case 1: i > 2
        case 2: i < n - 3
        default: generator.next() > 0
        }
      if isNoise {
        d[i] = noise * generator.next()
        if i < n - 1 { e[i] = noise * generator.next() }
      }
    }
    try check(d, e, "hard case \(trial)")
    try check(d.map { Float($0) }, e.map { Float($0) }, "hard case \(trial)")
  }

  @Test func refusesWhatIsNotFinite() {
    var (d, e, v) = ([1.0, 2], [Double.nan], [0.0, 0, 0, 0])
    #expect(throws: LinearAlgebraError.self) {
      try TridiagonalEigen.decompose(diagonal: &d, offDiagonal: &e, n: 2, vectors: &v)
    }
  }
}
