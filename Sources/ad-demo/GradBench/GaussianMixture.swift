import AutoDiff
import Foundation

/// `gmm`: the logarithm of the posterior of a mixture of Gaussians with a Wishart prior, and its gradient.
///
/// The inverse covariance of component k is Qₖᵀ Qₖ with a lower triangular Qₖ, whose diagonal is exp(qₖ) and whose other
/// entries are lₖ, column by column:
///
///     Σᵢ log Σₖ exp(αₖ + Σⱼ qₖⱼ − ‖Qₖ(xᵢ − μₖ)‖²/2) − n log Σₖ exp αₖ
///       − Σₖ [γ²/2 (Σⱼ exp(2 qₖⱼ) + ‖lₖ‖²) − m Σⱼ qₖⱼ] + constant
///
/// All Qₖ(xᵢ − μₖ) come out of one product of matrices, [Qₖ, −Qₖμₖ] (xᵢ, 1).
struct GaussianMixture: GradBenchProblem {
  static let module = "gmm"

  struct Input: Decodable {
    let d: Int, k: Int, n: Int
    let x: [[Double]]
    let m: Int?
    let gamma: Double?
    let alpha: [Double]
    let mu: [[Double]], q: [[Double]], l: [[Double]]
  }

  struct Parameters: TensorTree {
    var alpha: Tensor, mu: Tensor, q: Tensor, l: Tensor

    mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
      body(&alpha)
      body(&mu)
      body(&q)
      body(&l)
    }
  }

  let parameters: Parameters
  private let d: Int, k: Int, n: Int
  /// The points as columns, each with a 1 below.
  private let points: Tensor
  private let m: Double, gamma: Double
  private let constant: Double
  /// Where the entries of Q stand in (exp(q), l, 0).
  private let places: [Int]

  init(_ input: Input) throws {
    (d, k, n) = (input.d, input.k, input.n)
    for (name, count) in [("d", d), ("k", k), ("n", n)] { try requirePositive(name, count) }
    let m = input.m ?? 0
    guard m >= 0 else { throw GradBenchError("m must not be negative, but got \(m)") }
    gamma = input.gamma ?? 1
    guard gamma > 0 else { throw GradBenchError("gamma must be positive, but got \(gamma)") }
    let belowDiagonal = d * (d - 1) / 2
    parameters = Parameters(
      alpha: try Tensor("alpha", input.alpha, k), mu: try Tensor("mu", input.mu, k, d),
      q: try Tensor("q", input.q, k, d), l: try Tensor("l", input.l, k, belowDiagonal))
    let x = try Tensor("x", input.x, n, d)
    points = concatenate([x, .ones([n, 1])], axis: 1).transposed
    self.m = Double(m)
    let degrees = Double(d + 1) + Double(m)
    constant =
      -Double(n * d) / 2 * log(2 * Double.pi)
      + Double(k) * (degrees * Double(d) * log(gamma / 2.squareRoot()) - Self.logGamma(degrees / 2, dimension: d))
    var places = [Int](repeating: d + belowDiagonal, count: d * d)
    var next = d
    for column in 0..<d {
      places[column * d + column] = column
      for row in column + 1..<max(d, column + 1) {
        places[row * d + column] = next
        next += 1
      }
    }
    self.places = places
  }

  func logPosterior(_ p: Parameters) -> Tensor {
    let entries = concatenate([exp(p.q), p.l, .zeros([k, 1])], axis: 1)
    let root = entries.gathered(at: places, axis: 1).reshaped(to: [k, d, d])
    let offset = matmul(root, p.mu.expanded(at: 2))
    let whitened = matmul(concatenate([root, -offset], axis: 2).reshaped(to: [k * d, d + 1]), points)
    let distances = square(whitened).reshaped(to: [k, d, n]).sum(axes: [1])
    let logScales = p.q.sum(axes: [1])
    let likelihood =
      logsumexp((p.alpha + logScales).expanded(at: 1) - 0.5 * distances, axes: [0]).sum()
      - Double(n) * logsumexp(p.alpha)
    let prior =
      (0.5 * gamma * gamma) * (exp(2 * p.q).sum() + square(p.l).sum()) - m * logScales.sum()
    return likelihood - prior + constant
  }

  /// The logarithm of the multivariate gamma function.
  private static func logGamma(_ a: Double, dimension d: Int) -> Double {
    var sum: Double = Double(d * (d - 1)) / 4 * log(Double.pi)
    for j in 1...d { sum += lgamma(a + Double(1 - j) / 2) }
    return sum
  }

  static var functions: [GradBenchFunction<GaussianMixture>] {
    [
      GradBenchFunction("objective") { mixture in
        let value = compiled { (p: Parameters) in mixture.logPosterior(p) }
        return { value(mixture.parameters) }
      },
      GradBenchFunction("jacobian") { mixture in
        let derivative = compiled { (p: Parameters) in gradient(of: mixture.logPosterior, at: p) }
        return { derivative(mixture.parameters) }
      } answer: { (slope: Parameters) in
        Gradient(alpha: slope.alpha.scalars, mu: slope.mu.rows, q: slope.q.rows, l: slope.l.rows)
      },
    ]
  }

  private struct Gradient: Encodable {
    let alpha: [Double]
    let mu: [[Double]], q: [[Double]], l: [[Double]]
  }
}
