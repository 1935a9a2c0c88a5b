import AutoDiff
import Foundation
import Tangent

/// All workloads of the specification, in its order.
enum Workloads {
  static let all: [Workload] =
    products + elementwise + perceptron + perExample + tangentKernels + higherKernels + power + smallOperations
    + convolutions + factorisations

  private static func fill(_ seed: UInt64, _ shape: [Int], _ type: ScalarType, scale: Double = 1) -> Tensor {
    BenchmarkInputs.fill(seed, shape, scale: scale, as: type)
  }

  private static let products = [256, 512, 1024, 2048].map { n in
    Workload(id: "W1.gemm.\(n)", flops: 2 * Double(n * n * n)) { type in
      let (a, b) = (fill(1, [n, n], type), fill(2, [n, n], type))
      return ({ [matmul(a, b)] }, { norm($0) / Double(n) })
    }
  }

  private static let elementwise: [Workload] = {
    typealias Function = @Sendable (Tensor) -> Tensor
    let functions: [(name: String, function: Function)] = [
      ("tanh", { tanh($0) }), ("exp", { exp($0) }), ("erf", { erf($0) }),
    ]
    return [(1_000_000, "1e6"), (10_000_000, "1e7")].flatMap { count, label in
      functions.map { name, function in
        Workload(id: "W2.\(name).\(label)", variant: "alloc", elements: count) { type in
          let x = fill(3, [count], type, scale: 2)
          return ({ [function(x)] }, { $0[0].scalars.reduce(0, +) / Double(count) })
        }
      }
    }
  }()

  private static let perceptron = [
    Workload(id: "W3.forward") { type in
      let p = BenchmarkPerceptron(batch: 256, as: type)
      return ({ [p.outputs(p.parameters)] }, norm)
    },
    Workload(id: "W3.valuegrad") { type in
      let p = BenchmarkPerceptron(batch: 256, as: type)
      return (
        {
          let (value, gradient) = valueWithGradient(of: p.loss, at: p.parameters)
          return [value] + gradient
        }, { $0[0].scalar + norm(Array($0.dropFirst())) }
      )
    },
    Workload(id: "W3.hvp", variant: "forward over reverse") { type in
      let p = BenchmarkPerceptron(batch: 256, as: type)
      let v = BenchmarkPerceptron.direction(scale: 0.01, as: type)
      return ({ hvp(of: p.loss, at: p.parameters, along: v) }, norm)
    },
    Workload(id: "W3.sgd") { type in
      let p = BenchmarkPerceptron(batch: 256, as: type)
      var state = p.parameters
      return (
        {
          let step = gradient(of: p.loss, at: state)
          for k in state.indices { state[k].add(step[k], scaledBy: -0.01) }
          return state
        }, { _ in 0 }
      )
    },
  ]

  private static let perExample = [
    Workload(id: "W4.tree", variant: "vmap of gradient") { type in
      let p = BenchmarkPerceptron(batch: 64, as: type)
      return ({ p.perExampleGradients() }, norm)
    },
    Workload(id: "W4.flat", variant: "vmap of gradient, concatenate") { type in
      let p = BenchmarkPerceptron(batch: 64, as: type)
      return ({ [concatenate(p.perExampleGradients().map { $0.reshaped(to: [64, -1]) }, axis: 1)] }, norm)
    },
  ]

  private static let tangentKernels: [Workload] = {
    func dense(_ name: String, n: Int, d: Int, width: Int, out: Int) -> [Workload] {
      let sizes = [d, width, width, width, out]
      @Sendable func network(_ x: Tensor, _ p: [Tensor]) -> Tensor {
        var h = x
        for l in 0..<3 { h = erf(matmul(h, p[l]) / Double(sizes[l]).squareRoot()) }
        return matmul(h, p[3]) / Double(width).squareRoot()
      }
      @Sendable func parameters(_ type: ScalarType) -> [Tensor] {
        (0..<4).map { fill(10 + UInt64($0), [sizes[$0], sizes[$0 + 1]], type) }
      }
      return [
        Workload(id: "W5.\(name).forward") { type in
          let (x, p) = (fill(50, [n, d], type), parameters(type))
          return ({ [vmap { (x: Tensor) in network(x, p) }(x)] }, norm)
        },
        Workload(id: "W5.\(name).ntk", variant: "factored") { type in
          let (x, p) = (fill(50, [n, d], type), parameters(type))
          return ({ [tangentKernel(of: network, at: p, on: x)] }, kernelCheck)
        },
      ]
    }
    return dense("mlp128", n: 128, d: 64, width: 512, out: 1) + dense("mlp256", n: 256, d: 784, width: 1024, out: 1)
      + dense("mlp64o10", n: 64, d: 784, width: 1024, out: 10)
  }()

  /// Σ K[i, i, a, a] + ‖K‖.
  @Sendable static func kernelCheck(_ result: [Tensor]) -> Double {
    let k = result[0]
    let (n, outputs, values) = (k.shape[0], k.shape[2], k.scalars)
    var trace = 0.0
    for i in 0..<n {
      for a in 0..<outputs { trace += values[((i * n + i) * outputs + a) * outputs + a] }
    }
    return trace + norm(result)
  }

  private static let higherKernels = [("K3n8", 3, 8), ("K3n16", 3, 16), ("K4n8", 4, 8)].map { name, order, n in
    Workload(id: "W6.\(name)", variant: "recursive") { type in
      let (d, m) = (16, 256)
      let x = fill(63, [n, d], type, scale: 1 / Double(d).squareRoot())
      let p = [fill(60, [m, d], type), fill(61, [m, m], type), fill(62, [m], type)]
      @Sendable func network(_ x: Tensor, _ p: [Tensor]) -> Tensor {
        var h = x
        for l in 0..<2 { h = tanh(matmul(p[l], h)) / Double(m).squareRoot() }
        return dot(p[2], h)
      }
      return ({ [higherKernel(order: order, of: network, at: p, on: x)] }, norm)
    }
  }

  private static let power = [
    Workload(id: "W7.power20", variant: "linearised gradient") { type in
      let p = BenchmarkPerceptron(batch: 256, as: type)
      let start = BenchmarkPerceptron.direction(scale: 1, as: type)
      return (
        {
          let hessian = linearize({ gradient(of: p.loss, at: $0) }, at: p.parameters).derivative
          var v = start.scaled(by: 1 / start.euclideanNorm.scalar)
          var eigenvalue = Tensor(0, as: type)
          for _ in 0..<20 {
            let w = hessian(v)
            eigenvalue = v.innerProduct(w)
            v = w.scaled(by: 1 / w.euclideanNorm.scalar)
          }
          return [eigenvalue]
        }, { $0[0].scalar }
      )
    }
  ]

  private static let smallOperations = [("scalar", [Int]()), ("vec32", [32])].map { name, shape in
    Workload(id: "W8.\(name)", operations: 999) { type in
      let start = shape.isEmpty ? Tensor(0.5, as: type) : fill(70, shape, type)
      return (
        {
          let (value, gradient) = valueWithGradient(
            of: { (x: Tensor) in
              var x = x
              for _ in 0..<333 { x = sin(x) * 1.01 + 0.1 }
              return x.sum()
            }, at: start)
          return [value, gradient]
        }, { $0[0].scalar + $0[1].scalars.reduce(0, +) }
      )
    }
  }

  private static let convolutions: [Workload] = {
    @Sendable func inputs(_ type: ScalarType) -> (x: Tensor, w: Tensor, u: Tensor) {
      (
        fill(80, [32, 32, 32, 16], type), fill(81, [3, 3, 16, 32], type, scale: 1.0 / 12),
        fill(82, [32, 32, 32, 32], type)
      )
    }
    let flops = 2 * Double(32 * 32 * 32 * 9 * 16 * 32)
    return [
      Workload(id: "W9.forward", variant: "NHWC", flops: flops) { type in
        let (x, w, _) = inputs(type)
        return ({ [convolution(x, w, padding: .same)] }, norm)
      },
      Workload(id: "W9.grad", variant: "NHWC", flops: 3 * flops) { type in
        let (x, w, u) = inputs(type)
        return (
          {
            let (value, gradient) = valueWithGradient(
              of: { (p: [Tensor]) in dot(convolution(p[0], p[1], padding: .same), u) }, at: [x, w])
            return [value] + gradient
          }, { $0[0].scalar + norm([$0[1]]) + norm([$0[2]]) }
        )
      },
    ]
  }()

  private static let factorisations = [500, 1000, 2000].flatMap { n in
    [
      Workload(id: "W10.eigh.\(n)") { type in
        let g = fill(90, [n, n], .float64)
        let a = ((g + g.transposed) / (2 * Double(n).squareRoot())).as(type)
        return (
          {
            let (values, vectors) = try symmetricEigen(a)
            return [values, vectors]
          }, { $0[0].scalars.max()! }
        )
      },
      Workload(id: "W10.chol.\(n)") { type in
        let g = fill(90, [n, n], .float64)
        let a = (matmul(g, g.transposed) / Double(n) + Tensor.eye(n)).as(type)
        return (
          { [try cholesky(a)] },
          { result in (0..<n).map { Foundation.log(result[0][$0, $0].scalar) }.reduce(0, +) }
        )
      },
    ]
  }
}
