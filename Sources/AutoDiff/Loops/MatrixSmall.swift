/// Products so small that packing would cost as much as multiplying: the tiles read the operands where they are.
enum MatrixSmall {
  /// The most multiplications for which this is the faster way (measured).
  static let mostWork = 1 << 18

  @inline(__always) static func suits(_ m: Int, _ k: Int, _ n: Int) -> Bool { m * n * k <= mostWork && k <= 1024 }

  /// Writes `c = [c +] scale a b`.
  ///
  /// Tiles must not reach beyond the operands. The last ones of a row or column therefore overlap those before, which
  /// writes the same values twice; operands smaller than a tile are copied into zeros, as is b where its rows are not
  /// contiguous.
  @inline(__always)
  static func multiply<T: LoopScalar>(_ a: MatrixView<T>, _ b: MatrixView<T>, into c: ProductTarget<T>) {
    let (m, k, n) = (a.rows, a.columns, b.columns)
    let lanes = T.Lanes.count
    let paddedM = max(m, 6)
    let paddedN = max(n, lanes)
    let copiesA = m < 6
    let copiesB = n < lanes || b.columnStride != 1
    let copiesC = copiesA || n < lanes || c.accumulate
    let sizeA = copiesA ? paddedM * k : 0
    let sizeB = copiesB ? paddedN * k : 0
    let sizeC = copiesC ? paddedM * paddedN : 0
    if sizeA + sizeB + sizeC == 0 { return tiles(a, b, into: c) }
    withScratch(T.self, sizeA + sizeB + sizeC) { memory in
      var (left, right, target) = (a, b, c)
      if copiesA { left = copy(a, rows: paddedM, columns: k, to: memory) }
      if copiesB { right = copy(b, rows: k, columns: paddedN, to: memory + sizeA) }
      if copiesC {
        target = ProductTarget(base: memory + (sizeA + sizeB), rowStride: paddedN, scale: c.scale, accumulate: false)
      }
      tiles(left, right, into: target)
      if copiesC { add(target, to: c, rows: m, columns: n) }
    }
  }

  /// All tiles of a product of at least six rows and a vector of columns.
  @inline(__always)
  private static func tiles<T: LoopScalar>(_ a: MatrixView<T>, _ b: MatrixView<T>, into c: ProductTarget<T>) {
    let lanes = T.Lanes.count
    var j = 0
    while j < b.columns {
      let columns = b.columns - j > lanes && b.columns >= 2 * lanes ? 2 * lanes : lanes
      let column = min(j, b.columns - columns)
      var i = 0
      while i < a.rows {
        let rows = a.rows - i > 6 && a.rows >= MicroKernel.rows ? MicroKernel.rows : 6
        let row = min(i, a.rows - rows)
        MicroKernel.wholeTile(
          a.columns, a.base + row * a.rowStride, rowStride: a.rowStride, columnStride: a.columnStride, b.base + column,
          rowStride: b.rowStride, into: c.at(row, column), isTall: rows > 6, isWide: columns > lanes)
        i = row + rows
      }
      j = column + columns
    }
  }

  /// A row-major copy in a corner of a matrix of zeros.
  @inline(__always)
  private static func copy<T: LoopScalar>(
    _ source: MatrixView<T>, rows: Int, columns: Int, to memory: UnsafeMutablePointer<T>
  ) -> MatrixView<T> {
    for i in 0..<source.rows {
      let from = source.base + i * source.rowStride
      let to = memory + i * columns
      for j in 0..<source.columns { to[j] = from[j * source.columnStride] }
      for j in source.columns..<columns { to[j] = 0 }
    }
    (memory + source.rows * columns).update(repeating: 0, count: (rows - source.rows) * columns)
    return MatrixView(base: memory, rows: rows, columns: columns, rowStride: columns, columnStride: 1)
  }

  @inline(__always)
  private static func add<T: LoopScalar>(_ product: ProductTarget<T>, to c: ProductTarget<T>, rows: Int, columns: Int) {
    for i in 0..<rows {
      let from = product.base + i * product.rowStride
      let to = c.base + i * c.rowStride
      if c.accumulate {
        for j in 0..<columns { to[j] += from[j] }
      } else {
        for j in 0..<columns { to[j] = from[j] }
      }
    }
  }
}
