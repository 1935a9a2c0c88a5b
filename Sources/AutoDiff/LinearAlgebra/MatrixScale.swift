/// Powers of two that bring the entries of a matrix into a range where their squares can be summed.
enum MatrixScale {
  /// The divisor for a matrix: 1 unless its largest entry is extreme.
  ///
  /// - Parameters:
  ///   - a: `rows` × `columns` entries, row-major and contiguous.
  ///   - half: If `.lower`, entries right of the diagonal are not looked at.
  /// - Throws: `LinearAlgebraError.notFinite` for the first entry, by rows, that is infinite or not a number.
  static func divisor<T: LoopScalar>(
    _ a: UnsafePointer<T>, rows: Int, columns: Int, half: TriangularSolve.Half? = nil
  ) throws(LinearAlgebraError) -> T {
    func count(_ row: Int) -> Int { half == .lower ? min(columns, row + 1) : columns }
    let largest = withPooledScratch(T.self, rows) { largest in
      ThreadTeam.run((rows + 63) / 64) { task in
        for i in 64 * task..<min(rows, 64 * task + 64) {
          let row = a + i * columns
          var most: T = 0
          // What is not a number, and compares with nothing, is counted as infinite.
          for j in 0..<count(i) { most = abs(row[j]) <= most ? most : (row[j].isNaN ? .infinity : abs(row[j])) }
          largest[i] = most
        }
      }
      return (0..<rows).reduce(T(0)) { max($0, largest[$1]) }
    }
    if largest == .infinity {
      for i in 0..<rows {
        for j in 0..<count(i) where !a[i * columns + j].isFinite {
          throw .notFinite(row: i, column: j, value: Double(a[i * columns + j]))
        }
      }
    }
    let safeExponent = T.greatestFiniteMagnitude.exponent / 4
    if largest == 0 || abs(largest.exponent) < safeExponent { return 1 }
    return largest < T.leastNormalMagnitude ? .leastNormalMagnitude : largest.binade
  }
}
