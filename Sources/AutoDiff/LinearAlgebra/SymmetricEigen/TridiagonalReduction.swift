/// Reduction of a symmetric matrix to tridiagonal form, Qᵀ A Q = T, by Householder reflections.
///
/// Reflections are collected in panels. Within a panel the matrix stays as it is, and a column costs one product of the
/// rest of the matrix with a vector, bound by memory; so only the upper half is read. After a panel the matrix receives
/// all its reflections as one matrix product, A − Vᵀ W − Wᵀ V.
///
/// - Source: J. J. Dongarra, S. J. Hammarling, D. C. Sorensen, *Block reduction of matrices to condensed forms*,
///   J. Comput. Appl. Math. 27 (1989).
struct TridiagonalReduction<T: LoopScalar> {
  let n: Int
  /// n rows of `stride` entries, of which the upper half is read. Row i becomes the vector of reflection i, with its 1 in
  /// column i + 1. The lower half must hold finite numbers and the columns from n on zeros.
  let a: UnsafeMutablePointer<T>
  let stride: Int
  /// The results: n entries on the diagonal, n − 1 beside it, n − 1 factors of the reflections.
  let d: UnsafeMutablePointer<T>
  let e: UnsafeMutablePointer<T>
  let tau: UnsafeMutablePointer<T>

  private static var panelExtent: Int { 32 }

  /// The distance between rows: whole groups of four vectors, so that no loop along a row has a remainder.
  static func stride(for n: Int) -> Int {
    let unit = FourLanes<T.Lanes>.count
    let stride = (n + unit - 1) / unit * unit
    // Rows at a distance of whole pages would compete for the same places of the cache.
    return stride * MemoryLayout<T>.stride % 4096 == 0 ? stride + unit : stride
  }

  /// The working memory of a panel.
  private struct Panel {
    let start: Int
    let end: Int
    /// The vectors w, one row for each reflection, and another row to write to.
    let w: UnsafeMutablePointer<T>
    /// A copy of the vector of the present reflection.
    let v: UnsafeMutablePointer<T>
    /// For each earlier reflection of the panel −w·v, −v·v', and minus the entries of v and w in the next row.
    let factors: UnsafeMutablePointer<T>
    let product: UpperHalfProduct<T>
  }

  func run() {
    typealias Product = UpperHalfProduct<T>
    let extent = Self.panelExtent
    let rows = extent + 2 + Product.mostPieces
    withPooledScratch(T.self, rows * stride + 4 * extent + Product.maskCount) { memory in
      memory.update(repeating: 0, count: (extent + 2) * stride)
      let factors = memory + rows * stride
      Product.fillMask(factors + 4 * extent)
      let product = Product(
        a: a, n: n, stride: stride, partial: memory + (extent + 2) * stride, mask: factors + 4 * extent)
      for start in Swift.stride(from: 0, to: n, by: extent) {
        let panel = Panel(
          start: start, end: min(n, start + extent), w: memory, v: memory + (extent + 1) * stride, factors: factors,
          product: product)
        for i in start..<panel.end { reduceRow(i, panel) }
        if panel.end < n { updateTrailing(panel) }
      }
    }
  }

  /// Makes reflection i and its vector w, and prepares row i + 1.
  private func reduceRow(_ i: Int, _ panel: Panel) {
    let row = a + i * stride
    let count = i - panel.start
    if count > 0 {
      // The step before has applied the earlier reflections of the panel to this row, save the newest.
      let (v, w) = (row - stride, panel.w + (count - 1) * stride)
      VectorLoops.add(w + i, times: -v[i], to: row + i, n - i)
      VectorLoops.add(v + i, times: -w[i], to: row + i, n - i)
    }
    d[i] = row[i]
    if i == n - 1 { return }
    (e[i], tau[i]) = Householder.makeReflection(row + i + 1, count: n - i - 1)

    let left = (i + 1) / FourLanes<T.Lanes>.count * FourLanes<T.Lanes>.count
    let v = panel.v
    // Vectors have zeros to the left, so that all loops may begin there.
    (row + left).update(repeating: 0, count: i + 1 - left)
    (v + left).update(from: row + left, count: stride - left)
    let pieces = panel.product.pieces(from: i + 1)
    let pieceCount = tau[i] == 0 ? 0 : pieces.count
    // The products of v with the panel are tasks beside those with the matrix.
    let reflectionsPerTask = 8
    let dotTasks = (count + reflectionsPerTask - 1) / reflectionsPerTask
    func runTask(_ task: Int) {
      if task < pieceCount { return panel.product.multiply(pieces, task, v, left: left) }
      let first = (task - pieceCount) * reflectionsPerTask
      for q in first..<min(count, first + reflectionsPerTask) {
        let (vector, w, factors) = (a + (panel.start + q) * stride, panel.w + q * stride, panel.factors + 4 * q)
        factors[0] = -VectorLoops.dot(w + left, v + left, stride - left)
        factors[1] = -VectorLoops.dot(vector + left, v + left, stride - left)
        factors[2] = -vector[i + 1]
        factors[3] = -w[i + 1]
      }
    }
    if pieceCount > 1 {
      ThreadTeam.run(pieceCount + dotTasks, runTask)
    } else {
      for task in 0..<pieceCount + dotTasks { runTask(task) }
    }
    finishRow(i, panel, left: left, pieces: pieceCount)
  }

  /// w = τ y − ½ τ² (y·v) v with y = A v − Vᵀ (W v) − Wᵀ (V v); and row i + 1 receives the panel's earlier reflections.
  private func finishRow(_ i: Int, _ panel: Panel, left: Int, pieces: Int) {
    typealias Four = FourLanes<T.Lanes>
    let count = i - panel.start
    let w = panel.w + count * stride
    // After the last row of a panel the matrix receives everything at once.
    let next = i + 1 < panel.end ? a + (i + 1) * stride : panel.w + Self.panelExtent * stride
    let partial = panel.product.partial
    var total = Four(repeating: 0)
    for c in Swift.stride(from: left, to: stride, by: Four.count) {
      var y = Four(repeating: 0)
      for piece in 0..<pieces { y.add(Four(partial + piece * stride + c)) }
      var rest = Four(next + c)
      for q in 0..<count {
        let (vector, earlier) = (Four(a + (panel.start + q) * stride + c), Four(panel.w + q * stride + c))
        let factors = panel.factors + 4 * q
        y.add(vector, times: factors[0])
        y.add(earlier, times: factors[1])
        rest.add(earlier, times: factors[2])
        rest.add(vector, times: factors[3])
      }
      rest.store(next + c)
      y.store(w + c)
      total.add(y, times: Four(panel.v + c))
    }
    let product = ((total.a + total.b) + (total.c + total.d)).sum()
    VectorLoops.scale(w + left, by: tau[i], stride - left)
    let factor: T = -tau[i] * tau[i] * product / 2
    VectorLoops.add(panel.v + left, times: factor, to: w + left, stride - left)
    (w + left).update(repeating: 0, count: i + 1 - left)
  }

  /// A − Vᵀ W − Wᵀ V for the rows and columns behind the panel, as one product of [V, W] and [W, V].
  private func updateTrailing(_ panel: Panel) {
    let count = panel.end - panel.start
    let columns = n - panel.end
    withPooledScratch(T.self, 4 * count * columns) { left in
      let right = left + 2 * count * columns
      for q in 0..<count {
        let (v, w) = (a + (panel.start + q) * stride + panel.end, panel.w + q * stride + panel.end)
        (left + q * columns).update(from: v, count: columns)
        (left + (count + q) * columns).update(from: w, count: columns)
        (right + q * columns).update(from: w, count: columns)
        (right + (count + q) * columns).update(from: v, count: columns)
      }
      func view(_ base: UnsafeMutablePointer<T>) -> MatrixView<T> {
        .init(base: UnsafePointer(base), rows: 2 * count, columns: columns, rowStride: columns, columnStride: 1)
      }
      TriangleProduct.add(
        .upper, view(left).transposed, view(right), scale: -1, to: a + panel.end * (stride + 1), rowStride: stride)
    }
  }
}
