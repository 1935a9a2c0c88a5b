/// A matrix of output entries and the operands that they are computed from, each of which is contiguous along the rows
/// or the same in all of a row.
///
/// All of this is compiled once for all functions.
struct MapTile<T: LoopScalar> {
  struct Operand {
    var base: UnsafePointer<T>
    var rowStride = 0
    /// The distance between the entries of a row: 1 or 0.
    var step: Int
  }

  /// What is computed.
  enum Function {
    case binary(any BinaryLaneFunction)
    case ternary(any TernaryLaneFunction)

    /// How many operands are read.
    var operands: Int { if case .binary = self { 2 } else { 3 } }

    var weight: Int {
      switch self {
      case .binary(let f): f.weight
      case .ternary(let f): f.weight
      }
    }
  }

  var y: UnsafeMutablePointer<T>
  var yRowStride = 0
  var rows = 1
  var columns: Int
  var a: Operand
  var b: Operand
  var c: Operand
  /// Room for one vector per operand.
  var slots: UnsafeMutablePointer<T>

  /// y = f(a, b) or f(a, b, c) in the whole tile.
  func run(_ f: Function) {
    switch f {
    case .binary(let f):
      for row in 0..<rows {
        let (a, b) = (self.row(row, of: a, slot: 0), self.row(row, of: b, slot: 1))
        VectorMap.row(T.scalarType, a, b, y + row * yRowStride, count: columns, f)
      }
    case .ternary(let f):
      for row in 0..<rows {
        let (a, b) = (self.row(row, of: a, slot: 0), self.row(row, of: b, slot: 1))
        let c = self.row(row, of: c, slot: 2)
        VectorMap.row(T.scalarType, a, b, c, y + row * yRowStride, count: columns, f)
      }
    }
  }

  /// An operand's row. One that repeats an entry is replaced by one vector full of it, so that one loop serves all cases.
  @inline(__always)
  private func row(_ row: Int, of operand: Operand, slot: Int) -> LaneOperand {
    let base = operand.base + row * operand.rowStride
    if operand.step == 1 { return LaneOperand(base: base) }
    let vector = slots + slot * T.Lanes.count
    T.Lanes(repeating: base.pointee).store(vector)
    return LaneOperand(base: vector, step: 0)
  }
}

extension MapTile {
  /// The size of the pieces that are shared out among the threads.
  private static func entriesPerTile(_ f: Function) -> Int { (1 << 14) / f.weight }

  /// y = f(a, b) or f(a, b, c) in tiles that cover the output, on several threads where it is large.
  static func forEach(
    _ a: StridedView<T>, _ b: StridedView<T>, _ c: StridedView<T>, into y: UnsafeMutablePointer<T>, _ f: Function
  ) {
    let count = a.count
    if count == 0 { return }
    if let a = Operand.whole(a), let b = Operand.whole(b), let c = Operand.whole(c) {
      return coverFlat(count, a, b, c, into: y, f)
    }
    let operands = f.operands
    var nest = LoopNest(a.shape, a.strides, b.strides, c.strides)
    nest.mergeAxes()
    let isTransposed = (1...operands).contains { nest.putRowsFirst(for: $0) }
    nest.padToMatrix()
    nest.forEachTile(entries: entriesPerTile(f), rows: isTransposed ? 64 : 1) { part in
      withUnsafeTemporaryAllocation(of: T.self, capacity: 3 * T.Lanes.count) { slots in
        cover(part, a.base, b.base, c.base, into: y, slots.baseAddress!, f)
      }
    }
  }

  private static func coverFlat(
    _ count: Int, _ a: Operand, _ b: Operand, _ c: Operand, into y: UnsafeMutablePointer<T>, _ f: Function
  ) {
    var entriesPerTile = entriesPerTile(f)
    if count <= 2 * entriesPerTile { entriesPerTile = count }
    ThreadTeam.run((count + entriesPerTile - 1) / entriesPerTile) { task in
      let start = task * entriesPerTile
      func part(_ x: Operand) -> Operand { Operand(base: x.base + start * x.step, step: x.step) }
      withUnsafeTemporaryAllocation(of: T.self, capacity: 3 * T.Lanes.count) { slots in
        MapTile(
          y: y + start, columns: min(entriesPerTile, count - start), a: part(a), b: part(b), c: part(c),
          slots: slots.baseAddress!
        ).run(f)
      }
    }
  }

  /// The tiles of one part of the loop. Inputs that are neither contiguous nor constant along the columns are copied,
  /// piece by piece.
  private static func cover(
    _ part: LoopNest, _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ c: UnsafePointer<T>,
    into y: UnsafeMutablePointer<T>, _ slots: UnsafeMutablePointer<T>, _ f: Function
  ) {
    let operands = f.operands
    let outer = part.axes.count - 2
    let (rows, columns) = (part.axes[outer], part.axes[outer + 1])
    // Rows of less than two vectors are better taken together where the output allows it.
    let isFlat = columns.extent < 2 * T.Lanes.count && rows.strides[0] == columns.extent
    func isCopied(_ operand: Int) -> Bool {
      if operand > operands { return false }
      let (row, column) = (rows.strides[operand], columns.strides[operand])
      if isFlat { return !(column == 1 && row == columns.extent || column == 0 && row == 0) }
      return column != 0 && column != 1
    }
    let copies = (1...3).reduce(0) { $0 + (isCopied($1) ? 1 : 0) }
    let pieceColumns = copies > 0 ? min(columns.extent, 128) : columns.extent
    let pieceRows = copies > 0 ? min(rows.extent, 4096 / pieceColumns) : rows.extent
    withStackScratch(T.self, copies * pieceRows * pieceColumns) { scratch in
      part.forEachIndex(ofFirst: outer) { offset in
        for row in stride(from: 0, to: rows.extent, by: pieceRows) {
          for column in stride(from: 0, to: columns.extent, by: pieceColumns) {
            let rowCount = min(pieceRows, rows.extent - row)
            let columnCount = min(pieceColumns, columns.extent - column)
            let offset = offset &+ rows.strides &* row &+ columns.strides &* column
            var free = scratch
            func operand(_ index: Int, _ base: UnsafePointer<T>) -> Operand {
              let base = base + offset[index]
              if index > operands { return Operand(base: base, step: 0) }
              if !isCopied(index) {
                return Operand(base: base, rowStride: rows.strides[index], step: columns.strides[index])
              }
              StridedCopy.copyMatrix(
                base, rowStride: rows.strides[index], columnStride: columns.strides[index], to: free,
                rowStride: columnCount, columnStride: 1, rows: rowCount, columns: columnCount)
              defer { free += rowCount * columnCount }
              return Operand(base: UnsafePointer(free), rowStride: columnCount, step: 1)
            }
            MapTile(
              y: y + offset[0], yRowStride: rows.strides[0], rows: isFlat ? 1 : rowCount,
              columns: isFlat ? rowCount * columnCount : columnCount, a: operand(1, a), b: operand(2, b),
              c: operand(3, c), slots: slots
            ).run(f)
          }
        }
      }
    }
  }
}

extension MapTile.Operand {
  /// A whole view as one row, if it is contiguous or one repeated entry.
  static func whole(_ view: StridedView<T>) -> Self? {
    guard let step = view.flatStride, step == 0 || step == 1 else { return nil }
    return Self(base: view.base, step: step)
  }
}
