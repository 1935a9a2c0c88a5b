extension Convolution {
  /// The gradient of `⟨dy, x ∗ w⟩` with respect to `w`, summed over all images.
  ///
  /// - Shapes: `x` as `inputShape`, `dy` as `outputShape`, `dw` as `weightShape` of the geometry; all contiguous.
  static func weightGradient<T: LoopScalar>(
    _ geometry: ConvolutionGeometry, _ x: UnsafePointer<T>, _ dy: UnsafePointer<T>, into dw: UnsafeMutablePointer<T>
  ) {
    ConvolutionWeightPass<T>(geometry).run(x, dy, into: dw)
  }

  /// The gradient of `⟨dy, x ∗ w⟩` with respect to `w` for each image by itself.
  ///
  /// - Shapes: `x` as `inputShape`, `dy` as `outputShape`, `dw` as `weightShape` for each image in turn; all contiguous.
  static func weightGradients<T: LoopScalar>(
    _ geometry: ConvolutionGeometry, _ x: UnsafePointer<T>, _ dy: UnsafePointer<T>, into dw: UnsafeMutablePointer<T>
  ) {
    let pass = ConvolutionWeightPass<T>(geometry.with(images: 1))
    pass.runForEach(of: geometry.images, x, dy, into: dw)
  }
}

/// The product of the transposed patches with the output's gradient: a tile holds twelve entries of the patch times a
/// panel of output channels, and sums over the places of a block.
private struct ConvolutionWeightPass<T: LoopScalar> {
  private let geometry: ConvolutionGeometry
  private let blocks: ConvolutionBlocks
  private let panels: ConvolutionPanels
  /// Where each row of places of a full block starts, and how many places a row has; one long row where rows touch.
  private let placeRows: [Int]
  /// Where each entry of the patch lies, seen from a place; filled up to whole tiles.
  private let patch: [Int]

  init(_ geometry: ConvolutionGeometry) {
    self.geometry = geometry
    let window = geometry.window
    let blocks = ConvolutionBlocks(
      images: geometry.images, source: geometry.input, channels: geometry.inputChannels,
      rows: .forward(window.rowAxis(on: geometry.input)), columns: .forward(window.columnAxis(on: geometry.input)),
      byteCount: MemoryLayout<T>.stride)
    self.blocks = blocks
    panels = .init(columns: geometry.groupOutputChannels, lanes: T.Lanes.count)
    placeRows = blocks.rowOffsets

    var patch: [Int] = []
    for row in blocks.rows.taps {
      for column in blocks.columns.taps {
        let tap = row.shift * blocks.rowPitch + column.shift * geometry.inputChannels
        patch += (0..<geometry.groupInputChannels).map { tap + $0 }
      }
    }
    let missing = (ConvolutionTile.height - patch.count % ConvolutionTile.height) % ConvolutionTile.height
    self.patch = patch + [Int](repeating: 0, count: missing)
  }

  /// The number of entries of the sum for one panel of one group.
  private var partCount: Int { patch.count * panels.widest }

  func run(_ x: UnsafePointer<T>, _ dy: UnsafePointer<T>, into dw: UnsafeMutablePointer<T>) {
    if blocks.count == 0 { return dw.update(repeating: 0, count: geometry.weightCount) }
    // Partial sums over parts of the blocks, so many that the threads have enough to do; then their sum, in order.
    let pieces = geometry.groups * panels.count
    let parts = min(blocks.count, max(1, 16 / pieces))
    withScratch(T.self, parts * pieces * partCount) { sums in
      ThreadTeam.run(parts * pieces) { task in
        let part = task / pieces, piece = task % pieces
        sum(
          blocks: part * blocks.count / parts..<(part + 1) * blocks.count / parts, group: piece / panels.count,
          panels[piece % panels.count], x, dy, end: dy + geometry.outputCount, into: sums + task * partCount)
      }
      ThreadTeam.run(pieces) { piece in
        let total = sums + piece * partCount
        for part in 1..<max(1, parts) {
          add(panels[piece % panels.count], sums + (part * pieces + piece) * partCount, to: total)
        }
        unpack(total, group: piece / panels.count, panels[piece % panels.count], into: dw)
      }
    }
  }

  /// The gradients of `images` images, each with the geometry of this pass.
  func runForEach(
    of images: Int, _ x: UnsafePointer<T>, _ dy: UnsafePointer<T>, into dw: UnsafeMutablePointer<T>
  ) {
    let pieces = geometry.groups * panels.count
    ThreadTeam.run(images * pieces) { task in
      let image = task / pieces
      let group = task % pieces / panels.count, panel = panels[task % panels.count]
      withScratch(T.self, partCount) { total in
        sum(
          blocks: 0..<blocks.count, group: group, panel, x + image * geometry.inputCount,
          dy + image * geometry.outputCount, end: dy + images * geometry.outputCount, into: total)
        unpack(total, group: group, panel, into: dw + image * geometry.weightCount)
      }
    }
  }

  /// The sum over some blocks, `[patch, columns of the panel]`.
  ///
  /// - Parameter end: The end of the memory that `dy` lies in.
  private func sum(
    blocks range: Range<Int>, group: Int, _ panel: ConvolutionPanels.Panel, _ x: UnsafePointer<T>,
    _ dy: UnsafePointer<T>, end: UnsafePointer<T>, into total: UnsafeMutablePointer<T>
  ) {
    let height = ConvolutionTile.height
    let width = panel.vectors * panels.lanes
    let channels = geometry.outputChannels
    let firstColumn = group * panels.columns + panel.first
    let rowLength = blocks.columns.count
    let blockCount = blocks.blockImages * blocks.blockRows * rowLength * channels
    // The last vector of a panel may reach beyond the last channel, into the next places, which is harmless except at
    // the end of the memory.
    let overhang = max(0, firstColumn + width - channels)
    let totalRows = (0..<height).map { $0 * width }
    withScratch(T.self, blocks.scratchCount + blockCount + overhang) { scratch in
      for index in range {
        let block = blocks[index]
        let source = blocks.load(block, from: x, scratch: scratch) + group * geometry.groupInputChannels
        let rowCount = block.images * block.rows
        var b = dy + (block.firstImage * geometry.output.rows + block.firstRow) * rowLength * channels
        if end - b < rowCount * rowLength * channels + overhang {
          let copy = scratch + blocks.scratchCount
          copy.update(from: b, count: rowCount * rowLength * channels)
          (copy + rowCount * rowLength * channels).update(repeating: 0, count: overhang)
          b = UnsafePointer(copy)
        }
        patch.withUnsafeBufferPointer { patch in
          placeRows.withUnsafeBufferPointer { placeRows in
            for first in stride(from: 0, to: patch.count, by: height) {
              ConvolutionTile.compute(
                vectors: panel.vectors,
                .init(
                  rows: patch.baseAddress! + first, runs: placeRows.baseAddress, runCount: rowCount,
                  runLength: rowLength, xStep: blocks.columns.step * geometry.inputChannels, bStep: channels),
                source, b + firstColumn, into: total + first * width, rows: totalRows,
                accumulate: index > range.lowerBound)
            }
          }
        }
      }
    }
  }

  private func add(_ panel: ConvolutionPanels.Panel, _ part: UnsafePointer<T>, to total: UnsafeMutablePointer<T>) {
    for i in stride(from: 0, to: patch.count * panel.vectors * panels.lanes, by: T.Lanes.count) {
      (T.Lanes(total + i) + T.Lanes(part + i)).store(total + i)
    }
  }

  /// Copies the columns of one panel to their places among the weights.
  private func unpack(
    _ total: UnsafePointer<T>, group: Int, _ panel: ConvolutionPanels.Panel, into dw: UnsafeMutablePointer<T>
  ) {
    let width = panel.vectors * panels.lanes
    let to = dw + (group * panels.columns + panel.first)
    for row in 0..<geometry.patchCount {
      (to + row * geometry.outputChannels).update(from: total + row * width, count: panel.count)
    }
  }
}
