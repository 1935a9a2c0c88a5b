import AutoDiff

/// A two-dimensional convolution of images with a bias for each output channel.
///
/// - Shapes: [..., h, w, inputs] → [..., h', w', channels]. Parameters: `weight` [rows, columns, inputs / groups, channels],
///   `bias` [channels].
public struct Convolution2D: Layer {
  /// The number of output channels.
  public let channels: Int
  /// The extents of the window.
  public let window: (rows: Int, columns: Int)
  /// The distances between neighboring places of the window.
  public let strides: (rows: Int, columns: Int)
  /// The zeros around an image.
  public let padding: Padding
  /// The distances between the entries under the window.
  public let dilation: (rows: Int, columns: Int)
  /// How many parts the channels fall into, each of which only sees its own.
  public let groups: Int
  /// Whether there is a bias.
  public let hasBias: Bool
  /// How weights are scaled; the inputs that count are those of one output entry, rows · columns · inputs / groups.
  public let parameterization: Parameterization

  /// Makes a convolution; see ``AutoDiff/convolution(_:_:strides:padding:dilation:groups:)`` for its geometry.
  ///
  /// Stops unless the number of channels is a positive multiple of the number of groups.
  public init(
    _ channels: Int, window: (rows: Int, columns: Int), strides: (rows: Int, columns: Int) = (1, 1),
    padding: Padding = .valid, dilation: (rows: Int, columns: Int) = (1, 1), groups: Int = 1, bias: Bool = true,
    parameterization: Parameterization = .leCun
  ) {
    guard channels > 0, groups > 0, channels % groups == 0 else {
      stop(
        "Convolution2D", "the channels must be a positive multiple of the groups",
        got: "\(channels) channels and \(groups) groups")
    }
    self.channels = channels
    self.window = window
    self.strides = strides
    self.padding = padding
    self.dilation = dilation
    self.groups = groups
    hasBias = bias
    self.parameterization = parameterization
  }

  /// The convolution of an image (or of several along leading axes).
  public func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor {
    guard x.rank >= 3, let inputs = x.shape.last, inputs > 0, inputs % groups == 0 else {
      stop(
        p.place(of: "Convolution2D"), "needs images [..., h, w, inputs] with a positive multiple of \(groups) inputs",
        got: "\(x.shape)")
    }
    let shape = [window.rows, window.columns, inputs / groups, channels]
    _ = shape.entryCount("Convolution2D")
    let scale = 1 / Double(max(1, shape[0] * shape[1] * shape[2])).squareRoot()
    switch parameterization {
    case .leCun:
      let y = convolved(x, p.tensor("weight", shape, .normal(standardDeviation: scale)))
      return hasBias ? y + p.tensor("bias", [channels], .zeros) : y
    case .neuralTangent(let weightScale, let biasScale):
      // The weights are fewer than the outputs, so it is they that are scaled.
      let weight = p.tensor("weight", shape, .normal(standardDeviation: 1))
      let y = convolved(x, weight * (weightScale * scale))
      return hasBias ? y + p.tensor("bias", [channels], .normal(standardDeviation: 1)) * biasScale : y
    }
  }

  private func convolved(_ x: Tensor, _ weight: Tensor) -> Tensor {
    convolution(x, weight, strides: strides, padding: padding, dilation: dilation, groups: groups)
  }
}
