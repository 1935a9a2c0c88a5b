import AutoDiff

/// The largest entry under a window, for each channel by itself, as a layer.
///
/// - Shapes: [..., h, w, channels] → [..., h', w', channels].
public struct MaxPool2D: Layer {
  /// The extents of the window.
  public let window: (rows: Int, columns: Int)
  /// The distances between neighboring places of the window.
  public let strides: (rows: Int, columns: Int)
  /// How far the window may leave the image.
  public let padding: Padding

  /// Makes the layer; by default windows touch and stay on the image.
  public init(
    window: (rows: Int, columns: Int) = (2, 2), strides: (rows: Int, columns: Int)? = nil, padding: Padding = .valid
  ) {
    self.window = window
    self.strides = strides ?? window
    self.padding = padding
  }

  /// ``AutoDiff/maxPool(_:window:strides:padding:)`` of the input.
  public func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor {
    maxPool(x, window: window, strides: strides, padding: padding)
  }
}

/// The mean of the entries under a window, for each channel by itself, as a layer.
///
/// - Shapes: [..., h, w, channels] → [..., h', w', channels].
public struct AveragePool2D: Layer {
  /// The extents of the window.
  public let window: (rows: Int, columns: Int)
  /// The distances between neighboring places of the window.
  public let strides: (rows: Int, columns: Int)
  /// How far the window may leave the image.
  public let padding: Padding
  /// Whether padding counts.
  public let divisor: PoolingDivisor

  /// Makes the layer; by default windows touch and stay on the image.
  public init(
    window: (rows: Int, columns: Int) = (2, 2), strides: (rows: Int, columns: Int)? = nil, padding: Padding = .valid,
    dividedBy divisor: PoolingDivisor = .covered
  ) {
    self.window = window
    self.strides = strides ?? window
    self.padding = padding
    self.divisor = divisor
  }

  /// ``AutoDiff/averagePool(_:window:strides:padding:dividedBy:)`` of the input.
  public func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor {
    averagePool(x, window: window, strides: strides, padding: padding, dividedBy: divisor)
  }
}

/// The mean of each channel over the whole image, as a layer.
///
/// - Shapes: [..., h, w, channels] → [..., channels].
public struct GlobalAveragePool: Layer {
  /// Makes the layer.
  public init() {}

  /// The means. Stops at an input with fewer than three axes.
  public func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor {
    guard x.rank >= 3 else {
      stop(p.place(of: "GlobalAveragePool"), "needs images [..., h, w, channels]", got: "\(x.shape)")
    }
    return x.mean(axes: [-3, -2])
  }
}
