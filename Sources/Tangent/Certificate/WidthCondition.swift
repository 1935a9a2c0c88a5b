import AutoDiff
import Foundation

/// The width m ≥ C′ (n/λ)³ (ln m)^C ln(n/ε)² from which training of the hierarchy's network converges, in numbers.
///
/// The theorem says that there are constants C and C′, "large", and not which. So the condition can be refuted, for all
/// C′ ≥ 1 and C ≥ 0, but never proved; ``admissibleConstant`` is the C′ (ln m)^C up to which it would hold. (For m ≤ 2, where
/// ln m < 1, it is not refuted either: large C make it hold.)
///
/// - Source: Huang and Yau, *Dynamics of deep neural networks and neural tangent hierarchy* (2020), Corollary 2.5, (13), (14).
public struct WidthCondition: Sendable {
  /// m against (n/λ)³ ln(n/ε)².
  public let condition: CertificateCondition
  /// m / ((n/λ)³ ln(n/ε)²).
  public let admissibleConstant: Bracket

  /// The verdict.
  public var verdict: Verdict { condition.verdict }

  /// Holds a width against the condition.
  ///
  /// - Parameters:
  ///   - width: m, at least 1.
  ///   - count: n, the number of examples, at least 1.
  ///   - smallestEigenvalue: λ, of the tangent kernel at the start.
  ///   - accuracy: ε, the Σ r² that is to be reached; positive and less than n.
  public init(width: Int, count: Int, smallestEigenvalue: Bracket, accuracy: Double) {
    guard width >= 1, count >= 1, accuracy > 0, accuracy < Double(count) else {
      stop(
        "WidthCondition", "needs a width, examples, and an accuracy between 0 and their number",
        got: "width \(width), \(count) examples, accuracy \(accuracy)")
    }
    let (m, n) = (Double(width), Double(count))
    let steps = log(n / accuracy)
    func need(_ lambda: Double) -> Double {
      lambda > 0 ? n / lambda * (n / lambda) * (n / lambda) * steps * steps : .infinity
    }
    let (low, high) = (
      need(smallestEigenvalue.upper.value) * (1 - 1e-12), need(smallestEigenvalue.lower.value) * (1 + 1e-12)
    )
    let needed = Bracket(need(smallestEigenvalue.estimate), lower: Bound(low, .derived), upper: Bound(high, .derived))
    admissibleConstant = Bracket(
      m / needed.estimate, lower: Bound(m / high * (1 - 1e-12), .derived), upper: Bound(m / low * (1 + 1e-12), .derived)
    )
    let width = Bracket(m, error: 0, .derived)
    let isTooNarrow = m >= 3 && m < low
    condition = CertificateCondition(
      "width", "m ≥ C′ (n/λ)³ (ln m)^C ln(n/ε)²", isTooNarrow ? .refuted : .undecided, left: needed, right: width,
      reason: isTooNarrow
        ? "m = \(m) is less than (n/λ)³ ln(n/ε)² ≥ \(low), whatever C ≥ 0 and C′ ≥ 1 are"
        : "it would hold for C′ (ln m)^C up to \(m / high), but the theorem names no constants")
  }
}
