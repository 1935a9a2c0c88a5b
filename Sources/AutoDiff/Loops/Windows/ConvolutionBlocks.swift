/// One axis of a grid of places, each of which reads some entries (taps) of a source.
struct ConvolutionAxis {
  struct Tap {
    /// The distance from the place to the entry that is read, not negative.
    var shift: Int
    /// The entry of the weights that belongs to it.
    var index: Int
  }

  /// The source coordinate of the first place; outside the source, zeros are read.
  var origin: Int
  var step: Int
  var count: Int
  /// In ascending order of the shifts.
  var taps: [Tap]
  /// The coordinate of the first place in the target, and the distance to the next.
  var targetFirst = 0
  var targetStep = 1

  /// The number of neighboring entries of which a place reads some.
  var reach: Int { (taps.last?.shift ?? -1) + 1 }

  /// The places of a window that reads an input of the convolution.
  static func forward(_ axis: SlidingAxis) -> Self {
    .init(
      origin: -axis.padding, step: axis.stride, count: axis.places,
      taps: (0..<axis.size).map { .init(shift: $0 * axis.dilation, index: $0) })
  }

  /// The coordinates of the input, each of which reads those entries of the output's gradient that it took part in.
  ///
  /// Input `y` met tap `i` at output `o` where `y + padding = o · stride + i · dilation`. For all `y` whose padded
  /// coordinate has the same remainder modulo the stride, these are the same taps at the same distances. So there is
  /// one dense grid for each remainder, and none multiplies by the zeros that a stride leaves between the outputs.
  static func adjoint(_ axis: SlidingAxis) -> [Self] {
    let (stride, padding) = (axis.stride, axis.padding)
    return (0..<stride).compactMap { remainder in
      let distances = (0..<axis.size).filter { ($0 * axis.dilation) % stride == remainder }
        .map { (index: $0, distance: $0 * axis.dilation / stride) }
      let farthest = distances.last?.distance ?? 0
      let first = max(0, padding - remainder + stride - 1) / stride
      let end = (axis.extent - 1 + padding - remainder + stride) / stride
      if end <= first { return nil }
      return .init(
        origin: first - farthest, step: 1, count: end - first,
        taps: distances.reversed().map { .init(shift: farthest - $0.distance, index: $0.index) },
        targetFirst: first * stride + remainder - padding, targetStep: stride)
    }
  }
}

/// A grid of places on a batch of images, cut into blocks whose sources fit the cache.
///
/// A block is some rows of places of one image or, where images are small, several whole images. Its part of the source
/// is copied with the zeros around it, so the arithmetic knows no borders; where nothing lies outside it is read in
/// place.
struct ConvolutionBlocks {
  struct Block {
    var firstImage: Int
    var images: Int
    var firstRow: Int
    var rows: Int
  }

  let images: Int
  let source: RowsAndColumns
  let channels: Int
  let rows: ConvolutionAxis
  let columns: ConvolutionAxis
  private let spread: ChannelSpread?

  /// The extents of a full block.
  let blockImages: Int
  let blockRows: Int
  /// The number of blocks; it depends on nothing but sizes.
  let count: Int

  let isInPlace: Bool
  /// The distances between neighboring places, rows and images of the memory that ``load(_:from:scratch:)`` returns.
  let placePitch: Int
  let rowPitch: Int
  let imagePitch: Int

  /// - Parameters:
  ///   - spread: How the channels of each place are spread, or nil where they are left as they are.
  ///   - byteCount: The size of an entry in bytes.
  init(
    images: Int, source: RowsAndColumns, channels: Int, rows: ConvolutionAxis, columns: ConvolutionAxis,
    spread: ChannelSpread? = nil, byteCount: Int
  ) {
    self.images = images
    self.source = source
    self.channels = channels
    self.rows = rows
    self.columns = columns
    self.spread = spread
    placePitch = spread?.placePitch ?? channels
    let width = (columns.count - 1) * columns.step + columns.reach
    let height = (rows.count - 1) * rows.step + rows.reach
    let readsNothing = rows.taps.isEmpty || columns.taps.isEmpty
    isInPlace =
      readsNothing
      || (spread == nil && rows.origin >= 0 && rows.origin + height <= source.rows && columns.origin >= 0
        && columns.origin + width <= source.columns)

    // The source of a block should stay in the second-level cache beside the weights, but a block needs enough places to
    // fill the tiles. Half and twice as much was slower where it made a difference.
    let rowBytes = rows.step * max(1, width) * placePitch * (spread?.panels.count ?? 1) * byteCount
    let fitting = (64 << 10) / rowBytes - max(0, rows.reach - rows.step) / rows.step
    let filling = (8 * ConvolutionTile.height + columns.count - 1) / columns.count
    let blockRows = min(rows.count, max(fitting, filling / 2, 1))
    let blocksPerImage = (rows.count + blockRows - 1) / blockRows
    self.blockRows = (rows.count + blocksPerImage - 1) / blocksPerImage
    blockImages = blocksPerImage > 1 ? 1 : max(1, min(images, filling / rows.count))
    count = blocksPerImage > 1 ? images * blocksPerImage : (images + blockImages - 1) / blockImages

    if isInPlace {
      rowPitch = source.columns * channels
      imagePitch = source.rows * rowPitch
    } else {
      rowPitch = width * placePitch
      imagePitch = ((self.blockRows - 1) * rows.step + rows.reach) * rowPitch
    }
  }

  /// The number of entries of memory that ``load(_:from:scratch:)`` needs.
  var scratchCount: Int {
    isInPlace ? 0 : (spread?.panels.count ?? 1) * panelPitch
  }

  /// The distance between the parts of the panels of a spread source.
  var panelPitch: Int { blockImages * imagePitch }

  subscript(index: Int) -> Block {
    if blockRows == rows.count {
      let first = index * blockImages
      return .init(firstImage: first, images: min(blockImages, images - first), firstRow: 0, rows: blockRows)
    }
    let blocksPerImage = (rows.count + blockRows - 1) / blockRows
    let first = index % blocksPerImage * blockRows
    return .init(
      firstImage: index / blocksPerImage, images: 1, firstRow: first, rows: min(blockRows, rows.count - first))
  }

  /// Where each row of places of a full block starts in what ``load(_:from:scratch:)`` returns. The rows of a smaller
  /// block are a prefix.
  var rowOffsets: [Int] {
    (0..<blockImages * blockRows).map { row in
      row / blockRows * imagePitch + row % blockRows * rows.step * rowPitch
    }
  }

  /// Where each place of a full block lies in what ``load(_:from:scratch:)`` returns.
  var placeOffsets: [Int] {
    rowOffsets.flatMap { row in (0..<columns.count).map { row + $0 * columns.step * placePitch } }
  }

  /// The memory that a block reads, from its first place and first tap on.
  func load<T: LoopScalar>(
    _ block: Block, from address: UnsafePointer<T>, scratch: UnsafeMutablePointer<T>
  ) -> UnsafePointer<T> {
    let sourcePitch = source.columns * channels
    let firstRow = rows.origin + block.firstRow * rows.step
    if isInPlace {
      if rows.taps.isEmpty || columns.taps.isEmpty { return address }
      return address + (block.firstImage * source.rows + firstRow) * sourcePitch + columns.origin * channels
    }
    let height = (block.rows - 1) * rows.step + rows.reach
    let width = rowPitch / placePitch
    let left = min(max(0, -columns.origin), width)
    let start = max(0, columns.origin)
    let copied = max(0, min(width - left, source.columns - start))
    for image in 0..<block.images {
      for row in 0..<height {
        let from =
          address + (((block.firstImage + image) * source.rows + firstRow + row) * source.columns + start) * channels
        for panel in 0..<(spread?.panels.count ?? 1) {
          let to = scratch + (panel * panelPitch + image * imagePitch + row * rowPitch)
          guard copied > 0, 0..<source.rows ~= firstRow + row else {
            to.update(repeating: 0, count: rowPitch)
            continue
          }
          to.update(repeating: 0, count: left * placePitch)
          if let spread {
            spread.copy(spread.panels[panel], places: copied, from: from, to: to + left * placePitch)
          } else {
            (to + left * placePitch).update(from: from, count: copied * channels)
          }
          (to + (left + copied) * placePitch).update(repeating: 0, count: (width - left - copied) * placePitch)
        }
      }
    }
    return UnsafePointer(scratch)
  }
}
