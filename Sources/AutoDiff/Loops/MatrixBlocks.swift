/// The matrix product in blocks: packed, from the caches, on all threads.
///
/// The result is cut into blocks, which are the tasks. An operand that several tasks use is packed beforehand by all
/// threads together; one that a single task uses is packed by that task. The inner index is cut into pieces that depend
/// on its extent only, and every entry of the result is summed piece by piece in order, so the result depends neither on
/// the number of threads nor on the other cuts.
///
/// - Source: K. Goto, R. van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34 (2008); F. Van
///   Zee, R. van de Geijn, "BLIS: a framework for rapidly instantiating BLAS functionality", ACM TOMS 41 (2015).
enum MatrixBlocks {
  /// The longest piece of the inner index, in bytes. The result is read and written once for each piece; longer ones
  /// would be slower again, because the panels come from the second-level cache then.
  private static let longestPiece = 4096
  /// The most rows of a block: with the longest piece a quarter of a second-level cache, or half of a small one.
  private static let mostRows = 132
  /// The most columns of a block.
  private static let mostColumns = 2048
  /// The most columns for which a is not worth packing.
  private static let fewColumns = 256
  /// The number of blocks for each thread that is aimed at to balance them, where a block has enough work.
  private static let blocksPerThread = 8
  /// The number of multiplications that is worth a block of its own.
  private static let workPerBlock = 1 << 18
  /// The most entries that are packed beforehand: a few tens of megabytes.
  private static let mostSharedEntries = 1 << 22

  /// Which part of the result is computed: all of it, or what touches its lower half.
  enum Part { case whole, lowerHalf }

  /// Writes `c = [c +] scale a b`.
  static func multiply<T: LoopScalar>(
    _ a: MatrixView<T>, _ b: MatrixView<T>, into c: ProductTarget<T>, _ part: Part = .whole
  ) {
    let k = a.columns
    let piece = Cut(k, most: longestPiece / MemoryLayout<T>.stride).length
    let share = max(1, mostSharedEntries / ((a.rows + b.columns) * piece)) * piece
    for start in stride(from: 0, to: k, by: share) {
      let steps = start..<min(k, start + share)
      multiplyShare(
        PanelSource(left: a.block(rows: 0..<a.rows, columns: steps)),
        PanelSource(right: b.block(rows: steps, columns: 0..<b.columns)), steps: Cut(steps.count, length: piece),
        into: c.after(start), part)
    }
  }

  private static func multiplyShare<T: LoopScalar>(
    _ a: PanelSource<T>, _ b: PanelSource<T>, steps: Cut, into c: ProductTarget<T>, _ part: Part
  ) {
    // Columns are divided first, because a block of all rows needs nothing packed beforehand but a.
    let (m, n) = (a.paddedRows, b.paddedRows)
    let threads = ThreadTeam.threadCount
    let blocks = min(threads == 1 ? 1 : blocksPerThread * threads, max(1, m * n * steps.extent / workPerBlock))
    let rowBlocks = (m + mostRows - 1) / mostRows
    let columns = Cut(
      b.matrix.rows, most: min(mostColumns, max(b.width, n * rowBlocks / blocks)), multipleOf: b.width)
    let rows = Cut(a.matrix.rows, most: min(mostRows, max(a.width, m * columns.count / blocks)), multipleOf: a.width)
    // Where few tiles use a row of a, they read it where it lies; not where rows lie a power of two apart, because these
    // compete for the same places of the cache.
    let readsA =
      a.matrix.columnStride == 1 && n <= fewColumns && a.matrix.rowStride * MemoryLayout<T>.stride % 4096 != 0
    let sharesA = columns.count > 1 && !readsA
    let sharesB = rows.count > 1
    withScratch(T.self, sharesA ? m * steps.extent : 0) { sharedA in
      withScratch(T.self, sharesB ? n * steps.extent : 0) { sharedB in
        packBeforehand(sharesA ? (a, sharedA) : nil, sharesB ? (b, sharedB) : nil, steps)
        let block = BlockProduct(
          a: a, b: b, c: c, part: part, readsA: readsA, sharedA: sharesA ? sharedA : nil,
          sharedB: sharesB ? sharedB : nil)
        let (sizeA, sizeB) = (sharesA ? 0 : rows.length * steps.length, sharesB ? 0 : columns.length * steps.length)
        ThreadTeam.run(rows.count * columns.count) { task in
          let (rows, columns) = (rows[task % rows.count], columns[task / rows.count])
          if part == .lowerHalf && columns.lowerBound >= rows.upperBound { return }
          withScratch(T.self, sizeA + sizeB) { own in
            for index in 0..<steps.count {
              block.addPiece(index, steps[index], rows: rows, columns: columns, ownA: own, ownB: own + sizeA)
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
      operand.source.pack(rows: rows, steps: steps, into: operand.panels + operand.source.offset(rows, steps))
    }
  }
}

/// What the blocks of one product have in common.
private struct BlockProduct<T: LoopScalar> {
  let a: PanelSource<T>
  let b: PanelSource<T>
  let c: ProductTarget<T>
  let part: MatrixBlocks.Part
  /// Whether full panels of a are not packed at all.
  let readsA: Bool
  /// The operands that have been packed beforehand.
  let sharedA: UnsafeMutablePointer<T>?
  let sharedB: UnsafeMutablePointer<T>?

  /// Adds the product over one piece of the inner index to a block of the result; `ownA` and `ownB` are memory for the
  /// panels that have not been packed.
  @inline(__always)
  func addPiece(
    _ index: Int, _ steps: Range<Int>, rows: Range<Int>, columns: Range<Int>, ownA: UnsafeMutablePointer<T>,
    ownB: UnsafeMutablePointer<T>
  ) {
    if sharedB == nil { b.pack(rows: columns, steps: steps, into: ownB) }
    let panelsB = sharedB.map { $0 + b.offset(columns, steps) } ?? ownB
    let target = c.after(index)
    if let sharedA {
      addPacked(sharedA + a.offset(rows, steps), panelsB, steps.count, rows: rows, columns: columns, into: target)
      return
    }
    var packed = rows
    if readsA {
      packed = rows.lowerBound + rows.count / a.width * a.width..<rows.upperBound
      addUnpacked(panelsB, steps, rows: rows.lowerBound..<packed.lowerBound, columns: columns, into: target)
    }
    a.pack(rows: packed, steps: steps, into: ownA)
    addPacked(ownA, panelsB, steps.count, rows: packed, columns: columns, into: target)
  }

  /// All tiles of a block. A panel of b is used by all of a in turn, and stays in the nearest cache meanwhile that holds
  /// it; the next one is fetched bit by bit.
  @inline(__always)
  private func addPacked(
    _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ k: Int, rows: Range<Int>, columns: Range<Int>,
    into target: ProductTarget<T>
  ) {
    let height = MicroKernel.rows
    let width = MicroKernel.columns(T.self)
    let share = width * k / max(1, rows.count / height)
    forEachTile(rows, columns) { row, column in
      let panelA = a + (row - rows.lowerBound) * k
      let panelB = b + (column - columns.lowerBound) * k
      let place = target.at(row, column)
      if row + height <= rows.upperBound && column + width <= columns.upperBound {
        let next = panelB + (width * k + (row - rows.lowerBound) / height * share)
        MicroKernel.panelTile(k, panelA, panelB, next: next, into: place)
      } else {
        MicroKernel.tile(
          k, panelA, rowStride: 1, columnStride: height, panelB, rowStride: width, into: place,
          rows: min(height, rows.upperBound - row), columns: min(width, columns.upperBound - column))
      }
    }
  }

  /// The same where a is read where it lies; `rows` are full tiles.
  @inline(__always)
  private func addUnpacked(
    _ b: UnsafePointer<T>, _ steps: Range<Int>, rows: Range<Int>, columns: Range<Int>, into target: ProductTarget<T>
  ) {
    let width = MicroKernel.columns(T.self)
    let source = a.matrix.block(rows: rows, columns: steps)
    forEachTile(rows, columns) { row, column in
      MicroKernel.tile(
        steps.count, source.base + (row - rows.lowerBound) * source.rowStride, rowStride: source.rowStride,
        columnStride: 1, b + (column - columns.lowerBound) * steps.count, rowStride: width,
        into: target.at(row, column), rows: MicroKernel.rows, columns: min(width, columns.upperBound - column))
    }
  }

  /// Calls `body` for the first row and column of each tile that is wanted, one column of tiles after the other.
  @inline(__always)
  private func forEachTile(_ rows: Range<Int>, _ columns: Range<Int>, _ body: (_ row: Int, _ column: Int) -> Void) {
    let height = MicroKernel.rows
    for column in stride(from: columns.lowerBound, to: columns.upperBound, by: MicroKernel.columns(T.self)) {
      for row in stride(from: rows.lowerBound, to: rows.upperBound, by: height) {
        if part == .whole || row + height > column { body(row, column) }
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

  /// Pieces of at most `most`, rounded up to a multiple, as equal as possible.
  @inline(__always) init(_ extent: Int, most: Int, multipleOf unit: Int = 1) {
    let count = max(1, (extent + most - 1) / most)
    self.init(extent, length: max(1, ((extent + count - 1) / count + unit - 1) / unit) * unit)
  }

  @inline(__always) subscript(_ index: Int) -> Range<Int> { index * length..<min(extent, (index + 1) * length) }
}
