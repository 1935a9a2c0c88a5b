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
///
/// An example and an output may be any tree: tokens with their mask, a graph, a point and a time. They follow from the
/// types of `callAsFunction`; `Layer<Tensor, Tensor>` is what a ``Sequential`` joins.
///
/// It does not throw: were it allowed to, every use of a layer through this protocol would need a `try`, in models, losses
/// and kernels of layers that never throw. A model that may throw is a function f(x, p), which the transforms take as well.
public protocol Layer<Input, Output>: Sendable {
  /// One example: a tensor, or any tree.
  associatedtype Input: TensorTree = Tensor
  /// What the model makes of it: a tensor, or any tree.
  associatedtype Output: TensorTree = Tensor

  /// The output for one example.
  func callAsFunction(_ x: Input, _ p: Parameters) -> Output
}

extension Layer {
  /// Parameters for this model, created by running it once.
  ///
  /// - Parameters:
  ///   - example: one example, not several; its shapes count, its numbers do not. The parameters have the scalar type of
  ///     its first leaf.
  ///   - seed: determines all values. A parameter's value depends on the seed and its own path only.
  public func initialized(like example: Input, seed: UInt64) -> Parameters {
    let initialization = Initialization(seed: seed, scalarType: example.leaves.first?.scalarType ?? .float64)
    _ = self(example, Parameters(initialization: initialization))
    return initialization.created
  }

  /// The outputs for many examples, which lie along the first axis of every leaf of `x`.
  public func batched(_ x: Input, _ p: Parameters) -> Output { vmap { (x: Input) in self(x, p) }(x) }
}
