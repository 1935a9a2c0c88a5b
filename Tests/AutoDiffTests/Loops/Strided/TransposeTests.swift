import Testing

@testable import AutoDiff

@Suite struct TransposeTests {
  @Test(arguments: [1, 2, 7, 8, 9, 16, 31, 64, 130, 257], [1, 3, 8, 15, 24, 129, 256, 300])
  func exchangesRowsAndColumns(rows: Int, columns: Int) {
    check(Double.self, rows, columns)
    check(Float.self, rows, columns)
  }

  private func check<T: LoopScalar>(_: T.Type, _ rows: Int, _ columns: Int) {
    let (xStride, yStride) = (rows + 3, columns + 2)
    let x = (0..<columns * xStride).map { T($0) }
    let y = withGuardedOutput(rows * yStride) { (y: UnsafeMutablePointer<T>) in
      y.update(repeating: -1, count: rows * yStride)
      Transpose.copy(x, stride: xStride, to: y, stride: yStride, rows: rows, columns: columns)
    }
    let expected: [T] = (0..<rows * yStride).map { place in
      let (row, column) = place.quotientAndRemainder(dividingBy: yStride)
      return column < columns ? x[column * xStride + row] : -1
    }
    #expect(y.isIntact && y.entries == expected)
  }
}
