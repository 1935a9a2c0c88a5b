/// The largest entry under a window at each of its places, for each channel by itself.
///
///     y[i, j, c] = max x[i · stride + r − padding, j · stride + s − padding, c]   over the window's r, s on the image
///
/// Its derivative is that of the entry which is the largest; among equal ones the first, by rows, counts. Not-a-number
/// counts as the largest. Padding does not take part.
///
/// - Shapes: [..., h, w, channels] → [..., h', w', channels], where h' = ⌊(h + padding − rows) / stride⌋ + 1.
/// - Parameters:
///   - x: one image or, along leading axes, many; channels last.
///   - window: the extents of the window.
///   - strides: the distances between neighboring places; by default those of windows that touch.
///   - padding: how far the window may leave the image; by default not at all. Every window must meet the image.
/// - Returns: the largest entries. It stops where the window does not fit.
/// - Complexity: rows · columns comparisons for each entry of the result; memory for the result and its positions.
public func maxPool(
  _ x: Tensor, window: (rows: Int, columns: Int), strides: (rows: Int, columns: Int)? = nil, padding: Padding = .valid
) -> Tensor {
  let places = PooledPlaces("maxPool", x, window: window, strides: strides, padding: padding)
  return bind(GatherPooled(places: places), .two(x, bind(MaximumPositions(places: places), .one(x))))
}

/// What the sum under a window of ``averagePool(_:window:strides:padding:dividedBy:)`` is divided by.
public enum PoolingDivisor: Hashable, Sendable {
  /// The number of entries on the image, so that padding does not take part.
  case covered
  /// The number of entries of the window, so that padding counts as zeros.
  case window

  var loopDivisor: Pooling.Divisor { self == .covered ? .covered : .window }
}

/// The mean of the entries under a window at each of its places, for each channel by itself.
///
///     y[i, j, c] = Σ x[i · stride + r − padding, j · stride + s − padding, c] / divisor   over the window's r, s
///
/// - Shapes: [..., h, w, channels] → [..., h', w', channels], where h' = ⌊(h + padding − rows) / stride⌋ + 1.
/// - Parameters:
///   - x: one image or, along leading axes, many; channels last.
///   - window: the extents of the window.
///   - strides: the distances between neighboring places; by default those of windows that touch.
///   - padding: how far the window may leave the image; by default not at all. Every window must meet the image.
///   - divisor: whether padding counts; by default it does not.
/// - Returns: the means. It stops where the window does not fit.
/// - Complexity: rows · columns additions for each entry of the result.
public func averagePool(
  _ x: Tensor, window: (rows: Int, columns: Int), strides: (rows: Int, columns: Int)? = nil,
  padding: Padding = .valid, dividedBy divisor: PoolingDivisor = .covered
) -> Tensor {
  let places = PooledPlaces("averagePool", x, window: window, strides: strides, padding: padding)
  return bind(AveragePool(places: places, divisor: divisor), .one(x))
}

/// The places of a window on images of given extents: what all primitives of pooling share.
struct PooledPlaces: Hashable, Sendable {
  let window: SlidingWindow
  /// The extents of an image.
  let image: RowsAndColumns

  init(window: SlidingWindow, image: RowsAndColumns) { (self.window, self.image) = (window, image) }

  /// The places on the images that a caller gave.
  init(
    _ operation: String, _ x: Tensor, window: (rows: Int, columns: Int), strides: (rows: Int, columns: Int)?,
    padding: Padding
  ) {
    guard x.rank >= 3 else {
      stop(
        operation, "needs images [..., h, w, channels]", got: "\(x.shape)",
        hint: x.rank == 2 ? "Add an axis of channels with expanded(at: -1)." : nil)
    }
    image = .init(x.shape[x.rank - 3], x.shape[x.rank - 2])
    self.window = SlidingWindow(operation, size: window, strides: strides ?? window, padding: padding, on: image)
  }

  func geometry(_ operation: String, _ shape: [Int]) -> PoolingGeometry {
    let geometry = PoolingGeometry(
      images: Array(shape.dropLast(3)).product, input: image, channels: shape[shape.count - 1], window: window)
    geometry.check(operation)
    return geometry
  }

  func outputShape(_ operation: String, _ shape: [Int]) -> [Int] {
    guard shape.count >= 3, shape.suffix(3).dropLast() == [image.rows, image.columns] else {
      stop(operation, "needs images [..., \(image.rows), \(image.columns), channels]", got: "\(shape)")
    }
    return shape.dropLast(3) + geometry(operation, shape).outputShape.dropFirst()
  }

  func inputShape(_ operation: String, _ shape: [Int]) -> [Int] {
    let places = window.positions(on: image)
    guard shape.count >= 3, shape.suffix(3).dropLast() == [places.rows, places.columns] else {
      stop(operation, "needs values [..., \(places.rows), \(places.columns), channels]", got: "\(shape)")
    }
    return shape.dropLast(3) + geometry(operation, shape).inputShape.dropFirst()
  }

  /// Calls `body` with the positions. Stops at one that is no position in an image.
  func withPositions(_ operation: String, _ positions: Tensor, _ body: (UnsafePointer<Double>) -> Void) {
    let count = positions.count
    positions.withIndices(operation) { positions in
      if let bad = Indexing.firstInvalidIndex(positions, count: count, extent: image.rows * image.columns) {
        stop(operation, "positions must lie in an image of \(image.rows * image.columns)", got: "\(positions[bad])")
      }
      body(positions)
    }
  }
}
