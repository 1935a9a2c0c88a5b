/// The innermost loop of all three products of a convolution: twelve rows times one or two vectors of columns,
///
///     c[i, ·] = [c[i, ·] +] Σ_run Σ_t x[rows[i] + runs[run] + t · xStep] · b[(run · runLength + t) · bStep + ·]
///
/// For groups of few columns there is a variant with a factor for each column, x[... + t · xStep + ·], of one vector.
///
/// The rows lie anywhere in memory. So a row may be a position of the window in an image (the sum goes over the entries
/// under the window) or an entry of the window (the sum goes over positions), and no matrix of patches is ever formed.
enum ConvolutionTile {
  static let height = 12

  /// Vectors per row: 24 accumulators of 32 registers, or 12 of 16.
  static var widestColumns: Int { InstructionSet.hasManyRegisters ? 2 : 1 }

  /// What is summed: `runCount * runLength` terms for each of the twelve rows.
  struct Sum<T: LoopScalar> {
    var rows: UnsafePointer<Int>
    /// `runCount` offsets.
    var runs: UnsafePointer<Int>?
    var runCount: Int
    var runLength: Int
    var xStep: Int
    var bStep: Int
    /// Whether each column has its own factor.
    var isColumnwise = false
  }

  /// Computes a tile with `vectors` vectors of columns. Row `i` of the result starts at `c + cRows[i]`.
  static func compute<T: LoopScalar>(
    vectors: Int, _ sum: Sum<T>, _ x: UnsafePointer<T>, _ b: UnsafePointer<T>, into c: UnsafeMutablePointer<T>,
    rows cRows: UnsafePointer<Int>, accumulate: Bool
  ) {
    let lanes = T.Lanes.count
    if sum.isColumnwise {
      return one(sum, xStep: sum.xStep, bStep: sum.bStep, isColumnwise: true, x, b, c, cRows, accumulate)
    }
    // Steps that the compiler knows leave registers for the twelve addresses.
    switch (vectors, sum.xStep == 1 && sum.bStep == vectors * lanes) {
    case (2, true): two(sum, xStep: 1, bStep: 2 * lanes, x, b, c, cRows, accumulate)
    case (2, false): two(sum, xStep: sum.xStep, bStep: sum.bStep, x, b, c, cRows, accumulate)
    case (_, true): one(sum, xStep: 1, bStep: lanes, x, b, c, cRows, accumulate)
    case (_, false): one(sum, xStep: sum.xStep, bStep: sum.bStep, x, b, c, cRows, accumulate)
    }
  }

  /// A tile with two vectors of columns.
  @inline(__always)
  private static func two<T: LoopScalar>(
    _ sum: Sum<T>, xStep: Int, bStep: Int, _ x: UnsafePointer<T>, _ b: UnsafePointer<T>, _ c: UnsafeMutablePointer<T>,
    _ cRows: UnsafePointer<Int>, _ accumulate: Bool
  ) {
    let lanes = T.Lanes.count
    var left = Column<T.Lanes>(), right = Column<T.Lanes>()
    var b = b
    for run in 0..<sum.runCount {
      let rows = Rows(x + (sum.runs![run] + sum.runLength * xStep), sum.rows)
      var t = -sum.runLength * xStep
      while t != 0 {
        Column.add(rows, t, times: T.Lanes(b), to: &left, times: T.Lanes(b + lanes), to: &right)
        t &+= xStep
        b += bStep
      }
    }
    left.store(c, cRows, accumulate)
    right.store(c + lanes, cRows, accumulate)
  }

  /// A tile with one vector of columns.
  @inline(__always)
  private static func one<T: LoopScalar>(
    _ sum: Sum<T>, xStep: Int, bStep: Int, isColumnwise: Bool = false, _ x: UnsafePointer<T>, _ b: UnsafePointer<T>,
    _ c: UnsafeMutablePointer<T>, _ cRows: UnsafePointer<Int>, _ accumulate: Bool
  ) {
    var column = Column<T.Lanes>()
    var b = b
    for run in 0..<sum.runCount {
      let rows = Rows(x + (sum.runs![run] + sum.runLength * xStep), sum.rows)
      var t = -sum.runLength * xStep
      while t != 0 {
        column.add(rows, t, times: T.Lanes(b), isColumnwise: isColumnwise)
        t &+= xStep
        b += bStep
      }
    }
    column.store(c, cRows, accumulate)
  }

  /// Twelve addresses, kept in registers.
  private struct Rows<T> {
    let p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11: UnsafePointer<T>

    @inline(__always) init(_ x: UnsafePointer<T>, _ rows: UnsafePointer<Int>) {
      (p0, p1, p2, p3) = (x + rows[0], x + rows[1], x + rows[2], x + rows[3])
      (p4, p5, p6, p7) = (x + rows[4], x + rows[5], x + rows[6], x + rows[7])
      (p8, p9, p10, p11) = (x + rows[8], x + rows[9], x + rows[10], x + rows[11])
    }
  }

  /// Twelve vectors, one below the other, kept in registers.
  private struct Column<V: LaneVector> {
    var c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11: V

    @inline(__always) init() where V.Element: LoopScalar {
      let zero = V(repeating: 0)
      (c0, c1, c2, c3, c4, c5) = (zero, zero, zero, zero, zero, zero)
      (c6, c7, c8, c9, c10, c11) = (zero, zero, zero, zero, zero, zero)
    }

    @inline(__always) mutating func add(_ x: Rows<V.Element>, _ t: Int, times b: V, isColumnwise: Bool) {
      @inline(__always) func factor(_ row: UnsafePointer<V.Element>) -> V {
        isColumnwise ? V(row + t) : V(repeating: row[t])
      }
      c0 = c0.adding(factor(x.p0), times: b)
      c1 = c1.adding(factor(x.p1), times: b)
      c2 = c2.adding(factor(x.p2), times: b)
      c3 = c3.adding(factor(x.p3), times: b)
      c4 = c4.adding(factor(x.p4), times: b)
      c5 = c5.adding(factor(x.p5), times: b)
      c6 = c6.adding(factor(x.p6), times: b)
      c7 = c7.adding(factor(x.p7), times: b)
      c8 = c8.adding(factor(x.p8), times: b)
      c9 = c9.adding(factor(x.p9), times: b)
      c10 = c10.adding(factor(x.p10), times: b)
      c11 = c11.adding(factor(x.p11), times: b)
    }

    /// Both columns row by row; one column after the other would keep twelve factors in registers, which are not there.
    @inline(__always) static func add(
      _ rows: Rows<V.Element>, _ t: Int, times b0: V, to left: inout Self, times b1: V, to right: inout Self
    ) {
      var x: V
      x = V(repeating: rows.p0[t])
      left.c0 = left.c0.adding(x, times: b0)
      right.c0 = right.c0.adding(x, times: b1)
      x = V(repeating: rows.p1[t])
      left.c1 = left.c1.adding(x, times: b0)
      right.c1 = right.c1.adding(x, times: b1)
      x = V(repeating: rows.p2[t])
      left.c2 = left.c2.adding(x, times: b0)
      right.c2 = right.c2.adding(x, times: b1)
      x = V(repeating: rows.p3[t])
      left.c3 = left.c3.adding(x, times: b0)
      right.c3 = right.c3.adding(x, times: b1)
      x = V(repeating: rows.p4[t])
      left.c4 = left.c4.adding(x, times: b0)
      right.c4 = right.c4.adding(x, times: b1)
      x = V(repeating: rows.p5[t])
      left.c5 = left.c5.adding(x, times: b0)
      right.c5 = right.c5.adding(x, times: b1)
      x = V(repeating: rows.p6[t])
      left.c6 = left.c6.adding(x, times: b0)
      right.c6 = right.c6.adding(x, times: b1)
      x = V(repeating: rows.p7[t])
      left.c7 = left.c7.adding(x, times: b0)
      right.c7 = right.c7.adding(x, times: b1)
      x = V(repeating: rows.p8[t])
      left.c8 = left.c8.adding(x, times: b0)
      right.c8 = right.c8.adding(x, times: b1)
      x = V(repeating: rows.p9[t])
      left.c9 = left.c9.adding(x, times: b0)
      right.c9 = right.c9.adding(x, times: b1)
      x = V(repeating: rows.p10[t])
      left.c10 = left.c10.adding(x, times: b0)
      right.c10 = right.c10.adding(x, times: b1)
      x = V(repeating: rows.p11[t])
      left.c11 = left.c11.adding(x, times: b0)
      right.c11 = right.c11.adding(x, times: b1)
    }

    @inline(__always) func store(_ c: UnsafeMutablePointer<V.Element>, _ rows: UnsafePointer<Int>, _ accumulate: Bool) {
      func put(_ row: Int, _ value: V) {
        let address = c + rows[row]
        (accumulate ? V(address) + value : value).store(address)
      }
      put(0, c0)
      put(1, c1)
      put(2, c2)
      put(3, c3)
      put(4, c4)
      put(5, c5)
      put(6, c6)
      put(7, c7)
      put(8, c8)
      put(9, c9)
      put(10, c10)
      put(11, c11)
    }
  }
}
