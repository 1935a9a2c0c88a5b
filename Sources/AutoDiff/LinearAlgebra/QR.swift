/// The factorization A = Q R with orthonormal columns Q and upper triangular R.
///
/// Householder reflections, in panels that are halved recursively, so that nearly all the work is matrix products.
///
/// - Source: E. Elmroth, F. G. Gustavson, *Applying recursion to serial and parallel QR factorization leads to better
///   performance*, IBM J. Res. Dev. 44 (2000).
enum QR {
  /// The thin factorization: Q is m × k and R is k × n, where k = min(m, n).
  ///
  /// The diagonal of R is not negative, which makes the factors of a matrix of full rank unique.
  ///
  /// - Parameters:
  ///   - a: m × n entries, row-major and contiguous; unchanged.
  ///   - m: The number of rows; 0 is allowed.
  ///   - n: The number of columns; 0 is allowed.
  ///   - q: m × k entries for Q; may be the memory of `a`.
  ///   - r: k × n entries for R.
  /// - Throws: `LinearAlgebraError.notFinite`.
  @specialized(where T == Double)
  @specialized(where T == Float)
  @inline(never)
  static func decompose<T: LoopScalar>(
    _ a: UnsafePointer<T>, rows m: Int, columns n: Int, q: UnsafeMutablePointer<T>, r: UnsafeMutablePointer<T>
  ) throws(LinearAlgebraError) {
    let k = min(m, n)
    if k == 0 { return }
    let scale = try MatrixScale.divisor(a, rows: m, columns: n)
    withPooledScratch(T.self, (n + k) * m + k) { columns in
      let (target, tau) = (columns + n * m, columns + (n + k) * m)
      VectorLoops.transpose(a, rows: m, columns: n, into: columns)
      if scale != 1 { VectorLoops.scale(columns, by: 1 / scale, n * m) }
      let factors = HouseholderColumns(columns: columns, length: m, tau: tau)
      factors.reflect(k: k, n: n)
      let signs: [T] = (0..<k).map { columns[$0 * (m + 1)] < 0 ? -1 : 1 }
      for i in 0..<k {
        for j in 0..<i { r[i * n + j] = 0 }
        for j in i..<n { r[i * n + j] = columns[j * m + i] * signs[i] * scale }
      }
      factors.formColumns(k: k, signs: signs, into: target)
      VectorLoops.transpose(target, rows: k, columns: m, into: q)
    }
  }
}

/// A matrix by its columns, which Householder reflections turn into a triangle: entry j of column j and those above are
/// R, those below are vector j without its leading 1.
private struct HouseholderColumns<T: LoopScalar> {
  /// One column after the other.
  let columns: UnsafeMutablePointer<T>
  let length: Int
  let tau: UnsafeMutablePointer<T>

  private var panelExtent: Int { 128 }
  private var leafExtent: Int { 8 }

  /// Makes k reflections and applies each to all later columns of n.
  func reflect(k: Int, n: Int) {
    for start in stride(from: 0, to: k, by: panelExtent) {
      let end = min(k, start + panelExtent)
      factor(start..<end)
      if end < n { apply(start..<end, to: end..<n) }
    }
  }

  /// Makes the reflections of some columns, applied to these columns only.
  private func factor(_ range: Range<Int>) {
    if range.count > leafExtent {
      let middle = range.lowerBound + (range.count / 2 + leafExtent - 1) / leafExtent * leafExtent
      factor(range.lowerBound..<middle)
      apply(range.lowerBound..<middle, to: middle..<range.upperBound)
      factor(middle..<range.upperBound)
      return
    }
    for j in range {
      let vector = columns + j * (length + 1)
      let count = length - j
      let (beta, factor) = Householder.makeReflection(vector, count: count)
      tau[j] = factor
      if factor != 0 {
        for i in j + 1..<max(range.upperBound, j + 1) {
          let column = columns + i * length + j
          VectorLoops.add(vector, times: -factor * VectorLoops.dot(vector, column, count), to: column, count)
        }
      }
      vector[0] = beta
    }
  }

  /// Applies the transposed product of some reflections to some columns.
  private func apply(_ reflections: Range<Int>, to range: Range<Int>) {
    let first = reflections.lowerBound
    withBlock(reflections) { v, w in
      reflect(range.count, columns + range.lowerBound * length + first, along: v, by: w)
    }
  }

  /// The first k columns of the product of all reflections, times signs.
  func formColumns(k: Int, signs: [T], into target: UnsafeMutablePointer<T>) {
    target.update(repeating: 0, count: k * length)
    for j in 0..<k { target[j * (length + 1)] = signs[j] }
    for start in stride(from: (k - 1) / panelExtent * panelExtent, through: 0, by: -panelExtent) {
      withBlock(start..<min(k, start + panelExtent)) { v, w in
        reflect(k - start, target + start * (length + 1), along: w, by: v)
      }
    }
  }

  /// Subtracts (X Bᵀ) A from rows X that lie `length` apart.
  @inline(never)
  private func reflect(
    _ count: Int, _ x: UnsafeMutablePointer<T>, along a: MatrixView<T>, by b: MatrixView<T>
  ) {
    withPooledScratch(T.self, count * b.rows) { products in
      let rows = MatrixView(base: UnsafePointer(x), rows: count, columns: a.columns, rowStride: length, columnStride: 1)
      MatrixProduct.multiply(rows, b.transposed, into: products, rowStride: b.rows)
      MatrixProduct.multiply(
        MatrixView(base: UnsafePointer(products), rows: count, columns: b.rows, rowStride: b.rows, columnStride: 1),
        a, into: x, rowStride: length, scale: -1, accumulate: true)
    }
  }

  /// Calls `body` with the vectors V of some reflections, as rows from the first of their entries on, and with W, where
  /// the product of the reflections is I − Wᵀ V and its transpose I − Vᵀ W.
  @inline(never)
  private func withBlock(_ reflections: Range<Int>, _ body: (_ v: MatrixView<T>, _ w: MatrixView<T>) -> Void) {
    let (first, count) = (reflections.lowerBound, reflections.count)
    let width = length - first
    withPooledScratch(T.self, 2 * count * width) { v in
      let w = v + count * width
      for q in 0..<count {
        let row = v + q * width
        row.update(repeating: 0, count: q)
        if tau[first + q] == 0 {
          row.update(repeating: 0, count: width)
        } else {
          row[q] = 1
          (row + q + 1).update(from: columns + (first + q) * (length + 1) + 1, count: width - q - 1)
        }
      }
      func view(_ base: UnsafeMutablePointer<T>) -> MatrixView<T> {
        .init(base: UnsafePointer(base), rows: count, columns: width, rowStride: width, columnStride: 1)
      }
      Householder.solveBlock(view(v), tau: tau + first, into: w)
      body(view(v), view(w))
    }
  }
}
