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
  /// The largest entry under each window, and where it was: `row * columns + column` in its image.
  ///
  /// Among equal entries the first counts. Not-a-number counts as the largest.
  ///
  /// - Shapes: `x` as `inputShape`, `y` and `index` as `outputShape` of the geometry.
  static func maximum<T: LoopScalar>(
    _ geometry: PoolingGeometry, _ x: UnsafePointer<T>, into y: UnsafeMutablePointer<T>,
    index: UnsafeMutablePointer<Int32>
  ) {
    let rows = geometry.rows, columns = geometry.columns, channels = geometry.channels
    ThreadTeam.run(geometry.images * rows.places) { task in
      let image = x + task / rows.places * geometry.input.rows * geometry.input.columns * channels
      for place in 0..<columns.places {
        let start = (task * columns.places + place) * channels
        let best = y + start, found = index + start
        var isFirst = true
        for i in rows.entries(at: task % rows.places) {
          for j in columns.entries(at: place) {
            let row = rows.coordinate(of: i, at: task % rows.places)
            let position = row * geometry.input.columns + columns.coordinate(of: j, at: place)
            let candidates = image + position * channels
            if isFirst {
              best.update(from: candidates, count: channels)
              found.update(repeating: Int32(truncatingIfNeeded: position), count: channels)
              isFirst = false
            } else {
              replace(best, found, where: candidates, at: Int32(truncatingIfNeeded: position), channels)
            }
          }
        }
      }
    }
  }

  /// Replaces the entries than which the candidates are larger. Without branches, so that it becomes vector code.
  @inline(__always)
  private static func replace<T: LoopScalar>(
    _ best: UnsafeMutablePointer<T>, _ index: UnsafeMutablePointer<Int32>, where candidates: UnsafePointer<T>,
    at position: Int32, _ count: Int
  ) {
    for channel in 0..<count {
      let candidate = candidates[channel], old = best[channel]
      let isLarger = candidate > old || (candidate != candidate && old == old)
      best[channel] = isLarger ? candidate : old
      index[channel] = isLarger ? position : index[channel]
    }
  }

  /// The entries that ``maximum(_:_:into:index:)`` found the largest: the derivative of the pooling along `x`.
  ///
  /// - Shapes: `x` as `inputShape`, `index` and `y` as `outputShape` of the geometry.
  static func gather<T: LoopScalar>(
    _ geometry: PoolingGeometry, _ x: UnsafePointer<T>, index: UnsafePointer<Int32>, into y: UnsafeMutablePointer<T>
  ) {
    let rowLength = geometry.output.columns * geometry.channels
    let imageCount = geometry.input.rows * geometry.input.columns * geometry.channels
    ThreadTeam.run(geometry.images * geometry.output.rows) { task in
      let image = x + task / geometry.output.rows * imageCount
      for place in 0..<geometry.output.columns {
        let start = task * rowLength + place * geometry.channels
        for channel in 0..<geometry.channels {
          y[start + channel] = image[Int(index[start + channel]) * geometry.channels + channel]
        }
      }
    }
  }

  /// The gradient of maximum pooling, the adjoint of ``gather(_:_:index:into:)``: each entry of `dy` goes to where the
  /// largest entry was.
  ///
  /// - Shapes: `dy` and `index` as `outputShape`, `dx` as `inputShape` of the geometry.
  static func maximumGradient<T: LoopScalar>(
    _ geometry: PoolingGeometry, _ dy: UnsafePointer<T>, index: UnsafePointer<Int32>,
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
      for pixel in 0..<pixels { (to + pixel * channels + range.lowerBound).update(repeating: 0, count: range.count) }
      for place in image * places..<(image + 1) * places {
        for channel in range {
          to[Int(index[place * channels + channel]) * channels + channel] += dy[place * channels + channel]
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
