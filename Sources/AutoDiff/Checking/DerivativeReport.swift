import Foundation

/// What ``checkDerivatives(of:at:orders:directions:seed:tolerance:batching:)`` found.
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
    /// ⟨ȳ, Jẋ⟩ = ⟨Jᵀȳ, ẋ⟩, and entry by entry where J is small.
    case adjoint = "Pullback against forward derivative"
    /// The derivative of a `.float32` function = the same rules in double precision, but for rounding.
    case precision = "Derivative in float32 against the same in float64"
    /// `vmap` of f, of its forward derivative and of its pullback = a loop over examples.
    case batching = "vmap against a loop"
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

  /// A derivative of which the differences cannot tell whether it is right.
  public struct Unresolved: Sendable, CustomStringConvertible {
    /// Why they cannot.
    public enum Reason: Sendable, Equatable {
      /// The slopes on both sides of x differ: a kink lies at x, or nearer than `distance`, in units of the entry or,
      /// along a random direction, of x.
      case kink(left: Double, right: Double, distance: Double)
      /// The function jumps, or is too noisy to have a derivative.
      case jump
      /// The function, or its derivative, loses so many digits that the difference shows only this share of it.
      case rounding(share: Double)
      /// f throws, or is not finite, at all points near x along the direction.
      case outsideDomain
    }

    /// The order of the derivative.
    public let order: Int
    /// The function whose first derivative it is: `f`, or one made from derivatives of f.
    public let function: String
    /// The input entry; nil for a random direction through all of them.
    public let input: Place?
    /// The output entry.
    public let output: Place?
    /// Why nothing can be said.
    public let reason: Reason

    /// One sentence with a remedy.
    public var description: String {
      var text = "\(function)"
      if order > 1 { text += " (order \(order))" }
      text += input.map { ", input \($0)" } ?? ", along a random direction"
      if let output { text += ", output \(output)" }
      switch reason {
      case .kink(let left, let right, let distance):
        let slopes = String(format: "%.6g from the left and %.6g from the right", left, right)
        let place = String(format: "%.2g", distance)
        return text + ": a kink within \(place) of x, with slopes \(slopes); try a point farther from it"
      case .jump: return text + ": the function jumps at x, or is too noisy to have a derivative; try another point"
      case .rounding(let share):
        let seen = String(format: "%.1g", share)
        return text + ": rounding hides errors up to \(seen) of the derivative; scale f or x so that f loses fewer "
          + "digits, or allow a larger tolerance"
      case .outsideDomain:
        return text + ": f throws or is not finite at all points nearby; try a point farther inside its domain"
      }
    }
  }

  /// Whether rules of batching are checked with the derivatives.
  public enum Batching: Sendable {
    /// f is not run under `vmap`.
    case unchecked
    /// f, its forward derivative and its pullback are also run under `vmap`, at x and two points near it. Functions whose
    /// control flow reads numbers stop there.
    case checked
  }

  /// What a check says of the derivatives.
  public enum Verdict: String, Sendable {
    /// All laws hold, and the differences are sharp enough to tell.
    case right
    /// Some law does not hold.
    case wrong
    /// No law is seen to fail, but for some derivative nothing can be said.
    case undecided
  }

  /// The laws that do not hold at the first function and direction where any does not; empty if all hold everywhere.
  public internal(set) var failures: [Failure] = []
  /// The derivatives of which nothing can be said, and why. Orders above the first such are not looked at.
  public internal(set) var unresolved: [Unresolved] = []
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

  /// Right, wrong, or undecided.
  public var verdict: Verdict { !failures.isEmpty ? .wrong : unresolved.isEmpty ? .right : .undecided }

  /// Whether every law holds, and the differences could tell.
  public var passed: Bool { verdict == .right }

  /// Throws this report unless the verdict is ``Verdict/right``.
  public func requirePassed() throws(DerivativeReport) { if !passed { throw self } }

  /// One paragraph.
  public var description: String {
    let name =
      orders.count == 1 ? "order \(orders.lowerBound)" : "orders \(orders.lowerBound) to \(orders.upperBound)"
    func order(_ observed: Double?) -> String { observed.map { String(format: "%.2f", $0) } ?? "none seen" }
    let observed =
      String(format: "differences resolve %.1g relative, allowed are %.1g", resolution, tolerance)
      + "; remainder orders \(order(firstRemainderOrder)) and \(order(secondRemainderOrder)); seed \(seed)"
    switch verdict {
    case .right: return "Derivatives of \(name) are right in \(comparisons) comparisons (\(observed))."
    case .undecided:
      let rest = unresolved.count > 3 ? ". And \(unresolved.count - 3) more" : ""
      return "Derivatives of \(name) are undecided. " + unresolved.prefix(3).map { "\($0)" }.joined(separator: ". ")
        + "\(rest). (\(observed).)"
    case .wrong: break
    }
    return "Derivatives are wrong. " + failures.map { "\($0)" }.joined(separator: ". ") + ". (\(observed).)"
  }
}
