/// The QL iteration with implicit shifts: eigenvalues of a symmetric tridiagonal matrix, and vectors of a small one.
///
/// - Source: H. Bowdler, R. S. Martin, C. Reinsch, J. H. Wilkinson, *The QR and QL algorithms for symmetric matrices*,
///   Numer. Math. 11 (1968).
enum ImplicitQL<T: LoopScalar> {
  /// No eigenvalue is known to need more than a handful.
  static var iterationLimit: Int { 60 }

  /// What changes no eigenvalue of a matrix whose largest entry is near 1 by more than rounding does.
  static var negligible: T { T.ulpOfOne / 8 }

  /// Overwrites `d` with the eigenvalues, in no order; `e` is destroyed.
  ///
  /// - Parameters:
  ///   - d: The n diagonal entries; the largest entry of the matrix is near 1, or the matrix is part of one.
  ///   - e: The n − 1 entries beside them, and one more that is used as memory.
  ///   - rows: Where not nil, n rows that take part in every rotation: those of the identity become the eigenvectors.
  /// - Returns: The index of an eigenvalue that did not converge.
  @inline(__always)
  static func iterate(
    _ d: UnsafeMutablePointer<T>, _ e: UnsafeMutablePointer<T>, n: Int, rows: UnsafeMutablePointer<T>?, rowStride: Int
  ) -> Int? {
    if n == 0 { return nil }
    e[n - 1] = 0
    for l in 0..<n {
      var iterations = 0
      while true {
        var m = l
        while m < n - 1 {
          let size = abs(d[m]) + abs(d[m + 1])
          guard abs(e[m]) > max(negligible, T.ulpOfOne / 2 * size) else { break }
          m += 1
        }
        if m == l { break }
        iterations += 1
        if iterations > iterationLimit { return l }
        // Wilkinson's shift, the eigenvalue of the leading 2 × 2 block that is closer to its first entry.
        let ratio = (d[l + 1] - d[l]) / (2 * e[l])
        let root = (ratio * ratio + 1).squareRoot()
        var g = d[m] - d[l] + e[l] / (ratio + (ratio < 0 ? -root : root))
        var (s, c, p): (T, T, T) = (1, 1, 0)
        var i = m - 1
        while i >= l {
          let f = s * e[i]
          let b = c * e[i]
          let r = length(f, g)
          e[i + 1] = r
          if r == 0 { break }
          s = f / r
          c = g / r
          let shifted = d[i + 1] - p
          let t = (d[i] - shifted) * s + 2 * c * b
          p = s * t
          d[i + 1] = shifted + p
          g = c * t - b
          if let rows {
            VectorLoops.rotate(rows + i * rowStride, rows + (i + 1) * rowStride, cosine: c, sine: -s, n)
          }
          i -= 1
        }
        if i >= l {
          // The chase ended early on an entry that is zero to working precision.
          d[i + 1] -= p
        } else {
          d[l] -= p
          e[l] = g
        }
        e[m] = 0
      }
    }
    return nil
  }

  /// √(f² + g²), also where the squares leave the range of the type.
  @inline(__always)
  private static func length(_ f: T, _ g: T) -> T {
    let square = f * f + g * g
    if square > T.leastNormalMagnitude / T.ulpOfOne { return square.squareRoot() }
    let larger = max(abs(f), abs(g))
    if larger == 0 { return 0 }
    return larger * ((f / larger) * (f / larger) + (g / larger) * (g / larger)).squareRoot()
  }
}
