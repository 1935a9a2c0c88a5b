/// Solution of triangular systems with many right-hand sides, in place.
///
/// The matrix is halved until a diagonal block is small enough for substitution in vector registers; everything off the
/// diagonal is a matrix product. No inverse is formed, so every solution has the small residual of substitution.
enum TriangularSolve {
  /// Which half of the matrix is read; the other one may hold anything.
  enum Half {
    case lower, upper
  }

  /// Where the triangular matrix A stands.
  enum Side {
    /// A X = B.
    case left
    /// X A = B.
    case right
  }

  /// The largest diagonal block that is solved by substitution.
  static let blockExtent = 64

  /// Overwrites `b` with the solution X of A X = B, or of X A = B.
  ///
  /// A system with Aᵀ is the one of `a.transposed` with the other half.
  ///
  /// - Parameters:
  ///   - half: The half of `a` that holds the triangular matrix.
  ///   - a: A square matrix of extent n.
  ///   - side: Where `a` stands.
  ///   - b: n × `count` entries for `.left`, `count` × n for `.right`; rows are contiguous.
  ///   - count: The number of right-hand sides.
  ///   - rowStride: The distance between the rows of `b`.
  /// - Throws: `LinearAlgebraError.singular` when a diagonal entry is zero or not a number; `b` is then unchanged.
  @specialized(where T == Double)
  @specialized(where T == Float)
  @inline(never)
  static func solve<T: LoopScalar>(
    _ half: Half, _ a: MatrixView<T>, _ side: Side = .left, into b: UnsafeMutablePointer<T>, count: Int, rowStride: Int
  ) throws(LinearAlgebraError) {
    for i in 0..<a.rows {
      let pivot = a.base[i * (a.rowStride + a.columnStride)]
      if pivot == 0 || pivot.isNaN { throw .singular(pivot: i, value: Double(pivot)) }
    }
    solveChecked(half, a, side, into: b, count: count, rowStride: rowStride)
  }

  /// As `solve`, for a diagonal that is known to have no zeros.
  @inline(never)
  static func solveChecked<T: LoopScalar>(
    _ half: Half, _ a: MatrixView<T>, _ side: Side, into b: UnsafeMutablePointer<T>, count: Int, rowStride: Int
  ) {
    let n = a.rows
    if n == 0 || count == 0 { return }
    if n <= blockExtent {
      let (row, column) = side == .left ? (rowStride, 1) : (1, rowStride)
      // X A = B is Aᵀ Xᵀ = Bᵀ, and an upper triangle read from its last entry backwards is a lower one.
      let lower = side == .left ? a : a.transposed
      let isForward = (half == .lower) == (side == .left)
      if isForward {
        substitute(lower, into: b, count: count, rowStride: row, columnStride: column)
      } else {
        let reversed = MatrixView(
          base: lower.base + (n - 1) * (lower.rowStride + lower.columnStride), rows: n, columns: n,
          rowStride: -lower.rowStride, columnStride: -lower.columnStride)
        substitute(reversed, into: b + (n - 1) * row, count: count, rowStride: -row, columnStride: column)
      }
      return
    }
    let first = (n / 2 + blockExtent - 1) / blockExtent * blockExtent
    let second = n - first
    func block(_ row: Int, _ column: Int, _ rows: Int, _ columns: Int) -> MatrixView<T> {
      .init(
        base: a.base + row * a.rowStride + column * a.columnStride, rows: rows, columns: columns,
        rowStride: a.rowStride, columnStride: a.columnStride)
    }
    let offset = side == .left ? first * rowStride : first
    func solveFirst() {
      solveChecked(half, block(0, 0, first, first), side, into: b, count: count, rowStride: rowStride)
    }
    func solveSecond() {
      solveChecked(
        half, block(first, first, second, second), side, into: b + offset, count: count, rowStride: rowStride)
    }
    /// The rows (or columns) of `b` from `start` on.
    func unknowns(_ start: UnsafeMutablePointer<T>, _ extent: Int) -> MatrixView<T> {
      side == .left
        ? .init(base: start, rows: extent, columns: count, rowStride: rowStride, columnStride: 1)
        : .init(base: start, rows: count, columns: extent, rowStride: rowStride, columnStride: 1)
    }
    switch (half, side) {
    case (.lower, .left):
      solveFirst()
      MatrixProduct.multiply(
        block(first, 0, second, first), unknowns(b, first), into: b + offset, rowStride: rowStride, scale: -1,
        accumulate: true)
      solveSecond()
    case (.upper, .left):
      solveSecond()
      MatrixProduct.multiply(
        block(0, first, first, second), unknowns(b + offset, second), into: b, rowStride: rowStride, scale: -1,
        accumulate: true)
      solveFirst()
    case (.lower, .right):
      solveSecond()
      MatrixProduct.multiply(
        unknowns(b + offset, second), block(first, 0, second, first), into: b, rowStride: rowStride, scale: -1,
        accumulate: true)
      solveFirst()
    case (.upper, .right):
      solveFirst()
      MatrixProduct.multiply(
        unknowns(b, first), block(0, first, first, second), into: b + offset, rowStride: rowStride, scale: -1,
        accumulate: true)
      solveSecond()
    }
  }
}
