/// Products of a symmetric matrix with vectors that read its upper half only.
///
/// The rows are divided into pieces of equal area, which are tasks. Each piece multiplies its entries and their mirror
/// images, and has a result of its own; the results are added in order.
struct UpperHalfProduct<T: LoopScalar> {
  /// The matrix: n rows of `stride` entries. Entries beyond column n are zero, those of the lower half are finite.
  let a: UnsafePointer<T>
  let n: Int
  let stride: Int
  /// The partial results, one row of `stride` entries for each piece.
  let partial: UnsafeMutablePointer<T>
  /// Where ``fillMask(_:)`` has written.
  let mask: UnsafePointer<T>

  /// The most pieces that a product is divided into.
  static var mostPieces: Int { 16 }
  /// The entries of a piece that are worth a task.
  private static var leastArea: Int { 1 << 15 }
  /// Groups of four rows begin and vectors of columns lie on multiples of this.
  private static var unit: Int { max(4, T.Lanes.count) }

  /// Zeros up to number `unit` + 4, ones behind it: read at a distance, the mask of what is right of the diagonal.
  static var maskCount: Int { 3 * unit + 8 }
  static func fillMask(_ memory: UnsafeMutablePointer<T>) {
    for i in 0..<maskCount { memory[i] = i > unit + 4 ? 1 : 0 }
  }

  /// The pieces for the part of the matrix from row and column `first` on, which is rounded down to a group of rows.
  @inline(__always)
  func pieces(from first: Int) -> Pieces {
    let extent = n - first
    let count = max(1, min(Self.mostPieces, extent * extent / (2 * Self.leastArea)))
    return Pieces(first: first / 4 * 4, end: n, count: count)
  }

  struct Pieces {
    let first: Int
    let end: Int
    let count: Int

    subscript(_ piece: Int) -> Range<Int> { start(piece)..<start(piece + 1) }

    private func start(_ piece: Int) -> Int {
      if piece == count { return end }
      let share = 1 - (Double(count - piece) / Double(count)).squareRoot()
      return first + Int(Double(end - first) * share) / 4 * 4
    }
  }

  /// The part of A v that belongs to the rows of one piece and to their mirror images.
  ///
  /// - Parameter left: The first column to be written, at most that of the first row.
  func multiply(_ pieces: Pieces, _ piece: Int, _ v: UnsafePointer<T>, left: Int) {
    typealias V = T.Lanes
    let y = partial + piece * stride
    let rows = pieces[piece]
    (y + left).update(repeating: 0, count: stride - left)
    for r in Swift.stride(from: rows.lowerBound, to: rows.upperBound, by: 4) {
      // Rows beyond the last are the first one again, with a factor of zero.
      let count = min(4, n - r)
      let row0 = a + r * stride
      let row1 = count > 1 ? row0 + stride : row0
      let row2 = count > 2 ? row1 + stride : row0
      let row3 = count > 3 ? row2 + stride : row0
      let v0 = V(repeating: v[r])
      let v1 = V(repeating: count > 1 ? v[r + 1] : 0)
      let v2 = V(repeating: count > 2 ? v[r + 2] : 0)
      let v3 = V(repeating: count > 3 ? v[r + 3] : 0)
      var (s0, s1, s2, s3) = (V(repeating: 0), V(repeating: 0), V(repeating: 0), V(repeating: 0))
      @inline(__always)
      func add(_ c: Int, _ a0: V, _ a1: V, _ a2: V, _ a3: V) {
        let x = V(v + c)
        s0 = s0.adding(a0, times: x)
        s1 = s1.adding(a1, times: x)
        s2 = s2.adding(a2, times: x)
        s3 = s3.adding(a3, times: x)
        V(y + c).adding(a0, times: v0).adding(a1, times: v1).adding(a2, times: v2).adding(a3, times: v3).store(y + c)
      }
      var c = r / Self.unit * Self.unit
      let whole = (r + 3 + Self.unit) / Self.unit * Self.unit
      // The vectors that the diagonal runs through count what is right of it.
      while c < whole {
        let m = mask + (Self.unit + 4 + c - r)
        add(c, V(row0 + c) * V(m), V(row1 + c) * V(m - 1), V(row2 + c) * V(m - 2), V(row3 + c) * V(m - 3))
        c += V.count
      }
      while c < stride {
        add(c, V(row0 + c), V(row1 + c), V(row2 + c), V(row3 + c))
        c += V.count
      }
      y[r] += s0.sum() + row0[r] * v[r]
      if count > 1 { y[r + 1] += s1.sum() + row1[r + 1] * v[r + 1] }
      if count > 2 { y[r + 2] += s2.sum() + row2[r + 2] * v[r + 2] }
      if count > 3 { y[r + 3] += s3.sum() + row3[r + 3] * v[r + 3] }
    }
  }
}
