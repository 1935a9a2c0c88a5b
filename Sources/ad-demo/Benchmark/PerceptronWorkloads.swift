import AutoDiff

/// The multilayer perceptron that several workloads share: four layers, tanh after all but the last.
struct BenchmarkPerceptron {
  /// Weights and biases in turn.
  let parameters: [Tensor]
  let inputs: Tensor
  let targets: Tensor

  /// - Parameter sizes: of the inputs, the three hidden layers and the outputs.
  init(sizes: [Int], batch: Int, as scalarType: ScalarType) {
    parameters = (0..<4).flatMap { l in
      let scale = 1 / Double(sizes[l]).squareRoot()
      return [
        benchmarkFill(10 + UInt64(l), [sizes[l], sizes[l + 1]], scale: scale, as: scalarType),
        benchmarkFill(20 + UInt64(l), [sizes[l + 1]], scale: 0.1, as: scalarType),
      ]
    }
    inputs = benchmarkFill(30, [batch, sizes[0]], as: scalarType)
    targets = benchmarkFill(31, [batch, sizes[4]], as: scalarType)
  }

  /// A direction in the space of the parameters.
  func direction(scale: Double) -> [Tensor] {
    parameters.enumerated().map { k, p in
      benchmarkFill((k.isMultiple(of: 2) ? 40 : 44) + UInt64(k / 2), p.shape, scale: scale, as: p.scalarType)
    }
  }

  /// The outputs for one example.
  func network(_ x: Tensor, _ p: [Tensor]) -> Tensor {
    var h = x
    for l in 0..<3 { h = tanh(matmul(h, p[2 * l]) + p[2 * l + 1]) }
    return matmul(h, p[6]) + p[7]
  }

  /// The outputs for all examples.
  func outputs(_ p: [Tensor]) -> Tensor { vmap { network($0, p) }(inputs) }

  /// Half the mean squared error.
  func loss(_ p: [Tensor]) -> Tensor {
    let residual = outputs(p) - targets
    return dot(residual, residual) / Double(2 * inputs.shape[0])
  }

  /// The gradient of half the squared error of every example on its own.
  func perExampleGradients() -> [Tensor] {
    vmap { (x: Tensor, y: Tensor) in
      gradient(
        of: { (p: [Tensor]) in
          let residual = network(x, p) - y
          return dot(residual, residual) / 2
        }, at: parameters)
    }(inputs, targets)
  }
}

extension Workloads {
  static let perceptronSizes = [784, 1024, 1024, 1024, 10]

  static func perceptron(sizes: [Int] = perceptronSizes, batch: Int = 256) -> [Workload] {
    @Sendable func perceptron(_ type: ScalarType) -> BenchmarkPerceptron {
      BenchmarkPerceptron(sizes: sizes, batch: batch, as: type)
    }
    let forward = Workload(id: "W3.forward") { type in
      let p = perceptron(type)
      return ({ [p.outputs(p.parameters)] }, norm)
    }
    let valuesWithGradients = Running.allCases.map { running in
      Workload(id: "W3.valuegrad", variant: running.rawValue) { type in
        let p = perceptron(type)
        let run = running.prepared { (parameters: [Tensor]) -> [Tensor] in
          let (value, gradient) = valueWithGradient(of: p.loss, at: parameters)
          return [value] + gradient
        }
        return ({ run(p.parameters) }, { $0[0].scalar + norm(Array($0.dropFirst())) })
      }
    }
    let products = Running.allCases.map { running in
      Workload(id: "W3.hvp", variant: "forward over reverse, \(running.rawValue)") { type in
        let p = perceptron(type)
        let v = p.direction(scale: 0.01)
        let run = running.prepared { (input: Pair<[Tensor], [Tensor]>) in
          hvp(of: p.loss, at: input.first, along: input.second)
        }
        return ({ run(Pair(p.parameters, v)) }, norm)
      }
    }
    let descent = Workload(id: "W3.sgd") { type in
      let p = perceptron(type)
      var state = p.parameters
      return (
        {
          let step = gradient(of: p.loss, at: state)
          for k in state.indices { state[k].add(step[k], scaledBy: -0.01) }
          return state
        }, { _ in nil }
      )
    }
    return [forward] + valuesWithGradients + products + [descent]
  }

  static func perExampleGradients(sizes: [Int] = perceptronSizes, batch: Int = 64) -> [Workload] {
    [
      Workload(id: "W4.tree", variant: "vmap of gradient") { type in
        let p = BenchmarkPerceptron(sizes: sizes, batch: batch, as: type)
        return ({ p.perExampleGradients() }, norm)
      },
      Workload(id: "W4.flat", variant: "vmap of gradient, concatenate") { type in
        let p = BenchmarkPerceptron(sizes: sizes, batch: batch, as: type)
        return ({ [concatenate(p.perExampleGradients().map { $0.reshaped(to: [batch, -1]) }, axis: 1)] }, norm)
      },
    ]
  }

  static func powerIteration(sizes: [Int] = perceptronSizes, batch: Int = 256) -> [Workload] {
    [
      Workload(id: "W7.power20", variant: "linearised gradient") { type in
        let p = BenchmarkPerceptron(sizes: sizes, batch: batch, as: type)
        let start = p.direction(scale: 1)
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
      },
      // In a program, what does not depend on the direction is computed once without being asked to.
      Workload(id: "W7.power20", variant: Running.recorded.rawValue) { type in
        let p = BenchmarkPerceptron(sizes: sizes, batch: batch, as: type)
        let start = p.direction(scale: 1)
        let power = compiled { (input: Pair<[Tensor], [Tensor]>) -> Tensor in
          let initial = Pair(input.second.scaledToLength1, Tensor(0, as: type))
          return repeated(20, initial) { state in
            let w = hvp(of: p.loss, at: input.first, along: state.first)
            return Pair(w.scaledToLength1, state.first.innerProduct(w))
          }.second
        }
        return ({ [power(Pair(p.parameters, start))] }, { $0[0].scalar })
      },
    ]
  }
}

extension [Tensor] {
  /// The direction of all entries together.
  fileprivate var scaledToLength1: [Tensor] {
    let length = euclideanNorm
    return map { $0 / length }
  }
}
