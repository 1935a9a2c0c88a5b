/// The matrix product, over leading batch axes that broadcast.
///
/// - Shapes: [..., m, k] and [..., k, n] → [..., m, n]; a vector [k] on the left is a row, on the right a column, and its
///   axis of extent 1 is dropped from the result.
/// - Complexity: 2 m k n flops per product; operands are not copied, however they are transposed.
public func matmul(_ a: Tensor, _ b: Tensor) -> Tensor {
  guard a.rank > 0, b.rank > 0 else {
    stop(
      "matmul", "both factors need at least one axis", got: "\(a.shape) and \(b.shape)",
      hint: "Multiply by a number with *.")
  }
  requireOneScalarType("matmul", a, b)
  let (inner, outer) = (a.shape[a.rank - 1], b.shape[Swift.max(0, b.rank - 2)])
  guard inner == outer else {
    let hint = b.rank >= 2 && b.shape[b.rank - 1] == inner ? "Transpose the right factor?" : nil
    stop("matmul", "inner extents must agree", got: "\(a.shape) and \(b.shape)", hint: hint)
  }
  if a.rank <= 2 && b.rank <= 2 || b.rank == 1 || (a.rank > 2 && b.rank == 2) {
    // Without batch axes on the right the left ones are simply more rows.
    return bind(Contraction.over(a.rank - 1, Swift.max(0, b.rank - 2)), .two(a, b))
  }
  if a.rank == 1 { return matmul(a.expanded(at: 0), b).squeezed([-2]) }
  let batchShape = broadcastShape(Array(a.shape.dropLast(2)), Array(b.shape.dropLast(2)), "matmul")
  let left = a.broadcast(to: batchShape + a.shape.suffix(2))
  let right = b.broadcast(to: batchShape + b.shape.suffix(2))
  let batch = Array(0..<batchShape.count)
  return bind(
    Contraction(
      leftBatch: batch, rightBatch: batch, leftSummed: [batch.count + 1], rightSummed: [batch.count]),
    .two(left, right))
}

/// The inner product of two tensors of one shape: the sum of the products of their entries.
public func dot(_ a: Tensor, _ b: Tensor) -> Tensor {
  guard a.shape == b.shape else { stop("dot", "shapes must agree", got: "\(a.shape) and \(b.shape)") }
  requireOneScalarType("dot", a, b)
  let axes = Array(0..<a.rank)
  return bind(Contraction(leftSummed: axes, rightSummed: axes), .two(a, b))
}

/// All products of an entry of `a` with an entry of `b`.
///
/// - Shapes: [a...] and [b...] → [a..., b...].
/// - Complexity: as many entries as the product of both counts; stops where memory cannot hold them.
public func outer(_ a: Tensor, _ b: Tensor) -> Tensor {
  requireOneScalarType("outer", a, b)
  _ = (a.shape + b.shape).entryCount("outer")
  return bind(Contraction.outer, .two(a, b))
}

/// The sum of products over paired axes.
///
/// - Shapes: the axes of `a` that are not summed, then those of `b`.
/// - Parameters:
///   - a: the left factor.
///   - b: the right factor.
///   - axes: the axes of `a` and, in the same order, those of `b` that are multiplied and summed.
public func tensordot(_ a: Tensor, _ b: Tensor, axes: (left: [Int], right: [Int])) -> Tensor {
  let left = axes.left.map { normalizedAxis($0, rank: a.rank, "tensordot") }
  let right = axes.right.map { normalizedAxis($0, rank: b.rank, "tensordot") }
  guard left.count == right.count, a.shape.picking(left) == b.shape.picking(right) else {
    stop(
      "tensordot", "paired axes must have equal extents",
      got: "axes \(axes.left) of \(a.shape) and \(axes.right) of \(b.shape)")
  }
  guard Set(left).count == left.count, Set(right).count == right.count else {
    stop("tensordot", "axes must be distinct", got: "\(axes.left) and \(axes.right)")
  }
  requireOneScalarType("tensordot", a, b)
  return bind(Contraction(leftSummed: left, rightSummed: right), .two(a, b))
}
