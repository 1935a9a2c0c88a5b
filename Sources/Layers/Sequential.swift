import AutoDiff

/// Layers one after the other.
///
///     let net = Sequential { Dense(128); Tanh(); Dense(10) }
///
/// The parameters of the k-th layer are the part named by k: `p["0"]`.
public struct Sequential: Layer {
  /// The layers in order.
  public let layers: [any Layer<Tensor, Tensor>]

  /// Joins layers.
  public init(_ layers: [any Layer<Tensor, Tensor>]) { self.layers = layers }

  /// Joins the layers that a block lists; loops and conditions may stand in it.
  public init(@SequentialBuilder _ layers: () -> [any Layer<Tensor, Tensor>]) { self.layers = layers() }

  /// The output of the last layer.
  public func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor {
    var y = x
    for (index, layer) in layers.enumerated() { y = layer(y, p["\(index)"]) }
    return y
  }
}

/// Collects the layers of a ``Sequential``.
@resultBuilder
public enum SequentialBuilder {
  /// One layer.
  public static func buildExpression(_ layer: any Layer<Tensor, Tensor>) -> [any Layer<Tensor, Tensor>] { [layer] }
  /// Several layers.
  public static func buildExpression(_ layers: [any Layer<Tensor, Tensor>]) -> [any Layer<Tensor, Tensor>] { layers }
  /// Layers in sequence.
  public static func buildBlock(_ parts: [any Layer<Tensor, Tensor>]...) -> [any Layer<Tensor, Tensor>] {
    parts.flatMap { $0 }
  }
  /// The layers of a loop.
  public static func buildArray(_ parts: [[any Layer<Tensor, Tensor>]]) -> [any Layer<Tensor, Tensor>] {
    parts.flatMap { $0 }
  }
  /// The layers of an `if` without `else`.
  public static func buildOptional(_ part: [any Layer<Tensor, Tensor>]?) -> [any Layer<Tensor, Tensor>] { part ?? [] }
  /// The layers of a branch.
  public static func buildEither(first part: [any Layer<Tensor, Tensor>]) -> [any Layer<Tensor, Tensor>] { part }
  /// The layers of the other branch.
  public static func buildEither(second part: [any Layer<Tensor, Tensor>]) -> [any Layer<Tensor, Tensor>] { part }
}
