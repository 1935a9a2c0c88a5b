extension Contraction: LoweredPrimitive {
  func lowering(of inputs: [Layout], output: [Int]) -> Lowering? {
    if inputs[0].shape.picking(leftSummed).allSatisfy({ $0 == 1 }) {
      return .elementwise(Multiply(), factorsOfOuterProduct(inputs[0], inputs[1]))
    }
    let plan = ContractionPlan(self, inputs[0], inputs[1])
    return .step(scratchEntries: plan.scratchCount) {
      ContractionStep(plan, $0[0], $0[1], result: $1, scratch: $2)
    }
  }

  /// Where nothing is summed, every entry of the output is a product of two: the operands' layouts in its shape.
  private func factorsOfOuterProduct(_ a: Layout, _ b: Layout) -> [Layout] {
    let (left, right) = (leftFree(a.shape.count), rightFree(b.shape.count))
    let shape = a.shape.picking(leftBatch + left) + b.shape.picking(right)
    return [
      Layout(shape: shape, strides: a.strides.picking(leftBatch + left) + right.map { _ in 0 }),
      Layout(shape: shape, strides: b.strides.picking(rightBatch) + left.map { _ in 0 } + b.strides.picking(right)),
    ]
  }
}

/// A contraction as products of matrices: what its operands' places in memory make of it.
struct ContractionPlan {
  private let left: Factor, right: Factor
  /// The extents of one product, and how many there are; nil without batch axes.
  private let rows: Int, summed: Int, columns: Int, batchCount: Int?

  init(_ contraction: Contraction, _ a: Layout, _ b: Layout) {
    var left = Factor(a, contraction.leftBatch, contraction.leftFree(a.shape.count), contraction.leftSummed)
    var right = Factor(b, contraction.rightBatch, contraction.rightFree(b.shape.count), contraction.rightSummed)
    // The order of the summed axes is free: take the one in which they merge into one.
    let order = left.summed.strides.indices.sorted { left.summed.strides[$0] > left.summed.strides[$1] }
    left.summed.reorder(order)
    right.summed.reorder(order)
    // Where one factor does not vary along the leading batch axes, they are rows of a single product.
    if !left.batch.extents.isEmpty, right.batch.strides.allSatisfy({ $0 == 0 }) {
      left.free = Axes(joining: left.batch, left.free)
      left.batch = Axes()
      right.batch = Axes()
    }
    left.mergeOrCopy()
    right.mergeOrCopy()
    (self.left, self.right) = (left, right)
    (rows, summed, columns) = (left.free.count, left.summed.count, right.free.count)
    batchCount = left.batch.extents.isEmpty ? nil : left.batch.count
  }

  /// How many entries have to be copied, because no strides make a matrix of them.
  var scratchCount: Int { left.copiedCount + right.copiedCount }

  /// c = [c +] the product of what stands at `a` and `b`; `scratch` has room for ``scratchCount`` entries.
  func run<T: LoopScalar>(
    _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, into c: UnsafeMutablePointer<T>, scratch: UnsafeMutablePointer<T>?,
    accumulate: Bool = false
  ) {
    let p = left.base(a, scratch)
    let q = right.base(b, scratch.map { $0 + left.copiedCount })
    let x = MatrixView(
      base: p, rows: rows, columns: summed, rowStride: left.free.stride, columnStride: left.summed.stride)
    let y = MatrixView(
      base: q, rows: summed, columns: columns, rowStride: right.summed.stride, columnStride: right.free.stride)
    if let batchCount {
      let (s, t) = (left.batch, right.batch)
      MatrixProduct.multiplyBatch(
        batchCount, x, offset: { s.offset(of: $0) }, y, offset: { t.offset(of: $0) }, into: c)
    } else {
      MatrixProduct.multiplyOrGram(x, y, into: c, accumulate: accumulate)
    }
  }

  /// A group of axes of an operand.
  private struct Axes {
    var extents: [Int] = []
    var strides: [Int] = []

    init() {}
    init(_ layout: Layout, _ axes: [Int]) {
      extents = layout.shape.picking(axes)
      strides = layout.strides.picking(axes)
    }
    init(joining a: Axes, _ b: Axes) {
      extents = a.extents + b.extents
      strides = a.strides + b.strides
    }

    var count: Int { extents.product }
    /// How far behind the first entry another one stands.
    func offset(of entry: Int) -> Int {
      extents.count == 1 ? entry * strides[0] : Layout(shape: extents, strides: strides).offset(ofEntry: entry)
    }
    /// The stride of the single axis that is left after merging; any number will do where there is none.
    var stride: Int { strides.last ?? 1 }

    mutating func reorder(_ order: [Int]) {
      extents = extents.picking(order)
      strides = strides.picking(order)
    }

    /// Joins neighboring axes that walk through memory like one; whether at most one is left.
    mutating func merge() -> Bool {
      var k = 0
      while k < extents.count {
        if extents[k] == 1 {
          extents.remove(at: k)
          strides.remove(at: k)
        } else if k > 0, strides[k - 1] == strides[k] * extents[k] {
          extents[k - 1] *= extents[k]
          strides[k - 1] = strides[k]
          extents.remove(at: k)
          strides.remove(at: k)
        } else {
          k += 1
        }
      }
      return extents.count <= 1
    }
  }

  /// An operand as a stack of matrices.
  private struct Factor {
    var batch: Axes, free: Axes, summed: Axes
    /// How many entries have to be copied into row-major order first, and how.
    private(set) var copiedCount = 0
    private var copy: CopyLoop?

    init(_ layout: Layout, _ batch: [Int], _ free: [Int], _ summed: [Int]) {
      self.batch = Axes(layout, batch)
      self.free = Axes(layout, free)
      self.summed = Axes(layout, summed)
    }

    /// Where the first matrix starts, after copying what has to be.
    func base<T: LoopScalar>(_ address: UnsafePointer<T>, _ scratch: UnsafeMutablePointer<T>?) -> UnsafePointer<T> {
      guard let copy, let scratch else { return address }
      copy.run(from: address, to: scratch)
      return UnsafePointer(scratch)
    }

    /// Makes the free axes one axis and the summed axes one axis, by a copy only where strides do not allow it.
    mutating func mergeOrCopy() {
      let freeMerges = free.merge()
      let summedMerges = summed.merge()
      _ = batch.merge()
      if freeMerges, summedMerges { return }
      let order = Axes(joining: Axes(joining: batch, free), summed)
      (copiedCount, copy) = (order.count, CopyLoop(gathering: order.extents, order.strides))
      let strides = order.extents.rowMajorStrides
      batch.strides = Array(strides[..<batch.strides.count])
      let (freeCount, summedCount) = (free.count, summed.count)
      free.extents = [freeCount]
      free.strides = [summedCount]
      summed.extents = [summedCount]
      summed.strides = [1]
    }
  }
}

/// A product of two matrices, of a matrix and a vector, of two vectors, or the inner product of two tensors, found without
/// the lists of axes of a ``ContractionPlan``: these take longer than the arithmetic of a small product.
struct PlainProduct {
  private let rows: Int, depth: Int, columns: Int
  private let leftRow: Int, leftDepth: Int, rightDepth: Int, rightColumn: Int

  /// Nil where the contraction is more than that.
  init?(_ contraction: Contraction, _ a: ArrayNode, _ b: ArrayNode) {
    let (s, t) = (a.shape, b.shape)
    if contraction.isInner(s.count, t.count), a.isContiguous, b.isContiguous {
      (rows, depth, columns) = (1, s.product, 1)
      (leftRow, leftDepth, rightDepth, rightColumn) = (1, 1, 1, 1)
      return
    }
    guard let (left, right) = contraction.plainPair(s.count, t.count) else { return nil }
    let (isLeftMatrix, isRightMatrix) = (s.count == 2, t.count == 2)
    rows = isLeftMatrix ? s[1 - left] : 1
    depth = s[left]
    columns = isRightMatrix ? t[1 - right] : 1
    leftRow = isLeftMatrix ? a.plainStride(1 - left) : 1
    leftDepth = a.plainStride(left)
    rightDepth = b.plainStride(right)
    rightColumn = isRightMatrix ? b.plainStride(1 - right) : 1
  }

  /// c = [c +] the product of what stands at `a` and `b`.
  func run<T: LoopScalar>(
    _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, into c: UnsafeMutablePointer<T>, _ accumulate: Bool
  ) {
    MatrixProduct.multiplyOrGram(
      MatrixView(base: a, rows: rows, columns: depth, rowStride: leftRow, columnStride: leftDepth),
      MatrixView(base: b, rows: depth, columns: columns, rowStride: rightDepth, columnStride: rightColumn), into: c,
      accumulate: accumulate)
  }
}

extension MatrixProduct {
  /// c = [c +] a b, of which half is computed where b is the transposed a.
  fileprivate static func multiplyOrGram<T: LoopScalar>(
    _ a: MatrixView<T>, _ b: MatrixView<T>, into c: UnsafeMutablePointer<T>, accumulate: Bool
  ) {
    let isTransposed =
      a.base == b.base && a.rows == b.columns && a.rowStride == b.columnStride && a.columnStride == b.rowStride
    // What is added to need not be symmetric.
    if isTransposed && !accumulate {
      gram(a, into: c, rowStride: b.columns)
    } else {
      multiply(a, b, into: c, rowStride: b.columns, accumulate: accumulate)
    }
  }
}

extension ArrayNode {
  /// The stride of an axis of a vector or a matrix; 1 where it has one entry, as where axes have been merged.
  fileprivate func plainStride(_ axis: Int) -> Int {
    if shape[axis] == 1 { return 1 }
    if let strides { return strides[axis] }
    return axis == shape.count - 1 ? 1 : shape[1]
  }
}
