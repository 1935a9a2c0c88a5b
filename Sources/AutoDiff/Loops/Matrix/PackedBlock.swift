/// What the blocks of one product have in common.
struct BlockProduct<T: LoopScalar> {
  let a: PanelSource<T>
  let b: PanelSource<T>
  let c: ProductTarget<T>
  let part: MatrixBlocks.Part
  /// Whether full panels of a are not packed at all.
  let readsA: Bool
  /// Whether a panel of b is packed by the first tile that uses it.
  let packsOnTheWay: Bool
  /// The operands that have been packed beforehand.
  let sharedA: UnsafeMutablePointer<T>?
  let sharedB: UnsafeMutablePointer<T>?

  /// Adds the product over one piece of the inner index to a block of the result; `ownA` and `ownB` are memory for the
  /// panels that have not been packed.
  func addPiece(
    _ index: Int, _ steps: Range<Int>, rows: Range<Int>, columns: Range<Int>, ownA: UnsafeMutablePointer<T>,
    ownB: UnsafeMutablePointer<T>
  ) {
    let target = c.after(index)
    if sharedB == nil && !packsOnTheWay { b.pack(rows: columns, steps: steps, into: ownB) }
    let panelsB = sharedB.map { $0 + b.offset(columns, steps) } ?? ownB
    var packed = rows
    if readsA {
      packed = rows.lowerBound + rows.count / a.width * a.width..<rows.upperBound
      addUnpacked(panelsB, steps, rows: rows.lowerBound..<packed.lowerBound, columns: columns, into: target)
    }
    if sharedA == nil { a.pack(rows: packed, steps: steps, into: ownA) }
    let panelsA = sharedA.map { $0 + a.offset(rows, steps) } ?? ownA
    if packsOnTheWay {
      addPacking(panelsA, panelsB, steps, rows: rows, columns: columns, into: target)
    } else {
      addPacked(panelsA, panelsB, steps.count, rows: packed, columns: columns, into: target)
    }
  }

  /// All tiles of a block. A panel of b is used by all of a in turn, and stays in the nearest cache meanwhile that holds
  /// it; the next one is fetched bit by bit.
  private func addPacked(
    _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ k: Int, rows: Range<Int>, columns: Range<Int>,
    into target: ProductTarget<T>
  ) {
    let height = MatrixTile.rows
    let width = MatrixTile.columns(T.self)
    let share = width * k / max(1, rows.count / height)
    for column in stride(from: columns.lowerBound, to: columns.upperBound, by: width) {
      let panelB = b + (column - columns.lowerBound) * k
      for row in stride(from: rows.lowerBound, to: rows.upperBound, by: height) where isWanted(row, column) {
        let next = panelB + (width * k + (row - rows.lowerBound) / height * share)
        addTile(
          k, a + (row - rows.lowerBound) * k, panelB, next: next, into: target, row..<rows.upperBound,
          column..<columns.upperBound)
      }
    }
  }

  /// The same with the panels of b packed by the first tiles that use them. A panel of a is used by all of b in turn;
  /// the next one is fetched bit by bit.
  private func addPacking(
    _ a: UnsafePointer<T>, _ panels: UnsafeMutablePointer<T>, _ steps: Range<Int>, rows: Range<Int>,
    columns: Range<Int>, into target: ProductTarget<T>
  ) {
    let k = steps.count
    let height = MatrixTile.rows
    let width = MatrixTile.columns(T.self)
    let share = height * k / max(1, columns.count / width)
    var packedColumns = columns.lowerBound
    for row in stride(from: rows.lowerBound, to: rows.upperBound, by: height) {
      let panelA = a + (row - rows.lowerBound) * k
      for column in stride(from: columns.lowerBound, to: columns.upperBound, by: width) where isWanted(row, column) {
        let panelB = panels + (column - columns.lowerBound) * k
        if column >= packedColumns {
          packedColumns = min(columns.upperBound, column + width)
          if row + height <= rows.upperBound && column + width <= columns.upperBound {
            let source = b.matrix.base + (column + steps.lowerBound * b.matrix.columnStride)
            MatrixTile.packingTile(
              k, panelA, source, rowStride: b.matrix.columnStride, packingInto: panelB, into: target.at(row, column))
            continue
          }
          b.pack(rows: column..<packedColumns, steps: steps, into: panelB)
        }
        let next = panelA + (height * k + (column - columns.lowerBound) / width * share)
        addTile(k, panelA, panelB, next: next, into: target, row..<rows.upperBound, column..<columns.upperBound)
      }
    }
  }

  /// The tile at the beginning of the given rows and columns.
  @inline(__always)
  private func addTile(
    _ k: Int, _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, next: UnsafePointer<T>, into target: ProductTarget<T>,
    _ rows: Range<Int>, _ columns: Range<Int>
  ) {
    let height = MatrixTile.rows
    let width = MatrixTile.columns(T.self)
    let place = target.at(rows.lowerBound, columns.lowerBound)
    if rows.count >= height && columns.count >= width {
      MatrixTile.panelTile(k, a, b, next: next, into: place)
    } else {
      MatrixTile.tile(
        k, a, rowStride: 1, columnStride: height, b, rowStride: width, into: place, rows: min(height, rows.count),
        columns: min(width, columns.count))
    }
  }

  /// All tiles of a block where a is read where it lies; `rows` are full tiles.
  private func addUnpacked(
    _ b: UnsafePointer<T>, _ steps: Range<Int>, rows: Range<Int>, columns: Range<Int>, into target: ProductTarget<T>
  ) {
    let width = MatrixTile.columns(T.self)
    let source = a.matrix.block(rows: rows, columns: steps)
    for column in stride(from: columns.lowerBound, to: columns.upperBound, by: width) {
      for row in stride(from: rows.lowerBound, to: rows.upperBound, by: MatrixTile.rows)
      where isWanted(row, column) {
        MatrixTile.tile(
          steps.count, source.base + (row - rows.lowerBound) * source.rowStride, rowStride: source.rowStride,
          columnStride: 1, b + (column - columns.lowerBound) * steps.count, rowStride: width,
          into: target.at(row, column), rows: MatrixTile.rows, columns: min(width, columns.upperBound - column))
      }
    }
  }

  /// Whether the tile that begins there is part of what is computed.
  @inline(__always)
  private func isWanted(_ row: Int, _ column: Int) -> Bool { part == .whole || row + MatrixTile.rows > column }
}
