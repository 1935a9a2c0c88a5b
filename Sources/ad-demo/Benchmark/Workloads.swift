import AutoDiff
import Foundation

/// The workloads of the specification. The sizes are arguments so that tests can check small ones; the defaults are those
/// of the specification, and only their figures can be compared with other programs'.
enum Workloads {
  /// All of them in the specification's order and sizes.
  static let all =
    products() + elementwise() + chains() + perceptron() + perExampleGradients() + tangentKernels() + higherKernels()
    + wideHigherKernel() + powerIteration() + smallOperations() + convolutions() + factorizations() + descent()
    + smallPowerIteration() + recurrence() + noisyDescent() + transformerTraining() + imageTraining()
    + structuredKernels() + randomNumbers() + architectureKernels()

  static func fill(_ seed: UInt64, _ shape: [Int], _ type: ScalarType, scale: Double = 1) -> Tensor {
    benchmarkFill(seed, shape, scale: scale, as: type)
  }

  static func products(_ extents: [Int] = [256, 512, 1024, 2048]) -> [Workload] {
    extents.map { n in
      Workload(id: "W1.gemm.\(n)", flops: 2 * Double(n * n * n)) { type in
        let (a, b) = (fill(1, [n, n], type), fill(2, [n, n], type))
        return ({ [matmul(a, b)] }, { norm($0) / Double(n) })
      }
    }
  }

  /// - Parameter exponents: the powers of ten that are the counts of elements.
  static func elementwise(exponents: [Int] = [6, 7]) -> [Workload] {
    typealias Function = @Sendable (Tensor) -> Tensor
    let functions: [(name: String, function: Function)] = [
      ("tanh", { tanh($0) }), ("exp", { exp($0) }), ("erf", { erf($0) }),
    ]
    enum Memory: String, CaseIterable {
      /// The result before is alive meanwhile, so the pool hands out another block.
      case fresh = "alloc"
      /// The result before is dropped, so the pool hands out its block again.
      case reused = "reuse"
      /// The pool is empty. Asking the system for memory and giving it back is part of the time.
      case system = "alloc, pool emptied"
    }
    return exponents.flatMap { exponent in
      let count = (0..<exponent).reduce(1) { power, _ in power * 10 }
      return functions.flatMap { name, function in
        Memory.allCases.map { memory in
          Workload(id: "W2.\(name).1e\(exponent)", variant: memory.rawValue, elements: count) { type in
            let x = fill(3, [count], type, scale: 2)
            var before: Tensor?
            return (
              {
                if memory == .system { releasePooledMemory() }
                let result = withExtendedLifetime(before) { function(x) }
                before = memory == .fresh ? result : nil
                return [result]
              }, { sum($0) / Double(count) }
            )
          }
        }
      }
    }
  }

  static func smallOperations(repeats: Int = 333, extent: Int = 32) -> [Workload] {
    [("scalar", []), ("vec\(extent)", [extent])].flatMap { name, shape in
      Running.allCases.map { running in
        Workload(id: "W8.\(name)", variant: running.rawValue, operations: 3 * repeats) { type in
          let start = shape.isEmpty ? Tensor(0.5, as: type) : fill(70, shape, type)
          let valueAndGradient = running.prepared { (x: Tensor) in
            let (value, gradient) = valueWithGradient(
              of: { (x: Tensor) in
                var x = x
                for _ in 0..<repeats { x = sin(x) * 1.01 + 0.1 }
                return x.sum()
              }, at: x)
            return [value, gradient]
          }
          return ({ valueAndGradient(start) }, { sum($0) })
        }
      }
    }
  }

  /// - Parameter channels: those of the images and those of the result.
  static func convolutions(batch: Int = 32, side: Int = 32, channels: (Int, Int) = (16, 32)) -> [Workload] {
    let (inputs, outputs) = channels
    let flops = 2 * Double(batch * side * side * 9 * inputs * outputs)
    @Sendable func imagesAndWeights(_ type: ScalarType) -> (Tensor, Tensor) {
      let scale = 1 / Double(9 * inputs).squareRoot()
      return (fill(80, [batch, side, side, inputs], type), fill(81, [3, 3, inputs, outputs], type, scale: scale))
    }
    return [
      Workload(id: "W9.forward", variant: "NHWC", flops: flops) { type in
        let (x, w) = imagesAndWeights(type)
        return ({ [convolution(x, w, padding: .same)] }, norm)
      },
      Workload(id: "W9.grad", variant: "NHWC", flops: 3 * flops) { type in
        let (x, w) = imagesAndWeights(type)
        let u = fill(82, [batch, side, side, outputs], type)
        return (
          {
            let (value, gradient) = valueWithGradient(
              of: { (p: [Tensor]) in dot(convolution(p[0], p[1], padding: .same), u) }, at: [x, w])
            return [value] + gradient
          }, { $0[0].scalar + norm([$0[1]]) + norm([$0[2]]) }
        )
      },
    ]
  }

  static func factorizations(_ extents: [Int] = [500, 1000, 2000]) -> [Workload] {
    extents.flatMap { n in
      [
        Workload(id: "W10.eigh.\(n)") { type in
          let g = fill(90, [n, n], .float64)
          let a = ((g + g.transposed) / (2 * Double(n).squareRoot())).as(type)
          return (
            {
              let (values, vectors) = try symmetricEigen(a)
              return [values, vectors]
            }, { $0[0].scalars.max() }
          )
        },
        Workload(id: "W10.chol.\(n)") { type in
          let g = fill(90, [n, n], .float64)
          let a = (matmul(g, g.transposed) / Double(n) + Tensor.eye(n)).as(type)
          return (
            { [try cholesky(a)] },
            { result in (0..<n).map { log(result[0][$0, $0].scalar) }.reduce(0, +) }
          )
        },
      ]
    }
  }
}
