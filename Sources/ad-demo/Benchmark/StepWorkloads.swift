import AutoDiff

/// How a pure function, from a tree of tensors to a tree of tensors, is run over and over.
enum Running: String, CaseIterable {
  case eager, recorded

  /// The function in the form in which it is then called.
  func prepared<Input: TensorTree, Output: TensorTree>(
    _ f: @escaping (Input) -> Output
  ) -> (Input) -> Output {
    switch self {
    case .eager: return f
    case .recorded:
      let program = compiled(f)
      return { program($0) }
    }
  }

  /// A step done so many times: by a loop of Swift's, or by one inside the program.
  func repeating<State: TensorTree>(
    _ count: Int, _ step: @escaping (State) -> State
  ) -> (State) -> State {
    prepared { repeated(count, $0, step) }
  }
}

/// Small steps, many times: what people do who watch a network train. The step is a pure function of the state, and what it
/// captures is constant.
extension Workloads {
  typealias Step = (_ p: [Tensor]) -> [Tensor]

  /// A perceptron with one hidden layer of tanh, and half its mean squared error.
  struct Regression: Sendable {
    /// Weights and biases in turn.
    let parameters: [Tensor]
    let inputs: Tensor
    let targets: Tensor

    init(width m: Int, batch: Int, as type: ScalarType, inputs d: Int = 10) {
      parameters = [
        fill(100, [d, m], type, scale: 1 / Double(d).squareRoot()), fill(101, [m], type, scale: 0.1),
        fill(102, [m, 1], type, scale: 1 / Double(m).squareRoot()), fill(103, [1], type, scale: 0.1),
      ]
      (inputs, targets) = (fill(104, [batch, d], type), fill(105, [batch, 1], type))
    }

    func loss(_ p: [Tensor]) -> Tensor {
      let outputs = vmap { x in matmul(tanh(matmul(x, p[0]) + p[1]), p[2]) + p[3] }(inputs)
      let residual = outputs - targets
      return dot(residual, residual) / Double(2 * inputs.shape[0])
    }
  }

  /// Gradient descent with the whole batch.
  static func descent(
    _ cases: [(width: Int, batch: Int)] = [(64, 32), (256, 32), (1024, 256)], steps: Int = 1000, rate: Double = 0.01
  ) -> [Workload] {
    cases.flatMap { width, batch in
      Running.allCases.map { running in
        Workload(id: "W11.gd.m\(width)b\(batch)", variant: running.rawValue, operations: steps) { type in
          let problem = Regression(width: width, batch: batch, as: type)
          let run = running.repeating(steps) { (p: [Tensor]) -> [Tensor] in
            let gradient = gradient(of: problem.loss, at: p)
            return p.indices.map { p[$0] - rate * gradient[$0] }
          }
          return ({ run(problem.parameters) }, { problem.loss($0).scalar + norm($0) })
        }
      }
    }
  }

  /// Power iteration with Hessian-vector products.
  static func smallPowerIteration(width: Int = 64, batch: Int = 32, products: Int = 200) -> [Workload] {
    Running.allCases.map { running in
      Workload(id: "W11.hvp.m\(width)b\(batch)", variant: running.rawValue, operations: products) { type in
        let problem = Regression(width: width, batch: batch, as: type)
        let direction = problem.parameters.enumerated().map { fill(106 + UInt64($0), $1.shape, type) }
        let start = Pair(direction.scaled(by: 1 / direction.euclideanNorm.scalar), Tensor(0, as: type))
        // What does not depend on the direction is computed once per call, since the parameters are an input.
        let run = running.prepared { (input: Pair<[Tensor], Pair<[Tensor], Tensor>>) -> Tensor in
          repeated(products, input.second) { state in
            let w = hvp(of: problem.loss, at: input.first, along: state.first)
            let length = w.euclideanNorm
            return Pair(w.map { $0 / length }, state.first.innerProduct(w))
          }.second
        }
        return ({ [run(Pair(problem.parameters, start))] }, { $0[0].scalar })
      }
    }
  }

  /// Back through all steps of a recurrent network.
  static func recurrence(steps: Int = 64, units: Int = 32, inputs: Int = 16, batch: Int = 16) -> [Workload] {
    Running.allCases.map { running in
      Workload(id: "W11.rnn", variant: running.rawValue, operations: steps) { type in
        let p = [
          fill(110, [inputs, units], type, scale: 1 / Double(inputs).squareRoot()),
          fill(111, [units, units], type, scale: 1 / Double(units).squareRoot()), fill(112, [units], type, scale: 0.1),
        ]
        let x = fill(113, [steps, batch, inputs], type)
        let y = fill(114, [batch, units], type, scale: 0.5)
        let work = running.prepared { (p: [Tensor]) -> [Tensor] in
          let (value, gradient) = valueWithGradient(
            of: { (p: [Tensor]) -> Tensor in
              let driven = matmul(x, p[0]) + p[2]
              var h = tanh(driven[0])
              for t in 1..<steps { h = tanh(driven[t] + matmul(h, p[1])) }
              return dot(h - y, h - y) / Double(2 * batch)
            }, at: p)
          return [value] + gradient
        }
        return ({ work(p) }, { $0[0].scalar + norm(Array($0.dropFirst())) })
      }
    }
  }

  /// Neurons that see each other through their mean only, with noise: a step for every one of five examples.
  struct MeanField: TensorTree {
    /// The outer weights, the inner weights and the biases.
    var neurons: [Tensor]
    /// The size of the noise, known when the program runs.
    var noise: Tensor
    var random: RandomState

    mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
      neurons.forEachTensor(body)
      body(&noise)
      random.forEachTensor(body)
    }

    static let inputs = [-1.0, -0.5, 0, 0.5, 1]
    static let targets = [0.8, -0.4, 0.2, 0.6, -0.7]

    static func output(_ x: Double, _ p: [Tensor]) -> Tensor { (p[0] * relu(p[1] * x + p[2])).mean() }

    /// One round through the examples.
    func next(rate: Double, decay: Double) -> MeanField {
      var state = self
      let n = neurons[0].count
      for (x, y) in zip(Self.inputs, Self.targets) {
        let slope = gradient(
          of: { (p: [Tensor]) -> Tensor in
            let residual = Self.output(x, p) - y
            return 0.5 * residual * residual
          }, at: state.neurons)
        let xi = state.random.normal([3, n], as: noise.scalarType)
        for k in 0..<3 {
          state.neurons[k] =
            (1 - rate * decay) * state.neurons[k] - (rate * Double(n)) * slope[k] + noise * xi[k]
        }
      }
      return state
    }
  }

  static func noisyDescent(_ counts: [Int] = [1000, 10_000], steps: Int = 2000) -> [Workload] {
    counts.flatMap { count in
      Running.allCases.map { running in
        Workload(id: "W11.noisy.N\(count)", variant: running.rawValue, operations: steps) { type in
          let start = MeanField(
            neurons: (0..<3).map { fill(115 + $0, [count], type) }, noise: Tensor(0, as: type),
            random: RandomState(seed: 1))
          let run = running.repeating(steps / MeanField.inputs.count) { (state: MeanField) in
            state.next(rate: 0.02, decay: 0.01)
          }
          return (
            { run(start).neurons },
            { p in
              let outputs = MeanField.inputs.map { MeanField.output($0, p).scalar }
              return p.map { $0.mean().scalar }.reduce(0, +) + outputs.reduce(0, +)
            }
          )
        }
      }
    }
  }
}
