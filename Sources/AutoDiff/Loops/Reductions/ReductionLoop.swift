/// The loops of a reduction. Operand 0 is the result, 1 and 2 are what is reduced (twice the same where only one is).
///
/// The axes are taken in the order of operand 1 in memory. If the innermost one is kept, whole rows are joined; if it is
/// reduced, vectors along it are joined, and finally the entries of one vector.
struct ReductionLoop<T: LoopScalar> {
  var kind: ReductionKind
  var a: UnsafePointer<T>
  var b: UnsafePointer<T>
  var y: UnsafeMutablePointer<T>

  /// Reductions of fewer entries are not worth the threads.
  private static var entriesPerTask: Int { 1 << 15 }

  static func run(
    _ kind: ReductionKind, _ a: StridedView<T>, _ b: StridedView<T>, axes: [Int], into y: UnsafeMutablePointer<T>
  ) {
    let nest = ReductionLoop.nest(a.shape, a.strides, b.strides, axes: axes)
    if nest.count == 0 {
      let kept = a.shape.indices.reduce(1) { axes.contains($1) ? $0 : $0 * a.shape[$1] }
      return y.update(repeating: kind.neutral(T.self), count: kept)
    }
    ReductionLoop(kind: kind, a: a.base, b: b.base, y: y).run(nest)
  }

  /// The loop over two operands of a shape, in the order in which they are read.
  static func nest(_ shape: [Int], _ a: [Int], _ b: [Int], axes: [Int]) -> LoopNest {
    var nest = LoopNest(shape, reducing: axes, a, b)
    if nest.count == 0 { return nest }
    // Operand 1 forward along all axes, and the closest entries innermost.
    for axis in nest.axes.indices where nest.axes[axis].strides[1] < 0 { nest.turnAxis(axis) }
    nest.sortAxes { axis in
      let stride = axis.strides[1] != 0 ? axis.strides[1] : abs(axis.strides[2])
      return stride != 0 ? stride : .max
    }
    nest.mergeAxes()
    return nest
  }

  /// Divides the work among the threads, in a way that depends on sizes only.
  func run(_ nest: LoopNest) {
    if nest.axes.isEmpty { return run(LoopNest([.init(extent: 1, strides: SIMD4(0, 1, 1, 0))], nest.origin)) }
    if reduceFewRows(nest) { return }
    let last = nest.axes.count - 1
    if nest.axes[last].isReduced, nest.axes[..<last].contains(where: { $0.isReduced }) { return runInTwoSteps(nest) }
    let count = nest.count
    if count <= 2 * Self.entriesPerTask { return runAlone(nest) }
    func longest(reduced: Bool) -> Int? {
      nest.axes.indices.filter { nest.axes[$0].isReduced == reduced }.max {
        nest.axes[$0].extent < nest.axes[$1].extent
      }
    }
    let tasks = count / Self.entriesPerTask
    let kept = longest(reduced: false)
    let reduced = longest(reduced: true)
    if let kept, nest.axes[kept].extent >= 8, kept < last || reduced == nil {
      divide(nest, along: kept, tasks)
    } else if let reduced, nest.axes[reduced].extent >= 64 {
      divideAndJoin(nest, along: reduced, min(tasks, 64))
    } else if let kept {
      divide(nest, along: kept, tasks)
    } else {
      runAlone(nest)
    }
  }

  /// Where the last axis and others are reduced, it is kept in the first step: joining whole rows is faster.
  private func runInTwoSteps(_ nest: LoopNest) {
    var first = nest
    var second = LoopNest([], .zero)
    var stride = 1
    let last = nest.axes.count - 1
    for axis in nest.axes.indices.reversed() where axis == last || !nest.axes[axis].isReduced {
      first.axes[axis].strides[0] = stride
      let strides = SIMD4(nest.axes[axis].strides[0], stride, stride, 0)
      second.axes.append(.init(extent: nest.axes[axis].extent, strides: strides))
      stride *= nest.axes[axis].extent
    }
    first.origin[0] = 0
    first.mergeAxes()
    second.axes.reverse()
    second.origin[0] = nest.origin[0]
    second.mergeAxes()
    withStackScratch(T.self, stride) { scratch in
      ReductionLoop(kind: kind, a: a, b: b, y: scratch).run(first)
      ReductionLoop(kind: kind.joining, a: scratch, b: scratch, y: y).run(second)
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
    let results = nest.axes.reduce(1) { $0 * ($1.isReduced ? 1 : $1.extent) }
    withStackScratch(T.self, parts * results) { scratch in
      ThreadTeam.run(parts) { task in
        let loop = ReductionLoop(kind: kind, a: a, b: b, y: scratch + task * results)
        loop.runAlone(nest.restricted(axis, task * length..<min(extent, (task + 1) * length)))
      }
      var joining = LoopNest([parts, results], reducing: [0], [results, 1])
      joining.mergeAxes()
      ReductionLoop(kind: kind.joining, a: scratch, b: scratch, y: y).run(joining)
    }
  }

  private func runAlone(_ nest: LoopNest) {
    let last = nest.axes[nest.axes.count - 1]
    if last.strides[1] != 1 || last.strides[2] != 1 { return runOnCopies(nest) }
    if last.isReduced { return reduceRuns(nest) }
    // Kept axes first, so that one result after the other is completed.
    var nest = nest
    nest.sortAxes { $0.strides == last.strides ? 0 : $0.isReduced ? 1 : 2 }
    reduceRows(nest)
  }

  /// Copies operands that are not contiguous along the last axis.
  private func runOnCopies(_ nest: LoopNest) {
    let shape = nest.axes.map { $0.extent }
    let count = nest.count
    let contiguous = StridedView<T>.rowMajorStrides(shape)
    let isOne = isOne(nest.axes)
    let isCopied = nest.axes[nest.axes.count - 1].strides .!= 1
    withStackScratch(T.self, count * (isCopied[1] && isCopied[2] && !isOne ? 2 : 1)) { scratch in
      var nest = nest
      var loop = self
      var free = scratch
      func replace(_ operand: Int, _ base: UnsafePointer<T>) -> UnsafePointer<T> {
        if !isCopied[operand] { return base }
        let strides = nest.axes.map { $0.strides[operand] }
        StridedCopy.copy(StridedView(base: base + nest.origin[operand], shape: shape, strides: strides), to: free)
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

  /// Whether the two operands are the same.
  func isOne(_ axes: some Collection<LoopNest.Axis>) -> Bool {
    a == b && axes.allSatisfy { $0.strides[1] == $0.strides[2] }
  }
}

extension LoopNest.Axis {
  /// Whether all the entries along this axis go into the same result.
  var isReduced: Bool { strides[0] == 0 }
}
