/// The loops of a reduction. Operand 0 is the result, 1 and 2 are what is reduced (twice the same where only one is).
///
/// The axes are taken in the order of operand 1 in memory. If the innermost is reduced, whole vectors along it are joined
/// and finally the entries of one vector; if it is kept, whole rows along it are joined.
struct ReductionLoop<R: Reducer> {
  typealias T = R.T

  var a: UnsafePointer<T>
  var b: UnsafePointer<T>
  var y: UnsafeMutablePointer<T>

  /// Reductions of fewer entries are not worth the threads.
  private static var entriesPerTask: Int { 1 << 15 }

  static func run(_ a: StridedView<T>, _ b: StridedView<T>, axes: [Int], into y: UnsafeMutablePointer<T>) {
    var nest = LoopNest(a.shape, reducing: axes, a.strides, b.strides)
    var loop = ReductionLoop(a: a.base, b: b.base, y: y)
    if nest.count == 0 {
      let kept = a.shape.indices.reduce(1) { axes.contains($1) ? $0 : $0 * a.shape[$1] }
      return y.update(repeating: R.neutral, count: kept)
    }
    loop.turnAxesForward(&nest)
    nest.sortAxes { axis in
      let stride = axis.strides[1] != 0 ? axis.strides[1] : abs(axis.strides[2])
      return stride != 0 ? stride : .max
    }
    nest.mergeAxes()
    loop.run(nest)
  }

  /// Makes operand 1 run forward along all axes.
  private mutating func turnAxesForward(_ nest: inout LoopNest) {
    for axis in nest.axes.indices where nest.axes[axis].strides[1] < 0 {
      nest.origin &+= nest.axes[axis].strides &* (nest.axes[axis].extent - 1)
      nest.axes[axis].strides = SIMD4<Int>.zero &- nest.axes[axis].strides
    }
  }

  /// Divides the work among the threads, in a way that depends on sizes only.
  private func run(_ nest: LoopNest) {
    let count = nest.count
    if count <= 2 * Self.entriesPerTask { return runAlone(nest) }
    let isReduced = nest.axes.map { $0.strides[0] == 0 }
    func longest(_ reduced: Bool) -> Int? {
      nest.axes.indices.filter { isReduced[$0] == reduced }.max { nest.axes[$0].extent < nest.axes[$1].extent }
    }
    let tasks = count / Self.entriesPerTask
    let kept = longest(false)
    let reduced = longest(true)
    if let kept, nest.axes[kept].extent >= 8, kept < nest.axes.count - 1 || reduced == nil {
      divide(nest, along: kept, tasks)
    } else if let reduced, nest.axes[reduced].extent >= 64 {
      divideAndJoin(nest, along: reduced, min(tasks, 64))
    } else if let kept {
      divide(nest, along: kept, tasks)
    } else {
      runAlone(nest)
    }
  }

  /// Different threads compute different entries of the result.
  private func divide(_ nest: LoopNest, along axis: Int, _ tasks: Int) {
    let extent = nest.axes[axis].extent
    let length = LoopNest.evenPart(
      of: extent, max(1, extent / tasks), multipleOf: axis == nest.axes.count - 1 ? 64 : 1)
    ThreadTeam.run((extent + length - 1) / length) { task in
      runAlone(nest.restricted(axis, task * length..<min(extent, (task + 1) * length)))
    }
  }

  /// Different threads reduce different parts of the entries; the results are then joined.
  private func divideAndJoin(_ nest: LoopNest, along axis: Int, _ tasks: Int) {
    let extent = nest.axes[axis].extent
    let length = LoopNest.evenPart(
      of: extent, max(8, extent / tasks), multipleOf: axis == nest.axes.count - 1 ? 1024 : 8)
    let parts = (extent + length - 1) / length
    let results = nest.axes.reduce(1) { $0 * ($1.strides[0] == 0 ? 1 : $1.extent) }
    withScratch(T.self, parts * results) { scratch in
      ThreadTeam.run(parts) { task in
        let loop = ReductionLoop(a: a, b: b, y: scratch + task * results)
        loop.runAlone(nest.restricted(axis, task * length..<min(extent, (task + 1) * length)))
      }
      var joining = LoopNest([parts, results], reducing: [0], [results, 1])
      joining.mergeAxes()
      ReductionLoop<R.Joining>(a: scratch, b: scratch, y: y).run(joining)
    }
  }

  // MARK: One thread

  private func runAlone(_ nest: LoopNest) {
    if nest.axes.isEmpty { return runAlone(LoopNest([.init(extent: 1, strides: SIMD4(0, 1, 1, 0))], nest.origin)) }
    let inner = nest.axes[nest.axes.count - 1].strides
    if inner[1] != 1 || inner[2] != 1 { return runOnCopies(nest) }
    var nest = nest
    // Kept axes first, so that one result after the other is completed.
    let last = nest.axes.removeLast()
    nest.sortAxes { $0.strides[0] == 0 ? 0 : 1 }
    let kept = nest.axes.reduce(0) { $0 + ($1.strides[0] == 0 ? 0 : 1) }
    nest.axes.append(last)
    if last.strides[0] == 0 {
      reduceRuns(nest, kept: kept)
    } else {
      reduceRows(nest, kept: kept)
    }
  }

  /// Copies operands that are not contiguous along the last axis.
  private func runOnCopies(_ nest: LoopNest) {
    let shape = nest.axes.map { $0.extent }
    let count = nest.count
    let isOne = a == b && nest.axes.allSatisfy { $0.strides[1] == $0.strides[2] }
    let isCopied = (1...2).map { nest.axes[nest.axes.count - 1].strides[$0] != 1 }
    withScratch(T.self, count * (isCopied[0] && isCopied[1] && !isOne ? 2 : 1)) { scratch in
      var nest = nest
      var loop = self
      var free = scratch
      let contiguous = StridedView<T>.rowMajorStrides(shape)
      func replace(_ operand: Int, _ base: UnsafePointer<T>) -> UnsafePointer<T> {
        if !isCopied[operand - 1] { return base }
        let view = StridedView(
          base: base + nest.origin[operand], shape: shape, strides: nest.axes.map { $0.strides[operand] })
        StridedCopy.copy(view, to: free)
        nest.origin[operand] = 0
        for axis in nest.axes.indices { nest.axes[axis].strides[operand] = contiguous[axis] }
        defer { free += count }
        return UnsafePointer(free)
      }
      loop.a = replace(1, a)
      if isOne {
        loop.b = loop.a
        nest.origin[2] = nest.origin[1]
        for axis in nest.axes.indices { nest.axes[axis].strides[2] = nest.axes[axis].strides[1] }
      } else {
        loop.b = replace(2, b)
      }
      loop.runAlone(nest)
    }
  }

  /// Where the innermost axis is reduced: after `kept` kept axes, contiguous runs of entries.
  private func reduceRuns(_ nest: LoopNest, kept: Int) {
    let count = nest.axes[nest.axes.count - 1].extent
    let between = LoopNest(Array(nest.axes[kept..<nest.axes.count - 1]))
    let width = T.Lanes.count
    let block = 128 * width
    let blocks = between.count * ((count + block - 1) / block)
    withUnsafeTemporaryAllocation(of: T.self, capacity: PairwiseStack<R>.capacity(forParts: blocks) * width) { memory in
      nest.forEachIndex(ofFirst: kept) { offset in
        var stack = PairwiseStack<R>(memory.baseAddress!, width: width)
        between.forEachIndex(ofFirst: between.axes.count) { inner in
          let (a, b) = (a + offset[1] + inner[1], b + offset[2] + inner[2])
          for start in stride(from: 0, to: count, by: block) {
            Self.reduceRun(a + start, b + start, min(block, count - start)).store(stack.top)
            stack.push()
          }
        }
        y[offset[0]] = Self.joinLanes(stack.joined())
      }
    }
  }

  /// The entry-by-entry result for the vectors of a run of at most 128.
  @inline(__always)
  private static func reduceRun(_ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ count: Int) -> T.Lanes {
    let width = T.Lanes.count
    let neutral = T.Lanes(repeating: R.neutral)
    var (r0, r1, r2, r3) = (neutral, neutral, neutral, neutral)
    var (r4, r5, r6, r7) = (neutral, neutral, neutral, neutral)
    @inline(__always) func include(_ result: inout T.Lanes, _ place: Int) {
      result = R.including(result, T.Lanes(a + place), T.Lanes(b + place))
    }
    var i = 0
    while i + 8 * width <= count {
      include(&r0, i)
      include(&r1, i + width)
      include(&r2, i + 2 * width)
      include(&r3, i + 3 * width)
      include(&r4, i + 4 * width)
      include(&r5, i + 5 * width)
      include(&r6, i + 6 * width)
      include(&r7, i + 7 * width)
      i += 8 * width
    }
    while i + width <= count {
      include(&r0, i)
      (r0, r1, r2, r3, r4, r5, r6, r7) = (r1, r2, r3, r4, r5, r6, r7, r0)
      i += width
    }
    if i < count {
      let rest = count - i
      r0 = R.including(
        r0, T.Lanes(a + i, upTo: rest, padding: R.neutral), T.Lanes(b + i, upTo: rest, padding: R.neutral))
    }
    return R.joined(
      R.joined(R.joined(r0, r1), R.joined(r2, r3)), R.joined(R.joined(r4, r5), R.joined(r6, r7)))
  }

  /// The result for the entries of one vector, which must have room for it to be halved in place.
  @inline(__always)
  private static func joinLanes(_ vector: UnsafeMutablePointer<T>) -> T {
    var half = T.Lanes.count / 2
    while half > 0 {
      for i in 0..<half {
        vector[i] = R.joined(T.Lanes(repeating: vector[i]), T.Lanes(repeating: vector[i + half])).firstEntry
      }
      half /= 2
    }
    return vector[0]
  }

  /// Where the innermost axis is kept: after `kept` kept axes and the reduced ones, contiguous rows of results.
  private func reduceRows(_ nest: LoopNest, kept: Int) {
    let columns = nest.axes[nest.axes.count - 1]
    var between = LoopNest(Array(nest.axes[kept..<nest.axes.count - 1]))
    if between.axes.isEmpty { between.axes = [.init(extent: 1, strides: .zero)] }
    let rows = between.axes.removeLast()
    let block = 128
    let parts = between.count * ((rows.extent + block - 1) / block)
    let strip = min(columns.extent, 4096 / MemoryLayout<T>.stride)
    withScratch(T.self, PairwiseStack<R>.capacity(forParts: parts) * strip) { memory in
      nest.forEachIndex(ofFirst: kept) { offset in
        for column in stride(from: 0, to: columns.extent, by: strip) {
          let width = min(strip, columns.extent - column)
          var stack = PairwiseStack<R>(memory, width: width)
          between.forEachIndex(ofFirst: between.axes.count) { inner in
            let (a, b) = (a + offset[1] + inner[1] + column, b + offset[2] + inner[2] + column)
            for row in stride(from: 0, to: rows.extent, by: block) {
              Self.reduceRows(
                a + row * rows.strides[1], rows.strides[1], b + row * rows.strides[2], rows.strides[2],
                min(block, rows.extent - row), into: stack.top, width)
              stack.push()
            }
          }
          StridedCopy.copyMatrix(
            stack.joined(), rowStride: width, columnStride: 1, to: y + offset[0] + column * columns.strides[0],
            rowStride: 0, columnStride: columns.strides[0], rows: 1, columns: width)
        }
      }
    }
  }

  /// y = the result for `rows` rows, eight at a time.
  private static func reduceRows(
    _ a: UnsafePointer<T>, _ aStride: Int, _ b: UnsafePointer<T>, _ bStride: Int, _ rows: Int,
    into y: UnsafeMutablePointer<T>, _ width: Int
  ) {
    let neutral = T.Lanes(repeating: R.neutral)
    for row in stride(from: 0, to: rows, by: 8) {
      let (a, b) = (a + row * aStride, b + row * bStride)
      var column = 0
      while column < width {
        let n = min(T.Lanes.count, width - column)
        @inline(__always) func include(_ result: T.Lanes, _ row: Int) -> T.Lanes {
          R.including(
            result, T.Lanes(a + row * aStride + column, upTo: n), T.Lanes(b + row * bStride + column, upTo: n))
        }
        var result: T.Lanes
        if rows - row >= 8 {
          let (r0, r1) = (include(include(neutral, 0), 4), include(include(neutral, 1), 5))
          let (r2, r3) = (include(include(neutral, 2), 6), include(include(neutral, 3), 7))
          result = R.joined(R.joined(r0, r1), R.joined(r2, r3))
        } else {
          result = neutral
          for k in 0..<rows - row { result = include(result, k) }
        }
        if row > 0 { result = R.joined(T.Lanes(y + column, upTo: n), result) }
        result.store(y + column, upTo: n)
        column += n
      }
    }
  }
}
