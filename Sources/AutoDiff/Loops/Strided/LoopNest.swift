/// The axes of a loop that visits up to four strided operands at once, outermost axis first.
struct LoopNest {
  struct Axis {
    var extent: Int
    /// The distance between neighbors in each operand, in entries.
    var strides: SIMD4<Int>
  }

  var axes: [Axis]
  /// Where each operand starts, in entries from its base.
  var origin = SIMD4<Int>.zero

  /// The loop over all indices of a shape. Operand 0 is row-major over the axes that are not in `reduced`, and the same
  /// along those that are; operands 1 to 3 have the given strides.
  init(_ shape: [Int], reducing reduced: [Int] = [], _ a: [Int], _ b: [Int]? = nil, _ c: [Int]? = nil) {
    axes = []
    axes.reserveCapacity(max(2, shape.count))
    var stride = 1
    for axis in shape.indices.reversed() {
      let isReduced = reduced.contains(axis)
      if shape[axis] != 1 {
        let strides = SIMD4(isReduced ? 0 : stride, a[axis], (b ?? a)[axis], (c ?? a)[axis])
        axes.append(Axis(extent: shape[axis], strides: strides))
      }
      if !isReduced { stride *= shape[axis] }
    }
    axes.reverse()
  }

  init(_ axes: [Axis], _ origin: SIMD4<Int> = .zero) {
    self.axes = axes
    self.origin = origin
  }

  /// The number of times that the innermost body runs.
  var count: Int { axes.reduce(1) { $0 * $1.extent } }

  /// Joins every axis with the next where one loop over both visits the same entries of all operands.
  mutating func mergeAxes() {
    var last = 0
    for axis in axes.dropFirst() {
      if axes[last].strides == axis.strides &* axis.extent {
        axes[last].extent *= axis.extent
        axes[last].strides = axis.strides
      } else {
        last += 1
        axes[last] = axis
      }
    }
    axes.removeLast(max(0, axes.count - last - 1))
  }

  /// Sorts the axes by decreasing keys, equal ones staying in order.
  mutating func sortAxes(by key: (Axis) -> Int) {
    for end in axes.indices.dropFirst() {
      var place = end
      while place > 0, key(axes[place - 1]) < key(axes[place]) {
        axes.swapAt(place - 1, place)
        place -= 1
      }
    }
  }

  /// Moves an axis to another place; the others keep their order.
  mutating func moveAxis(_ source: Int, to target: Int) {
    if source != target { axes.insert(axes.remove(at: source), at: target) }
  }

  /// Runs through an axis from its other end.
  mutating func turnAxis(_ axis: Int) {
    origin &+= axes[axis].strides &* (axes[axis].extent - 1)
    axes[axis].strides = SIMD4<Int>.zero &- axes[axis].strides
  }

  /// Adds axes of extent 1 in front, so that the last two can be taken for a matrix.
  mutating func padToMatrix() {
    while axes.count < 2 { axes.insert(Axis(extent: 1, strides: .zero), at: 0) }
  }

  /// The part of the loop with the given indices of one axis.
  func restricted(_ axis: Int, _ range: Range<Int>) -> LoopNest {
    var part = self
    part.axes[axis].extent = range.count
    part.origin &+= axes[axis].strides &* range.lowerBound
    return part
  }

  /// Calls `body` with the offsets of the operands at every index of the first `count` axes.
  @inline(__always)
  func forEachIndex(ofFirst count: Int, _ body: (SIMD4<Int>) -> Void) {
    // `body` stands here once, because it is inlined.
    let inner = count > 0 ? axes[count - 1] : Axis(extent: 1, strides: .zero)
    var outer = Position(outer: max(0, count - 1), offset: origin)
    repeat {
      var offset = outer.offset
      for _ in 0..<inner.extent {
        body(offset)
        offset &+= inner.strides
      }
    } while advance(&outer)
  }

  /// An index of the first axes, and where the operands stand.
  private struct Position {
    var index: [Int]
    var offset: SIMD4<Int>

    init(outer count: Int, offset: SIMD4<Int>) {
      index = [Int](repeating: 0, count: count)
      self.offset = offset
    }
  }

  /// Goes to the next index; returns false behind the last.
  @inline(never)
  private func advance(_ position: inout Position) -> Bool {
    for axis in position.index.indices.reversed() {
      position.index[axis] += 1
      position.offset &+= axes[axis].strides
      if position.index[axis] < axes[axis].extent { return true }
      position.offset &-= axes[axis].strides &* position.index[axis]
      position.index[axis] = 0
    }
    return false
  }

  /// Calls `body` for parts of the loop of about `entries` entries, shared out among the threads.
  ///
  /// A part has at least `rows` steps along the last axis but one where that has as many, as many as are left for it
  /// along the last axis, then along the others from the inside outwards. It depends on sizes only.
  func forEachTile(entries: Int, rows: Int, _ body: (LoopNest) -> Void) {
    if count <= entries { return body(self) }
    var room = entries
    var extents = axes.map { $0.extent }
    let last = axes.count - 1
    extents[last] = Self.evenPart(of: extents[last], room / min(rows, extents[last - 1]), multipleOf: 64)
    room = max(1, room / extents[last])
    for axis in (0..<last).reversed() {
      extents[axis] = Self.evenPart(of: extents[axis], room, multipleOf: axis == last - 1 ? min(rows, 8) : 1)
      room = max(1, room / extents[axis])
    }
    let counts = zip(axes, extents).map { ($0.extent + $1 - 1) / $1 }
    ThreadTeam.run(counts.reduce(1, *)) { task in
      var part = self
      var task = task
      for axis in axes.indices.reversed() {
        let start = task % counts[axis] * extents[axis]
        task /= counts[axis]
        part.axes[axis].extent = min(extents[axis], axes[axis].extent - start)
        part.origin &+= axes[axis].strides &* start
      }
      body(part)
    }
  }

  /// The length of the pieces when `extent` is cut into pieces of about equal lengths, at most about `limit`.
  static func evenPart(of extent: Int, _ limit: Int, multipleOf unit: Int) -> Int {
    if extent <= limit { return extent }
    let pieces = (extent + limit - 1) / max(1, limit)
    let length = (extent + pieces - 1) / pieces
    return min(extent, (length + unit - 1) / unit * unit)
  }
}
