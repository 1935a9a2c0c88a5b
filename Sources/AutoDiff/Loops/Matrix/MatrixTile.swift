/// Where a product goes: `c = [c +] scale a b`, with c row-major.
struct ProductTarget<T: LoopScalar> {
  var base: UnsafeMutablePointer<T>
  var rowStride: Int
  var scale: T
  /// Whether the product is added to what is there.
  var accumulate: Bool

  /// The part of the target that begins at an entry.
  @inline(__always) func at(_ row: Int, _ column: Int) -> Self {
    .init(base: base + (row * rowStride + column), rowStride: rowStride, scale: scale, accumulate: accumulate)
  }

  /// The same target for another piece of the sum.
  @inline(__always) func after(_ pieces: Int) -> Self {
    .init(base: base, rowStride: rowStride, scale: scale, accumulate: accumulate || pieces > 0)
  }

  func fill(with value: T, rows: Int, columns: Int) {
    for i in 0..<rows { (base + i * rowStride).update(repeating: value, count: columns) }
  }

  @inline(__always) func copy(to other: Self, rows: Int, columns: Int) {
    for i in 0..<rows {
      for j in 0..<columns { other.base[i * other.rowStride + j] = base[i * rowStride + j] }
    }
  }
}

/// The innermost loops of the matrix product: one tile of the result in registers.
///
/// A full tile has ``rows`` rows and two vectors of columns, which leaves registers for two vectors of b and the
/// broadcast entries of a: 24 of 32 registers hold the tile with AVX-512 and on arm64, 12 of 16 elsewhere.
enum MatrixTile {
  static var rows: Int { @inline(__always) get { InstructionSet.hasManyRegisters ? 2 * unitRows : unitRows } }

  /// The rows from which tiles are built, those of ``SixRows``: a tile has one or two times as many.
  static var unitRows: Int { @inline(__always) get { 6 } }

  /// How many steps of the inner index ahead the left operand is fetched into the first-level cache.
  private static let stepsAhead = 16
  /// How many steps ahead the rows of b are fetched into the second-level cache while they are packed.
  private static let packedStepsAhead = 24

  /// The columns of a full tile.
  @inline(__always) static func columns<T: LoopScalar>(_: T.Type) -> Int { 2 * T.Lanes.count }

  /// `Σ_p a[i, p] b[p, j]` for a tile of at most ``rows`` by ``columns(_:)`` entries.
  ///
  /// What the tile lacks is computed and thrown away: a must be readable up to the next multiple of six rows, and b up
  /// to the next multiple of a vector of columns.
  @inline(never)
  static func tile<T: LoopScalar>(
    _ k: Int, _ a: UnsafePointer<T>, rowStride aRow: Int, columnStride aColumn: Int,
    _ b: UnsafePointer<T>, rowStride bRow: Int, into target: ProductTarget<T>, rows: Int, columns: Int
  ) {
    let lanes = T.Lanes.count
    let (isTall, isWide) = (rows > unitRows, columns > lanes)
    if rows % unitRows == 0 && columns % lanes == 0 {
      return stridedTile(
        k, a, rowStride: aRow, columnStride: aColumn, b, rowStride: bRow, into: target, isTall: isTall, isWide: isWide)
    }
    // A variable, because temporary allocations of more than a kilobyte come from the heap.
    var memory = (SixRows<T.Lanes>(), SixRows<T.Lanes>(), SixRows<T.Lanes>(), SixRows<T.Lanes>())
    withUnsafeMutableBytes(of: &memory) { bytes in
      var place = target
      place.base = bytes.baseAddress!.assumingMemoryBound(to: T.self)
      place.rowStride = 2 * lanes
      if target.accumulate { target.copy(to: place, rows: rows, columns: columns) }
      stridedTile(
        k, a, rowStride: aRow, columnStride: aColumn, b, rowStride: bRow, into: place, isTall: isTall, isWide: isWide)
      place.copy(to: target, rows: rows, columns: columns)
    }
  }

  /// ``wholeTile(_:_:rowStride:columnStride:_:rowStride:into:isTall:isWide:)``, compiled once.
  @inline(never)
  private static func stridedTile<T: LoopScalar>(
    _ k: Int, _ a: UnsafePointer<T>, rowStride aRow: Int, columnStride aColumn: Int,
    _ b: UnsafePointer<T>, rowStride bRow: Int, into target: ProductTarget<T>, isTall: Bool, isWide: Bool
  ) {
    wholeTile(
      k, a, rowStride: aRow, columnStride: aColumn, b, rowStride: bRow, into: target, isTall: isTall, isWide: isWide)
  }

  /// A full tile from packed panels.
  ///
  /// Not inlined: several loops use it, and it is long.
  @inline(never)
  static func panelTile<T: LoopScalar>(
    _ k: Int, _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, next: UnsafePointer<T>, into target: ProductTarget<T>
  ) {
    fullTile(k, a, b, rowStride: 2 * T.Lanes.count, next: next, packingInto: nil, target)
  }

  /// A full tile from a packed panel of a and rows of b where they lie, which are packed on the way.
  @inline(never)
  static func packingTile<T: LoopScalar>(
    _ k: Int, _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, rowStride: Int, packingInto panel: UnsafeMutablePointer<T>,
    into target: ProductTarget<T>
  ) {
    fullTile(k, a, b, rowStride: rowStride, next: b, packingInto: panel, target)
  }

  /// A full tile. What is needed soon is fetched meanwhile, so that the arithmetic does not wait: the panel of a some
  /// steps ahead, the rows of the target, and a part of the panel of b that comes `next`, from where the third-level
  /// cache has it; or the rows of b ahead, where these are packed on the way.
  @inline(__always)
  private static func fullTile<T: LoopScalar>(
    _ k: Int, _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, rowStride: Int, next: UnsafePointer<T>,
    packingInto panel: UnsafeMutablePointer<T>?, _ target: ProductTarget<T>
  ) {
    let lanes = T.Lanes.count
    let line = 64 / MemoryLayout<T>.stride
    let end = target.base + rows * target.rowStride
    var (a, b, next, panel, row) = (a, b, next, panel, target.base)
    var left = SixRows<T.Lanes>()
    var right = SixRows<T.Lanes>()
    var bottomLeft = SixRows<T.Lanes>()
    var bottomRight = SixRows<T.Lanes>()
    @inline(__always) func step(_ p: Int) {
      let (a, b) = (a + p * rows, b + p * rowStride)
      let b0 = T.Lanes(b)
      let b1 = T.Lanes(b + lanes)
      if let panel {
        // One line of the two: the hardware fetches them in pairs, and only so many can be under way.
        Prefetch.forReadingLater(b + packedStepsAhead * rowStride)
        b0.store(panel + p * 2 * lanes)
        b1.store(panel + (p * 2 + 1) * lanes)
      }
      SixRows.addOuterProduct(a, 1, b0, b1, to: &left, &right)
      if rows > unitRows { SixRows.addOuterProduct(a + unitRows, 1, b0, b1, to: &bottomLeft, &bottomRight) }
    }
    for _ in 0..<k / 4 {
      for i in stride(from: 0, to: 4 * rows, by: line) { Prefetch.forReading(a + (stepsAhead * rows + i)) }
      if panel == nil { Prefetch.forReadingLater(next) }
      Prefetch.forWriting(row)
      Prefetch.forWriting(row + lanes)
      step(0)
      step(1)
      step(2)
      step(3)
      a += 4 * rows
      b += 4 * rowStride
      next += line
      panel = panel.map { $0 + 8 * lanes }
      row += target.rowStride
      if row == end { row = target.base }
    }
    for _ in 0..<k % 4 {
      step(0)
      a += rows
      b += rowStride
      panel = panel.map { $0 + 2 * lanes }
    }
    left.write(into: target)
    right.write(into: target.at(0, lanes))
    if rows > unitRows {
      bottomLeft.write(into: target.at(unitRows, 0))
      bottomRight.write(into: target.at(unitRows, lanes))
    }
  }

  /// A tile of 6 or 12 rows and one or two vectors of columns.
  @inline(__always)
  static func wholeTile<T: LoopScalar>(
    _ k: Int, _ a: UnsafePointer<T>, rowStride aRow: Int, columnStride aColumn: Int,
    _ b: UnsafePointer<T>, rowStride bRow: Int, into target: ProductTarget<T>, isTall: Bool, isWide: Bool
  ) {
    let lanes = T.Lanes.count
    var a = a
    var b = b
    var left = SixRows<T.Lanes>()
    if isWide {
      var right = SixRows<T.Lanes>()
      if isTall {
        var bottomLeft = SixRows<T.Lanes>()
        var bottomRight = SixRows<T.Lanes>()
        for _ in 0..<k {
          let b0 = T.Lanes(b)
          let b1 = T.Lanes(b + lanes)
          SixRows.addOuterProduct(a, aRow, b0, b1, to: &left, &right)
          SixRows.addOuterProduct(a + unitRows * aRow, aRow, b0, b1, to: &bottomLeft, &bottomRight)
          a += aColumn
          b += bRow
        }
        bottomLeft.write(into: target.at(unitRows, 0))
        bottomRight.write(into: target.at(unitRows, lanes))
      } else {
        for _ in 0..<k {
          SixRows.addOuterProduct(a, aRow, T.Lanes(b), T.Lanes(b + lanes), to: &left, &right)
          a += aColumn
          b += bRow
        }
      }
      right.write(into: target.at(0, lanes))
    } else if isTall {
      var bottom = SixRows<T.Lanes>()
      for _ in 0..<k {
        let b0 = T.Lanes(b)
        left.addOuterProduct(a, aRow, b0)
        bottom.addOuterProduct(a + unitRows * aRow, aRow, b0)
        a += aColumn
        b += bRow
      }
      bottom.write(into: target.at(unitRows, 0))
    } else {
      for _ in 0..<k {
        left.addOuterProduct(a, aRow, T.Lanes(b))
        a += aColumn
        b += bRow
      }
    }
    left.write(into: target)
  }
}

/// Six vectors of accumulators, one below the other: the unit from which tiles are built.
///
/// Separate variables, not an array, because only these are certain to live in registers.
private struct SixRows<V: LaneVector> {
  private var r0: V
  private var r1: V
  private var r2: V
  private var r3: V
  private var r4: V
  private var r5: V

  @inline(__always) init() {
    let zero = V(repeating: 0)
    (r0, r1, r2, r3, r4, r5) = (zero, zero, zero, zero, zero, zero)
  }

  /// Adds the outer product of six entries at `a`, `rowStride` apart, and `b`.
  @inline(__always) mutating func addOuterProduct(_ a: UnsafePointer<V.Element>, _ rowStride: Int, _ b: V) {
    r0 = r0.adding(V(repeating: a[0]), times: b)
    r1 = r1.adding(V(repeating: a[rowStride]), times: b)
    r2 = r2.adding(V(repeating: a[2 * rowStride]), times: b)
    r3 = r3.adding(V(repeating: a[3 * rowStride]), times: b)
    r4 = r4.adding(V(repeating: a[4 * rowStride]), times: b)
    r5 = r5.adding(V(repeating: a[5 * rowStride]), times: b)
  }

  /// The same for two vectors side by side. Row by row, so that few broadcast entries are held in registers at a time.
  @inline(__always)
  static func addOuterProduct(
    _ a: UnsafePointer<V.Element>, _ rowStride: Int, _ b0: V, _ b1: V, to left: inout Self, _ right: inout Self
  ) {
    var x = V(repeating: a[0])
    left.r0 = left.r0.adding(x, times: b0)
    right.r0 = right.r0.adding(x, times: b1)
    x = V(repeating: a[rowStride])
    left.r1 = left.r1.adding(x, times: b0)
    right.r1 = right.r1.adding(x, times: b1)
    x = V(repeating: a[2 * rowStride])
    left.r2 = left.r2.adding(x, times: b0)
    right.r2 = right.r2.adding(x, times: b1)
    x = V(repeating: a[3 * rowStride])
    left.r3 = left.r3.adding(x, times: b0)
    right.r3 = right.r3.adding(x, times: b1)
    x = V(repeating: a[4 * rowStride])
    left.r4 = left.r4.adding(x, times: b0)
    right.r4 = right.r4.adding(x, times: b1)
    x = V(repeating: a[5 * rowStride])
    left.r5 = left.r5.adding(x, times: b0)
    right.r5 = right.r5.adding(x, times: b1)
  }

  @inline(__always) func write(into target: ProductTarget<V.Element>) {
    let scale = V(repeating: target.scale)
    var address = target.base
    @inline(__always) func put(_ row: V) {
      (target.accumulate ? V(address) : V(repeating: 0)).adding(row, times: scale).store(address)
      address += target.rowStride
    }
    put(r0)
    put(r1)
    put(r2)
    put(r3)
    put(r4)
    put(r5)
  }
}
