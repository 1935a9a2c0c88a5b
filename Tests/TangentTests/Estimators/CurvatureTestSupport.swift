import AutoDiff
import Tangent

extension SymmetricOperator {
  /// The whole matrix, by the products with all unit vectors.
  func dense() throws -> Tensor { try product(with: .eye(dimension, as: scalarType)) }
}

extension Model {
  /// The models whose code does not fix a scalar type.
  static let ofEveryType = catalogue.filter { $0.name != "an embedding" }

  /// The same model with parameters and examples of a scalar type.
  func parameters(as type: ScalarType) -> [Tensor] { parameters.map { $0.as(type) } }

  /// All outputs on the examples: [4, output shape...].
  func outputs(_ p: [Tensor]) -> Tensor {
    vmap { (x: Tensor) in f(x, p) }(examples.as(p[0].scalarType))
  }

  /// The Jacobian of all outputs, in memory: [outputs, p].
  func denseJacobian(_ p: [Tensor]) -> Tensor {
    jacobian(of: { outputs(p.replacingEntries(with: $0)).flattened }, at: p.flattenedEntries)
  }
}

/// A loss of all outputs that couples examples and is convex.
func coupledLoss(_ outputs: Tensor) -> Tensor {
  square(outputs.sum()) * 0.1 + exp(outputs * 0.5).sum() + square(square(outputs)).mean()
}

/// Classification of 12 points by a network with 3 logits, of 4 × 5 + 5 + 5 × 3 = 40 parameters.
enum SmallClassifier {
  static func parameters(_ type: ScalarType = .float64) -> [Tensor] {
    var random = RandomGenerator(seed: 5)
    return [[4, 5], [5], [5, 3]].map { (Tensor.normal($0, using: &random) * 0.6).as(type) }
  }
  static func examples(_ type: ScalarType = .float64) -> Tensor {
    var random = RandomGenerator(seed: 6)
    return Tensor.normal([12, 4], using: &random).as(type)
  }
  static func labels(_ type: ScalarType = .float64) -> Tensor {
    Tensor((0..<12).map { Double($0 * 7 % 3) }, as: type)
  }
  static func f(_ x: Tensor, _ p: [Tensor]) -> Tensor { matmul(tanh(matmul(x, p[0]) + p[1]), p[2]) }

  /// −log softmax(f)[label] of one example.
  static func loss(_ example: Pair<Tensor, Tensor>, _ p: [Tensor]) -> Tensor {
    -logSoftmax(f(example.first, p)).gathered(at: example.second)
  }

  /// The mean loss of a range of the examples.
  static func loss(_ p: [Tensor], _ range: Range<Int> = 0..<12) -> Tensor {
    let type = p[0].scalarType
    return vmap { (e: Pair<Tensor, Tensor>) in loss(e, p) }(Pair(examples(type)[range], labels(type)[range])).mean()
  }
}

/// What many independent estimates of one number tell about it and about their standard errors.
struct EstimateStatistics {
  /// The mean of the estimates' errors.
  let bias: Double
  /// The standard deviation of that mean.
  let biasError: Double
  /// The root of the mean squared error.
  let rootMeanSquare: Double
  /// The share of estimates within two standard errors of their own.
  let coverage: Double

  init(of truth: Double, _ estimates: [(value: Double, standardError: Double)]) {
    let errors = estimates.map { $0.value - truth }
    let n = Double(errors.count)
    let mean = errors.reduce(0, +) / n
    let squares = errors.reduce(0) { $0 + $1 * $1 } / n
    (bias, rootMeanSquare) = (mean, squares.squareRoot())
    biasError = ((squares - mean * mean) / (n - 1)).squareRoot()
    coverage =
      Double(estimates.count { abs($0.value - truth) <= 2 * $0.standardError }) / n
  }
}
