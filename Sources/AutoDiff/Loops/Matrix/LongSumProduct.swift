/// Small results of long sums, such as the inner products of a few gradients: the threads divide the inner index.
///
/// The index is cut by its extent only, and the partial results are added in order.
enum MatrixLongSum {
  private static let shortestPiece = 4096
  private static let mostPieces = 64
  private static let mostResults = 1 << 14

  static func suits(_ m: Int, _ k: Int, _ n: Int) -> Bool { k >= 2 * shortestPiece && m * n <= mostResults }

  /// Writes `c = [c +] scale a b`, or the lower half of it.
  @inline(never)
  static func multiply<T: LoopScalar>(
    _ a: MatrixView<T>, _ b: MatrixView<T>, into c: ProductTarget<T>, _ part: MatrixBlocks.Part
  ) {
    let (m, k, n) = (a.rows, a.columns, b.columns)
    let pieces = Cut(k, most: max(shortestPiece, (k + mostPieces - 1) / mostPieces))
    withPooledScratch(T.self, pieces.count * m * n) { sums in
      ThreadTeam.run(pieces.count) { task in
        let steps = pieces[task]
        let left = a.block(rows: 0..<m, columns: steps)
        let right = b.block(rows: steps, columns: 0..<n)
        let target = ProductTarget<T>(base: sums + task * m * n, rowStride: n, scale: 1, accumulate: false)
        if MatrixDirect.suits(left, right) {
          MatrixDirect.multiply(left, right, into: target)
        } else {
          MatrixBlocks.multiply(left, right, into: target, part)
        }
      }
      for i in 0..<m {
        let row = c.base + i * c.rowStride
        for j in 0..<(part == .whole ? n : i + 1) {
          var sum = sums[i * n + j]
          for piece in 1..<pieces.count { sum += sums[(piece * m + i) * n + j] }
          row[j] = c.accumulate ? row[j] + c.scale * sum : c.scale * sum
        }
      }
    }
  }
}
