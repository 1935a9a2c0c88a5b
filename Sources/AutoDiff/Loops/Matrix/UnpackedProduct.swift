/// Products that read the operands where they are.
///
/// This is faster than packing where the operands fit into the second-level cache (packing takes a tenth of the time, or
/// most of it where they are tiny) and where a row of the left operand is used for a single tile.
enum MatrixDirect {
  /// The most multiplications for which this is the faster way (measured), by the order in which the operands lie: both
  /// in rows, the left one in columns, the right one to be copied.
  private static let mostWork = (rows: 1 << 24, columns: 1 << 22, copied: 1 << 19)
  /// The longest sum where b is as wide as a tile or wider.
  private static let longestSum = 512
  /// The most entries of a right operand of one tile's width, which stay in the second-level cache.
  private static let mostNarrowEntries = 1 << 16
  /// Up to this number of multiplications packing is never worth while.
  static let leastWork = 1 << 18
  /// The number of multiplications that is worth a task of its own.
  private static let workPerTask = 1 << 16

  static func suits<T: LoopScalar>(_ a: MatrixView<T>, _ b: MatrixView<T>) -> Bool {
    let (m, k, n) = (a.rows, a.columns, b.columns)
    let work = m * k * n
    if work <= leastWork { return k <= 2 * longestSum }
    let isLeftInRows = a.columnStride == 1
    if n <= MatrixTile.columns(T.self) {
      let isShort = m <= 2 * MatrixTile.rows
      if k * n <= mostNarrowEntries ? isLeftInRows || isShort : isShort && b.columnStride == 1 { return true }
    }
    if k > longestSum { return false }
    // Rows that lie far apart compete for the same places of the cache.
    guard b.columnStride == 1 && b.rowStride <= 2 * n else { return work <= mostWork.copied }
    if isLeftInRows { return work <= mostWork.rows && a.rowStride <= 2 * k }
    return work <= mostWork.columns && a.rowStride == 1 && a.columnStride <= 2 * m
  }

  /// Writes `c = [c +] scale a b`.
  @inline(never)
  static func multiply<T: LoopScalar>(_ a: MatrixView<T>, _ b: MatrixView<T>, into c: ProductTarget<T>) {
    let (m, k, n) = (a.rows, a.columns, b.columns)
    let lanes = T.Lanes.count
    let work = m * k * n
    let blocks = max(work / leastWork, min(8, work / workPerTask))
    if blocks < 2 { return multiplyBlock(a, b, into: c, columns: n) }
    if n >= 2 * lanes || n == lanes { return multiply(a, b, into: c, columns: n, blocks: blocks) }
    // Narrow: widened once for all blocks, which is cheaper than what overlapping tiles compute twice.
    let width = n < lanes ? lanes : 2 * lanes
    withPooledScratch(T.self, k * width) { memory in
      multiply(a, copy(b, rows: k, columns: width, to: memory), into: c, columns: n, blocks: blocks)
    }
  }

  /// The same in blocks, one for each task; c has the first `n` columns of the product.
  private static func multiply<T: LoopScalar>(
    _ a: MatrixView<T>, _ b: MatrixView<T>, into c: ProductTarget<T>, columns n: Int, blocks: Int
  ) {
    let (m, k) = (a.rows, a.columns)
    let (height, width) = (MatrixTile.rows, MatrixTile.columns(T.self))
    let columns = Cut(n, most: max(width, n / min(blocks, 16)), multipleOf: width)
    let rows = Cut(m, most: max(height, m * columns.count / blocks), multipleOf: height)
    ThreadTeam.run(rows.count * columns.count) { task in
      let (rows, columns) = (rows[task % rows.count], columns[task / rows.count])
      let widened = columns.lowerBound..<(b.columns > n ? b.columns : columns.upperBound)
      multiplyBlock(
        a.block(rows: rows, columns: 0..<k), b.block(rows: 0..<k, columns: widened),
        into: c.at(rows.lowerBound, columns.lowerBound), columns: columns.count)
    }
  }

  /// Tiles must not reach beyond the operands. The last ones of a row or column therefore overlap those before, which
  /// writes the same values twice; operands smaller than a tile are copied into zeros, as is b where its rows are not
  /// contiguous.
  @inline(never)
  private static func multiplyBlock<T: LoopScalar>(
    _ a: MatrixView<T>, _ b: MatrixView<T>, into c: ProductTarget<T>, columns n: Int
  ) {
    let (m, k) = (a.rows, a.columns)
    let lanes = T.Lanes.count
    let paddedM = max(m, MatrixTile.unitRows)
    let paddedN = max(b.columns, lanes)
    let copiesA = m < MatrixTile.unitRows
    let copiesB = b.columns < lanes || b.columnStride != 1
    let copiesC = copiesA || n < paddedN || c.accumulate
    let sizeA = copiesA ? paddedM * k : 0
    let sizeB = copiesB ? paddedN * k : 0
    let sizeC = copiesC ? paddedM * paddedN : 0
    if sizeA + sizeB + sizeC == 0 { return tiles(a, b, into: c) }
    withPooledScratch(T.self, sizeA + sizeB + sizeC) { memory in
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
  @inline(never)
  private static func tiles<T: LoopScalar>(_ a: MatrixView<T>, _ b: MatrixView<T>, into c: ProductTarget<T>) {
    let lanes = T.Lanes.count
    var j = 0
    while j < b.columns {
      let columns = b.columns - j > lanes && b.columns >= 2 * lanes ? 2 * lanes : lanes
      let column = min(j, b.columns - columns)
      var i = 0
      while i < a.rows {
        let isTall = a.rows - i > MatrixTile.unitRows && a.rows >= MatrixTile.rows
        let rows = isTall ? MatrixTile.rows : MatrixTile.unitRows
        let row = min(i, a.rows - rows)
        MatrixTile.wholeTile(
          a.columns, a.base + row * a.rowStride, rowStride: a.rowStride, columnStride: a.columnStride, b.base + column,
          rowStride: b.rowStride, into: c.at(row, column), isTall: rows > MatrixTile.unitRows, isWide: columns > lanes)
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
    var first = 0
    if source.rowStride == 1 && source.columns == columns && columns % 4 == 0 {
      while first + 4 <= source.rows {
        for j in stride(from: 0, to: columns, by: 4) {
          PanelSource.transposeFour(
            source.base + (first + j * source.columnStride), source.columnStride, into: memory + (first * columns + j),
            columns)
        }
        first += 4
      }
    }
    for i in first..<source.rows {
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
