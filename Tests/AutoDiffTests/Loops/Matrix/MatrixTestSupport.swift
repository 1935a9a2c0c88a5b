import Testing

@testable import AutoDiff

/// A small generator of test data: SplitMix64, uniform on (-1, 1).
struct MatrixNumbers {
  var state: UInt64
  init(seed: Int) { state = UInt64(truncatingIfNeeded: seed) &* 0x9E37_79B9_7F4A_7C15 }

  mutating func next() -> Double {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return Double((z ^ (z >> 31)) >> 11) / 0x1p52 - 1
  }
}

/// How a test operand lies in memory.
enum MatrixLayout: CaseIterable {
  case rows, columns, paddedRows, paddedColumns, scattered, oneRow, oneColumn, oneEntry, reversed

  func strides(_ rows: Int, _ columns: Int) -> (row: Int, column: Int) {
    switch self {
    case .rows: (columns, 1)
    case .columns: (1, rows)
    case .paddedRows: (columns + 3, 1)
    case .paddedColumns: (1, rows + 5)
    case .scattered: (2 * columns + 1, 2)
    case .oneRow: (0, 1)
    case .oneColumn: (1, 0)
    case .oneEntry: (0, 0)
    case .reversed: (-columns, -1)
    }
  }
}

/// A matrix in memory that ends where the matrix ends.
final class TestMatrix<T: LoopScalar> {
  let memory: UnsafeMutablePointer<T>
  let count: Int
  let view: MatrixView<T>

  init(_ rows: Int, _ columns: Int, _ layout: MatrixLayout = .rows, seed: Int) {
    let (row, column) = layout.strides(rows, columns)
    let last = rows == 0 || columns == 0 ? 0 : (rows - 1) * row + (columns - 1) * column
    var numbers = MatrixNumbers(seed: seed)
    count = abs(last) + 1
    memory = .allocate(capacity: count)
    for index in 0..<count { memory[index] = T(numbers.next()) }
    view = MatrixView(base: memory - min(0, last), rows: rows, columns: columns, rowStride: row, columnStride: column)
  }

  deinit { memory.deallocate() }
}

/// Everything `multiply` wrote and all that surrounds it, against the triple loop.
func expectProduct<T: LoopScalar>(
  _ a: MatrixView<T>, _ b: MatrixView<T>, scale: T = 1, accumulate: Bool = false,
  _ multiply: (UnsafeMutablePointer<T>, _ rowStride: Int) -> Void, sourceLocation: SourceLocation = #_sourceLocation
) {
  let (m, k, n) = (a.rows, a.columns, b.columns)
  let rowStride = n + 2
  // Symmetric where the matrix is square, for the sake of `gram`.
  let before = (0..<m * rowStride + 1).map { T(($0 / rowStride + $0 % rowStride) % 7) }
  var c = before
  c.withUnsafeMutableBufferPointer { multiply($0.baseAddress!, rowStride) }
  var worst = 0.0
  var place = (0, 0)
  for i in 0..<m {
    for j in 0..<rowStride {
      let old = Double(before[i * rowStride + j])
      var error = c[i * rowStride + j] == before[i * rowStride + j] ? 0 : Double.infinity
      if j < n {
        var sum = 0.0
        var size = 0.0
        for p in 0..<k {
          let product =
            Double(a.base[i * a.rowStride + p * a.columnStride]) * Double(b.base[p * b.rowStride + j * b.columnStride])
          sum += product
          size += abs(product)
        }
        let expected = (accumulate ? old : 0) + Double(scale) * sum
        let bound = Double(T.ulpOfOne) * (Double(k) + 4) * (abs(old) + abs(Double(scale)) * size) + 1e-300
        error = abs(Double(c[i * rowStride + j]) - expected) / bound
      }
      if !(error <= worst) { (worst, place) = (error, (i, j)) }
    }
  }
  #expect(
    worst <= 1 && c.last == before.last,
    """
    \(T.self) [\(m), \(k)] [\(k), \(n)], strides (\(a.rowStride), \(a.columnStride)) and \
    (\(b.rowStride), \(b.columnStride)), at \(place)
    """, sourceLocation: sourceLocation)
}
