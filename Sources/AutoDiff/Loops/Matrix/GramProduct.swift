/// The product of a matrix and its transpose.
enum MatrixGram {
  /// Writes `c = scale a aᵀ`: the tiles that touch the lower half, then its mirror image.
  ///
  /// Both orders of the factors give the same bits, so the mirror image is what would have been computed.
  @inline(never)
  static func multiply<T: LoopScalar>(_ a: MatrixView<T>, into c: ProductTarget<T>) {
    if MatrixLongSum.suits(a.rows, a.columns, a.rows) {
      MatrixLongSum.multiply(a, a.transposed, into: c, .lowerHalf)
    } else {
      MatrixBlocks.multiply(a, a.transposed, into: c, .lowerHalf)
    }
    mirror(c, a.rows)
  }

  /// Copies the lower half of a square matrix to the upper one, in blocks that fit the first-level cache.
  private static func mirror<T: LoopScalar>(_ c: ProductTarget<T>, _ extent: Int) {
    let blocks = Cut(extent, length: 32)
    ThreadTeam.run(blocks.count) { task in
      // Rows below one another have less and less to mirror; the long ones first.
      let rows = blocks[task]
      for other in task..<blocks.count {
        let columns = blocks[other]
        for i in rows {
          let to = c.base + i * c.rowStride
          for j in max(i + 1, columns.lowerBound)..<max(i + 1, columns.upperBound) {
            to[j] = c.base[j * c.rowStride + i]
          }
        }
      }
    }
  }
}
