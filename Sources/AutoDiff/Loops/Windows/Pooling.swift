/// The shapes of a pooling: a window that slides over each channel of images `[n, h, w, c]` by itself.
struct PoolingGeometry: Hashable, Sendable {
  var images: Int
  var input: RowsAndColumns
  var channels: Int
  var window: SlidingWindow

  var output: RowsAndColumns { window.positions(on: input) }
  var inputShape: [Int] { [images, input.rows, input.columns, channels] }
  var outputShape: [Int] { [images, output.rows, output.columns, channels] }
  var inputCount: Int { images * input.rows * input.columns * channels }
  var outputCount: Int { images * output.rows * output.columns * channels }

  fileprivate var rows: SlidingAxis { window.rowAxis(on: input) }
  fileprivate var columns: SlidingAxis { window.columnAxis(on: input) }

  /// Stops with the name of the operation where the extents do not make a pooling.
  func check(_ operation: String) {
    window.check(operation, on: input)
    if images < 0 || channels < 1 { stop(operation, "extents must be positive", got: "\(inputShape)") }
    // Positions in an image are counted in 32 bits.
    if saturatingProduct(input.rows, input.columns) > Int32.max {
      stop(operation, "an image must have at most \(Int32.max) places", got: "\(inputShape)")
    }
    // A window must meet the image, or it has no largest entry and no average.
    for (axis, name) in [(rows, "rows"), (columns, "columns")] {
      for place in 0..<axis.places where axis.entries(at: place).isEmpty {
        stop(
          operation, "every window must meet the image",
          got: "one that lies between or beyond its \(name)", hint: "Use less padding.")
      }
    }
  }
}

/// Two-dimensional pooling of contiguous images, and its derivatives. Results do not depend on the number of threads.
enum Pooling {
  /// The number of results that is worth a task of its own.
  private static let entriesPerTask = 1 << 12

  /// Calls `body` with the image and the number of every row of places.
  private static func forEachRow(_ geometry: PoolingGeometry, _ body: (_ image: Int, _ row: Int) -> Void) {
    let (places, rows) = (geometry.output.rows, geometry.images * geometry.output.rows)
    let perTask = max(1, entriesPerTask / max(1, geometry.output.columns * geometry.channels))
    ThreadTeam.run((rows + perTask - 1) / perTask) { task in
      for row in task * perTask..<min(rows, (task + 1) * perTask) { body(row / places, row % places) }
    }
  }

  /// Where the largest entry under each window lies: `row * columns + column` in its image.
  ///
  /// Among equal entries the first counts. Not-a-number counts as the largest.
  ///
  /// - Shapes: `x` as `inputShape`, `positions` as `outputShape` of the geometry.
  static func maximumPositions<T: LoopScalar>(
    _ geometry: PoolingGeometry, _ x: UnsafePointer<T>, into positions: UnsafeMutablePointer<Double>
  ) {
    let (rows, columns, channels) = (geometry.rows, geometry.columns, geometry.channels)
    let (lanes, end) = (T.Lanes.count, x + geometry.inputCount)
    forEachRow(geometry) { image, row in
      let pixels = x + image * geometry.input.rows * geometry.input.columns * channels
      let to = positions + (image * rows.places + row) * columns.places * channels
      let windowRows = rows.entries(at: row)
      for place in 0..<columns.places {
        let windowColumns = columns.entries(at: place)
        let corner = WindowCorner(
          position: rows.coordinate(of: windowRows.lowerBound, at: row) * geometry.input.columns
            + columns.coordinate(of: windowColumns.lowerBound, at: place),
          rows: windowRows.count, rowStep: rows.dilation * geometry.input.columns, columns: windowColumns.count,
          columnStep: columns.dilation)
        for channel in stride(from: 0, to: channels, by: lanes) {
          // The last vector overlaps the one before; a single one reaches into the next pixel, if there is one.
          let first = min(channel, max(0, channels - lanes))
          let count = min(lanes, channels - first)
          let isInside = pixels + (corner.lastPosition * channels + first + lanes) <= end
          let found =
            isInside
            ? corner.largest { T.Lanes(pixels + ($0 &* channels &+ first)) }
            : corner.largest { T.Lanes(pixels + ($0 &* channels &+ first), upTo: count) }
          storeIntegers(found, count, to: to + (place * channels + first))
        }
      }
    }
  }

  /// The entries of a window that lie on an image.
  private struct WindowCorner {
    /// Where the first of them lies.
    let position: Int
    let rows: Int, rowStep: Int
    let columns: Int, columnStep: Int

    var lastPosition: Int { position + (rows - 1) * rowStep + (columns - 1) * columnStep }

    /// The positions of the largest entries, as integers in the bits of a vector.
    @inline(__always)
    func largest<V: LaneVector>(_ entries: (_ position: Int) -> V) -> V {
      var best = entries(position)
      var found = V(bits: .init(repeating: position))
      for i in 0..<rows {
        var next = position &+ i &* rowStep
        for _ in 0..<columns {
          let candidates = entries(next)
          let isLarger = !V.isLessOrEqual(candidates, best) & !best.isNaN
          best = V.select(isLarger, candidates, best)
          found = V.select(isLarger, V(bits: .init(repeating: next)), found)
          next &+= columnStep
        }
      }
      return found
    }
  }

  /// Writes integers that are the bits of a vector as numbers.
  @inline(__always)
  private static func storeIntegers<V: LaneVector>(_ vector: V, _ count: Int, to y: UnsafeMutablePointer<Double>) {
    withUnsafeBytes(of: vector) { bytes in
      if V.isDouble {
        let integers = bytes.baseAddress!.assumingMemoryBound(to: Int64.self)
        for k in 0..<count { y[k] = Double(integers[k]) }
      } else {
        let integers = bytes.baseAddress!.assumingMemoryBound(to: Int32.self)
        for k in 0..<count { y[k] = Double(integers[k]) }
      }
    }
  }

  /// The entries at the given positions: the derivative of maximum pooling along `x`.
  ///
  /// - Shapes: `x` as `inputShape`, `positions` and `y` as `outputShape` of the geometry. The positions must be whole numbers
  ///   that lie in an image.
  static func gather<T: LoopScalar>(
    _ geometry: PoolingGeometry, _ x: UnsafePointer<T>, positions: UnsafePointer<Double>,
    into y: UnsafeMutablePointer<T>
  ) {
    let channels = geometry.channels
    let imageCount = geometry.input.rows * geometry.input.columns * channels
    forEachRow(geometry) { image, row in
      let from = x + image * imageCount
      var next = (image * geometry.output.rows + row) * geometry.output.columns * channels
      for _ in 0..<geometry.output.columns {
        for channel in 0..<channels { y[next + channel] = from[index(positions[next + channel]) * channels + channel] }
        next += channels
      }
    }
  }

  /// A whole number below 2⁵², which is not checked, as an integer.
  @inline(__always)
  private static func index(_ position: Double) -> Int {
    Int(truncatingIfNeeded: (position + 0x1p52).bitPattern & (1 << 52 - 1))
  }

  /// The gradient of maximum pooling, the adjoint of ``gather(_:_:positions:into:)``: each entry of `dy` goes to its position.
  ///
  /// - Shapes: `dy` and `positions` as `outputShape`, `dx` as `inputShape` of the geometry.
  static func maximumGradient<T: LoopScalar>(
    _ geometry: PoolingGeometry, _ dy: UnsafePointer<T>, positions: UnsafePointer<Double>,
    into dx: UnsafeMutablePointer<T>
  ) {
    let channels = geometry.channels
    let pixels = geometry.input.rows * geometry.input.columns
    let places = geometry.output.rows * geometry.output.columns
    // Windows overlap, so a task owns an image or, where images are few, some of its channels.
    let part = geometry.images < 16 ? min(channels, 16) : channels
    let parts = (channels + part - 1) / part
    ThreadTeam.run(geometry.images * parts) { task in
      let image = task / parts
      let range = task % parts * part..<min(channels, (task % parts + 1) * part)
      let to = dx + image * pixels * channels
      if parts == 1 {
        to.update(repeating: 0, count: pixels * channels)
      } else {
        for pixel in 0..<pixels { (to + pixel * channels + range.lowerBound).update(repeating: 0, count: range.count) }
      }
      for place in image * places..<(image + 1) * places {
        for channel in range {
          to[index(positions[place * channels + channel]) * channels + channel] += dy[place * channels + channel]
        }
      }
    }
  }

  /// What the sum under a window is divided by.
  enum Divisor: Sendable {
    /// The number of entries of the window, zeros of the padding included.
    case window
    /// The number of entries that lie on the image.
    case covered
  }

  /// The average of the entries under each window.
  ///
  /// - Shapes: `x` as `inputShape`, `y` as `outputShape` of the geometry.
  static func average<T: LoopScalar>(
    _ geometry: PoolingGeometry, dividedBy divisor: Divisor, _ x: UnsafePointer<T>, into y: UnsafeMutablePointer<T>
  ) {
    let rows = geometry.rows, columns = geometry.columns, channels = geometry.channels
    let rowPitch = geometry.input.columns * channels
    ThreadTeam.run(geometry.images * rows.places) { task in
      let image = x + task / rows.places * geometry.input.rows * rowPitch
      for place in 0..<columns.places {
        let to = y + (task * columns.places + place) * channels
        to.update(repeating: 0, count: channels)
        for i in rows.entries(at: task % rows.places) {
          let row = image + rows.coordinate(of: i, at: task % rows.places) * rowPitch
          for j in columns.entries(at: place) {
            addChannels(row + columns.coordinate(of: j, at: place) * channels, to: to, channels)
          }
        }
        let count: T = count(geometry, divisor, row: task % rows.places, column: place)
        for channel in 0..<channels { to[channel] /= count }
      }
    }
  }

  /// The gradient of ``average(_:dividedBy:_:into:)``.
  ///
  /// - Shapes: `dy` as `outputShape`, `dx` as `inputShape` of the geometry.
  static func averageGradient<T: LoopScalar>(
    _ geometry: PoolingGeometry, dividedBy divisor: Divisor, _ dy: UnsafePointer<T>,
    into dx: UnsafeMutablePointer<T>
  ) {
    let rows = geometry.rows, columns = geometry.columns, channels = geometry.channels
    let rowPitch = geometry.input.columns * channels
    // A task owns one row of the input, so every entry has one writer and a fixed order of terms.
    ThreadTeam.run(geometry.images * geometry.input.rows) { task in
      let image = task / geometry.input.rows
      let to = dx + task * rowPitch
      to.update(repeating: 0, count: rowPitch)
      for i in 0..<rows.size {
        guard let row = rows.place(of: i, on: task % geometry.input.rows) else { continue }
        for place in 0..<columns.places {
          let from = dy + ((image * rows.places + row) * columns.places + place) * channels
          let weight: T = 1 / count(geometry, divisor, row: row, column: place)
          for j in columns.entries(at: place) {
            addChannels(from, times: weight, to: to + columns.coordinate(of: j, at: place) * channels, channels)
          }
        }
      }
    }
  }

  private static func count<T: LoopScalar>(
    _ geometry: PoolingGeometry, _ divisor: Divisor, row: Int, column: Int
  ) -> T {
    switch divisor {
    case .window: T(geometry.window.size.rows * geometry.window.size.columns)
    case .covered: T(geometry.rows.entries(at: row).count * geometry.columns.entries(at: column).count)
    }
  }
}
