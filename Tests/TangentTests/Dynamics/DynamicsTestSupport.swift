import AutoDiff
import Foundation
import Tangent

/// The slope of the least-squares line through points, and its standard error.
func slope(_ x: [Double], _ y: [Double]) -> (value: Double, error: Double) {
  let n = Double(x.count)
  let (meanX, meanY) = (x.reduce(0, +) / n, y.reduce(0, +) / n)
  let spread = x.map { ($0 - meanX) * ($0 - meanX) }.reduce(0, +)
  let value = zip(x, y).map { ($0 - meanX) * ($1 - meanY) }.reduce(0, +) / spread
  let rest = zip(x, y).map { ($1 - meanY - value * ($0 - meanX)) * ($1 - meanY - value * ($0 - meanX)) }.reduce(0, +)
  return (value, x.count > 2 ? (rest / (n - 2) / spread).squareRoot() : .infinity)
}

/// The exponent of the power law that fits best, and its standard error.
func logarithmicSlope(_ x: [Double], _ y: [Double]) -> (value: Double, error: Double) {
  slope(x.map { log($0) }, y.map { log($0) })
}

/// The largest magnitude of an entry of a difference.
func distance(_ a: Tensor, _ b: Tensor) -> Double { abs(a - b).max().scalar }

/// A problem whose solution is known.
struct SolvedEquation: Sendable, CustomStringConvertible {
  let description: String
  let end: Double
  let rate: @Sendable (Double, Tensor) -> Tensor
  let solution: @Sendable (Double) -> Tensor

  static let all: [SolvedEquation] = [
    SolvedEquation(
      description: "decay", end: 3, rate: { _, y in -y }, solution: { exp(Tensor([-$0, -$0])) * Tensor([1, 2]) }),
    SolvedEquation(
      description: "logistic growth", end: 6, rate: { _, y in y * (1 - y) },
      solution: { sigmoid(Tensor([$0 - 3])) }),
    SolvedEquation(
      description: "y′ = −2ty²", end: 3, rate: { t, y in square(y) * (-2 * t) },
      solution: { Tensor([1 / (1 + $0 * $0)]) }),
    SolvedEquation(
      description: "an oscillator", end: 20, rate: { _, y in stack([y[1], -y[0]]) },
      solution: { stack([cos(Tensor($0)), -sin(Tensor($0))]) }),
    SolvedEquation(
      description: "a damped oscillator that is driven", end: 5,
      // y″ = −y − 0.2 y′ + the force that makes y = sin 2t.
      rate: { t, y in
        let force = sin(Tensor(2 * t)) * -3 + cos(Tensor(2 * t)) * 0.4
        return stack([y[1], -y[0] - y[1] * 0.2 + force])
      },
      solution: { stack([sin(Tensor(2 * $0)), cos(Tensor(2 * $0)) * 2]) }),
    SolvedEquation(
      description: "a fast decay to a slow curve", end: 2,
      rate: { t, y in (cos(Tensor([t])) - y) * 300 - sin(Tensor([t])) },
      solution: { cos(Tensor([$0])) + exp(Tensor([-300 * $0])) }),
  ]
}
