import AutoDiff
import Tangent

extension InfiniteNetwork {
  /// Both kernels by the recursion as it stands in the theory, entry by entry: the slow twin.
  ///
  /// - Parameter scales: (covariance of weights, of biases, tangent of weights, of biases) of every affine map.
  static func naive(
    _ activations: [DualActivation], scales: [[Double]], _ x: Tensor, dividesByInputs: Bool = true
  ) throws -> (nngp: Tensor, ntk: Tensor) {
    let n = x.shape[0]
    var product = matmul(x, x.transposed)
    if dividesByInputs { product = product / Double(x.shape[1]) }
    var covariance = product * scales[0][0] + scales[0][1]
    var tangent = product * scales[0][2] + scales[0][3]
    for (activation, scale) in zip(activations, scales.dropFirst()) {
      var (next, moved) = (covariance, tangent)
      for i in 0..<n {
        for j in 0..<n {
          let q = [covariance[i, i], covariance[i, j], covariance[j, j]].map { $0.expanded(at: 0) }
          let moments = try activation.moments(q[0], q[1], q[2])
          next[i, j] = moments.values[0] * scale[0] + scale[1]
          moved[i, j] = moments.values[0] * scale[2] + scale[3] + tangent[i, j] * moments.slopes[0] * scale[0]
        }
      }
      (covariance, tangent) = (next, moved)
    }
    return (covariance, tangent)
  }
}
