extension TriangularSolve {
  /// Solves L X = B for a small lower triangle L of any strides, negative ones included, and strided B.
  ///
  /// Right-hand sides are taken in panels of four vectors. One task solves one panel: it copies the panel row by row into
  /// contiguous memory, so that every step is a vector operation whatever the strides of B, and copies it back.
  @inline(never)
  static func substitute<T: LoopScalar>(
    _ l: MatrixView<T>, into b: UnsafeMutablePointer<T>, count: Int, rowStride: Int, columnStride: Int
  ) {
    let extent = (l.rows + 3) / 4 * 4
    let width = FourLanes<T.Lanes>.count
    withPooledScratch(T.self, extent * extent) { packed in
      packNegated(l, extent: extent, into: packed)
      // One task has enough to do to be worth handing out.
      let panelsPerTask = max(1, 2048 / (extent * extent))
      let panels = (count + width - 1) / width
      ThreadTeam.run((panels + panelsPerTask - 1) / panelsPerTask) { task in
        withPooledScratch(T.self, extent * width) { x in
          for panel in task * panelsPerTask..<min(panels, (task + 1) * panelsPerTask) {
            let columns = min(width, count - panel * width)
            let corner = b + panel * width * columnStride
            for i in l.rows..<extent { FourLanes<T.Lanes>(repeating: 0).store(x + i * width) }
            load(corner, rows: l.rows, columns: columns, rowStride, columnStride, into: x)
            solvePanel(packed, extent: extent, x)
            store(x, into: corner, rows: l.rows, columns: columns, rowStride, columnStride)
          }
        }
      }
    }
  }

  /// Copies L so that the kernel reads it in order: groups of four rows, of each the columns up to the diagonal one after
  /// the other, negated, with reciprocals on the diagonal. Rows beyond the last are those of the identity.
  private static func packNegated<T: LoopScalar>(_ l: MatrixView<T>, extent: Int, into packed: UnsafeMutablePointer<T>)
  {
    for group in stride(from: 0, to: extent, by: 4) {
      let target = packed + group * extent
      for k in 0..<group + 4 {
        for row in group..<group + 4 {
          let entry = row < l.rows && k < row ? -l.base[row * l.rowStride + k * l.columnStride] : 0
          target[4 * k + row - group] = entry
        }
      }
      for row in group..<group + 4 {
        target[4 * row + row - group] = row < l.rows ? 1 / l.base[row * (l.rowStride + l.columnStride)] : 1
      }
    }
  }

  /// Forward substitution for four vectors of right-hand sides, four rows at a time.
  private static func solvePanel<T: LoopScalar>(
    _ packed: UnsafePointer<T>, extent: Int, _ x: UnsafeMutablePointer<T>
  ) {
    typealias Four = FourLanes<T.Lanes>
    let width = Four.count
    for group in stride(from: 0, to: extent, by: 4) {
      let rows = x + group * width
      var r0 = Four(rows)
      var r1 = Four(rows + width)
      var r2 = Four(rows + 2 * width)
      var r3 = Four(rows + 3 * width)
      var factors = packed + group * extent
      var known = UnsafePointer(x)
      for _ in 0..<group {
        let solved = Four(known)
        r0.add(solved, times: factors[0])
        r1.add(solved, times: factors[1])
        r2.add(solved, times: factors[2])
        r3.add(solved, times: factors[3])
        factors += 4
        known += width
      }
      r0.scale(by: factors[0])
      r1.add(r0, times: factors[1])
      r2.add(r0, times: factors[2])
      r3.add(r0, times: factors[3])
      r1.scale(by: factors[5])
      r2.add(r1, times: factors[6])
      r3.add(r1, times: factors[7])
      r2.scale(by: factors[10])
      r3.add(r2, times: factors[11])
      r3.scale(by: factors[15])
      r0.store(rows)
      r1.store(rows + width)
      r2.store(rows + 2 * width)
      r3.store(rows + 3 * width)
    }
  }

  /// Copies some right-hand sides into rows of whole vectors, padded with zeros.
  private static func load<T: LoopScalar>(
    _ b: UnsafePointer<T>, rows: Int, columns: Int, _ rowStride: Int, _ columnStride: Int,
    into x: UnsafeMutablePointer<T>
  ) {
    let width = FourLanes<T.Lanes>.count
    if columnStride == 1, columns == width {
      for i in 0..<rows { FourLanes<T.Lanes>(b + i * rowStride).store(x + i * width) }
      return
    }
    if abs(rowStride) == 1 {
      // In the order of memory, which is backwards where the rows are.
      let first = rowStride == 1 ? 0 : rows - 1
      Transpose.copy(
        b + first * rowStride, stride: columnStride, to: x + first * width, stride: rowStride * width, rows: rows,
        columns: columns)
    } else {
      for j in 0..<columns {
        for i in 0..<rows { x[i * width + j] = b[i * rowStride + j * columnStride] }
      }
    }
    for j in columns..<width {
      for i in 0..<rows { x[i * width + j] = 0 }
    }
  }

  /// Copies them back.
  private static func store<T: LoopScalar>(
    _ x: UnsafePointer<T>, into b: UnsafeMutablePointer<T>, rows: Int, columns: Int, _ rowStride: Int,
    _ columnStride: Int
  ) {
    let width = FourLanes<T.Lanes>.count
    if columnStride == 1, columns == width {
      for i in 0..<rows { FourLanes<T.Lanes>(x + i * width).store(b + i * rowStride) }
    } else if abs(rowStride) == 1 {
      let first = rowStride == 1 ? 0 : rows - 1
      Transpose.copy(
        x + first * width, stride: rowStride * width, to: b + first * rowStride, stride: columnStride, rows: columns,
        columns: rows)
    } else {
      for j in 0..<columns {
        for i in 0..<rows { b[i * rowStride + j * columnStride] = x[i * width + j] }
      }
    }
  }
}
