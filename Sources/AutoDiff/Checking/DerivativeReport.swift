import Foundation

/// What ``checkDerivatives(of:at:orders:directions:seed:tolerance:)`` found.
public struct DerivativeReport: Error, Sendable, CustomStringConvertible {
  /// The laws that are checked.
  public enum Law: String, Sendable {
    /// The function and its derivatives are finite.
    case finite = "Finite values"
    /// Values under a transform are those without it.
    case value = "Value under a transform"
    /// Tangents have the shapes of outputs and cotangents those of inputs.
    case shape = "Shape of the derivative"
    /// Forward derivative = limit of central differences.
    case difference = "Forward derivative against central differences"
    /// The Taylor remainder is of second order, with the second derivative of third order.
    case remainder = "Order of the Taylor remainder"
    /// ⟨ȳ, Jẋ⟩ = ⟨Jᵀȳ, ẋ⟩.
    case adjoint = "Pullback against forward derivative"
    /// Reverse over reverse = forward over reverse.
    case symmetry = "Symmetry of the Hessian"
  }

  /// An entry of a tree, or a leaf.
  public struct Place: Sendable, Equatable, CustomStringConvertible {
    /// The number of the leaf; for a function of several tensors, the argument.
    public let leaf: Int
    /// The index of the entry in the leaf; nil for the whole leaf.
    public let index: [Int]?

    /// Names an entry, or a leaf.
    public init(leaf: Int, index: [Int]? = nil) { (self.leaf, self.index) = (leaf, index) }

    /// "leaf 0 at [1, 2]".
    public var description: String { "leaf \(leaf)" + (index.map { " at \($0)" } ?? "") }
  }

  /// A law that does not hold.
  public struct Failure: Sendable, CustomStringConvertible {
    /// The law.
    public let law: Law
    /// The order of the derivative that is wrong.
    public let order: Int
    /// The function whose first derivative is wrong: `f`, or one made from derivatives of f.
    public let function: String
    /// The output entry with the worst disagreement, if one can be named.
    public let output: Place?
    /// The input entry whose derivative is wrong, if one can be named.
    public let input: Place?
    /// What differentiation gives.
    public let computed: Double
    /// What it should be; not-a-number if that cannot be said.
    public let expected: Double
    /// What the two values are.
    public let quantity: String

    /// One sentence.
    public var description: String {
      var text = "\(law.rawValue) of \(function)"
      if order > 1 { text += " (order \(order))" }
      if let input { text += ", input \(input)" }
      if let output { text += ", output \(output)" }
      if law == .finite { return text + ": \(quantity) is \(computed)" }
      text += ": \(quantity) is \(computed)"
      if expected.isNaN { return text }
      text += " but should be \(expected)"
      let difference = (computed - expected).magnitude / max(computed.magnitude, expected.magnitude)
      if difference.isFinite, law != .remainder { text += String(format: " (relative difference %.2g)", difference) }
      return text
    }
  }

  /// The laws that do not hold at the first function and direction where any does not; empty if all hold everywhere.
  public internal(set) var failures: [Failure] = []
  /// Which orders were checked.
  public let orders: ClosedRange<Int>
  /// The seed that gives the same directions again.
  public let seed: UInt64
  /// The relative difference from central differences that was allowed.
  public let tolerance: Double
  /// The number of comparisons made.
  public internal(set) var comparisons = 0
  /// The largest estimate of the relative error of a central difference: errors of derivatives below are not seen.
  public internal(set) var resolution = 0.0
  /// The smallest observed order of the remainder of f after its first derivative: 2 if right; nil where the remainder
  /// is rounding error throughout, as for linear functions, or shows at too few steps.
  public internal(set) var firstRemainderOrder: Double?
  /// The same after the second derivative: 3 if right.
  public internal(set) var secondRemainderOrder: Double?

  /// Whether every law holds.
  public var passed: Bool { failures.isEmpty }

  /// Throws this report unless every law holds.
  public func requirePassed() throws(DerivativeReport) { if !passed { throw self } }

  /// One paragraph.
  public var description: String {
    let name =
      orders.count == 1 ? "order \(orders.lowerBound)" : "orders \(orders.lowerBound) to \(orders.upperBound)"
    func order(_ observed: Double?) -> String { observed.map { String(format: "%.2f", $0) } ?? "none seen" }
    let observed =
      String(format: "differences resolve %.1g relative, allowed are %.1g", resolution, tolerance)
      + "; remainder orders \(order(firstRemainderOrder)) and \(order(secondRemainderOrder)); seed \(seed)"
    if passed { return "Derivatives of \(name) are right in \(comparisons) comparisons (\(observed))." }
    return "Derivatives are wrong. " + failures.map { "\($0)" }.joined(separator: ". ") + ". (\(observed).)"
  }
}
