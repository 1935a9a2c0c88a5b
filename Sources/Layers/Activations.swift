import AutoDiff

/// A function without parameters as a layer.
public struct Activation: Layer {
  private let function: @Sendable (Tensor) -> Tensor

  /// Makes a layer of any function of one tensor.
  public init(_ function: @escaping @Sendable (Tensor) -> Tensor) { self.function = function }

  /// The function's value.
  public func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor { function(x) }
}

/// The hyperbolic tangent as a layer, entry by entry.
public struct Tanh: Layer {
  /// Makes the layer.
  public init() {}
  /// ``AutoDiff/tanh(_:)`` of the input.
  public func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor { tanh(x) }
}

/// max(x, 0) as a layer, entry by entry.
public struct Relu: Layer {
  /// Makes the layer.
  public init() {}
  /// ``AutoDiff/relu(_:)`` of the input.
  public func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor { relu(x) }
}

/// The logistic function as a layer, entry by entry.
public struct Sigmoid: Layer {
  /// Makes the layer.
  public init() {}
  /// ``AutoDiff/sigmoid(_:)`` of the input.
  public func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor { sigmoid(x) }
}

/// The error function as a layer, entry by entry.
public struct Erf: Layer {
  /// Makes the layer.
  public init() {}
  /// ``AutoDiff/erf(_:)`` of the input.
  public func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor { erf(x) }
}

/// x Φ(x) as a layer, entry by entry.
public struct Gelu: Layer {
  /// Makes the layer.
  public init() {}
  /// ``AutoDiff/gelu(_:)`` of the input.
  public func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor { gelu(x) }
}

/// x · sigmoid(x) as a layer, entry by entry.
public struct Silu: Layer {
  /// Makes the layer.
  public init() {}
  /// ``AutoDiff/silu(_:)`` of the input.
  public func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor { silu(x) }
}

/// log(1 + e^{ax}) / a as a layer, entry by entry.
public struct Softplus: Layer {
  /// The sharpness a.
  public let sharpness: Double
  /// Makes the layer.
  public init(sharpness: Double = 1) { self.sharpness = sharpness }
  /// ``AutoDiff/softplus(_:sharpness:)`` of the input.
  public func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor { softplus(x, sharpness: sharpness) }
}

/// Any shape made a vector, as a layer.
public struct Flatten: Layer {
  /// Makes the layer.
  public init() {}
  /// The entries in row-major order.
  public func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor { x.flattened }
}
