/// Checks the derivatives of a function at a point against the function itself.
///
/// In a test: `try checkDerivatives(of: f, at: x).requirePassed()`, which throws the report, or
/// `#expect(report.passed, "\(report)")`. Checked are, along random directions of the magnitude of x,
///
/// - the forward derivative against central differences, extrapolated from a ladder of steps of which the best is taken;
/// - how the Taylor remainder shrinks: f(x + hd) − f(x) − h·Jd like h², and with the second-order term like h³;
/// - the pullback by ⟨ȳ, Jẋ⟩ = ⟨Jᵀȳ, ẋ⟩;
///
/// and for higher orders the same of the functions x ↦ ∇⟨ȳ, f(x)⟩ and x ↦ f′(x)·d, so that modes nest in every order, and
/// the symmetry of the Hessian. Where a law fails, the input entry to blame is found by bisection.
///
/// Linear, constant and locally constant functions pass. At kinks, where there is no derivative, the check fails.
/// A relative difference of 0.1 % is seen in both types: `.float64` resolves about 10⁻¹⁰ of the largest entry of a
/// derivative, `.float32` about 10⁻⁵, less where f itself loses digits; the report's `resolution` tells.
///
/// - Parameters:
///   - f: the function, between any trees; smooth near x.
///   - x: where. Constants of `f` that are not to be differentiated belong into the closure.
///   - orders: which derivatives; by default the first and the second. Third derivatives cost about six times as much.
///   - directions: how many random directions; trees of several leaves add one for every one of the first eight leaves.
///   - seed: of the directions.
///   - tolerance: the relative difference from central differences that is allowed, in the largest norm of a leaf; by
///     default 10⁻⁶ for `.float64` and 2·10⁻⁴ for `.float32`; twice as much for every further order. Identities that
///     hold but for rounding are held to 10⁻⁹ and 10⁻⁴, four times as much for every further order.
/// - Returns: the report; nothing is thrown but what `f` throws.
/// - Complexity: per direction about 35 evaluations of f for order 1, twice as many gradients of f for order 2, four
///   times as many gradients of gradients for order 3.
public func checkDerivatives<T: TensorTree, Out: TensorTree>(
  of f: (T) throws -> Out, at x: T, orders: ClosedRange<Int> = 1...2, directions: Int = 2, seed: UInt64 = 0,
  tolerance: Double? = nil
) rethrows -> DerivativeReport {
  if orders.lowerBound < 1 { stop("checkDerivatives", "orders start at 1", got: "\(orders)") }
  if directions < 1 { stop("checkDerivatives", "at least one direction is needed", got: "\(directions)") }
  let leaves = x.leaves
  let value = try f(x).leaves
  let epsilon = (leaves + value).map(\.scalarType.epsilon).max() ?? ScalarType.float64.epsilon
  var check = DerivativeCheck(
    x: leaves, epsilon: epsilon, directionCount: directions,
    report: DerivativeReport(
      orders: orders, seed: seed, tolerance: tolerance ?? (epsilon < 1e-10 ? 1e-6 : 2e-4)))
  try check.run(
    { try f(x.replacingLeaves(with: $0)).leaves }, order: 1, name: "f", isGradient: false,
    magnitudes: value.map { largest($0.scalars) })
  return check.report
}
