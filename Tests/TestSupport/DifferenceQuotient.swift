import AutoDiff

/// Central differences of fourth order along a direction of any length.
package func differenceQuotient<P: TensorTree>(of f: (P) -> Tensor, at p: P, along direction: P) -> Tensor {
  let length = direction.euclideanNorm.scalar
  let h = 1e-3
  func at(_ multiple: Double) -> Tensor { f(p.adding(direction, scaledBy: multiple * h / length)) }
  return ((at(1) - at(-1)) * 8 - (at(2) - at(-2))) * (length / (12 * h))
}
