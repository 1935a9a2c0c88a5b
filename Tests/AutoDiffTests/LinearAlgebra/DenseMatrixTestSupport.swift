import Testing

@testable import AutoDiff

/// A matrix with plain, slow operations, against which the factorizations are checked.
struct DenseMatrix<T: LoopScalar> {
  var rows: Int
  var columns: Int
  var entries: [T]

  init(_ rows: Int, _ columns: Int, _ entry: (Int, Int) -> Double) {
    self.rows = rows
    self.columns = columns
    entries = (0..<rows * columns).map { T(entry($0 / columns, $0 % columns)) }
  }

  /// Uniform entries between −1 and 1.
  static func random(_ rows: Int, _ columns: Int, seed: UInt64) -> Self {
    var generator = SplitMix(state: seed)
    return .init(rows, columns) { _, _ in generator.next() }
  }

  static func symmetric(_ n: Int, seed: UInt64) -> Self {
    let g = random(n, n, seed: seed)
    return .init(n, n) { Double(g[$0, $1] + g[$1, $0]) }
  }

  static func diagonal(_ values: [Double]) -> Self {
    .init(values.count, values.count) { $0 == $1 ? values[$0] : 0 }
  }

  /// A symmetric matrix with the given eigenvalues and random eigenvectors.
  static func symmetric(eigenvalues: [Double], seed: UInt64) -> Self {
    let n = eigenvalues.count
    var a = DenseMatrix<Double>.diagonal(eigenvalues)
    var generator = SplitMix(state: seed)
    for _ in 0..<3 {
      let v = (0..<n).map { _ in generator.next() }
      let norm = v.reduce(0) { $0 + $1 * $1 }
      let h = DenseMatrix<Double>(n, n) { ($0 == $1 ? 1 : 0) - 2 * v[$0] * v[$1] / norm }
      a = h * a * h
    }
    return .init(n, n) { (a[$0, $1] + a[$1, $0]) / 2 }
  }

  /// G Gᵀ / n + shift · I.
  static func positiveDefinite(_ n: Int, seed: UInt64, shift: Double = 0.1) -> Self {
    let g = DenseMatrix<Double>.random(n, n, seed: seed)
    let product = g * g.transposed
    return .init(n, n) { product[$0, $1] / Double(max(1, n)) + ($0 == $1 ? shift : 0) }
  }

  subscript(_ i: Int, _ j: Int) -> T {
    get { entries[i * columns + j] }
    set { entries[i * columns + j] = newValue }
  }

  var transposed: Self {
    var result = Self(columns, rows) { _, _ in 0 }
    for i in 0..<rows { for j in 0..<columns { result[j, i] = self[i, j] } }
    return result
  }

  var largest: Double { entries.reduce(0) { max($0, $1.isNaN ? .infinity : abs(Double($1))) } }

  /// Sums are taken in `Double`.
  static func * (a: Self, b: Self) -> Self {
    let right = b.transposed.entries.map { Double($0) }
    let left = a.entries.map { Double($0) }
    return left.withUnsafeBufferPointer { left in
      right.withUnsafeBufferPointer { right in
        .init(a.rows, b.columns) { i, j in
          var sum = 0.0
          for k in 0..<a.columns { sum += left[i * a.columns + k] * right[j * a.columns + k] }
          return sum
        }
      }
    }
  }

  static func - (a: Self, b: Self) -> Self {
    var a = a
    for i in a.entries.indices { a.entries[i] -= b.entries[i] }
    return a
  }

  /// The largest entry of I − AᵀA, in units of the rounding error.
  var orthogonalityError: Double {
    (transposed * self - .diagonal([Double](repeating: 1, count: columns))).largest / Double(T.ulpOfOne)
  }
}

/// A small seeded generator.
struct SplitMix {
  var state: UInt64

  mutating func next() -> Double {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return Double(Int64(bitPattern: z ^ (z >> 31))) / 0x1p63
  }
}
