import AutoDiff

/// What training did to outputs and kernels by the truncated hierarchy, time by time.
public struct HierarchyCourse: Sendable {
  /// p, the level of the truncation.
  public let level: Int
  /// The times, in units of gradient flow: a step of size h takes the time h.
  public let times: [Double]
  /// The outputs on the training examples, [n], at every time.
  public let outputs: [Tensor]
  /// The outputs on new points, [m], at every time; empty without new points.
  public let predictions: [Tensor]
  /// The loss at every time.
  public let losses: [Double]
  /// K^(2) … K^(p) on the training examples at every time; empty unless asked for.
  public let kernels: [[Tensor]]
  /// K^(2) … K^(p) with new points in the first argument at every time; empty unless asked for.
  public let newKernels: [[Tensor]]
  /// The work of the integrator; nil for steps of descent.
  public let statistics: ODEStatistics?
}
