/// What a bound of an estimate rests on.
public enum BoundBasis: String, Sendable, CaseIterable {
  /// All eigenvectors were computed, and their residual and departure from orthogonality were bounded, rounding included:
  /// Weyl's theorem.
  case wholeResidual
  /// Ritz values lie inside the spectrum: the i-th from an end is not beyond the i-th eigenvalue (Cauchy's interlacing).
  case interlacing
  /// An eigenvalue lies within the residual of a pair. That it is the one meant is likely, not proved.
  case pairResidual
  /// Gershgorin's disks.
  case gershgorin
  /// The mean and the variance of the eigenvalues, from trace and Frobenius norm (Wolkowicz and Styan 1980).
  case moments
  /// Follows from the bounds of other quantities.
  case derived
  /// The quantity had at least this value at a point that was looked at.
  case attained
  /// Norms and ranges were propagated through the operations of the model, rounding included.
  case propagation
  /// The worst case of rounding in a sum.
  case rounding

  /// Whether the bound is a theorem for the given numbers, rounding aside where the case does not mention it.
  public var isProved: Bool { self != .pairResidual }
}

/// One end of a bracket.
public struct Bound: Sendable, Equatable {
  /// The bound; may be infinite.
  public let value: Double
  /// What it rests on.
  public let basis: BoundBasis

  /// A bound and what it rests on.
  public init(_ value: Double, _ basis: BoundBasis) { (self.value, self.basis) = (value, basis) }
}

/// An estimate between two bounds.
public struct Bracket: Sendable, Equatable {
  /// The best guess.
  public let estimate: Double
  /// The lower end.
  public let lower: Bound
  /// The upper end.
  public let upper: Bound

  /// An estimate and its two ends.
  public init(_ estimate: Double, lower: Bound, upper: Bound) {
    (self.estimate, self.lower, self.upper) = (estimate, lower, upper)
  }

  /// An estimate with the same error to both sides. The ends are rounded outward, unless the error is 0.
  public init(_ estimate: Double, error: Double, _ basis: BoundBasis) {
    let (lower, upper) = error == 0 ? (estimate, estimate) : ((estimate - error).nextDown, (estimate + error).nextUp)
    self.init(estimate, lower: Bound(lower, basis), upper: Bound(upper, basis))
  }

  /// Whether both ends are proved.
  public var isProved: Bool { lower.basis.isProved && upper.basis.isProved }

  /// Whether a number lies between the ends, these included.
  public func contains(_ value: Double) -> Bool { lower.value <= value && value <= upper.value }

  /// The distance between the ends.
  public var width: Double { upper.value - lower.value }
}

extension Bracket: CustomStringConvertible {
  /// The estimate, the ends and what they rest on.
  public var description: String {
    "\(estimate) in [\(lower.value) (\(lower.basis.rawValue)), \(upper.value) (\(upper.basis.rawValue))]"
  }
}
