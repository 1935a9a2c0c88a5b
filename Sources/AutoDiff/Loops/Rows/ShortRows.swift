/// Rows that are shorter than two vectors, one in every lane: entry `j` of all of them is one vector.
struct ShortRows<T: LoopScalar> {
  /// The first of the rows.
  let start: Int
  /// How many there are; at most as many as a vector has entries.
  let count: Int
  private let entries: UnsafeMutablePointer<T>
  /// The entries of a second matrix, where there is one.
  private let others: UnsafeMutablePointer<T>
  private let columns: Int

  /// How many rows are turned at a time.
  private static var block: Int { 64 }

  /// Whether it is worth turning rows into lanes and back.
  static func areSuitable(_ rows: Int, _ columns: Int) -> Bool {
    rows >= T.Lanes.count && columns > 0 && columns < 2 * T.Lanes.count
  }

  /// Calls `body` with all rows of one or two matrices, on several threads where there are many, and writes what it
  /// leaves of the first to `y`.
  @inline(never)
  static func forEach(
    _ x: UnsafePointer<T>, _ rows: Int, _ columns: Int, with other: UnsafePointer<T>? = nil,
    into y: UnsafeMutablePointer<T>? = nil, _ body: (ShortRows) -> Void
  ) {
    let rowsPerTask = max(block, 4096 / columns / block * block)
    ThreadTeam.run((rows + rowsPerTask - 1) / rowsPerTask) { task in
      withPooledScratch(T.self, (other == nil ? 1 : 2) * columns * block) { entries in
        let others = entries + (other == nil ? 0 : columns * block)
        // Rows that do not exist are computed too.
        entries.update(repeating: 0, count: (other == nil ? 1 : 2) * columns * block)
        let end = min(rows, (task + 1) * rowsPerTask)
        for first in stride(from: task * rowsPerTask, to: end, by: block) {
          let count = min(block, end - first)
          let place = first * columns
          Transpose.copy(x + place, stride: columns, to: entries, stride: block, rows: columns, columns: count)
          if let other {
            Transpose.copy(other + place, stride: columns, to: others, stride: block, rows: columns, columns: count)
          }
          for i in stride(from: 0, to: count, by: T.Lanes.count) {
            let n = min(T.Lanes.count, count - i)
            body(ShortRows(start: first + i, count: n, entries: entries + i, others: others + i, columns: columns))
          }
          if let y {
            Transpose.copy(entries, stride: block, to: y + place, stride: columns, rows: count, columns: columns)
          }
        }
      }
    }
  }

  /// The largest entry of every row.
  @inline(__always)
  func maximum() -> T.Lanes {
    var result = T.Lanes(entries)
    for j in 1..<columns { result = T.Lanes.maximum(result, T.Lanes(entries + j * Self.block)) }
    return result
  }

  /// The largest absolute value of every row.
  @inline(__always)
  func largestMagnitude() -> T.Lanes {
    var result = T.Lanes(entries).magnitude
    for j in 1..<columns { result = T.Lanes.maximum(result, T.Lanes(entries + j * Self.block).magnitude) }
    return result
  }

  /// The sum of f(entry) over every row.
  @inline(__always)
  func sum(_ f: (T.Lanes) -> T.Lanes = { $0 }) -> T.Lanes {
    var result = f(T.Lanes(entries))
    for j in 1..<columns { result = result + f(T.Lanes(entries + j * Self.block)) }
    return result
  }

  /// The sum of f(entry, other entry) over every row.
  @inline(__always)
  func sum(_ f: (T.Lanes, T.Lanes) -> T.Lanes) -> T.Lanes {
    var result = f(T.Lanes(entries), T.Lanes(others))
    for j in 1..<columns { result = result + f(T.Lanes(entries + j * Self.block), T.Lanes(others + j * Self.block)) }
    return result
  }

  /// Replaces every entry by f(entry, other entry).
  @inline(__always)
  func replaceEntries(_ f: (T.Lanes, T.Lanes) -> T.Lanes) {
    for j in 0..<columns {
      f(T.Lanes(entries + j * Self.block), T.Lanes(others + j * Self.block)).store(entries + j * Self.block)
    }
  }

  /// Replaces every entry by f(entry).
  @inline(__always)
  func replaceEntries(_ f: (T.Lanes) -> T.Lanes) {
    for j in 0..<columns { f(T.Lanes(entries + j * Self.block)).store(entries + j * Self.block) }
  }

  /// In every row, the other entry beside the first entry that equals a value.
  @inline(__always)
  func atFirst(_ value: T.Lanes) -> T.Lanes {
    var result = T.Lanes(others)
    for j in (0..<columns).reversed() {
      let isHere = T.Lanes.isEqual(T.Lanes(entries + j * Self.block), value)
      result = T.Lanes.select(isHere, T.Lanes(others + j * Self.block), result)
    }
    return result
  }

  /// The sum of f(entry, other entry) over every row, without the first entry that equals a value.
  @inline(__always)
  func sumBesidesFirst(_ value: T.Lanes, _ f: (T.Lanes, T.Lanes) -> T.Lanes) -> T.Lanes {
    let zero = T.Lanes(repeating: 0)
    var result = zero
    var isStillToCome = T.Lanes.isEqual(zero, zero)
    for j in 0..<columns {
      let (x, v) = (T.Lanes(entries + j * Self.block), T.Lanes(others + j * Self.block))
      let isHere = T.Lanes.isEqual(x, value) & isStillToCome
      result = result + T.Lanes.select(isHere, zero, f(x, v))
      isStillToCome = isStillToCome & !isHere
    }
    return result
  }

  /// Replaces every entry by f(entry, other entry), but the first that equals a value by another.
  @inline(__always)
  func replaceEntries(first value: T.Lanes, by replacement: T.Lanes, _ f: (T.Lanes, T.Lanes) -> T.Lanes) {
    let zero = T.Lanes(repeating: 0)
    var isStillToCome = T.Lanes.isEqual(zero, zero)
    for j in 0..<columns {
      let (x, v) = (T.Lanes(entries + j * Self.block), T.Lanes(others + j * Self.block))
      let isHere = T.Lanes.isEqual(x, value) & isStillToCome
      T.Lanes.select(isHere, replacement, f(x, v)).store(entries + j * Self.block)
      isStillToCome = isStillToCome & !isHere
    }
  }

  /// Replaces a row by zeros where `mask` holds and all other entries of it are 0.
  @inline(__always)
  func clearWhereOthersVanish(_ mask: T.Lanes.Mask) {
    if !mask.isAnyTrue { return }
    let zero = T.Lanes(repeating: 0)
    let isCleared = mask & T.Lanes.isEqual(sum { _, v in v.magnitude }, zero)
    for j in 0..<columns {
      let address = entries + j * Self.block
      T.Lanes.select(isCleared, zero, T.Lanes(address)).store(address)
    }
  }
}
