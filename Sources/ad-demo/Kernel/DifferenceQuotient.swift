import AutoDiff

/// The derivative of a function along a direction by central differences of fourth order,
/// (8 (f(h) − f(−h)) − (f(2h) − f(−2h))) / 12h.
///
/// - Parameters:
///   - direction: A direction of length 1.
///   - step: h. At 10⁻³ both errors, h⁴ of the formula and ε/h of rounding, are near 10⁻¹².
func differenceQuotient<P: TensorTree>(
  of f: (P) -> Tensor, at p: P, along direction: P, step: Double = 1e-3
) -> Tensor {
  func at(_ multiple: Double) -> Tensor { f(p.adding(direction, scaledBy: multiple * step)) }
  return ((at(1) - at(-1)) * 8 - (at(2) - at(-2))) / (12 * step)
}
