import AutoDiff
import Layers

/// The squared losses in use, and the clocks that belong to them.
///
/// With residuals rᵢ = f(xᵢ) − yᵢ of n examples, gradient flow of a loss moves the outputs of a linear model by
/// ṙ = −c K r, and a step of size h by r ← (I − h c K) r. The rate c differs from loss to loss, so that the same time t
/// means different things; whatever takes a squared loss therefore takes one of these names. Several outputs are summed
/// within an example and not counted by n.
///
/// | name | loss | c |
/// |---|---|---|
/// | `halfSum` | ½ Σ r² | 1 |
/// | `sum` | Σ r² | 2 |
/// | `halfMean` | (1/2n) Σ r² | 1/n |
/// | `mean` | (1/n) Σ r² | 2/n |
/// | `meanWithStepsOfHalfSum` | (1/n) Σ r² | 1 |
///
/// - Source: the clocks of Jacot, Gabriel and Hongler (2018); of minimum-norm least squares; of Huang and Yau, Dynamics of
///   deep neural networks and neural tangent hierarchy (2020), whose loss is that of ``Layers/squaredLoss(_:_:)``; and of
///   texts that state the mean but step along the gradient of half the sum.
public enum SquaredLoss: Sendable, CaseIterable {
  /// ½ Σ r², with ṙ = −K r.
  case halfSum
  /// Σ r², with ṙ = −2 K r.
  case sum
  /// (1/2n) Σ r², with ṙ = −(1/n) K r.
  case halfMean
  /// (1/n) Σ r², with ṙ = −(2/n) K r.
  case mean
  /// (1/n) Σ r² as the number that is reported, while training moves along the gradient of ½ Σ r²: ṙ = −K r.
  case meanWithStepsOfHalfSum

  /// What Σ r² is multiplied by.
  public func scale(examples n: Int) -> Double {
    switch self {
    case .halfSum: 1 / 2
    case .sum: 1
    case .halfMean: 1 / (2 * Double(n))
    case .mean, .meanWithStepsOfHalfSum: 1 / Double(n)
    }
  }

  /// c, the rate in ṙ = −c K r: twice the scale, but for training that moves along another gradient.
  public func rate(examples n: Int) -> Double {
    self == .meanWithStepsOfHalfSum ? 1 : 2 * scale(examples: n)
  }

  /// The loss.
  ///
  /// - Shapes: outputs and targets [n, ...] → [].
  public func callAsFunction(_ outputs: Tensor, _ targets: Tensor) -> Tensor {
    guard outputs.shape == targets.shape, let n = outputs.shape.first, n > 0 else {
      stop("SquaredLoss", "shapes must agree and hold an example", got: "\(outputs.shape) and \(targets.shape)")
    }
    let residual = outputs - targets
    return dot(residual, residual) * scale(examples: n)
  }
}
