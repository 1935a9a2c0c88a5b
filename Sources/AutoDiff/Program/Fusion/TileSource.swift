/// A strided array that is shown in tiles. (An object, because a structure with lists is copied list by list when it is used.)
final class TileSource: Sendable {
  /// The axes, neighbors that walk through memory like one joined.
  private let shape: [Int], strides: [Int]
  /// The last two of them.
  private let rows: Int, columns: Int, rowStride: Int, columnStride: Int

  init(_ layout: Layout) {
    var nest = LoopNest(layout.shape, layout.strides)
    nest.mergeAxes()
    shape = nest.axes.map { $0.extent }
    strides = nest.axes.map { $0.strides[1] }
    let last = shape.count - 1
    (rows, rowStride) = last > 0 ? (shape[last - 1], strides[last - 1]) : (1, 0)
    (columns, columnStride) = last >= 0 ? (shape[last], strides[last]) : (1, 0)
  }

  /// y = the entries with the row-major indices `first ..< first + count`; an array that ends before begins anew.
  func copy<T: LoopScalar>(_ base: UnsafePointer<T>, from first: Int, count: Int, to y: UnsafeMutablePointer<T>) {
    var (row, column) = (0, 0)
    var matrix = 0
    var done = 0
    if first > 0 {
      (row, column) = first.quotientAndRemainder(dividingBy: columns)
      (matrix, row) = start(ofRow: row)
    }
    while done < count {
      if row == rows {
        (matrix, row) = start(ofRow: (first + done) / columns)
      }
      let x = base + (matrix + row * rowStride + column * columnStride)
      let length = min(columns - column, count - done)
      let target = y + done
      switch columnStride {
      case 0: Self.fill(target, with: x.pointee, length)
      case 1: StridedCopy.copyRun(x, to: target, count: length)
      default: for k in 0..<length { target[k] = x[k * columnStride] }
      }
      done += length
      column = 0
      row += 1
    }
  }

  /// How far behind the first entry the one with a row-major index stands.
  func offset(ofEntry index: Int) -> Int {
    let (row, column) = index.quotientAndRemainder(dividingBy: columns)
    let (matrix, inner) = row < rows ? (0, row) : start(ofRow: row)
    return matrix + inner * rowStride + column * columnStride
  }

  /// Where the matrix of the last two axes in which a row lies begins, and the row's number in it.
  @inline(never)
  private func start(ofRow row: Int) -> (matrix: Int, row: Int) {
    var rest = row / rows
    let inner = row % rows
    var matrix = 0
    for axis in (0..<max(0, shape.count - 2)).reversed() {
      matrix += rest % shape[axis] * strides[axis]
      rest /= shape[axis]
    }
    return (matrix, inner)
  }

  @inline(__always)
  private static func fill<T: LoopScalar>(_ y: UnsafeMutablePointer<T>, with value: T, _ count: Int) {
    let lanes = T.Lanes.count
    let vector = T.Lanes(repeating: value)
    let whole = count - count % lanes
    var k = 0
    while k < whole {
      vector.store(y + k)
      k &+= lanes
    }
    while k < count {
      y[k] = value
      k += 1
    }
  }
}

extension Layout {
  /// After how many entries a repeated vector begins anew; nil where the entries are no repeated vector.
  var period: Int? {
    var count = 1
    var axis = shape.count - 1
    while axis >= 0, shape[axis] == 1 || strides[axis] == count {
      count *= shape[axis]
      axis -= 1
    }
    while axis >= 0 {
      if shape[axis] != 1, strides[axis] != 0 { return nil }
      axis -= 1
    }
    return count
  }
}
