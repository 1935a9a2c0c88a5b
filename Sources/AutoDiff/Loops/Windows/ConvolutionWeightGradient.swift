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
  /// What the columns of all groups make up vectors with, or nil where each group is a product by itself.
  private let spread: ChannelSpread?
  private let blocks: ConvolutionBlocks
  private let panels: ConvolutionPanels
  /// The number of pairs of a group and a panel.
  private let pieces: Int
  /// Where each row of places of a full block starts, and how many places a row has; one long row where rows touch.
  private let placeRows: [Int]
  /// Where each entry of the patch lies, seen from a place; filled up to whole tiles.
  private let patch: [Int]

  init(_ geometry: ConvolutionGeometry) {
    self.geometry = geometry
    let window = geometry.window
    let lanes = T.Lanes.count
    let spread = ChannelSpread(
      groups: geometry.groups, channels: geometry.groupInputChannels, columns: geometry.groupOutputChannels,
      lanes: lanes)
    let blocks = ConvolutionBlocks(
      images: geometry.images, source: geometry.input, channels: geometry.inputChannels,
      rows: .forward(window.rowAxis(on: geometry.input)), columns: .forward(window.columnAxis(on: geometry.input)),
      spread: spread, byteCount: MemoryLayout<T>.stride)
    self.spread = spread
    self.blocks = blocks
    panels = spread?.panels ?? .init(columns: geometry.groupOutputChannels, lanes: lanes)
    pieces = (spread == nil ? geometry.groups : 1) * panels.count
    placeRows = blocks.rowOffsets

    let channelPitch = spread?.panels.lanes ?? 1
    var patch: [Int] = []
    for row in blocks.rows.taps {
      for column in blocks.columns.taps {
        let tap = row.shift * blocks.rowPitch + column.shift * blocks.placePitch
        patch += (0..<geometry.groupInputChannels).map { tap + $0 * channelPitch }
      }
    }
    let missing = (ConvolutionTile.height - patch.count % ConvolutionTile.height) % ConvolutionTile.height
    self.patch = patch + [Int](repeating: 0, count: missing)
  }

  /// The number of pieces that one task computes: all where there are many of little work, which would otherwise be less
  /// than that of copying a block for each; one where the sums are so large that few should be held at a time.
  private var piecesPerTask: Int {
    geometry.groups > 1 && (spread != nil || mostParts * geometry.weightCount <= geometry.inputCount) ? pieces : 1
  }

  /// The number of parts that the blocks are divided into for the threads.
  private var mostParts: Int { 16 }

  /// The number of entries of the sum for one piece.
  private var pieceCount: Int { patch.count * panels.widest }

  func run(_ x: UnsafePointer<T>, _ dy: UnsafePointer<T>, into dw: UnsafeMutablePointer<T>) {
    if blocks.count == 0 { return dw.update(repeating: 0, count: geometry.weightCount) }
    // Partial sums over parts of the blocks, so many that the threads have enough to do; then their sum, in order.
    let tasksPerPart = pieces / piecesPerTask
    let parts = min(blocks.count, max(1, mostParts / tasksPerPart))
    withPooledScratch(T.self, parts * pieces * pieceCount) { sums in
      ThreadTeam.run(parts * tasksPerPart) { task in
        let part = task / tasksPerPart, first = task % tasksPerPart * piecesPerTask
        sum(
          blocks: part * blocks.count / parts..<(part + 1) * blocks.count / parts,
          pieces: first..<first + piecesPerTask,
          x, dy, end: dy + geometry.outputCount, into: sums + (part * pieces + first) * pieceCount)
      }
      ThreadTeam.run(pieces) { piece in
        let total = sums + piece * pieceCount
        for part in 1..<max(1, parts) { add(sums + (part * pieces + piece) * pieceCount, to: total) }
      }
      for piece in 0..<pieces { unpack(piece, sums + piece * pieceCount, into: dw) }
    }
  }

  /// The gradients of `images` images, each with the geometry of this pass.
  func runForEach(
    of images: Int, _ x: UnsafePointer<T>, _ dy: UnsafePointer<T>, into dw: UnsafeMutablePointer<T>
  ) {
    let tasksPerImage = pieces / piecesPerTask
    ThreadTeam.run(images * tasksPerImage) { task in
      let image = task / tasksPerImage, first = task % tasksPerImage * piecesPerTask
      withPooledScratch(T.self, piecesPerTask * pieceCount) { total in
        sum(
          blocks: 0..<blocks.count, pieces: first..<first + piecesPerTask, x + image * geometry.inputCount,
          dy + image * geometry.outputCount, end: dy + images * geometry.outputCount, into: total)
        for piece in 0..<piecesPerTask {
          unpack(first + piece, total + piece * pieceCount, into: dw + image * geometry.weightCount)
        }
      }
    }
  }

  /// The sums over some blocks, `[patch, columns of the panel]` for each piece.
  ///
  /// - Parameter end: The end of the memory that `dy` lies in.
  private func sum(
    blocks range: Range<Int>, pieces: Range<Int>, _ x: UnsafePointer<T>, _ dy: UnsafePointer<T>,
    end: UnsafePointer<T>, into totals: UnsafeMutablePointer<T>
  ) {
    let channels = geometry.outputChannels
    let rowLength = blocks.columns.count
    let blockCount = blocks.blockImages * blocks.blockRows * rowLength * channels
    // The last vector of a panel may reach beyond the last channel, into the next places, which is harmless except at
    // the end of the memory.
    let overhang = panels.widest
    withPooledScratch(T.self, blocks.scratchCount + blockCount + overhang) { scratch in
      for index in range {
        let block = blocks[index]
        let source = blocks.load(block, from: x, scratch: scratch)
        let rowCount = block.images * block.rows
        var b = dy + (block.firstImage * geometry.output.rows + block.firstRow) * rowLength * channels
        if end - b < rowCount * rowLength * channels + overhang {
          let copy = scratch + blocks.scratchCount
          copy.update(from: b, count: rowCount * rowLength * channels)
          (copy + rowCount * rowLength * channels).update(repeating: 0, count: overhang)
          b = UnsafePointer(copy)
        }
        for piece in pieces {
          let (group, panel) = (piece / panels.count, panels[piece % panels.count])
          add(
            panel, source + (spread == nil ? group * geometry.groupInputChannels : piece * blocks.panelPitch),
            b + (group * panels.columns + panel.first), rowCount,
            to: totals + (piece - pieces.lowerBound) * pieceCount, accumulate: index > range.lowerBound)
        }
      }
    }
  }

  /// One panel's sum over the places of one block.
  private func add(
    _ panel: ConvolutionPanels.Panel, _ x: UnsafePointer<T>, _ dy: UnsafePointer<T>, _ rowCount: Int,
    to total: UnsafeMutablePointer<T>, accumulate: Bool
  ) {
    let height = ConvolutionTile.height
    let width = panel.vectors * panels.lanes
    let totalRows = (0..<height).map { $0 * width }
    patch.withUnsafeBufferPointer { patch in
      placeRows.withUnsafeBufferPointer { placeRows in
        let base = patch.baseAddress!
        for first in stride(from: 0, to: patch.count, by: height) {
          ConvolutionTile.compute(
            vectors: panel.vectors,
            .init(
              rows: base + first, runs: placeRows.baseAddress, runCount: rowCount, runLength: blocks.columns.count,
              xStep: blocks.columns.step * blocks.placePitch, bStep: geometry.outputChannels,
              isColumnwise: spread != nil),
            x, dy, into: total + first * width, rows: totalRows, accumulate: accumulate)
        }
      }
    }
  }

  private func add(_ part: UnsafePointer<T>, to total: UnsafeMutablePointer<T>) {
    for i in stride(from: 0, to: pieceCount, by: T.Lanes.count) {
      (T.Lanes(total + i) + T.Lanes(part + i)).store(total + i)
    }
  }

  /// Copies the columns of one piece to their places among the weights.
  private func unpack(_ piece: Int, _ total: UnsafePointer<T>, into dw: UnsafeMutablePointer<T>) {
    let (group, panel) = (piece / panels.count, panels[piece % panels.count])
    let width = panel.vectors * panels.lanes
    let to = dw + (group * panels.columns + panel.first)
    for row in 0..<geometry.patchCount {
      (to + row * geometry.outputChannels).update(from: total + row * width, count: panel.count)
    }
  }
}
