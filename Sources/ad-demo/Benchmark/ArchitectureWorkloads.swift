import AutoDiff
import Tangent

/// Kernels of the architectures that people use: a transformer block, a deep residual network, a U-Net; factored, and for
/// comparison from explicit Jacobians in memory.
extension Workloads {
  static func architectureKernels(
    examples: Int = 256, tokens: Int = 16, width: Int = 32, layers: Int = 50, side: Int = 16
  ) -> [Workload] {
    transformerKernel(examples: examples, tokens: tokens, width: width)
      + residualKernel(examples: examples, layers: layers, width: 2 * width)
      + segmentationKernel(examples: examples / 8, side: side)
  }

  /// One head of attention and two dense layers, each after a normalization and beside a shortcut; then the mean over the
  /// tokens and a number.
  static func transformerKernel(examples: Int, tokens: Int, width d: Int) -> [Workload] {
    let shapes = [[d], [d], [d, d], [d, d], [d, d], [d, d], [d], [d], [d, 4 * d], [4 * d], [4 * d, d], [d], [d]]
    return kernelVariants("W14.transformer", [examples, tokens, d], shapes, scale: 0.3) { x, p in
      let u = layerNorm(x) * p[0] + p[1]
      let (q, k, v) = (matmul(u, p[2]), matmul(u, p[3]), matmul(u, p[4]))
      let weights = softmax(matmul(q, k.transposed) / Double(d).squareRoot())
      let h = x + matmul(matmul(weights, v), p[5])
      let w = layerNorm(h) * p[6] + p[7]
      let y = h + matmul(gelu(matmul(w, p[8]) + p[9]), p[10]) + p[11]
      return dot(y.mean(axes: [0]), p[12])
    }
  }

  /// h ← h + tanh(h W + b) / √layers, then a number.
  static func residualKernel(examples: Int, layers: Int, width d: Int) -> [Workload] {
    let shapes = Array(repeating: [[d, d], [d]], count: layers).flatMap { $0 } + [[d]]
    return kernelVariants("W14.residual\(layers)", [examples, d], shapes, scale: 0.1) { x, p in
      var h = x
      for l in 0..<layers { h = h + tanh(matmul(h, p[2 * l]) + p[2 * l + 1]) / Double(layers).squareRoot() }
      return dot(h, p[2 * layers])
    }
  }

  /// Two levels of convolutions, the coarse one between pooling and resampling, joined with the fine one; then a number.
  static func segmentationKernel(examples: Int, side: Int, channels c: Int = 8) -> [Workload] {
    let shapes = [
      [3, 3, 1, c], [3, 3, c, c], [3, 3, c, 2 * c], [3, 3, 2 * c, 2 * c], [3, 3, 3 * c, c], [1, 1, c, 1],
    ]
    return kernelVariants("W14.unet", [examples, side, side, 1], shapes, scale: 0.3) { x, p in
      func step(_ h: Tensor, _ k: Int) -> Tensor { silu(convolution(h, p[k], padding: .same)) }
      let fine = step(step(x, 0), 1)
      let coarse = step(step(averagePool(fine, window: (2, 2)), 2), 3)
      let half = side / 2
      let wide = coarse.reshaped(to: [half, 1, half, 1, 2 * c]).broadcast(to: [half, 2, half, 2, 2 * c])
        .reshaped(to: [side, side, 2 * c])
      return convolution(step(concatenate([fine, wide], axis: -1), 4), p[5]).mean()
    }
  }
}
