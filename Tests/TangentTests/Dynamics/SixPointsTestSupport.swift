import AutoDiff

/// Six points xᵢ = (i²/8, i²/8 − i/4) and two new ones, with labels: the example of the reference figures, all exact in
/// binary, so that the figures, by mpmath with 60 digits, belong to these very numbers.
enum SixPoints {
  static let x = Tensor(
    [[0, 0], [0.125, -0.125], [0.5, 0], [1.125, 0.375], [2, 1], [3.125, 1.875]] as [[Double]])
  static let new = Tensor([[0.3125, -0.5], [1.5, 0.25]] as [[Double]])
  static let y = Tensor([1, -0.5, 0.25, 2, -1, 0.75] as [Double])

  /// The stand-in of a tangent kernel beside exp(−‖x − z‖²/2): that plus (1 + x·z)/4.
  static func tangentKernel(_ x: Tensor, _ z: Tensor) -> Tensor {
    rbf(x, z) + (matmul(x, z.transposed) + 1) * 0.25
  }

  /// exp(−‖x − z‖²/2) by the definition.
  static func rbf(_ x: Tensor, _ z: Tensor) -> Tensor {
    exp(square(x.expanded(at: 1) - z.expanded(at: 0)).sum(axes: [2]) * -0.5)
  }
}
