import AutoDiff

extension DenseSymmetricOperator {
  /// Bounds of all eigenvalues that cost a look at every entry: the better of two theorems at each end.
  ///
  ///     λ ∈ ∪ᵢ [aᵢᵢ − Σ_{j≠i} |aᵢⱼ|, aᵢᵢ + Σ_{j≠i} |aᵢⱼ|]                  Gershgorin
  ///     |λ − m| ≤ s √(n − 1),  m = tr A / n,  s² = ‖A‖²_F / n − m²          Wolkowicz and Styan
  ///
  /// The ends are moved outward by the worst case of rounding. No eigenvalues give 0 and 0.
  ///
  /// - Complexity: n².
  /// - Source: H. Wolkowicz, G. Styan, *Bounds for eigenvalues using traces*, Linear Algebra Appl. 29 (1980), (2.1).
  public var spectrumBounds: (lower: Bound, upper: Bound) {
    let n = dimension
    guard n > 0 else { return (Bound(0, .derived), Bound(0, .derived)) }
    let a = stopGradient(matrix).as(.float64)
    let largest = abs(a).max().scalar
    guard largest > 0 else { return (Bound(0, .gershgorin), Bound(0, .gershgorin)) }
    let unit = largest.binade
    let (entries, count) = ((a / unit).scalars, Double(n))
    var disks = (lower: Double.infinity, upper: -Double.infinity)
    var (trace, squares, magnitudes) = (0.0, 0.0, 0.0)
    for i in 0..<n {
      var radius = 0.0
      for j in 0..<n {
        let entry = entries[i * n + j]
        squares += entry * entry
        if i != j { radius += entry.magnitude }
      }
      let center = entries[i * n + i]
      trace += center
      magnitudes += center.magnitude
      let error = (count + 2) * Double.ulpOfOne * (center.magnitude + radius)
      disks = (min(disks.lower, center - radius - error), max(disks.upper, center + radius + error))
    }
    let mean = trace / count
    let meanError = 2 * Double.ulpOfOne * magnitudes
    let variance = squares / count - mean * mean
    let varianceError = 4 * Double.ulpOfOne * (count * squares + mean * mean) + 2 * mean.magnitude * meanError
    let radius = (max(variance + varianceError, 0) * (count - 1)).squareRoot() * (1 + 4 * Double.ulpOfOne) + meanError
    let slack = 4 * Double.ulpOfOne * (mean.magnitude + radius)
    let moments = (lower: mean - radius - slack, upper: mean + radius + slack)
    func bound(_ value: Double, _ basis: BoundBasis) -> Bound { Bound(value * unit, basis) }
    return (
      disks.lower >= moments.lower ? bound(disks.lower, .gershgorin) : bound(moments.lower, .moments),
      disks.upper <= moments.upper ? bound(disks.upper, .gershgorin) : bound(moments.upper, .moments)
    )
  }
}
