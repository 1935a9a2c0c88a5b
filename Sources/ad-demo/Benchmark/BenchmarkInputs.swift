import AutoDiff

/// The inputs of the benchmark's specification: deterministic, so that every program computes the same numbers.
enum BenchmarkInputs {
  /// Pseudo-random numbers of mean 0 and variance 1 by place: a SplitMix64 hash of seed and index, uniform.
  static func fill(_ seed: UInt64, _ shape: [Int], scale: Double = 1, as scalarType: ScalarType) -> Tensor {
    let width = 3.0.squareRoot() * 2
    let values = (0..<shape.reduce(1, *)).map { index -> Double in
      var z = ((seed << 32) &+ UInt64(index) &+ 1) &* 0x9E37_79B9_7F4A_7C15
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      z ^= z >> 31
      return (Double(z >> 11) * 0x1p-53 - 0.5) * width * scale
    }
    return Tensor(values, shape: shape, as: scalarType)
  }
}

/// The multilayer perceptron that several workloads share: 784 → 1024 → 1024 → 1024 → 10 with tanh.
struct BenchmarkPerceptron {
  /// Weights and biases in turn.
  let parameters: [Tensor]
  let inputs: Tensor
  let targets: Tensor

  static let sizes = [784, 1024, 1024, 1024, 10]

  init(batch: Int, as scalarType: ScalarType) {
    parameters = Self.parameters(
      weights: 10, biases: 20, as: scalarType, weightScale: { 1 / Double($0).squareRoot() }, biasScale: 0.1)
    inputs = BenchmarkInputs.fill(30, [batch, 784], as: scalarType)
    targets = BenchmarkInputs.fill(31, [batch, 10], as: scalarType)
  }

  /// A direction in the space of the parameters.
  static func direction(scale: Double, as scalarType: ScalarType) -> [Tensor] {
    parameters(weights: 40, biases: 44, as: scalarType, weightScale: { _ in scale }, biasScale: scale)
  }

  private static func parameters(
    weights: UInt64, biases: UInt64, as scalarType: ScalarType, weightScale: (Int) -> Double, biasScale: Double
  ) -> [Tensor] {
    var result: [Tensor] = []
    for l in 0..<4 {
      let (inputs, outputs) = (sizes[l], sizes[l + 1])
      let place = UInt64(l)
      result.append(
        BenchmarkInputs.fill(weights + place, [inputs, outputs], scale: weightScale(inputs), as: scalarType))
      result.append(BenchmarkInputs.fill(biases + place, [outputs], scale: biasScale, as: scalarType))
    }
    return result
  }

  /// The outputs for one example.
  static func network(_ x: Tensor, _ p: [Tensor]) -> Tensor {
    var h = x
    for l in 0..<3 { h = tanh(matmul(h, p[2 * l]) + p[2 * l + 1]) }
    return matmul(h, p[6]) + p[7]
  }

  /// The outputs for all examples.
  func outputs(_ p: [Tensor]) -> Tensor { vmap { (x: Tensor) in Self.network(x, p) }(inputs) }

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
          let residual = Self.network(x, p) - y
          return dot(residual, residual) / 2
        }, at: parameters)
    }(inputs, targets)
  }
}
