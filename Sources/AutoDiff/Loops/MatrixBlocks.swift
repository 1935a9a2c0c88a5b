/// The matrix product of operands that do not fit into the cache: packed, in blocks, on all threads.
///
/// One operand is packed as a whole and shared by the threads; the other is cut into blocks of rows (or columns), which
/// are the tasks, each packed by the thread that multiplies it. The inner index is cut into pieces that depend on its
/// extent only, and each entry of the result is summed piece by piece in order, so that the result depends neither on
/// the number of threads nor on the other cuts.
enum MatrixBlocks {
  /// The longest piece of the inner index: a panel of b of this length fills two thirds of the first-level cache.
  static let longestPiece = 256
  /// The most entries of the shared operand that are packed at a time.
  static let largestShare = 4 << 20

  /// The pieces into which `extent` is cut, of at most `most` entries, as equal as possible.
  @inline(__always)
  static func pieces(_ extent: Int, most: Int, multipleOf unit: Int = 1) -> (count: Int, length: Int) {
    let count = (extent + most - 1) / most
    let length = ((extent + count - 1) / count + unit - 1) / unit * unit
    return ((extent + length - 1) / length, length)
  }

  static func multiply<T: LoopScalar>(
    _ a: MatrixView<T>, _ b: MatrixView<T>, into c: UnsafeMutablePointer<T>, _ output: TileOutput<T>
  ) {
    let (m, k, n) = (a.rows, a.columns, b.columns)
    // The operand with fewer entries is shared; the other one is what the threads divide.
    let sharesLeft = m <= n
    let shared = min(m, n)
    let kUnit = pieces(k, most: longestPiece).length
    let kShare = max(1, largestShare / (shared * kUnit)) * kUnit
    for start in stride(from: 0, to: k, by: kShare) {
      let range = start..<min(k, start + kShare)
      var output = output
      output.accumulate = output.accumulate || start > 0
      let a = a.block(rows: 0..<m, columns: range)
      let b = b.block(rows: range, columns: 0..<n)
      if sharesLeft {
        shareLeft(a, b, into: c, kUnit, output)
      } else {
        shareRight(a, b, into: c, kUnit, output)
      }
    }
  }

  private static func shareLeft<T: LoopScalar>(
    _ a: MatrixView<T>, _ b: MatrixView<T>, into c: UnsafeMutablePointer<T>, _ kUnit: Int, _ output: TileOutput<T>
  ) {
    let (m, k, n) = (a.rows, a.columns, b.columns)
    let height = MicroKernel.rows
    let width = MicroKernel.columns(T.self)
    let paddedRows = (m + height - 1) / height * height
    let rowPieces = pieces(m, most: 8 * height, multipleOf: height)
    let kPieces = pieces(k, most: kUnit)
    let columnPieces = pieces(n, most: 4 * width, multipleOf: width)
    withScratch(T.self, paddedRows * k) { packedA in
      nonisolated(unsafe) let packedA = packedA
      nonisolated(unsafe) let c = c
      ThreadTeam.run(rowPieces.count * kPieces.count) { task in
        let rows = range(task % rowPieces.count, rowPieces.length, m)
        let steps = range(task / rowPieces.count, kUnit, k)
        MatrixPacking.packRows(
          a.block(rows: rows, columns: steps),
          into: packedA + paddedRows * steps.lowerBound + rows.lowerBound * steps.count)
      }
      ThreadTeam.run(columnPieces.count) { task in
        let columns = range(task, columnPieces.length, n)
        withScratch(T.self, columnPieces.length * kUnit) { packedB in
          for piece in 0..<kPieces.count {
            let steps = range(piece, kUnit, k)
            MatrixPacking.packColumns(b.block(rows: steps, columns: columns), into: packedB)
            var output = output
            output.accumulate = output.accumulate || piece > 0
            tiles(
              steps.count, packedA + paddedRows * steps.lowerBound, packedB, c + columns.lowerBound, rows: m,
              columns: columns.count, output)
          }
        }
      }
    }
  }

  private static func shareRight<T: LoopScalar>(
    _ a: MatrixView<T>, _ b: MatrixView<T>, into c: UnsafeMutablePointer<T>, _ kUnit: Int, _ output: TileOutput<T>
  ) {
    let (m, k, n) = (a.rows, a.columns, b.columns)
    let height = MicroKernel.rows
    let width = MicroKernel.columns(T.self)
    let paddedColumns = (n + width - 1) / width * width
    let columnPieces = pieces(n, most: 4 * width, multipleOf: width)
    let kPieces = pieces(k, most: kUnit)
    let rowPieces = pieces(m, most: 10 * height, multipleOf: height)
    withScratch(T.self, paddedColumns * k) { packedB in
      nonisolated(unsafe) let packedB = packedB
      nonisolated(unsafe) let c = c
      ThreadTeam.run(columnPieces.count * kPieces.count) { task in
        let columns = range(task % columnPieces.count, columnPieces.length, n)
        let steps = range(task / columnPieces.count, kUnit, k)
        MatrixPacking.packColumns(
          b.block(rows: steps, columns: columns),
          into: packedB + paddedColumns * steps.lowerBound + columns.lowerBound * steps.count)
      }
      ThreadTeam.run(rowPieces.count) { task in
        let rows = range(task, rowPieces.length, m)
        withScratch(T.self, rowPieces.length * kUnit) { packedA in
          for piece in 0..<kPieces.count {
            let steps = range(piece, kUnit, k)
            MatrixPacking.packRows(a.block(rows: rows, columns: steps), into: packedA)
            var output = output
            output.accumulate = output.accumulate || piece > 0
            tiles(
              steps.count, packedA, packedB + paddedColumns * steps.lowerBound,
              c + rows.lowerBound * output.rowStride, rows: rows.count, columns: n, output)
          }
        }
      }
    }
  }

  /// Piece `index` of `0..<extent`.
  @inline(__always)
  private static func range(_ index: Int, _ length: Int, _ extent: Int) -> Range<Int> {
    index * length..<min(extent, (index + 1) * length)
  }

  /// All tiles of the product of packed operands. A panel of b stays in the first-level cache while a passes by.
  @inline(__always)
  static func tiles<T: LoopScalar>(
    _ k: Int, _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ c: UnsafeMutablePointer<T>, rows: Int, columns: Int,
    _ output: TileOutput<T>
  ) {
    let height = MicroKernel.rows
    let width = MicroKernel.columns(T.self)
    for j in stride(from: 0, to: columns, by: width) {
      for i in stride(from: 0, to: rows, by: height) {
        MicroKernel.tile(
          k, a + i * k, rowStride: 1, columnStride: height, b + j * k, rowStride: width, c + i * output.rowStride + j,
          rows: min(height, rows - i), columns: min(width, columns - j), output)
      }
    }
  }
}
