import AutoDiff

/// How far two results that should agree may lie apart, relative to the larger norm of the two.
struct Tolerance: Sendable {
  let name: String
  let float64: Double
  let float32: Double

  /// The same arithmetic, up to rounding and the order of sums.
  static let exact = Tolerance(name: "exact", float64: 2e-14, float32: 1e-5)
  /// Two formulas for the same quantity, such as forward and reverse mode.
  static let analytic = Tolerance(name: "analytic", float64: 1e-12, float32: 2e-4)
  /// A derivative and a difference quotient.
  static let finiteDifference = Tolerance(name: "finite difference", float64: 1e-6, float32: 2e-2)

  /// The tolerance for results of which the coarser has this type.
  func limit(for type: ScalarType) -> Double { type == .float64 ? float64 : float32 }
}
