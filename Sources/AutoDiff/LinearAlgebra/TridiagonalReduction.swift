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
  /// A multiple of the vector length.
  let stride: Int
  /// The results: n entries on the diagonal, n − 1 beside it, n − 1 factors of the reflections.
  let d: UnsafeMutablePointer<T>
  let e: UnsafeMutablePointer<T>
  let tau: UnsafeMutablePointer<T>

  static func stride(for n: Int) -> Int {
    let stride = (n + unit - 1) / unit * unit
    // Rows at a distance of whole pages would compete for the same places of the cache.
    return stride * MemoryLayout<T>.stride % 4096 == 0 ? stride + 64 / MemoryLayout<T>.stride : stride
  }

  /// Columns begin and rows are taken in multiples of this.
  private static var unit: Int { max(4, T.Lanes.count) }
  private static var panelExtent: Int { 32 }
  private static var mostPieces: Int { 16 }

  @inline(__always)
  func run() {
    let panel = Self.panelExtent
    let steps = Self.steps
    // W, the vector, one partial product per piece, and the coefficients of the panel.
    withScratch(T.self, (panel + 1 + Self.mostPieces) * stride + 4 * panel + 64 + steps.count) { memory in
      memory.update(repeating: 0, count: (panel + 1) * stride)
      let ramp = memory + (panel + 1 + Self.mostPieces) * stride + 4 * panel + 64
      for (i, step) in steps.enumerated() { ramp[i] = step }
      let workspace = Workspace(
        w: memory, v: memory + panel * stride, partial: memory + (panel + 1) * stride,
        coefficients: memory + (panel + 1 + Self.mostPieces) * stride, ramp: ramp + Self.rampOrigin)
      var start = 0
      while start < n {
        let end = min(n, start + panel)
        for i in start..<end { reduceRow(i, panel: start, end: end, workspace) }
        if end < n { updateTrailing(start, end, workspace.w) }
        start = end
      }
    }
  }

  private struct Workspace {
    let w: UnsafeMutablePointer<T>
    let v: UnsafeMutablePointer<T>
    let partial: UnsafeMutablePointer<T>
    let coefficients: UnsafeMutablePointer<T>
    let ramp: UnsafeMutablePointer<T>
  }

  /// Zeros up to the origin and ones behind it: read at a distance, the mask of the columns right of the diagonal.
  private static var steps: [T] {
    (0..<rampOrigin + 2 * T.Lanes.count + 8).map { $0 > rampOrigin ? 1 : 0 }
  }
  private static var rampOrigin: Int { T.Lanes.count + 8 }

  private func aligned(_ column: Int) -> Int { column / Self.unit * Self.unit }

  /// Makes reflection i and its vector w, and prepares row i + 1.
  @inline(__always)
  private func reduceRow(_ i: Int, panel start: Int, end: Int, _ space: Workspace) {
    let row = a + i * stride
    let j = i - start
    if j > 0 {
      // The earlier reflections of the panel have been applied by the last step, save the newest.
      let (vector, w) = (row - stride, space.w + (j - 1) * stride)
      VectorLoops.add(w + i, times: -vector[i], to: row + i, n - i)
      VectorLoops.add(vector + i, times: -w[i], to: row + i, n - i)
    }
    d[i] = row[i]
    if i == n - 1 { return }
    (e[i], tau[i]) = Householder.makeReflection(row + i + 1, count: n - i - 1)
    let left = aligned(i + 1)
    let w = space.w + j * stride
    let v = space.v
    (w + left).update(repeating: 0, count: stride - left)
    (v + left).update(repeating: 0, count: stride - left)
    (v + i + 1).update(from: row + i + 1, count: n - i - 1)

    let extent = n - i - 1
    let pieces = max(1, min(Self.mostPieces, extent * extent / 65_536))
    // The panel's products with v are tasks beside those of the matrix.
    let groups = (j + 7) / 8
    let (g, h) = (space.coefficients, space.coefficients + Self.panelExtent)
    let isReflected = tau[i] != 0
    if isReflected {
      let first = (i + 1) / 4 * 4
      let dots = { (group: Int) in
        for q in 8 * group..<min(j, 8 * group + 8) {
          g[q] = VectorLoops.dot(space.w + q * stride + left, v + left, stride - left)
          h[q] = VectorLoops.dot(a + (start + q) * stride + left, v + left, stride - left)
        }
      }
      let product = { (piece: Int) in
        multiply(
          rows: pieceStart(piece, of: pieces, from: first)..<pieceStart(piece + 1, of: pieces, from: first), v,
          into: space.partial + piece * stride, space.ramp)
      }
      if pieces == 1 {
        product(0)
        for group in 0..<groups { dots(group) }
      } else {
        ThreadTeam.run(pieces + groups) { task in
          if task < pieces { product(task) } else { dots(task - pieces) }
        }
      }
    }

    // Sum the pieces, subtract the panel's part, and bring row i + 1 up to date with the panel so far.
    let isLookedAhead = i + 1 < end && j > 0
    let chunk = 256
    let chunks = (stride - left + chunk - 1) / chunk
    let (fg, fh) = (space.coefficients + 2 * Self.panelExtent, space.coefficients + 3 * Self.panelExtent)
    let sums = space.coefficients + 4 * Self.panelExtent
    if isLookedAhead {
      for q in 0..<j {
        fg[q] = -a[(start + q) * stride + i + 1]
        fh[q] = -space.w[q * stride + i + 1]
      }
    }
    _ = (chunks, sums)
    let first = (i + 1) / 4 * 4
    var total: T = 0
    if isReflected {
      for piece in 0..<pieces {
        let from = max(left, aligned(pieceStart(piece, of: pieces, from: first)))
        VectorLoops.add(space.partial + piece * stride + from, times: 1, to: w + from, stride - from)
      }
      for q in 0..<j {
        VectorLoops.add(a + (start + q) * stride + left, times: -g[q], to: w + left, stride - left)
        VectorLoops.add(space.w + q * stride + left, times: -h[q], to: w + left, stride - left)
      }
      total = VectorLoops.dot(w + left, v + left, stride - left)
      VectorLoops.scale(w + left, by: tau[i], stride - left)
      VectorLoops.add(v + left, times: -tau[i] * tau[i] * total / 2, to: w + left, stride - left)
      for c in left..<i + 1 { w[c] = 0 }
    }
    if isLookedAhead {
      let next = row + stride
      for q in 0..<j {
        VectorLoops.add(space.w + q * stride + i + 1, times: fg[q], to: next + i + 1, n - i - 1)
        VectorLoops.add(a + (start + q) * stride + i + 1, times: fh[q], to: next + i + 1, n - i - 1)
      }
    }
  }

  /// The first row of a piece: pieces of the triangle below row `first` have about the same area.
  private func pieceStart(_ piece: Int, of pieces: Int, from first: Int) -> Int {
    if piece == 0 { return first }
    if piece == pieces { return n }
    let rest = Double(pieces - piece) / Double(pieces)
    return min(n, n - Int(Double(n - first) * rest.squareRoot()) / 4 * 4 - (n - first) % 4)
  }

  /// y = the part of A v that belongs to some rows of the upper half and to their mirror image.
  @inline(__always)
  private func multiply(
    rows: Range<Int>, _ v: UnsafePointer<T>, into y: UnsafeMutablePointer<T>, _ ramp: UnsafePointer<T>
  ) {
    typealias V = T.Lanes
    let from = aligned(rows.lowerBound)
    (y + from).update(repeating: 0, count: stride - from)
    for r in Swift.stride(from: rows.lowerBound, to: rows.upperBound, by: 4) {
      let count = min(4, rows.upperBound - r)
      let row0 = UnsafePointer(a + r * stride)
      let row1 = count > 1 ? row0 + stride : row0
      let row2 = count > 2 ? row1 + stride : row0
      let row3 = count > 3 ? row2 + stride : row0
      let v0 = V(repeating: v[r])
      let v1 = V(repeating: count > 1 ? v[r + 1] : 0)
      let v2 = V(repeating: count > 2 ? v[r + 2] : 0)
      let v3 = V(repeating: count > 3 ? v[r + 3] : 0)
      var (s0, s1, s2, s3) = (V(repeating: 0), V(repeating: 0), V(repeating: 0), V(repeating: 0))
      var c = aligned(r)
      let inner = min(stride, aligned(r + 3 + Self.unit))
      // Vectors that the diagonal runs through.
      while c < inner {
        let mask = ramp + (c - r)
        let x = V(v + c)
        let a0 = V(row0 + c) * V(mask)
        let a1 = V(row1 + c) * V(mask - 1)
        let a2 = V(row2 + c) * V(mask - 2)
        let a3 = V(row3 + c) * V(mask - 3)
        s0 = s0.adding(a0, times: x)
        s1 = s1.adding(a1, times: x)
        s2 = s2.adding(a2, times: x)
        s3 = s3.adding(a3, times: x)
        V(y + c).adding(a0, times: v0).adding(a1, times: v1).adding(a2, times: v2).adding(a3, times: v3).store(y + c)
        c += V.count
      }
      while c < stride {
        let x = V(v + c)
        let (a0, a1, a2, a3) = (V(row0 + c), V(row1 + c), V(row2 + c), V(row3 + c))
        s0 = s0.adding(a0, times: x)
        s1 = s1.adding(a1, times: x)
        s2 = s2.adding(a2, times: x)
        s3 = s3.adding(a3, times: x)
        V(y + c).adding(a0, times: v0).adding(a1, times: v1).adding(a2, times: v2).adding(a3, times: v3).store(y + c)
        c += V.count
      }
      y[r] += s0.sumOfEntries + row0[r] * v[r]
      if count > 1 { y[r + 1] += s1.sumOfEntries + row1[r + 1] * v[r + 1] }
      if count > 2 { y[r + 2] += s2.sumOfEntries + row2[r + 2] * v[r + 2] }
      if count > 3 { y[r + 3] += s3.sumOfEntries + row3[r + 3] * v[r + 3] }
    }
  }

  /// A − Vᵀ W − Wᵀ V for the rows and columns from `end` on, in bands of the upper half.
  @inline(__always)
  private func updateTrailing(_ start: Int, _ end: Int, _ w: UnsafePointer<T>) {
    let count = end - start
    let columns = n - end
    withScratch(T.self, 4 * count * columns) { memory in
      let (left, right) = (memory, memory + 2 * count * columns)
      for q in 0..<count {
        let (v, u) = (a + (start + q) * stride + end, w + q * stride + end)
        (left + q * columns).update(from: v, count: columns)
        (left + (count + q) * columns).update(from: u, count: columns)
        (right + q * columns).update(from: u, count: columns)
        (right + (count + q) * columns).update(from: v, count: columns)
      }
      let band = 256
      for first in Swift.stride(from: 0, to: columns, by: band) {
        let rows = min(band, columns - first)
        MatrixProduct.multiply(
          MatrixView(
            base: UnsafePointer(left + first), rows: rows, columns: 2 * count, rowStride: 1, columnStride: columns),
          MatrixView(
            base: UnsafePointer(right + first), rows: 2 * count, columns: columns - first, rowStride: columns,
            columnStride: 1),
          into: a + (end + first) * stride + end + first, rowStride: stride, scale: -1, accumulate: true)
      }
    }
  }
}
