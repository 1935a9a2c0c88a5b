/// Reductions of contiguous runs of entries to one entry each.
extension ReductionLoop {
  /// The number of vectors that are joined one after the other.
  private static var vectorsPerBlock: Int { 128 }
  /// The most vectors of a run that is reduced together with others.
  private static var vectorsOfShortRun: Int { 16 }

  /// Where the last axis is reduced and all others are kept.
  func reduceRuns(_ nest: LoopNest) {
    let last = nest.axes.count - 1
    let count = nest.axes[last].extent
    if last > 0, count <= Self.vectorsOfShortRun * T.Lanes.count { return reduceShortRuns(nest) }
    nest.forEachIndex(ofFirst: last) { offset in
      y[offset[0]] = Self.reduceRun(kind, a + offset[1], b + offset[2], count)
    }
  }

  /// Runs of few entries: those of less than a vector are turned into columns, so that one vector holds the results of
  /// many.
  private func reduceShortRuns(_ nest: LoopNest) {
    let outer = nest.axes.count - 2
    let (runs, count) = (nest.axes[outer], nest.axes[outer + 1].extent)
    if count >= T.Lanes.count {
      return nest.forEachIndex(ofFirst: outer) { offset in
        kind.reduceRuns(
          a + offset[1], runs.strides[1], b + offset[2], runs.strides[2], runs: runs.extent, count,
          into: y + offset[0], runs.strides[0])
      }
    }
    let isOne = isOne(nest.axes[outer...outer])
    let block = min(runs.extent, 256)
    withStackScratch(T.self, (1 + (isOne ? count : 2 * count)) * block) { scratch in
      let (columns, otherColumns) = (scratch + block, scratch + (isOne ? 1 : 1 + count) * block)
      nest.forEachIndex(ofFirst: outer) { offset in
        for start in stride(from: 0, to: runs.extent, by: block) {
          let width = min(block, runs.extent - start)
          func turn(_ x: UnsafePointer<T>, _ operand: Int, into y: UnsafeMutablePointer<T>) {
            let stride = runs.strides[operand]
            Transpose.copy(
              x + offset[operand] + start * stride, stride: stride, to: y, stride: width, rows: count, columns: width)
          }
          turn(a, 1, into: columns)
          if !isOne { turn(b, 2, into: otherColumns) }
          let stride = runs.strides[0]
          let y = y + offset[0] + start * stride
          if stride == 1 {
            kind.reduceRows(columns, width, otherColumns, width, count, into: y, width)
          } else {
            kind.reduceRows(columns, width, otherColumns, width, count, into: scratch, width)
            for i in 0..<width { y[i * stride] = scratch[i] }
          }
        }
      }
    }
  }

  /// The result for a run of any length.
  static func reduceRun(_ kind: ReductionKind, _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ count: Int) -> T {
    let width = T.Lanes.count
    let block = vectorsPerBlock * width
    let blocks = (count + block - 1) / block
    let capacity = PairwiseStack<T>.capacity(forParts: blocks) * width
    var result = kind.neutral(T.self)
    withStackScratch(T.self, capacity) { memory in
      var stack = PairwiseStack(kind, memory, width: width)
      for start in stride(from: 0, to: count, by: block) {
        kind.reduceBlock(a + start, b + start, min(block, count - start), into: stack.top)
        stack.push()
      }
      result = joinLanes(kind, stack.joined())
    }
    return result
  }

  /// The result for the entries of one vector.
  private static func joinLanes(_ kind: ReductionKind, _ vector: UnsafeMutablePointer<T>) -> T {
    switch kind {
    case .sum, .dot: SumReducer.joined(T.Lanes(vector))
    case .maximum: MaximumReducer.joined(T.Lanes(vector))
    case .minimum: MinimumReducer.joined(T.Lanes(vector))
    }
  }
}

extension ReductionKind {
  fileprivate func reduceRuns<T: LoopScalar>(
    _ a: UnsafePointer<T>, _ aStride: Int, _ b: UnsafePointer<T>, _ bStride: Int, runs: Int, _ count: Int,
    into y: UnsafeMutablePointer<T>, _ yStride: Int
  ) {
    switch self {
    case .sum: SumReducer<T>.reduceRuns(a, aStride, b, bStride, runs: runs, count, into: y, yStride)
    case .dot: DotReducer<T>.reduceRuns(a, aStride, b, bStride, runs: runs, count, into: y, yStride)
    case .maximum: MaximumReducer<T>.reduceRuns(a, aStride, b, bStride, runs: runs, count, into: y, yStride)
    case .minimum: MinimumReducer<T>.reduceRuns(a, aStride, b, bStride, runs: runs, count, into: y, yStride)
    }
  }

  fileprivate func reduceBlock<T: LoopScalar>(
    _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ count: Int, into y: UnsafeMutablePointer<T>
  ) {
    switch self {
    case .sum: SumReducer<T>.reduceBlock(a, b, count, into: y)
    case .dot: DotReducer<T>.reduceBlock(a, b, count, into: y)
    case .maximum: MaximumReducer<T>.reduceBlock(a, b, count, into: y)
    case .minimum: MinimumReducer<T>.reduceBlock(a, b, count, into: y)
    }
  }
}

extension Reducer {
  /// y = the results for runs of a vector or more, each of one pass over its vectors.
  @inline(never)
  fileprivate static func reduceRuns(
    _ a: UnsafePointer<T>, _ aStride: Int, _ b: UnsafePointer<T>, _ bStride: Int, runs: Int, _ count: Int,
    into y: UnsafeMutablePointer<T>, _ yStride: Int
  ) {
    let lanes = T.Lanes.count
    let whole = count - count % lanes
    let none = T.Lanes(repeating: neutral)
    // The vector that ends with the run, where entries that the others hold too are left out.
    let isNew = withUnsafeTemporaryAllocation(of: T.self, capacity: lanes) { buffer in
      for i in 0..<lanes { buffer[i] = i < lanes - count % lanes ? 0 : 1 }
      return T.Lanes.isEqual(T.Lanes(buffer.baseAddress!), T.Lanes(repeating: 1))
    }
    for run in 0..<runs {
      let (a, b) = (a + run * aStride, b + run * bStride)
      var result = none
      var i = 0
      while i < whole {
        result = including(result, T.Lanes(a + i), T.Lanes(b + i))
        i &+= lanes
      }
      if whole < count {
        let last = count - lanes
        result = including(
          result, .select(isNew, T.Lanes(a + last), none), .select(isNew, T.Lanes(b + last), none))
      }
      y[run * yStride] = joined(result)
    }
  }

  /// y = the entry-by-entry result for the vectors of a block.
  @inline(never)
  fileprivate static func reduceBlock(
    _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ count: Int, into y: UnsafeMutablePointer<T>
  ) {
    let width = T.Lanes.count
    var i = count - count % (8 * width)
    if i > 0 { reduceEights(a, b, i, into: y) }
    if i == count { return }
    var result = i > 0 ? T.Lanes(y) : T.Lanes(repeating: neutral)
    while i + width <= count {
      result = including(result, T.Lanes(a + i), T.Lanes(b + i))
      i += width
    }
    if i < count {
      let rest = count - i
      result = including(
        result, T.Lanes(a + i, upTo: rest, padding: neutral), T.Lanes(b + i, upTo: rest, padding: neutral))
    }
    result.store(y)
  }

  /// The same for a multiple of eight vectors. Through memory, because vectors are taken apart to be returned.
  @inline(never)
  private static func reduceEights(
    _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ count: Int, into y: UnsafeMutablePointer<T>
  ) {
    let width = T.Lanes.count
    let none = T.Lanes(repeating: neutral)
    var (r0, r1, r2, r3) = (none, none, none, none)
    var (r4, r5, r6, r7) = (none, none, none, none)
    @inline(__always) func include(_ result: inout T.Lanes, _ place: Int) {
      result = including(result, T.Lanes(a + place), T.Lanes(b + place))
    }
    for i in stride(from: 0, to: count, by: 8 * width) {
      include(&r0, i)
      include(&r1, i + width)
      include(&r2, i + 2 * width)
      include(&r3, i + 3 * width)
      include(&r4, i + 4 * width)
      include(&r5, i + 5 * width)
      include(&r6, i + 6 * width)
      include(&r7, i + 7 * width)
    }
    let (first, second) = (joined(joined(r0, r1), joined(r2, r3)), joined(joined(r4, r5), joined(r6, r7)))
    joined(first, second).store(y)
  }
}
