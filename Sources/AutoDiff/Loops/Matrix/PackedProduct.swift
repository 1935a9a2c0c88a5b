/// The matrix product in blocks: packed, from the caches, on all threads.
///
/// The result is cut into blocks, which are the tasks. An operand that several tasks use is packed beforehand by all
/// threads together; one that a single task uses is packed by that task; and where the rows of b are contiguous, every
/// task packs its columns of b on the way, which costs the first tiles of each column some stores and nobody else
/// anything. The inner index is cut into pieces that depend on its extent only, and every entry of the result is summed
/// piece by piece in order, so the result depends neither on the number of threads nor on the other cuts.
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
  /// The most panels of b in a block that packs them on the way: with the longest piece a quarter to half of a
  /// second-level cache, where they stay while all of a passes.
  private static let mostPanels = 8
  /// The least rows of such a block where there are more, so that the first tiles do not count.
  private static let rowsWorthPacking = 264
  /// The most columns for which a is not worth packing.
  private static let fewColumns = 256
  /// The number of blocks for each thread that is aimed at to balance them, where a block has enough work; and how many
  /// do where they are equal.
  private static let blocksPerThread = (unequal: 8, equal: 2)
  /// The number of multiplications that is worth a block of its own.
  private static let workPerBlock = 1 << 18
  /// The most entries that are packed beforehand: a few tens of megabytes.
  private static let mostSharedEntries = 1 << 22

  /// Which part of the result is computed: all of it, or what touches its lower half.
  enum Part { case whole, lowerHalf }

  /// Writes `c = [c +] scale a b`.
  @inline(never)
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
    let (m, n) = (a.paddedRows, b.paddedRows)
    let packsOnTheWay = b.matrix.rowStride == 1 && n > fewColumns
    let (rows, columns) = packsOnTheWay ? stripes(a, b, steps, part) : blocks(a, b, steps)
    // Where few tiles use a row of a, they read it where it lies; not where rows lie a power of two apart, because these
    // compete for the same places of the cache.
    let readsA =
      a.matrix.columnStride == 1 && n <= fewColumns && a.matrix.rowStride * MemoryLayout<T>.stride % 4096 != 0
    let sharesA = columns.count > 1 && !readsA
    let sharesB = rows.count > 1 && !packsOnTheWay
    withPooledScratch(T.self, sharesA ? m * steps.extent : 0) { sharedA in
      withPooledScratch(T.self, sharesB ? n * steps.extent : 0) { sharedB in
        packBeforehand(sharesA ? (a, sharedA) : nil, sharesB ? (b, sharedB) : nil, steps)
        let block = BlockProduct(
          a: a, b: b, c: c, part: part, readsA: readsA, packsOnTheWay: packsOnTheWay,
          sharedA: sharesA ? sharedA : nil, sharedB: sharesB ? sharedB : nil)
        let (sizeA, sizeB) = (sharesA ? 0 : rows.length * steps.length, sharesB ? 0 : columns.length * steps.length)
        ThreadTeam.run(rows.count * columns.count) { task in
          let (rows, columns) = (rows[task % rows.count], columns[task / rows.count])
          if part == .lowerHalf && columns.lowerBound >= rows.upperBound { return }
          withPooledScratch(T.self, sizeA + sizeB) { own in
            for index in 0..<steps.count {
              block.addPiece(index, steps[index], rows: rows, columns: columns, ownA: own, ownB: own + sizeA)
            }
          }
        }
      }
    }
  }

  /// How the result is cut for operands that are packed before they are used. Columns are divided first, because a block
  /// of all rows needs nothing packed beforehand but a.
  private static func blocks<T: LoopScalar>(_ a: PanelSource<T>, _ b: PanelSource<T>, _ steps: Cut) -> (Cut, Cut) {
    let (m, n) = (a.paddedRows, b.paddedRows)
    let blocks = blockCount(m * n * steps.extent, perThread: blocksPerThread.unequal)
    let rowBlocks = (m + mostRows - 1) / mostRows
    let columns = Cut(
      b.matrix.rows, most: min(mostColumns, max(b.width, n * rowBlocks / blocks)), multipleOf: b.width)
    let rows = Cut(a.matrix.rows, most: min(mostRows, max(a.width, m * columns.count / blocks)), multipleOf: a.width)
    return (rows, columns)
  }

  /// How the result is cut where panels of b are packed on the way: few columns and, unless that leaves threads without
  /// work, all rows.
  private static func stripes<T: LoopScalar>(
    _ a: PanelSource<T>, _ b: PanelSource<T>, _ steps: Cut, _ part: Part
  ) -> (Cut, Cut) {
    let (m, n) = (a.paddedRows, b.paddedRows)
    let work = m * n * steps.extent
    let stripes = blockCount(work, perThread: blocksPerThread.equal)
    let columns = Cut(
      b.matrix.rows, most: min(mostPanels * b.width, max(b.width, n / stripes)), multipleOf: b.width)
    let isEven = part == .whole && columns.count % ThreadTeam.threadCount == 0
    let blocks = isEven ? stripes : blockCount(work, perThread: blocksPerThread.unequal)
    let rows = Cut(a.matrix.rows, most: max(rowsWorthPacking, m * columns.count / blocks), multipleOf: a.width)
    return (rows, columns)
  }

  private static func blockCount(_ work: Int, perThread: Int) -> Int {
    let threads = ThreadTeam.threadCount
    return threads == 1 ? 1 : min(perThread * threads, max(1, work / workPerBlock))
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
