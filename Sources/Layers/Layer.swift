import AutoDiff

/// A model, or a part of one: a function of one example and of parameters.
///
///     struct Residual: Layer {
///       let width: Int
///       func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor {
///         x + Dense(width)(tanh(Dense(width)(x, p.inner)), p.outer)
///       }
///     }
///
/// It is written for one example; ``AutoDiff/vmap(_:axis:outputAxis:)`` makes it a function of many.
public protocol Layer: Sendable {
  /// The output for one example.
  func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor
}

extension Layer {
  /// Parameters for this model, created by running it once.
  ///
  /// - Parameters:
  ///   - example: one example; its shape and scalar type count, its numbers do not.
  ///   - seed: determines all values. A parameter's value depends on the seed and its own path only.
  public func initialized(like example: Tensor, seed: UInt64) -> Parameters {
    let initialization = Initialization(seed: seed, scalarType: example.scalarType)
    _ = self(example, Parameters(initialization: initialization))
    return initialization.created
  }

  /// The outputs for many examples, which lie along the first axis of `x`.
  public func batched(_ x: Tensor, _ p: Parameters) -> Tensor { vmap { (x: Tensor) in self(x, p) }(x) }
}
