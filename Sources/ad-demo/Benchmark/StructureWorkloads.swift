import AutoDiff
import Tangent

/// Kernels of models that use their weights many times, look rows up, or have many outputs: factored, and for comparison
/// from explicit Jacobians in memory where that is possible.
extension Workloads {
  /// Outputs that these kernels keep.
  private static let kept = KernelOutputs.traceMean

  static func structuredKernels(
    steps: Int = 128, width: Int = 32, words: Int = 16_000, outputs: Int = 1000
  ) -> [Workload] {
    recurrentKernel(steps: steps, width: width) + differentialEquationKernel(steps: steps / 4, width: width)
      + embeddingKernel(words: words) + wideKernel(outputs: outputs)
  }

  /// h ← tanh(x Wₓ + h Wₕ + b), one step for every row of the example.
  static func recurrentKernel(steps: Int, width: Int, examples: Int = 32) -> [Workload] {
    kernelVariants(
      "W13.rnn\(steps)", [examples, steps, 8], [[8, width], [width, width], [width], [width]], scale: 0.2
    ) { x, p in
      var h = Tensor.zeros([width], as: x.scalarType)
      for t in 0..<steps { h = tanh(matmul(x[t], p[0]) + matmul(h, p[1]) + p[2]) }
      return dot(h, p[3])
    }
  }

  /// h′ = tanh(h W₁ + b) W₂ by classical Runge–Kutta steps: each weight is used four times a step.
  static func differentialEquationKernel(steps: Int, width: Int, examples: Int = 32) -> [Workload] {
    kernelVariants(
      "W13.ode\(steps)", [examples, width], [[width, width], [width], [width, width], [width]], scale: 0.2
    ) {
      x, p in
      func slope(_ h: Tensor) -> Tensor { matmul(tanh(matmul(h, p[0]) + p[1]), p[2]) }
      let step = 1 / Double(steps)
      var h = x
      for _ in 0..<steps {
        let a = slope(h)
        let b = slope(h + a * (step / 2))
        let c = slope(h + b * (step / 2))
        let d = slope(h + c * step)
        h = h + (a + 2 * b + 2 * c + d) * (step / 6)
      }
      return dot(h, p[3])
    }
  }

  /// The mean of the embeddings of some words, then two dense layers. Explicit Jacobians would take words · d · outputs
  /// numbers per example.
  static func embeddingKernel(
    words: Int, examples: Int = 64, tokens: Int = 16, width: Int = 64, outputs: Int = 10
  ) -> [Workload] {
    [
      Workload(id: "W13.embedding.ntk", variant: "factored") { type in
        let p = parameters([[words, width], [width, width], [width, outputs]], scale: 0.2, type)
        let tokens = benchmarkFill(130, [examples, tokens], as: .float64)
        let text = Tensor(
          tokens.scalars.map { ($0.magnitude * 1e9).rounded().truncatingRemainder(dividingBy: Double(words)) },
          shape: tokens.shape)
        return (
          {
            [
              tangentKernel(
                of: { (x: Tensor, p: [Tensor]) in
                  matmul(tanh(matmul(p[0].gathered(at: x).mean(axes: [0]), p[1])), p[2])
                }, at: p, on: text)
            ]
          }, norm
        )
      }
    ]
  }

  /// Two dense layers with very many outputs.
  static func wideKernel(outputs: Int, examples: Int = 64) -> [Workload] {
    [
      Workload(id: "W13.wide.ntk", variant: "factored") { type in
        let x = fill(140, [examples, 64], type)
        let p = parameters([[64, 256], [256], [256, outputs], [outputs]], scale: 0.1, type)
        return (
          {
            [
              tangentKernel(
                of: { (x: Tensor, p: [Tensor]) in matmul(tanh(matmul(x, p[0]) + p[1]), p[2]) + p[3] }, at: p, on: x,
                outputs: kept)
            ]
          }, norm
        )
      }
    ]
  }

  @Sendable
  private static func parameters(_ shapes: [[Int]], scale: Double, _ type: ScalarType) -> [Tensor] {
    shapes.enumerated().map { fill(120 + UInt64($0), $1, type, scale: scale) }
  }

  static func kernelVariants(
    _ name: String, _ inputs: [Int], _ shapes: [[Int]], scale: Double,
    network: @escaping @Sendable (_ x: Tensor, _ p: [Tensor]) -> Tensor
  ) -> [Workload] {
    Running.allCases.map { running in
      Workload(id: "\(name).ntk", variant: "factored, \(running.rawValue)") { type in
        let (x, p) = (fill(150, inputs, type), parameters(shapes, scale: scale, type))
        let kernel = running.prepared { tangentKernel(of: network, at: $0, on: x, outputs: kept) }
        return ({ [kernel(p)] }, norm)
      }
    } + [
      Workload(id: "\(name).ntk", variant: "explicit") { type in
        let (x, p) = (fill(150, inputs, type), parameters(shapes, scale: scale, type))
        return (
          {
            let gradients = vmap { (x: Tensor) in jacobian(of: { network(x, $0) }, at: p) }(x)
            let parts = gradients.map { leaf in
              let rows = leaf.reshaped(to: [inputs[0], leaf.count / inputs[0]])
              return matmul(rows, rows.transposed)
            }
            return [parts.dropFirst().reduce(parts[0]) { $0 + $1 }]
          }, norm
        )
      }
    ]
  }
}
