/// Matrix products of which one half is wanted: the updates of symmetric matrices.
enum TriangleProduct {
  /// c = c + scale · a b on one half of c: where the column is at most the row for `.lower`, at least for `.upper`.
  ///
  /// Near the diagonal a few entries of the other half are changed too. The inner extent is that of a panel, some hundred
  /// at the most, and is not divided.
  @inline(never)
  static func add<T: LoopScalar>(
    _ half: TriangularSolve.Half, _ a: MatrixView<T>, _ b: MatrixView<T>, scale: T,
    to c: UnsafeMutablePointer<T>, rowStride: Int
  ) {
    let (n, m, k) = (a.rows, b.columns, a.columns)
    if n == 0 || m == 0 { return }
    let (left, right) = (PanelSource(left: a), PanelSource(right: b))
    let (height, width) = (left.width, right.width)
    let rows = Cut(n, most: 10 * height, multipleOf: height)
    let columns = Cut(m, most: 8 * width, multipleOf: width)
    var tasks: [(rows: Range<Int>, columns: Range<Int>)] = []
    for block in 0..<rows.count * columns.count {
      let (rows, columns) = (rows[block % rows.count], columns[block / rows.count])
      let (first, second) = half == .lower ? (columns, rows) : (rows, columns)
      if first.lowerBound < second.upperBound { tasks.append((rows, columns)) }
    }
    withPooledScratch(T.self, (left.paddedRows + right.paddedRows) * k) { packedLeft in
      let packedRight = packedLeft + left.paddedRows * k
      ThreadTeam.run(rows.count + columns.count) { task in
        if task < rows.count {
          left.pack(rows: rows[task], steps: 0..<k, into: packedLeft + rows[task].lowerBound * k)
        } else {
          let part = columns[task - rows.count]
          right.pack(rows: part, steps: 0..<k, into: packedRight + part.lowerBound * k)
        }
      }
      let target = ProductTarget(base: c, rowStride: rowStride, scale: scale, accumulate: true)
      ThreadTeam.run(tasks.count) { task in
        let (rows, columns) = tasks[task]
        for j in stride(from: columns.lowerBound, to: columns.upperBound, by: width) {
          for i in stride(from: rows.lowerBound, to: rows.upperBound, by: height) {
            let isWanted = half == .lower ? j < i + height : i < j + width
            if !isWanted { continue }
            MatrixTile.tile(
              k, packedLeft + i * k, rowStride: 1, columnStride: height, packedRight + j * k, rowStride: width,
              into: target.at(i, j), rows: min(height, n - i), columns: min(width, m - j))
          }
        }
      }
    }
  }
}
