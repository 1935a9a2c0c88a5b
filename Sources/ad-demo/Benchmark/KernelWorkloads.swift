import AutoDiff
import Tangent

extension Workloads {
  private typealias Network = @Sendable (_ x: Tensor, _ p: [Tensor]) -> Tensor

  static func tangentKernels() -> [Workload] {
    denseKernels("mlp128", examples: 128, sizes: [64, 512, 512, 512, 1])
      + denseKernels("mlp256", examples: 256, sizes: [784, 1024, 1024, 1024, 1])
      + denseKernels("mlp64o10", examples: 64, sizes: [784, 1024, 1024, 1024, 10]) + imageKernels()
  }

  /// Dense layers with erf after all but the last.
  static func denseKernels(_ name: String, examples: Int, sizes: [Int]) -> [Workload] {
    let last = sizes.count - 2
    return kernels(name, [examples, sizes[0]], parameters: (0...last).map { [sizes[$0], sizes[$0 + 1]] }) { x, p in
      var h = x
      for l in 0..<last { h = erf(matmul(h, p[l]) / Double(sizes[l]).squareRoot()) }
      return matmul(h, p[last]) / Double(sizes[last]).squareRoot()
    }
  }

  /// Convolutions with erf after each; then a dense layer on all entries, or on the means over the positions.
  static func imageKernels(examples: Int = 64, side: Int = 16, channels: [Int] = [3, 32, 32]) -> [Workload] {
    let last = channels.count - 1
    func image(_ name: String, features: Int, head: @escaping @Sendable (Tensor) -> Tensor) -> [Workload] {
      let shapes = (0..<last).map { [3, 3, channels[$0], channels[$0 + 1]] } + [[features, 1]]
      return kernels(name, [examples, side, side, channels[0]], parameters: shapes) { x, p in
        var h = x
        for l in 0..<last { h = erf(convolution(h, p[l], padding: .same) / Double(9 * channels[l]).squareRoot()) }
        return matmul(head(h), p[last]) / Double(features).squareRoot()
      }
    }
    let features = side * side * channels[last]
    return image("cnn_flat", features: features) { $0.reshaped(to: [features]) }
      + image("cnn_gap", features: channels[last]) { $0.mean(axes: [0, 1]) }
  }

  private static func kernels(
    _ name: String, _ inputs: [Int], parameters shapes: [[Int]], network: @escaping Network
  ) -> [Workload] {
    @Sendable func parameters(_ type: ScalarType) -> [Tensor] {
      shapes.enumerated().map { fill(10 + UInt64($0), $1, type) }
    }
    let outputs = Running.allCases.map { running in
      Workload(id: "W5.\(name).forward", variant: running.rawValue) { type in
        let (x, p) = (fill(50, inputs, type), parameters(type))
        let outputs = running.prepared { p in vmap { network($0, p) }(x) }
        return ({ [outputs(p)] }, norm)
      }
    }
    let kernels = Running.allCases.map { running in
      Workload(id: "W5.\(name).ntk", variant: "factored, \(running.rawValue)") { type in
        let (x, p) = (fill(50, inputs, type), parameters(type))
        let kernel = running.prepared { tangentKernel(of: network, at: $0, on: x) }
        return ({ [kernel(p)] }, kernelCheck)
      }
    }
    return outputs + kernels
  }

  /// Σ K[i, i, a, a] + ‖K‖.
  private static func kernelCheck(_ result: [Tensor]) -> Double {
    let k = result[0]
    let (n, outputs, values) = (k.shape[0], k.shape[2], k.scalars)
    var trace = 0.0
    for i in 0..<n {
      for a in 0..<outputs { trace += values[((i * n + i) * outputs + a) * outputs + a] }
    }
    return trace + norm(result)
  }

  static func higherKernels(
    _ cases: [(order: Int, examples: Int)] = [(3, 8), (3, 16), (4, 8)], inputs d: Int = 16, width m: Int = 256
  ) -> [Workload] {
    cases.flatMap { order, n in
      higherKernel("W6.K\(order)n\(n)", order: order, examples: n, inputs: d, width: m, seeds: [60, 61, 62, 63])
    }
  }

  /// The third of a network so wide that directions in memory would not do.
  static func wideHigherKernel(examples n: Int = 16, inputs d: Int = 16, width m: Int = 2048) -> [Workload] {
    higherKernel("W6.K3w\(m)", order: 3, examples: n, inputs: d, width: m, seeds: [64, 65, 66, 67])
  }

  /// - Parameter seeds: those of the weights from the first layer on, then that of the examples.
  private static func higherKernel(
    _ id: String, order: Int, examples n: Int, inputs d: Int, width m: Int, seeds: [UInt64]
  ) -> [Workload] {
    Running.allCases.map { running in
      Workload(id: id, variant: "recursive, \(running.rawValue)") { type in
        let x = fill(seeds[3], [n, d], type, scale: 1 / Double(d).squareRoot())
        let p = [fill(seeds[0], [m, d], type), fill(seeds[1], [m, m], type), fill(seeds[2], [m], type)]
        let network: Network = { x, p in
          var h = x
          for l in 0..<2 { h = tanh(matmul(p[l], h)) / Double(m).squareRoot() }
          return dot(p[2], h)
        }
        let kernel = running.prepared { Tangent.higherKernel(order: order, of: network, at: $0, on: x) }
        return ({ [kernel(p)] }, norm)
      }
    }
  }
}
