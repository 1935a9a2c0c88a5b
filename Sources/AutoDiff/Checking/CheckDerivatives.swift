/// Checks the derivatives of a function at a point against the function itself.
///
/// In a test: `try checkDerivatives(of: f, at: x).requirePassed()`, which throws the report, or
/// `#expect(report.passed, "\(report)")`. Checked are, along random directions of the magnitude of x and along every
/// entry of x by itself if there are at most 256 (64 for second, 16 for third derivatives; else along eight of them),
///
/// - the forward derivative, entry by entry, against central differences, extrapolated from a ladder of steps of which the
///   best is taken;
/// - how the Taylor remainder shrinks: f(x + hd) − f(x) − h·Jd like h², and with the second-order term like h³;
/// - the pullback by ⟨ȳ, Jẋ⟩ = ⟨Jᵀȳ, ẋ⟩, and row by row against the forward derivatives;
///
/// and for higher orders the same of the functions x ↦ ∇⟨ȳ, f(x)⟩ and x ↦ f′(x)·d, so that modes nest in every order, and
/// the symmetry of the Hessian. What f contains is checked with it, also `vmap` inside f.
///
/// A function of `.float32` is checked in double precision, with the same rules, and its own derivative against that; so
/// differences resolve about 10⁻¹⁰ of the derivative in both types, less where f loses digits. The report's `resolution`
/// tells. A relative error of 0.1 % in a single entry is seen.
///
/// There are three verdicts. *Wrong* is only what neither the error of the differences nor the rounding of the derivative
/// explains, and what differences at other points confirm. *Undecided* is where an error of 0.1 % could hide: at a kink
/// or jump, where f loses too many digits, or where f throws or is not finite all around x; the report names the entry,
/// the reason and a remedy. Where f throws or is not finite at some steps only, smaller steps or those of one side do.
/// Linear, constant, locally constant and saturated functions are right. Neither wrong nor undecided passes.
///
/// - Parameters:
///   - f: the function, between any trees; smooth near x.
///   - x: where. Constants of `f` that are not to be differentiated belong into the closure.
///   - orders: which derivatives; by default the first and the second. Third derivatives cost about six times as much.
///   - directions: how many random directions; trees of several leaves add one for every one of the first eight leaves.
///   - seed: of the directions.
///   - tolerance: the relative difference that is allowed, entry by entry: from central differences, by default 10⁻⁶; and
///     of a `.float32` derivative from that in double precision, by default 2·10⁻⁴. Twice as much for every further order.
///     Identities that hold but for rounding are held to 10⁻⁹, four times as much for every further order. Since rules of
///     float32 functions may bring along constants of that type, both are 2·10⁻⁵ and 10⁻⁵ for them.
///   - batching: whether f, its forward derivative and its pullback are also compared with themselves under `vmap`.
/// - Returns: the report. Nothing is thrown but what `f` throws at x; elsewhere a throw is the end of the domain.
/// - Complexity: for order 1 and n entries of which all are looked at, about 45 + 6n evaluations of f and n forward
///   derivatives, and a pullback for every output entry; as much of the gradient for order 2, and so on. Where something
///   is in doubt, 45 evaluations for every entry concerned.
public func checkDerivatives<T: TensorTree, Out: TensorTree>(
  of f: (T) throws -> Out, at x: T, orders: ClosedRange<Int> = 1...2, directions: Int = 2, seed: UInt64 = 0,
  tolerance: Double? = nil, batching: DerivativeReport.Batching = .unchecked
) rethrows -> DerivativeReport {
  if orders.lowerBound < 1 { stop("checkDerivatives", "orders start at 1", got: "\(orders)") }
  if directions < 1 { stop("checkDerivatives", "at least one direction is needed", got: "\(directions)") }
  let leaves = x.leaves
  let isSingle = (leaves + (try f(x).leaves)).contains { $0.scalarType == .float32 }
  let check = DerivativeCheck(
    x: leaves, isSingle: isSingle, directionCount: directions, batching: batching, tolerance: tolerance,
    report: DerivativeReport(orders: orders, seed: seed, tolerance: tolerance ?? (isSingle ? 2e-4 : 1e-6)))
  withoutActuallyEscaping(f) { f in check.run { try f(x.replacingLeaves(with: $0)).leaves } }
  return check.report
}
