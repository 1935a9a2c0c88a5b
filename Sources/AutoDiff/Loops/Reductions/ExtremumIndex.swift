/// Where along an axis the largest or the smallest entry stands.
///
/// The operand is seen as [outer, extent, inner], row-major, with an extent of at least 1; the result is [outer, inner].
enum ExtremumIndex {
  /// The number of entries that are worth a task of their own.
  private static let entriesPerTask = 1 << 14

  /// y = the index of the first extremal entry, or of the first that is not a number.
  static func find<T: LoopScalar>(
    _ x: UnsafePointer<T>, outer: Int, extent: Int, inner: Int, isMaximum: Bool, into y: UnsafeMutablePointer<T>
  ) {
    guard outer * inner > 0 else { return }
    // The largest entry is where the smallest of the negated ones is; a sign bit costs nothing.
    let sign = (isMaximum ? T.Lanes(repeating: -0.0) : T.Lanes(repeating: 0)).bits
    let width = 4 * T.Lanes.count
    let pieces = (inner + width - 1) / width
    let perTask = max(1, entriesPerTask / (extent * min(width, inner)))
    ThreadTeam.run((outer * pieces + perTask - 1) / perTask) { task in
      for index in task * perTask..<min(outer * pieces, (task + 1) * perTask) {
        let (o, start) = (index / pieces, index % pieces * width)
        let x = x + o * extent * inner + start
        let y = y + o * inner + start
        if inner == 1 {
          y.pointee = T(indexInRun(x, extent, sign))
        } else if start + width <= inner {
          columns(x, extent, inner, sign, into: y)
        } else {
          for k in stride(from: 0, to: inner - start, by: T.Lanes.count) {
            column(x + k, extent, inner, sign, upTo: min(T.Lanes.count, inner - start - k), into: y + k)
          }
        }
      }
    }
  }

  /// Where an entry takes the place of the best one so far: it is less, or the first that is not a number.
  @inline(__always)
  private static func takesPlace<V: LaneVector>(_ x: V, of best: V) -> V.Mask {
    !V.isLessOrEqual(best, x) & V.isEqual(best, best)
  }

  /// Four vectors side by side, which hide the time that a comparison takes.
  @inline(__always)
  private static func columns<T: LoopScalar>(
    _ x: UnsafePointer<T>, _ extent: Int, _ inner: Int, _ sign: T.Lanes.Bits, into y: UnsafeMutablePointer<T>
  ) {
    typealias V = T.Lanes
    @inline(__always) func load(_ row: Int, _ k: Int) -> V {
      V(bits: V(x + row * inner + k * V.count).bits ^ sign)
    }
    var (a, b, c, d) = (load(0, 0), load(0, 1), load(0, 2), load(0, 3))
    var (i, j, k, l) = (V(repeating: 0), V(repeating: 0), V(repeating: 0), V(repeating: 0))
    @inline(__always) func include(_ value: V, _ index: V, _ best: inout V, _ place: inout V) {
      let mask = takesPlace(value, of: best)
      best = V.select(mask, value, best)
      place = V.select(mask, index, place)
    }
    for row in 1..<max(extent, 1) {
      let index = V(repeating: T(row))
      include(load(row, 0), index, &a, &i)
      include(load(row, 1), index, &b, &j)
      include(load(row, 2), index, &c, &k)
      include(load(row, 3), index, &d, &l)
    }
    i.store(y)
    j.store(y + V.count)
    k.store(y + 2 * V.count)
    l.store(y + 3 * V.count)
  }

  /// One vector, which may not be full.
  @inline(__always)
  private static func column<T: LoopScalar>(
    _ x: UnsafePointer<T>, _ extent: Int, _ inner: Int, _ sign: T.Lanes.Bits, upTo count: Int,
    into y: UnsafeMutablePointer<T>
  ) {
    typealias V = T.Lanes
    var best = V(bits: V(x, upTo: count).bits ^ sign)
    var place = V(repeating: 0)
    for row in 1..<max(extent, 1) {
      let value = V(bits: V(x + row * inner, upTo: count).bits ^ sign)
      let mask = takesPlace(value, of: best)
      best = V.select(mask, value, best)
      place = V.select(mask, V(repeating: T(row)), place)
    }
    place.store(y, upTo: count)
  }

  /// The index in contiguous entries: the best of every lane, and of these the best that comes first.
  @inline(__always)
  private static func indexInRun<T: LoopScalar>(_ x: UnsafePointer<T>, _ extent: Int, _ sign: T.Lanes.Bits) -> Int {
    typealias V = T.Lanes
    let isNegated = V(bits: sign).first.sign == .minus
    @inline(__always) func value(_ index: Int) -> T { isNegated ? -x[index] : x[index] }
    var best = 0
    @inline(__always) func include(_ index: Int) {
      let (old, new) = (value(best), value(index))
      let isEqual = new == old || new.isNaN && old.isNaN
      if new < old || new.isNaN && !old.isNaN || isEqual && index < best { best = index }
    }
    if extent < 2 * V.count {
      for index in 1..<max(extent, 1) { include(index) }
      return best
    }
    var leading = V(bits: V(x).bits ^ sign)
    var place = V(repeating: 0)
    let full = extent / V.count
    for block in 1..<full {
      let entries = V(bits: V(x + block * V.count).bits ^ sign)
      let mask = takesPlace(entries, of: leading)
      leading = V.select(mask, entries, leading)
      place = V.select(mask, V(repeating: T(block)), place)
    }
    withStackScratch(T.self, V.count) { blocks in
      place.store(blocks)
      best = Int(blocks[0]) * V.count
      for lane in 1..<V.count { include(Int(blocks[lane]) * V.count + lane) }
    }
    for index in full * V.count..<extent { include(index) }
    return best
  }
}
