import AutoDiff
import Foundation

/// The density of a symmetric operator's eigenvalues, smoothed by a Gaussian, with its errors.
///
///     φ(t) = (1/n) Σᵢ g_σ(t − λᵢ),   g_σ(x) = exp(−x² / 2σ²) / (σ √2π)        Φ(t) = ∫_{−∞}^t φ
///
/// Two errors are told apart: that of few random vectors, by standard errors, and that of few Lanczos steps, by a bound. A
/// smaller σ shows more detail and needs more steps.
///
/// - Source: L. Lin, Y. Saad, C. Yang, *Approximating spectral densities of large matrices*, SIAM Review 58 (2016), 3.2; B.
///   Ghorbani, S. Krishnan, Y. Xiao, *An investigation into neural net optimization via Hessian eigenvalue density*, ICML
///   2019, algorithm 2.
public struct SpectralDensity: Sendable {
  /// t, ascending.
  public let grid: [Double]
  /// φ(t).
  public let density: [Double]
  /// One standard deviation of every φ(t), from the spread over starting vectors; infinite if there is only one.
  public let standardErrors: [Double]
  /// Φ(t), the share of eigenvalues below t.
  public let cumulative: [Double]
  /// One standard deviation of every Φ(t).
  public let cumulativeStandardErrors: [Double]
  /// σ, in units of the eigenvalues.
  public let width: Double
  /// The most by which any φ(t) may be off because the quadrature has finitely many nodes. Proved for a spectrum within
  /// ``LanczosQuadrature/bounds``, rounding aside, and cautious.
  public let quadratureBound: Double
  /// The same for Φ(t).
  public let cumulativeQuadratureBound: Double
  /// How it was made.
  public let method: EstimationMethod
  /// The starting vectors.
  public let probes: Int
  /// The Lanczos steps from each.
  public let steps: Int
  /// Products of the operator with single vectors.
  public let products: Int
}

extension LanczosQuadrature {
  /// The density of the eigenvalues on a grid.
  ///
  /// - Parameters:
  ///   - width: σ; by default the least for which the steps certainly resolve it: the bound of the quadrature's error is 1 %
  ///     of the height σ⁻¹/√2π of a single Gaussian. That is about the diameter of the spectrum over the steps. A number
  ///     that is not positive and finite stops.
  ///   - grid: where; by default every σ/2 over the spectrum and 6 σ to both sides, at 4096 points at most. Numbers that are
  ///     not finite stop.
  /// - Returns: density, cumulative share and errors.
  /// - Complexity: one exponential and one error function for each node and point.
  public func density(width: Double? = nil, on grid: [Double]? = nil) -> SpectralDensity {
    let half = (bounds.upperBound - bounds.lowerBound) / 2
    // All eigenvalues equal: any width shows them.
    let reach = half > 0 ? half : bounds.lowerBound != 0 ? abs(bounds.lowerBound) : 1
    let sigma = width ?? reach * GaussianQuadratureBound.resolvedWidth(steps: steps)
    guard sigma > 0, sigma.isFinite else { stop("density", "the width must be positive and finite", got: "\(sigma)") }
    let grid = grid ?? defaultGrid(sigma)
    if let bad = grid.first(where: { !$0.isFinite }) { stop("density", "the grid must be finite", got: "\(bad)") }
    var density = SampleMoments(shape: [grid.count])
    var cumulative = density
    let points = Tensor(grid).expanded(at: 1)
    for rule in rules {
      let (x, weights) = ((points - Tensor(rule.nodes)) / sigma, Tensor(rule.weights))
      density.add(matmul(exp(square(x) * -0.5), weights) / (sigma * (2 * Double.pi).squareRoot()))
      cumulative.add(matmul(erf(x * 0.5.squareRoot()) * 0.5 + 0.5, weights))
    }
    let bound = GaussianQuadratureBound(steps: steps, width: sigma / reach)
    return SpectralDensity(
      grid: grid, density: density.mean.scalars, standardErrors: density.standardError.scalars,
      cumulative: cumulative.mean.scalars, cumulativeStandardErrors: cumulative.standardError.scalars, width: sigma,
      quadratureBound: isExact ? 0 : bound.density / (sigma * (2 * Double.pi).squareRoot()),
      cumulativeQuadratureBound: isExact ? 0 : bound.cumulative, method: .lanczosQuadrature, probes: rules.count,
      steps: steps, products: products)
  }

  private func defaultGrid(_ sigma: Double) -> [Double] {
    let (first, last) = (bounds.lowerBound - 6 * sigma, bounds.upperBound + 6 * sigma)
    let count = Int(min(4096, ((last - first) / (sigma / 2)).rounded(.up) + 1))
    return (0..<count).map { first + (last - first) * Double($0) / Double(count - 1) }
  }
}

/// How far a Gauss rule may be off for a Gaussian, on a spectrum that is moved and scaled to [−1, 1].
///
/// For a function that is at most M in the ellipse with foci ±1 and half-axes that add up to ρ, the best polynomial of degree
/// d is within 2 M ρ^(−d) / (ρ − 1), and a rule of m nodes with weights of sum 1 within twice that for d = 2 m − 1. For the
/// Gaussian M = exp(b² / 2σ²) times its height, b = (ρ − 1/ρ) / 2. Its integral is closer to polynomials by the factor
/// π / 2(d + 1) than the Gaussian itself is to those of degree d − 1 (Jackson). The best ρ is looked for.
///
/// - Source: L. Trefethen, *Approximation Theory and Approximation Practice* (2013), theorems 8.2 and 19.3; E. Cheney,
///   *Introduction to Approximation Theory* (1966), chapter 4.6.
struct GaussianQuadratureBound {
  /// Relative to the height of the Gaussian; at most 1.
  let density: Double
  /// For the integral of the Gaussian, which is a share; at most 1.
  let cumulative: Double

  /// - Parameter width: σ, relative to half the diameter of the spectrum.
  init(steps m: Int, width: Double) {
    func best(degree: Int) -> Double {
      var least = Double.infinity
      for place in 0...400 {
        // ρ from 1.001 to about 400, by equal ratios of its logarithm.
        let logarithm = 0.001 * exp(Double(place) / 400 * log(6000))
        let b = sinh(logarithm) / width
        least = min(least, b * b / 2 - Double(degree) * logarithm - log(expm1(logarithm)))
      }
      return 2 * exp(least)
    }
    density = min(1, 2 * best(degree: 2 * m - 1))
    let height = 1 / (width * (2 * Double.pi).squareRoot())
    cumulative = min(1, 2 * Double.pi / Double(4 * m) * height * best(degree: 2 * m - 2))
  }

  /// The least width, relative to half the diameter of the spectrum, at which the density's bound is 1 % of the height.
  static func resolvedWidth(steps: Int) -> Double {
    var (low, high) = (1e-6, 1e3)
    for _ in 0..<60 {
      let middle = (low * high).squareRoot()
      if GaussianQuadratureBound(steps: steps, width: middle).density <= 0.01 { high = middle } else { low = middle }
    }
    return high
  }
}
