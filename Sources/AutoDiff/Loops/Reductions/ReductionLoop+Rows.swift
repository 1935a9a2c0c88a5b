/// Reductions of rows to one row.
extension ReductionLoop {
  /// The number of rows that are joined one after the other, eight at a time.
  private static var rowsPerBlock: Int { 128 }

  /// The sums of the columns of a small matrix need no lists; says whether this is one. Has the bits of the general way.
  func reduceFewRows(_ nest: LoopNest) -> Bool {
    guard nest.axes.count == 2, nest.axes[0].isReduced, !nest.axes[1].isReduced else { return false }
    let (rows, columns) = (nest.axes[0], nest.axes[1])
    let strides = columns.strides
    if strides[0] != 1 || strides[1] != 1 || strides[2] != 1 { return false }
    if rows.extent > Self.rowsPerBlock || columns.extent > Self.strip { return false }
    if Self.rowsInOne(rows, columns) > 1 { return false }
    kind.reduceRows(
      a + nest.origin[1], rows.strides[1], b + nest.origin[2], rows.strides[2], rows.extent, into: y + nest.origin[0],
      columns.extent)
    return true
  }

  /// The most columns that are joined at once.
  private static var strip: Int { 4096 / MemoryLayout<T>.stride }

  /// How many contiguous short rows are taken for one.
  private static func rowsInOne(_ rows: LoopNest.Axis, _ columns: LoopNest.Axis) -> Int {
    if rows.strides[1] != columns.extent || rows.strides[2] != columns.extent { return 1 }
    // For few rows of whole vectors that would cost more than it saves.
    if rows.extent <= rowsPerBlock, columns.extent >= T.Lanes.count { return 1 }
    return min(rows.extent / 16, 8 * T.Lanes.count / columns.extent)
  }

  /// Where the last axis is kept: other kept axes come first, then those that are reduced.
  func reduceRows(_ nest: LoopNest) {
    let last = nest.axes.count - 1
    let columns = nest.axes[last]
    let kept = nest.axes.firstIndex { $0.isReduced } ?? last
    var between = LoopNest(Array(nest.axes[kept..<last]))
    let rows = between.axes.popLast() ?? .init(extent: 1, strides: .zero)
    if between.axes.isEmpty {
      let group = Self.rowsInOne(rows, columns)
      if group > 1 { return nest.forEachIndex(ofFirst: kept) { reduceShortRows($0, rows, columns, group) } }
    }
    let parts = between.count * ((rows.extent + Self.rowsPerBlock - 1) / Self.rowsPerBlock)
    let strip = min(columns.extent, Self.strip)
    withStackScratch(T.self, PairwiseStack<T>.capacity(forParts: parts) * strip) { memory in
      nest.forEachIndex(ofFirst: kept) { offset in
        for column in stride(from: 0, to: columns.extent, by: strip) {
          let width = min(strip, columns.extent - column)
          var stack = PairwiseStack(kind, memory, width: width)
          between.forEachIndex(ofFirst: between.axes.count) { inner in
            let start = offset &+ inner &+ SIMD4(repeating: column)
            let (a, b) = (a + start[1], b + start[2])
            for row in stride(from: 0, to: rows.extent, by: Self.rowsPerBlock) {
              kind.reduceRows(
                a + row * rows.strides[1], rows.strides[1], b + row * rows.strides[2], rows.strides[2],
                min(Self.rowsPerBlock, rows.extent - row), into: stack.top, width)
              stack.push()
            }
          }
          StridedCopy.copyMatrix(
            stack.joined(), rowStride: 0, columnStride: 1, to: y + offset[0] + column * columns.strides[0],
            rowStride: 0, columnStride: columns.strides[0], rows: 1, columns: width)
        }
      }
    }
  }

  /// Contiguous rows of few entries: `group` of them are taken for one long row, then the `group` results are reduced,
  /// and with them the rows that are left over.
  private func reduceShortRows(_ offset: SIMD4<Int>, _ rows: LoopNest.Axis, _ columns: LoopNest.Axis, _ group: Int) {
    let width = group * columns.extent
    let (wholeGroups, rest) = rows.extent.quotientAndRemainder(dividingBy: group)
    withStackScratch(T.self, width + rest * columns.extent) { results in
      let loop = ReductionLoop(kind: kind, a: a + offset[1], b: b + offset[2], y: results)
      loop.reduceRows(
        LoopNest([
          .init(extent: wholeGroups, strides: SIMD4(0, width, width, 0)),
          .init(extent: width, strides: SIMD4(1, 1, 1, 0)),
        ]))
      let end = wholeGroups * width
      kind.reduceRows(loop.a + end, 0, loop.b + end, 0, 1, into: results + width, rest * columns.extent)
      let joining = ReductionLoop(kind: kind.joining, a: results, b: results, y: y + offset[0])
      joining.reduceRows(
        LoopNest([
          .init(extent: group + rest, strides: SIMD4(0, columns.extent, columns.extent, 0)),
          .init(extent: columns.extent, strides: SIMD4(columns.strides[0], 1, 1, 0)),
        ]))
    }
  }
}

extension ReductionKind {
  /// y = the result for `rows` rows of `width` entries.
  func reduceRows<T: LoopScalar>(
    _ a: UnsafePointer<T>, _ aStride: Int, _ b: UnsafePointer<T>, _ bStride: Int, _ rows: Int,
    into y: UnsafeMutablePointer<T>, _ width: Int
  ) {
    let lanes = T.Lanes.count
    if width < lanes {
      // Rows of less than a vector are filled up.
      return withStackScratch(T.self, (2 * rows + 1) * lanes) { scratch in
        let (otherRows, result) = (scratch + rows * lanes, scratch + 2 * rows * lanes)
        for row in 0..<rows {
          T.Lanes(a + row * aStride, upTo: width).store(scratch + row * lanes)
          T.Lanes(b + row * bStride, upTo: width).store(otherRows + row * lanes)
        }
        reduceRows(scratch, lanes, otherRows, lanes, rows, into: result, lanes)
        T.Lanes(result).store(y, upTo: width)
      }
    }
    switch self {
    case .sum: SumReducer<T>.reduceRows(a, aStride, b, bStride, rows, into: y, width)
    case .dot: DotReducer<T>.reduceRows(a, aStride, b, bStride, rows, into: y, width)
    case .maximum: MaximumReducer<T>.reduceRows(a, aStride, b, bStride, rows, into: y, width)
    case .minimum: MinimumReducer<T>.reduceRows(a, aStride, b, bStride, rows, into: y, width)
    }
  }
}

extension Reducer {
  /// y = the result for `rows` rows of `width` entries.
  @inline(never)
  fileprivate static func reduceRows(
    _ a: UnsafePointer<T>, _ aStride: Int, _ b: UnsafePointer<T>, _ bStride: Int, _ rows: Int,
    into y: UnsafeMutablePointer<T>, _ width: Int
  ) {
    let none = T.Lanes(repeating: neutral)
    for row in stride(from: 0, to: rows, by: 8) {
      let (a, b) = (a + row * aStride, b + row * bStride)
      @inline(__always) func result(_ column: Int) -> T.Lanes {
        @inline(__always) func include(_ result: T.Lanes, _ row: Int) -> T.Lanes {
          including(result, T.Lanes(a + row * aStride + column), T.Lanes(b + row * bStride + column))
        }
        var result: T.Lanes
        if rows - row >= 8 {
          let (r0, r1) = (include(include(none, 0), 4), include(include(none, 1), 5))
          let (r2, r3) = (include(include(none, 2), 6), include(include(none, 3), 7))
          result = joined(joined(r0, r1), joined(r2, r3))
        } else {
          result = none
          for k in 0..<rows - row { result = include(result, k) }
        }
        return row == 0 ? result : joined(T.Lanes(y + column), result)
      }
      let lanes = T.Lanes.count
      let whole = width - width % lanes
      // The last vector overlaps the one before, so it is computed before that is changed.
      let last = whole < width ? result(width - lanes) : none
      for column in stride(from: 0, to: whole, by: lanes) { result(column).store(y + column) }
      if whole < width { last.store(y + width - lanes) }
    }
  }
}
