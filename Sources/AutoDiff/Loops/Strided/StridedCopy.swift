/// Copies between strided and contiguous memory.
enum StridedCopy {
  /// y = x, with y row-major contiguous.
  static func copy<T: LoopScalar>(_ x: StridedView<T>, to y: UnsafeMutablePointer<T>) {
    CopyLoop(gathering: x.shape, x.strides).run(from: x.base, to: y)
  }

  /// y[strided] = x, with x row-major contiguous.
  static func scatter<T: LoopScalar>(
    _ x: UnsafePointer<T>, shape: [Int], to y: UnsafeMutablePointer<T>, strides: [Int]
  ) {
    CopyLoop(scattering: shape, strides).run(from: x, to: y)
  }

  /// y = x, both contiguous.
  @inline(__always)
  static func copyRun<T: LoopScalar>(_ x: UnsafePointer<T>, to y: UnsafeMutablePointer<T>, count: Int) {
    // The system's function takes longer to find out what is to be done than to do it when there is little.
    if count > 16 * T.Lanes.count { return y.update(from: x, count: count) }
    let whole = count - count % T.Lanes.count
    var i = 0
    while i < whole {
      T.Lanes(x + i).store(y + i)
      i &+= T.Lanes.count
    }
    if whole < count { copyFew((count - whole) * MemoryLayout<T>.stride, from: x + whole, to: y + whole) }
  }

  /// y = x, x, x ...
  private static func repeatRun<T: LoopScalar>(
    _ x: UnsafePointer<T>, _ count: Int, times: Int, to y: UnsafeMutablePointer<T>
  ) {
    // Every copy doubles what there is, up to an amount that stays in the cache.
    copyRun(x, to: y, count: count)
    var done = 1
    while done < times {
      let n = min(done, times - done, max(1, 1024 / count))
      copyRun(y, to: y + done * count, count: n * count)
      done += n
    }
  }

  /// y[r, c] = x[r, c].
  static func copyMatrix<T: LoopScalar>(
    _ x: UnsafePointer<T>, rowStride xRow: Int, columnStride xColumn: Int, to y: UnsafeMutablePointer<T>,
    rowStride yRow: Int, columnStride yColumn: Int, rows: Int, columns: Int
  ) {
    if xColumn == 1, yColumn == 1 {
      if xRow == 0, yRow == columns { return repeatRun(x, columns, times: rows, to: y) }
      for row in 0..<rows { copyRun(x + row * xRow, to: y + row * yRow, count: columns) }
    } else if xColumn == 0, yColumn == 1, columns >= 32 {
      for row in 0..<rows { (y + row * yRow).update(repeating: x[row * xRow], count: columns) }
    } else if xRow == 1, yColumn == 1 {
      Transpose.copy(x, stride: xColumn, to: y, stride: yRow, rows: rows, columns: columns)
    } else if xColumn == 1, yRow == 1 {
      Transpose.copy(x, stride: xRow, to: y, stride: yColumn, rows: columns, columns: rows)
    } else {
      for row in 0..<rows {
        for column in 0..<columns { y[row * yRow + column * yColumn] = x[row * xRow + column * xColumn] }
      }
    }
  }
}

/// The loop of a copy between strided and contiguous memory, which what copies often finds once.
struct CopyLoop: Sendable {
  /// From operand 1 to operand 0; the last two axes are a matrix.
  private let nest: LoopNest
  private let isTransposed: Bool

  /// The size of the pieces that are shared out among the threads.
  private static let entriesPerTile = 1 << 15

  /// From strided to contiguous memory.
  init(gathering shape: [Int], _ strides: [Int]) {
    var nest = LoopNest(shape, strides)
    nest.mergeAxes()
    self.init(nest)
  }

  /// From contiguous to strided memory.
  init(scattering shape: [Int], _ strides: [Int]) {
    var nest = LoopNest(shape, strides)
    for axis in nest.axes.indices {
      let strides = nest.axes[axis].strides
      nest.axes[axis].strides = SIMD4(strides[1], strides[0], 0, 0)
    }
    // Nothing is written twice, so the order is free: that of y in memory is the fastest.
    nest.sortAxes { abs($0.strides[0]) }
    nest.mergeAxes()
    self.init(nest)
  }

  private init(_ loop: LoopNest) {
    var nest = loop
    isTransposed = nest.putRowsFirst(for: 1)
    nest.padToMatrix()
    self.nest = nest
  }

  func run<T: LoopScalar>(from x: UnsafePointer<T>, to y: UnsafeMutablePointer<T>) {
    if nest.count == 0 { return }
    nest.forEachTile(entries: Self.entriesPerTile, rows: isTransposed ? 64 : 1) { part in
      let outer = part.axes.count - 2
      let rows = part.axes[outer]
      let columns = part.axes[outer + 1]
      part.forEachIndex(ofFirst: outer) { offset in
        StridedCopy.copyMatrix(
          x + offset[1], rowStride: rows.strides[1], columnStride: columns.strides[1], to: y + offset[0],
          rowStride: rows.strides[0], columnStride: columns.strides[0], rows: rows.extent, columns: columns.extent)
      }
    }
  }
}

extension LoopNest {
  /// Where the operand's entries are closer together along another axis than along the last one, moves that axis next to
  /// the last, so that the two can be taken for a transposed matrix.
  ///
  /// - Returns: Whether there is such an axis.
  mutating func putRowsFirst(for operand: Int) -> Bool {
    guard let last = axes.last, axes.count > 1, abs(last.strides[operand]) > 1 else { return false }
    var closest = axes.count - 1
    for axis in axes.indices.reversed() {
      let stride = abs(axes[axis].strides[operand])
      if stride != 0, stride < abs(axes[closest].strides[operand]) { closest = axis }
    }
    if closest == axes.count - 1 { return false }
    moveAxis(closest, to: axes.count - 2)
    return true
  }
}
