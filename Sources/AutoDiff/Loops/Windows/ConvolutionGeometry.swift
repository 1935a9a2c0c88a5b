/// A number of rows and a number of columns.
struct RowsAndColumns: Hashable, Sendable {
  var rows: Int
  var columns: Int

  init(_ rows: Int, _ columns: Int) {
    self.rows = rows
    self.columns = columns
  }
}

/// The rows and columns of zeros that surround an image.
struct ZeroPadding: Hashable, Sendable {
  var top = 0
  var bottom = 0
  var left = 0
  var right = 0
}

/// How a window moves over an image.
struct SlidingWindow: Hashable, Sendable {
  var size: RowsAndColumns
  var strides = RowsAndColumns(1, 1)
  var padding = ZeroPadding()
  /// The distance between neighboring entries of the window; 1 where they touch.
  var dilation = RowsAndColumns(1, 1)

  /// The rows and columns between the first and the last entry of the window, both included. (Sizes are a caller's and may
  /// be anything until they are checked.)
  var span: RowsAndColumns {
    func span(_ size: Int, _ dilation: Int) -> Int { saturatingSum(saturatingProduct(size - 1, dilation), 1) }
    return .init(span(size.rows, dilation.rows), span(size.columns, dilation.columns))
  }

  /// The extents of the image with its padding.
  private func padded(_ image: RowsAndColumns) -> RowsAndColumns {
    .init(
      saturatingSum(image.rows, saturatingSum(padding.top, padding.bottom)),
      saturatingSum(image.columns, saturatingSum(padding.left, padding.right)))
  }

  /// The number of places that the window takes on an image.
  func positions(on image: RowsAndColumns) -> RowsAndColumns {
    let (padded, span) = (padded(image), span)
    return .init((padded.rows - span.rows) / strides.rows + 1, (padded.columns - span.columns) / strides.columns + 1)
  }

  /// The same window with the least padding for which it takes ⌈extent / stride⌉ places; an odd zero goes to the end.
  func paddedToSame(on image: RowsAndColumns) -> Self {
    func total(_ extent: Int, _ stride: Int, _ span: Int) -> Int {
      // All places but the last lie before the extent, so that nothing but the span can be too large.
      max(0, saturatingSum((extent - 1) / stride * stride - extent, span))
    }
    let rows = total(image.rows, strides.rows, span.rows)
    let columns = total(image.columns, strides.columns, span.columns)
    var window = self
    window.padding = .init(top: rows / 2, bottom: rows - rows / 2, left: columns / 2, right: columns - columns / 2)
    return window
  }

  /// The same window without padding, so that it never leaves the image.
  var withoutPadding: Self {
    var window = self
    window.padding = .init()
    return window
  }

  /// Stops with the name of the operation unless the window takes at least one place on the image.
  func check(_ operation: String, on image: RowsAndColumns) {
    func isPositive(_ extent: RowsAndColumns) -> Bool { extent.rows > 0 && extent.columns > 0 }
    func text(_ extent: RowsAndColumns) -> String { "[\(extent.rows), \(extent.columns)]" }
    if !isPositive(size) { stop(operation, "the window must not be empty", got: text(size)) }
    if !isPositive(strides) { stop(operation, "strides must be positive", got: text(strides)) }
    if !isPositive(dilation) { stop(operation, "dilation must be positive", got: text(dilation)) }
    if min(padding.top, padding.bottom, padding.left, padding.right) < 0 {
      stop(operation, "padding must not be negative", got: "\(padding)")
    }
    let (padded, span) = (padded(image), span)
    // Extents that are no numbers any more are refused here, so that nothing behind this check can overflow.
    let longest = [padded, span, strides, dilation].map { max($0.rows, $0.columns) }.max()!
    if longest > Int(Int32.max) {
      stop(
        operation, "padded images, windows, strides and dilation must be at most \(Int32.max) long",
        got:
          "an image of \(text(padded)), a window that spans \(text(span)), strides \(text(strides)), dilation \(text(dilation))"
      )
    }
    if !isPositive(image) || padded.rows < span.rows || padded.columns < span.columns {
      stop(
        operation, "the window must fit into the padded image",
        got: "a window that spans \(text(span)) and an image of \(text(padded))")
    }
  }
}

/// One axis of a window that slides over an image.
struct SlidingAxis {
  let size: Int
  let stride: Int
  let dilation: Int
  let padding: Int
  /// The extent of the image.
  let extent: Int
  /// The number of places of the window.
  let places: Int

  /// The coordinate in the image of an entry of the window; outside where it lies in the padding.
  func coordinate(of entry: Int, at place: Int) -> Int { place * stride + entry * dilation - padding }

  /// The entries of the window that lie on the image.
  func entries(at place: Int) -> Range<Int> {
    let first = place * stride - padding
    let lower = min(size, max(0, dilation - 1 - first) / dilation)
    return lower..<max(lower, min(size, max(0, extent - first + dilation - 1) / dilation))
  }

  /// The place at which an entry of the window lies on a coordinate.
  func place(of entry: Int, on coordinate: Int) -> Int? {
    let distance = coordinate + padding - entry * dilation
    let place = distance / stride
    return distance >= 0 && place * stride == distance && place < places ? place : nil
  }
}

extension SlidingWindow {
  func rowAxis(on image: RowsAndColumns) -> SlidingAxis {
    .init(
      size: size.rows, stride: strides.rows, dilation: dilation.rows, padding: padding.top, extent: image.rows,
      places: positions(on: image).rows)
  }

  func columnAxis(on image: RowsAndColumns) -> SlidingAxis {
    .init(
      size: size.columns, stride: strides.columns, dilation: dilation.columns, padding: padding.left,
      extent: image.columns, places: positions(on: image).columns)
  }
}

/// The shapes of a two-dimensional convolution (as the field calls it; the window is not reversed):
///
///     y[n, r, c, o] = Σ_{i, j, a} x[n, r·stride + i·dilation − top, c·stride + j·dilation − left, a] · w[i, j, a, o]
///
/// With feature groups, the channels of input and output fall into `groups` equal parts, and each part of the output
/// sees only its part of the input.
struct ConvolutionGeometry: Hashable, Sendable {
  var images: Int
  var input: RowsAndColumns
  var inputChannels: Int
  var outputChannels: Int
  var window: SlidingWindow
  var groups = 1

  var output: RowsAndColumns { window.positions(on: input) }
  var inputShape: [Int] { [images, input.rows, input.columns, inputChannels] }
  var weightShape: [Int] { [window.size.rows, window.size.columns, groupInputChannels, outputChannels] }
  var outputShape: [Int] { [images, output.rows, output.columns, outputChannels] }
  /// One row per place of the window: the entries under it in the order of the weights, for each group.
  var patchShape: [Int] { [images, output.rows, output.columns, groups * patchCount] }

  var groupInputChannels: Int { inputChannels / groups }
  var groupOutputChannels: Int { outputChannels / groups }
  /// The number of entries of the input that make one entry of the output.
  var patchCount: Int { window.size.rows * window.size.columns * groupInputChannels }
  var inputCount: Int { images * input.rows * input.columns * inputChannels }
  var weightCount: Int { patchCount * outputChannels }
  var outputCount: Int { images * output.rows * output.columns * outputChannels }

  /// The geometry of a part of the images.
  func with(images: Int) -> Self {
    var geometry = self
    geometry.images = images
    return geometry
  }

  /// Stops with the name of the operation where the extents do not make a convolution.
  func check(_ operation: String) {
    window.check(operation, on: input)
    if images < 0 || inputChannels < 1 || outputChannels < 1 {
      stop(operation, "extents must be positive", got: "input \(inputShape) and \(outputChannels) output channels")
    }
    if groups < 1 || inputChannels % groups != 0 || outputChannels % groups != 0 {
      stop(
        operation, "groups must divide the channels of input and output",
        got: "\(groups) groups, \(inputChannels) and \(outputChannels) channels")
    }
  }
}
