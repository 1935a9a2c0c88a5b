/// A product of patches with weights: every place of a grid reads its taps in the source, and writes one entry per
/// column to the target. The convolution is one pass, the gradient of its input one for each remainder of the stride.
struct ConvolutionPass<T: LoopScalar> {
  /// The weights as the pass sees them: entry `(i, j)` of the window, channel of the source, column of the product.
  struct Weights {
    var base: UnsafePointer<T>
    var columnsOfWindow: Int
    var tapStride: Int
    var channelStride: Int
    var columnStride: Int
    var groupStride: Int
  }

  private let blocks: ConvolutionBlocks
  private let target: RowsAndColumns
  /// What the columns of all groups make up vectors with, or nil where each group is a product by itself.
  private let spread: ChannelSpread?
  /// The number of products: of groups, or 1 where they are joined.
  private let groups: Int
  /// Channels of the source and columns of the product, per group.
  private let channels: Int
  private let panels: ConvolutionPanels
  /// Whether the panels are shared out among the threads, because there are few blocks.
  private let sharesPanels: Bool
  /// Where neighboring taps and channels that are contiguous in memory start, seen from a place.
  private let runs: [Int]
  private let runLength: Int

  init(
    images: Int, source: RowsAndColumns, target: RowsAndColumns, rows: ConvolutionAxis, columns: ConvolutionAxis,
    groups: Int, channels: Int, columnCount: Int
  ) {
    spread = .init(groups: groups, channels: channels, columns: columnCount, lanes: T.Lanes.count)
    blocks = .init(
      images: images, source: source, channels: groups * channels, rows: rows, columns: columns, spread: spread,
      byteCount: MemoryLayout<T>.stride)
    self.target = target
    self.groups = spread == nil ? groups : 1
    self.channels = channels
    sharesPanels = blocks.count < 16 && spread == nil
    panels = spread?.panels ?? .init(columns: columnCount, lanes: T.Lanes.count, lastOverlaps: !sharesPanels)

    let (placePitch, rowPitch) = (blocks.placePitch, blocks.rowPitch)
    if self.groups == 1, !columns.taps.isEmpty, columns.reach == columns.taps.count {
      runs = rows.taps.map { $0.shift * rowPitch }
      runLength = columns.taps.count * channels
    } else {
      runs = rows.taps.flatMap { row in columns.taps.map { row.shift * rowPitch + $0.shift * placePitch } }
      runLength = channels
    }
  }

  private var depth: Int { runs.count * runLength }

  func run(_ source: UnsafePointer<T>, into target: UnsafeMutablePointer<T>, weights: Weights) {
    withPooledScratch(T.self, groups * depth * panels.paddedColumns) { packed in
      ThreadTeam.run(groups * panels.count) { task in
        pack(weights, group: task / panels.count, panels[task % panels.count], into: packed)
      }
      let parts = sharesPanels ? groups * panels.count : 1
      let sources = blocks.placeOffsets
      let targets = targetOffsets
      ThreadTeam.run(blocks.count * parts) { task in
        let pieces = groups * panels.count / parts
        let first = task % parts * pieces
        withPooledScratch(T.self, blocks.scratchCount + ConvolutionTile.height * panels.widest) { scratch in
          let block = blocks[task / parts]
          let x = blocks.load(block, from: source, scratch: scratch)
          for piece in first..<first + pieces {
            multiply(
              block, x, packed, group: piece / panels.count, panels[piece % panels.count], sources, targets,
              into: target, edge: scratch + blocks.scratchCount)
          }
        }
      }
    }
  }

  /// Where each place of a full block lies in the target, seen from the block's first place.
  private var targetOffsets: [Int] {
    let pitch = target.columns * groups * panels.columns
    return (0..<blocks.blockImages * blocks.blockRows).flatMap { row in
      let start =
        (row / blocks.blockRows * target.rows + row % blocks.blockRows * blocks.rows.targetStep) * pitch
      return (0..<blocks.columns.count).map { start + $0 * blocks.columns.targetStep * groups * panels.columns }
    }
  }

  /// Copies the weights of one panel in the order in which the tile reads them, columns innermost, zeros in the columns
  /// that only fill the last vector.
  private func pack(
    _ weights: Weights, group: Int, _ panel: ConvolutionPanels.Panel, into packed: UnsafeMutablePointer<T>
  ) {
    let width = panel.vectors * panels.lanes
    var to = packed + (group * panels.paddedColumns + panel.place) * depth
    for row in blocks.rows.taps {
      for column in blocks.columns.taps {
        let tap =
          weights.base + (row.index * weights.columnsOfWindow + column.index) * weights.tapStride
          + group * weights.groupStride
        for channel in 0..<channels {
          let from = tap + channel * weights.channelStride
          if let spread {
            for place in 0..<panel.count {
              let (group, column) = (panel.first + place).quotientAndRemainder(dividingBy: spread.columns)
              to[place] = from[group * weights.groupStride + column * weights.columnStride]
            }
          } else {
            for column in 0..<panel.count { to[column] = from[(panel.first + column) * weights.columnStride] }
          }
          for column in panel.count..<width { to[column] = 0 }
          to += width
        }
      }
    }
  }

  /// The columns of one panel at all places of a block.
  private func multiply(
    _ block: ConvolutionBlocks.Block, _ x: UnsafePointer<T>, _ packed: UnsafePointer<T>, group: Int,
    _ panel: ConvolutionPanels.Panel, _ sources: [Int], _ targets: [Int], into target: UnsafeMutablePointer<T>,
    edge: UnsafeMutablePointer<T>
  ) {
    let height = ConvolutionTile.height
    let width = panel.vectors * panels.lanes
    let x = x + (spread == nil ? group * channels : panel.place / panels.widest * blocks.panelPitch)
    let b = packed + (group * panels.paddedColumns + panel.place) * depth
    let rows = blocks.rows, columns = blocks.columns
    let firstRow = rows.targetFirst + block.firstRow * rows.targetStep
    let place = (block.firstImage * self.target.rows + firstRow) * self.target.columns + columns.targetFirst
    let y = target + (place * groups + group) * panels.columns + panel.first
    let places = block.images * block.rows * columns.count
    let edgeRows = (0..<height).map { $0 * width }
    var lastRows = [Int](repeating: 0, count: height)

    runs.withUnsafeBufferPointer { runs in
      func compute(_ rows: UnsafePointer<Int>, into c: UnsafeMutablePointer<T>, _ cRows: UnsafePointer<Int>) {
        ConvolutionTile.compute(
          vectors: panel.vectors,
          .init(
            rows: rows, runs: runs.baseAddress, runCount: runs.count, runLength: runLength,
            xStep: spread?.panels.lanes ?? 1,
            bStep: width, isColumnwise: spread != nil),
          x, b, into: c, rows: cRows, accumulate: false)
      }
      for first in stride(from: 0, to: places, by: height) {
        let count = min(height, places - first)
        sources.withUnsafeBufferPointer { sources in
          targets.withUnsafeBufferPointer { targets in
            if count == height, panel.count == width {
              return compute(sources.baseAddress! + first, into: y, targets.baseAddress! + first)
            }
            // The tile is computed aside, and what exists of it is copied.
            for row in 0..<height { lastRows[row] = sources[first + min(row, count - 1)] }
            compute(lastRows, into: edge, edgeRows)
            for row in 0..<count { copyColumns(panel.count, from: edge + row * width, to: y + targets[first + row]) }
          }
        }
      }
    }
  }

  /// Copies at most two vectors.
  private func copyColumns(_ count: Int, from: UnsafePointer<T>, to: UnsafeMutablePointer<T>) {
    let lanes = T.Lanes.count
    T.Lanes(from).store(to, upTo: min(count, lanes))
    if count > lanes { T.Lanes(from + lanes).store(to + lanes, upTo: count - lanes) }
  }
}
