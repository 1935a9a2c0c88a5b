import AutoDiff

/// How the weights of a fully connected network are scaled as its hidden widths n grow, by the names of the theory.
///
/// A distribution of independent weights enters the limits through its variance alone.
public enum LimitParameterization: Sendable, Equatable {
  /// W x + b with weights of variance `weightVariance`/inputs, used as they are, and biases of variance `biasVariance`.
  ///
  /// The tangent kernel grows like n; its limit is that of K/n with all hidden widths n. What survives are the terms of the
  /// weights behind a hidden layer: for one hidden layer K^LC = E[σ(uᵀx) σ(uᵀz)], u ~ D(0, 1/d), the output weights' term.
  /// - Source: a textbook's chapter "Wide neural networks", (11.5.1)–(11.5.3), Theorem 11.16; Exercise 11.37 for random
  ///   biases, (11.5.11) for other variances.
  case leCun(weightVariance: Double = 1, biasVariance: Double = 0)

  /// (σ_w/√inputs) W x + σ_b b with weights of variance 1: Jacot's, and the layers' `.neuralTangent(weightScale:biasScale:)`.
  ///
  /// With scales 1 and biases that start at zero this is K^NTK = (1 + xᵀz/d) E[σ′σ′] + E[σσ] + 1 for one hidden layer.
  /// - Source: Jacot, Gabriel and Hongler, Neural tangent kernel, NeurIPS 2018, theorem 1; the textbook's (11.6.1),
  ///   Theorem 11.30, and Exercise 11.37 for normal biases.
  case neuralTangent(weightScale: Double = 1, biasScale: Double = 1, biases: Biases = .normal)

  /// m^{−1/2} Σ_r a_r ψ(w_rᵀx) with fixed a_r = ±1 and w_r ~ N(0, I), of which w is trained; one hidden layer.
  ///
  /// The tangent kernel tends to H* = xᵀz E[ψ′(wᵀx) ψ′(wᵀz)].
  /// - Source: notes "Optimizing wide networks".
  case signOutputs

  /// x^(l) = σ(W^(l) x^(l−1))/√m, f = aᵀx^(H), with weights N(0, `weightVariance`) and output weights N(0,
  /// `outputVariance`), all trained, no biases.
  /// - Source: Huang and Yau, Dynamics of deep neural networks and neural tangent hierarchy, (1), (2), (7).
  case hierarchy(weightVariance: Double = 1, outputVariance: Double = 1)

  /// How biases begin; they are trained either way.
  public enum Biases: Sendable, Equatable {
    /// At 0.
    case zero
    /// Independent with variance 1.
    case normal
  }
}

/// What the affine map of one layer contributes, with m the second moments of its inputs (xᵀz or xᵀz/d for the first one).
struct AffineScales {
  /// The covariance of its outputs is weightCovariance · m + biasCovariance.
  var weightCovariance: Double
  var biasCovariance: Double
  /// The tangent kernel of its weights and biases is weightTangent · m + biasTangent, before later layers multiply it.
  var weightTangent: Double
  var biasTangent: Double
}

extension LimitParameterization {
  /// Whether the first layer's inputs count as xᵀz/d and not as xᵀz.
  var dividesByInputs: Bool {
    switch self {
    case .leCun, .neuralTangent: true
    case .signOutputs, .hierarchy: false
    }
  }

  /// The affine maps of a network with so many hidden layers, from the inputs to the output.
  func scales(hiddenLayers: Int) -> [AffineScales] {
    (0...hiddenLayers).map { layer in
      let (isFirst, isLast) = (layer == 0, layer == hiddenLayers)
      switch self {
      case .leCun(let weightVariance, let biasVariance):
        return AffineScales(
          weightCovariance: weightVariance, biasCovariance: biasVariance, weightTangent: isFirst ? 0 : 1, biasTangent: 0
        )
      case .neuralTangent(let weightScale, let biasScale, let biases):
        let (weight, bias) = (weightScale * weightScale, biasScale * biasScale)
        return AffineScales(
          weightCovariance: weight, biasCovariance: biases == .zero ? 0 : bias, weightTangent: weight, biasTangent: bias
        )
      case .signOutputs:
        return AffineScales(
          weightCovariance: 1, biasCovariance: 0, weightTangent: isLast ? 0 : 1, biasTangent: 0)
      case .hierarchy(let weightVariance, let outputVariance):
        return AffineScales(
          weightCovariance: isLast ? outputVariance : weightVariance, biasCovariance: 0, weightTangent: 1,
          biasTangent: 0)
      }
    }
  }

  /// Stops unless the scales make sense for so many hidden layers.
  func check(hiddenLayers: Int) {
    switch self {
    case .leCun(let a, let b), .hierarchy(let a, let b):
      if !(a >= 0 && b >= 0 && a.isFinite && b.isFinite) {
        stop("InfiniteNetwork", "variances must be finite and not negative", got: "\(a) and \(b)")
      }
    case .neuralTangent(let a, let b, _):
      if !(a.isFinite && b.isFinite) {
        stop("InfiniteNetwork", "scales must be finite numbers", got: "\(a) and \(b)")
      }
    case .signOutputs:
      if hiddenLayers != 1 {
        stop("InfiniteNetwork", "±1 outputs are defined for one hidden layer", got: "\(hiddenLayers)")
      }
    }
    if case .leCun = self, hiddenLayers == 0 {
      stop(
        "InfiniteNetwork", "K/n needs a hidden layer", got: "none",
        hint: "Use .neuralTangent for a linear model.")
    }
  }
}
