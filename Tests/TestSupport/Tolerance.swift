import AutoDiff

/// How far two results that should agree may lie apart, relative to the larger norm of the two.
package struct Tolerance: Sendable {
  package let name: String
  package let float64: Double
  package let float32: Double

  package init(name: String, float64: Double, float32: Double) {
    (self.name, self.float64, self.float32) = (name, float64, float32)
  }

  /// The same arithmetic, up to rounding and the order of sums.
  package static let exact = Tolerance(name: "exact", float64: 2e-14, float32: 1e-5)
  /// Two formulas for the same quantity, such as forward and reverse mode.
  package static let analytic = Tolerance(name: "analytic", float64: 1e-12, float32: 2e-4)
  /// A derivative and a difference quotient.
  package static let finiteDifference = Tolerance(name: "finite difference", float64: 1e-6, float32: 2e-2)

  /// The tolerance for results of which the coarser has this type.
  package func limit(for type: ScalarType) -> Double { type == .float64 ? float64 : float32 }
}
