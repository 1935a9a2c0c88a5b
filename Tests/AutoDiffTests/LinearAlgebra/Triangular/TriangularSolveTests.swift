import Testing

@testable import AutoDiff

struct TriangularSolveTests {
  /// A random triangle that is not ill-conditioned, with not-a-number in the half that must not be read.
  static func triangle<T: LoopScalar>(_ half: TriangularSolve.Half, _ n: Int, hidden: Double) -> DenseMatrix<T> {
    let random = DenseMatrix<Double>.random(n, n, seed: UInt64(n))
    return .init(n, n) { i, j in
      if i == j { return 1 + abs(random[i, j]) }
      return (i > j) == (half == .lower) ? random[i, j] / Double(n).squareRoot() : hidden
    }
  }

  static func solve<T: LoopScalar>(
    _ half: TriangularSolve.Half, _ a: DenseMatrix<T>, transposed: Bool, _ side: TriangularSolve.Side,
    _ b: DenseMatrix<T>
  ) throws -> DenseMatrix<T> {
    var x = b
    try a.entries.withUnsafeBufferPointer { a in
      try x.entries.withUnsafeMutableBufferPointer { x in
        let n = side == .left ? b.rows : b.columns
        let view = MatrixView(base: a.baseAddress!, rows: n, columns: n, rowStride: n, columnStride: 1)
        let other: TriangularSolve.Half = half == .lower ? .upper : .lower
        try TriangularSolve.solve(
          transposed ? other : half, transposed ? view.transposed : view, side, into: x.baseAddress!,
          count: side == .left ? b.columns : b.rows, rowStride: b.columns)
      }
    }
    return x
  }

  func check<T: LoopScalar>(_: T.Type, n: Int, count: Int) throws {
    for half in [TriangularSolve.Half.lower, .upper] {
      let a: DenseMatrix<T> = Self.triangle(half, n, hidden: .nan)
      let plain: DenseMatrix<T> = Self.triangle(half, n, hidden: 0)
      for transposed in [false, true] {
        let factor = transposed ? plain.transposed : plain
        for side in [TriangularSolve.Side.left, .right] {
          let b: DenseMatrix<T> = side == .left ? .random(n, count, seed: 9) : .random(count, n, seed: 9)
          let x = try Self.solve(half, a, transposed: transposed, side, b)
          let residual = (side == .left ? factor * x : x * factor) - b
          let error = residual.largest / (x.largest + b.largest) / Double(T.ulpOfOne)
          #expect(error <= 8 + Double(n) / 8, "\(T.self) \(half) \(side), transposed: \(transposed), n = \(n)")
        }
      }
    }
  }

  @Test(arguments: [1, 2, 3, 4, 5, 31, 64, 65, 130, 200], [1, 3, 40, 100])
  func solves(n: Int, count: Int) throws {
    try check(Double.self, n: n, count: count)
    try check(Float.self, n: n, count: count)
  }

  @Test func leavesEmptySystemsAlone() throws {
    var memory = 3.0
    try withUnsafeMutablePointer(to: &memory) { memory in
      let nothing = MatrixView(base: UnsafePointer(memory), rows: 0, columns: 0, rowStride: 1, columnStride: 1)
      try TriangularSolve.solve(.lower, nothing, into: memory, count: 1, rowStride: 1)
    }
    #expect(memory == 3)
  }

  @Test func refusesAZeroOnTheDiagonal() {
    var a: DenseMatrix<Double> = Self.triangle(.lower, 80, hidden: 0)
    a[70, 70] = 0
    let b = DenseMatrix<Double>.random(80, 2, seed: 1)
    #expect(throws: LinearAlgebraError.singular(pivot: 70, value: 0)) {
      try Self.solve(.lower, a, transposed: false, .left, b)
    }
  }

  @Test func doesNotDependOnTheNumberOfThreads() throws {
    let a: DenseMatrix<Double> = Self.triangle(.lower, 250, hidden: 0)
    let b = DenseMatrix<Double>.random(250, 300, seed: 2)
    let alone = try withThreadLimit(1) { try Self.solve(.lower, a, transposed: true, .left, b) }
    #expect(try Self.solve(.lower, a, transposed: true, .left, b).entries == alone.entries)
  }
}
