/// The matrix product in blocks: packed, from the caches, on all threads.
///
/// The result is cut into blocks, which are the tasks. An operand that several tasks use is packed beforehand by all
/// threads together; one that a single task uses is packed by that task. The inner index is cut into pieces that depend
/// on its extent only, and every entry of the result is summed piece by piece in order, so the result depends neither on
/// the number of threads nor on the other cuts.
enum MatrixBlocks {
  /// The longest piece of the inner index: panels of both operands of this length fit into the first-level cache.
  static let longestPiece = 256
  /// The most rows of a block: with the longest piece a quarter or half of a second-level cache.
  static let mostRows = 264
  /// The most columns of a block.
  static let mostColumns = 256
  /// The number of blocks for each thread that is aimed at to balance them, where a block has work for some microseconds.
  static let blocksPerThread = 4
  static let leastWork = 1 << 18
  /// The most entries of the operands that are packed beforehand.
  static let mostSharedEntries = 1 << 20

  /// Which part of the result is computed: all of it, or what touches its lower half.
  enum Part { case whole, lowerHalf }

  static func multiply<T: LoopScalar>(
    _ a: MatrixView<T>, _ b: MatrixView<T>, into c: ProductTarget<T>, _ part: Part = .whole
  ) {
    let k = a.columns
    let piece = Cut(k, most: longestPiece).length
    let share = max(1, mostSharedEntries / ((a.rows + b.columns) * piece)) * piece
    for start in stride(from: 0, to: k, by: share) {
      let steps = start..<min(k, start + share)
      multiply(
        PanelSource(left: a.block(rows: 0..<a.rows, columns: steps)),
        PanelSource(right: b.block(rows: steps, columns: 0..<b.columns)), steps: Cut(steps.count, length: piece),
        into: c.after(start), part)
    }
  }

  private static func multiply<T: LoopScalar>(
    _ a: PanelSource<T>, _ b: PanelSource<T>, steps: Cut, into c: ProductTarget<T>, _ part: Part
  ) {
    // Columns are divided first, because a block of all rows needs no operand packed beforehand but a.
    let (m, n) = (a.paddedRows, b.paddedRows)
    let threads = ThreadTeam.threadCount
    let blocks = min(threads == 1 ? 1 : blocksPerThread * threads, max(1, m * n * steps.extent / leastWork))
    let rowBlocks = (m + mostRows - 1) / mostRows
    let columns = Cut(
      b.matrix.rows, most: min(mostColumns, max(b.width, n * rowBlocks / blocks)), multipleOf: b.width)
    let rows = Cut(
      a.matrix.rows, most: min(mostRows, max(a.width, m * columns.count / blocks)), multipleOf: a.width)
    let (roundedRows, roundedColumns) = (rows.length, columns.length)
    let sharesA = columns.count > 1
    let sharesB = rows.count > 1
    withScratch(T.self, sharesA ? a.paddedRows * steps.extent : 0) { sharedA in
      withScratch(T.self, sharesB ? b.paddedRows * steps.extent : 0) { sharedB in
        packBeforehand(sharesA ? (a, sharedA) : nil, sharesB ? (b, sharedB) : nil, steps)
        ThreadTeam.run(rows.count * columns.count) { task in
          let (rows, columns) = (rows[task % rows.count], columns[task / rows.count])
          if part == .lowerHalf && columns.lowerBound >= rows.upperBound { return }
          withScratch(T.self, sharesA ? 0 : roundedRows * steps.length) { ownA in
            withScratch(T.self, sharesB ? 0 : roundedColumns * steps.length) { ownB in
              for index in 0..<steps.count {
                let steps = steps[index]
                if !sharesA { a.pack(rows: rows, steps: steps, into: ownA) }
                if !sharesB { b.pack(rows: columns, steps: steps, into: ownB) }
                tiles(
                  steps.count,
                  sharesA ? sharedA + (a.paddedRows * steps.lowerBound + rows.lowerBound * steps.count) : ownA,
                  sharesB ? sharedB + (b.paddedRows * steps.lowerBound + columns.lowerBound * steps.count) : ownB,
                  into: c.at(rows.lowerBound, columns.lowerBound).after(index), rows: rows.count,
                  columns: columns.count,
                  diagonal: part == .whole ? -columns.count : columns.lowerBound - rows.lowerBound)
              }
            }
          }
        }
      }
    }
  }

  /// Packs whole operands: piece after piece of the inner index, all panels of a piece one after the other.
  private static func packBeforehand<T: LoopScalar>(
    _ a: (source: PanelSource<T>, panels: UnsafeMutablePointer<T>)?,
    _ b: (source: PanelSource<T>, panels: UnsafeMutablePointer<T>)?, _ steps: Cut
  ) {
    func cut(_ operand: (source: PanelSource<T>, panels: UnsafeMutablePointer<T>)?) -> Cut {
      guard let source = operand?.source else { return Cut(0, length: 1) }
      return Cut(source.matrix.rows, length: 4 * source.width)
    }
    let cuts = (cut(a), cut(b))
    let tasksOfA = cuts.0.count * steps.count
    ThreadTeam.run(tasksOfA + cuts.1.count * steps.count) { task in
      let (operand, cut, task) = task < tasksOfA ? (a!, cuts.0, task) : (b!, cuts.1, task - tasksOfA)
      let steps = steps[task / cut.count]
      let rows = cut[task % cut.count]
      operand.source.pack(
        rows: rows, steps: steps,
        into: operand.panels + (operand.source.paddedRows * steps.lowerBound + rows.lowerBound * steps.count))
    }
  }

  /// All tiles of the product of packed operands. A panel of b stays in the first-level cache while a passes by.
  ///
  /// - Parameter diagonal: The first row that is wanted of column 0; each further column begins one row later.
  @inline(__always)
  static func tiles<T: LoopScalar>(
    _ k: Int, _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, into c: ProductTarget<T>, rows: Int, columns: Int,
    diagonal: Int
  ) {
    let height = MicroKernel.rows
    let width = MicroKernel.columns(T.self)
    for j in stride(from: 0, to: columns, by: width) {
      for i in stride(from: max(0, j + diagonal) / height * height, to: rows, by: height) {
        MicroKernel.tile(
          k, a + i * k, rowStride: 1, columnStride: height, b + j * k, rowStride: width, into: c.at(i, j),
          rows: min(height, rows - i), columns: min(width, columns - j))
      }
    }
  }
}

/// An extent in pieces of equal length; the last one may be shorter.
struct Cut {
  let extent: Int
  let length: Int
  let count: Int

  @inline(__always) init(_ extent: Int, length: Int) {
    self.extent = extent
    self.length = length
    count = (extent + length - 1) / length
  }

  /// Pieces of at most `most`, as equal as possible.
  @inline(__always) init(_ extent: Int, most: Int, multipleOf unit: Int = 1) {
    let count = (extent + most - 1) / most
    self.init(extent, length: ((extent + count - 1) / count + unit - 1) / unit * unit)
  }

  @inline(__always) subscript(_ index: Int) -> Range<Int> { index * length..<min(extent, (index + 1) * length) }
}
