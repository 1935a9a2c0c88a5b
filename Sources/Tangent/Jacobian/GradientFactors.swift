import AutoDiff

/// Per-example gradients of one parameter W that are sums of outer products over positions t,
///
///     G[i, a][p, l, r] = Σ_t left[i, t, p, l] · right[i, a, t, p, r],
///
/// for all examples i and outputs a; see ``AutoDiff/OuterProducts``, which are those of one example and output.
struct GradientFactors {
  /// What tells which sums may be joined: the axes that the sides run over, and where the entries lie in W.
  struct Form: Hashable {
    var leftAxes: [Int], rightAxes: [Int], parallelAxes: [Int]
    var shape: [Int]
    var boxes: [OuterProducts.Box]
    /// Whether the left sides are rows of the identity.
    var hasRows: Bool

    /// Whether W's entries in one and the other are known to be different ones.
    func isDisjoint(from other: Form) -> Bool {
      guard let mine = boxes.last, let theirs = other.boxes.last, mine.container == theirs.container else {
        return false
      }
      return mine.container.indices.contains { axis in
        func range(_ box: OuterProducts.Box) -> ClosedRange<Int>? {
          guard box.counts[axis] > 0 else { return nil }
          let (first, last) = (box.starts[axis], box.starts[axis] + (box.counts[axis] - 1) * box.steps[axis])
          return min(first, last)...max(first, last)
        }
        guard let a = range(mine), let b = range(theirs) else { return true }
        return !a.overlaps(b)
      }
    }
  }

  /// [n, positions, p, l], or for rows of the identity their numbers [n, positions].
  private(set) var left: Tensor
  /// [n, outputs, positions, p, r].
  private(set) var right: Tensor
  let form: Form

  var exampleCount: Int { right.shape[0] }
  var outputCount: Int { right.shape[1] }
  var positions: Int { right.shape[2] }
  var parallelCount: Int { right.shape[3] }
  var rightCount: Int { right.shape[4] }
  var leftCount: Int { form.hasRows ? form.shape[form.leftAxes[0]] : left.shape[3] }
  /// [n, outputs].
  var leadingShape: [Int] { [exampleCount, outputCount] }

  /// Other sides of the same form.
  init(left: Tensor, right: Tensor, like other: GradientFactors) {
    (self.left, self.right, form) = (left, right, other.form)
  }

  /// The products of all examples and outputs, given those of one.
  init(revealing products: OuterProducts, _ hidden: HiddenAxes) {
    self.init(products, left: hidden.examples.reveal, right: hidden.reveal)
  }

  /// The products of all examples and outputs, given those of one and what they are for all: [n, shape...] of a left side,
  /// [n, outputs, shape...] of a right one.
  init(_ products: OuterProducts, left revealLeft: (Tensor) -> Tensor, right revealRight: (Tensor) -> Tensor) {
    let ordered = products.withSortedAxes
    right = revealRight(ordered.right)
    let hasRows: Bool
    switch ordered.left {
    case .values(let values):
      hasRows = false
      left = revealLeft(values)
      // The left side is the same for all outputs, and usually the smaller one.
      if ordered.scale != 1 { left *= ordered.scale }
    case .rows(let rows):
      hasRows = true
      // Of one type, so that look-ups by indices of both types are joined, and exact.
      left = revealLeft(rows.as(.float64))
      if ordered.scale != 1 { right *= ordered.scale }
    }
    form = Form(
      leftAxes: ordered.leftAxes, rightAxes: ordered.rightAxes, parallelAxes: ordered.parallelAxes,
      shape: ordered.shape, boxes: ordered.boxes, hasRows: hasRows)
  }

  /// The gradients of W where these are those of something made from W, by a rule for one example and output; nil where
  /// the rule does not keep the structure.
  func pulledBack(
    _ hidden: HiddenAxes, _ rule: (OuterProducts) -> OuterProducts?
  ) -> GradientFactors? {
    let hiddenLeft = hidden.examples.hide(left)
    let products = OuterProducts(
      left: form.hasRows ? .rows(hiddenLeft) : .values(hiddenLeft), right: hidden.hide(right),
      leftAxes: form.leftAxes, rightAxes: form.rightAxes, parallelAxes: form.parallelAxes, shape: form.shape,
      boxes: form.boxes)
    return rule(products).map { GradientFactors(revealing: $0, hidden) }
  }

  /// Joins products of one form along the positions.
  init(joining parts: [GradientFactors]) {
    var (lefts, rights): ([Tensor], [Tensor]) = ([], [])
    var known: [ObjectIdentifier: Int] = [:]
    for part in parts {
      // Σ_t l ⊗ r + l ⊗ r′ = Σ_t l ⊗ (r + r′).
      if let index = known[part.left.identity] {
        rights[index] += part.right
      } else {
        known[part.left.identity] = lefts.count
        lefts.append(part.left)
        rights.append(part.right)
      }
    }
    form = parts[0].form
    left = concatenate(lefts, axis: 1)
    right = concatenate(rights, axis: 2)
  }

  /// The left sides as numbers, of the left entries in a range: [n, positions, p, range].
  func leftValues(_ range: Range<Int>) -> Tensor {
    guard form.hasRows else { return range.count == leftCount ? left : left[0..., 0..., 0..., range] }
    let numbers = Tensor.range(from: Double(range.lowerBound), to: Double(range.upperBound), as: left.scalarType)
    return (left.expanded(at: 2).expanded(at: 3) .== numbers).as(right.scalarType)
  }

  /// The gradients in memory, of the left entries in a range, in an order of their own: [n, outputs, entries].
  func product(_ range: Range<Int>) -> Tensor {
    // Parallel over examples and parallel entries, summed over positions: [n, p, outputs, r, l].
    let product = contract(
      right, leftValues(range), batch: ([0, 3], [0, 2]), summed: ([2], [1]))
    let entries = parallelCount * rightCount * range.count
    return (parallelCount == 1 ? product : product.permuted([0, 2, 1, 3, 4])).reshaped(to: leadingShape + [entries])
  }

  /// The gradients in memory: [n, outputs, entries of W].
  var dense: Tensor {
    let product = product(0..<leftCount)
      .reshaped(to: leadingShape + [parallelCount, rightCount, leftCount]).permuted([0, 1, 2, 4, 3])
    return placed(product, leading: leadingShape)
  }

  // MARK: Products with directions

  /// The Jacobian times a direction of W: [n, outputs].
  func jvp(_ direction: Tensor) -> Tensor {
    let matrix = taken(direction, leading: [])  // [p, l, r]
    let moved: Tensor  // [n, positions, p, r]
    if form.hasRows {
      moved = matrix[0].gathered(at: left).expanded(at: 2)
    } else if parallelCount == 1 {
      moved = matmul(left, matrix[0])
    } else {
      moved = contract(left, matrix, batch: ([2], [0]), summed: ([3], [1])).permuted([1, 2, 0, 3])
    }
    return contract(right, moved, batch: ([0], [0]), summed: ([2, 3, 4], [1, 2, 3]))
  }

  /// The transposed Jacobian times a direction of the outputs [n, outputs]: the entries of W in their order.
  func vjp(_ direction: Tensor) -> Tensor {
    let weighted = contract(direction, right, batch: ([0], [0]), summed: ([1], [1]))  // [n, positions, p, r]
    if form.hasRows {
      let rows = left.flattened
      let sum = weighted.reshaped(to: [rows.count, rightCount]).scatterAdded(at: rows, extent: leftCount)
      return placed(sum.expanded(at: 0), leading: [])
    }
    return placed(contract(left, weighted, batch: ([2], [2]), summed: ([0, 1], [0, 1])), leading: [])
  }

  /// ‖G[i, a]‖² for every example and output: [n, outputs].
  var squaredNorms: Tensor {
    if positions == 1, parallelCount == 1 {
      let rights = square(right).sum(axes: [2, 3, 4])
      return form.hasRows ? rights : rights * square(left).sum(axes: [1, 2, 3]).expanded(at: 1)
    }
    // By pairs of positions, or by the entries, whichever is less work.
    if positions <= rightCount * leftCount / max(1, rightCount + leftCount) + 1 {
      let lefts: Tensor
      if form.hasRows {
        lefts = (left.expanded(at: 1) .== left.expanded(at: 2)).as(right.scalarType).expanded(at: 1)
      } else {
        let ordered = left.movingAxis(2, to: 1)
        lefts = matmul(ordered, ordered.transposed)  // [n, p, t, t]
      }
      let ordered = right.movingAxis(3, to: 2)
      let rights = matmul(ordered, ordered.transposed)  // [n, outputs, p, t, t]
      return contract(rights, lefts, batch: ([0], [0]), summed: ([2, 3, 4], [1, 2, 3]))
    }
    return square(product(0..<leftCount)).sum(axes: [2])
  }

  // MARK: W's own order

  private var sides: [Int] { form.parallelAxes + form.leftAxes + form.rightAxes }

  /// [leading..., p, l, r] of a tensor with W's entries after leading axes.
  func taken(_ tensor: Tensor, leading: [Int]) -> Tensor {
    let first = Array(leading.indices)
    var part = tensor
    for box in form.boxes.reversed() {
      let ranges = box.container.indices.map { axis in
        Self.index(box.starts[axis], box.counts[axis], box.steps[axis])
      }
      part = part.reshaped(to: leading + box.container).part(first.map { _ in .all } + ranges)
    }
    return part.reshaped(to: leading + form.shape).permuted(first + sides.map { $0 + leading.count })
      .reshaped(to: leading + [parallelCount, leftCount, rightCount])
  }

  /// [leading..., entries of W] of [leading..., p, l, r].
  private func placed(_ tensor: Tensor, leading: [Int]) -> Tensor {
    var inverse = sides
    for (position, axis) in sides.enumerated() { inverse[axis] = position }
    let first = Array(leading.indices)
    var result = tensor.reshaped(to: leading + sides.map { form.shape[$0] })
      .permuted(first + inverse.map { $0 + leading.count })
    for box in form.boxes {
      result = result.reshaped(to: leading + box.counts).placed(in: box, leadingRank: leading.count)
    }
    return result.reshaped(to: leading + [result.shape.dropFirst(leading.count).reduce(1, *)])
  }

  private static func index(_ start: Int, _ count: Int, _ step: Int) -> TensorIndex {
    guard count > 0 else { return .range(0, 0, step: 1) }
    let last = start + (count - 1) * step
    return step > 0 ? .range(start, last + 1, step: step) : .range(last, start + 1, step: step)
  }
}

/// The sum of products over paired axes, in parallel along others: ``AutoDiff/Contraction``.
func contract(
  _ a: Tensor, _ b: Tensor, batch: (left: [Int], right: [Int]), summed: (left: [Int], right: [Int])
) -> Tensor {
  bind(
    Contraction(leftBatch: batch.left, rightBatch: batch.right, leftSummed: summed.left, rightSummed: summed.right),
    a, b)
}
