import AutoDiff

/// How a layer's weights are scaled by its width.
public enum Parameterization: Sendable {
  /// Weights of variance 1/d for d inputs, used as they are: W x + b.
  case leCun
  /// Standard normal weights, scaled where they are used: (σ_w/√d) W x + σ_b b, for which the tangent kernel has a limit
  /// as the width grows.
  /// - Source: Jacot, Gabriel and Hongler, Neural tangent kernel, 2018, section 3.
  case neuralTangent(weightScale: Double = 1, biasScale: Double = 1)
}

/// An affine map of a vector.
///
/// - Shapes: [..., inputs] → [..., width]. Parameters: `weight` [inputs, width], `bias` [width].
public struct Dense: Layer {
  /// The number of outputs.
  public let width: Int
  /// Whether there is a bias.
  public let hasBias: Bool
  /// How weights are scaled.
  public let parameterization: Parameterization

  /// Makes an affine map with the given number of outputs. Stops unless it is positive.
  public init(_ width: Int, bias: Bool = true, parameterization: Parameterization = .leCun) {
    guard width > 0 else { stop("Dense", "the width must be positive", got: "\(width)") }
    self.width = width
    hasBias = bias
    self.parameterization = parameterization
  }

  /// The image of a vector (or of the rows of `x`).
  public func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor {
    guard let inputs = x.shape.last else {
      stop(
        p.place(of: "Dense"), "the input needs at least one axis", got: "[]",
        hint: "Was one example given where examples along a first axis are expected?")
    }
    switch parameterization {
    case .leCun:
      let deviation = 1 / Double(max(inputs, 1)).squareRoot()
      let product = matmul(x, p.tensor("weight", [inputs, width], .normal(standardDeviation: deviation)))
      return hasBias ? product + p.tensor("bias", [width], .zeros) : product
    case .neuralTangent(let weightScale, let biasScale):
      let weight = p.tensor("weight", [inputs, width], .normal(standardDeviation: 1))
      let product = matmul(x, weight) * (weightScale / Double(max(inputs, 1)).squareRoot())
      guard hasBias else { return product }
      return product + p.tensor("bias", [width], .normal(standardDeviation: 1)) * biasScale
    }
  }
}
