import AutoDiff

/// Per-example gradients of one parameter that are sums of outer products,
///
///     G[i, a] = scale · Σ_t left[i, t] ⊗ right[i, a, t],
///
/// kept as their factors: for a weight behind a matrix product, the layer's inputs and the output's cotangents.
struct OuterFactor {
  /// [n, positions, l]: what the parameter was multiplied with.
  var left: Tensor
  /// [n, outputs, positions, r]: the cotangents of the products.
  var right: Tensor
  /// The parameter's axes that `left` runs over, flattened in this order, and those that `right` runs over.
  var leftAxes: [Int]
  var rightAxes: [Int]
  /// The parameter's shape.
  var shape: [Int]
  var scale = 1.0

  var positions: Int { left.shape[1] }

  /// [n, outputs, parameter shape...]: all gradients in memory.
  var dense: Tensor {
    let (n, outputs) = (left.shape[0], right.shape[1])
    // Parallel over examples, summed over positions: [n, l, outputs, r].
    let product = bind(Contraction(leftBatch: [0], rightBatch: [0], leftSummed: [1], rightSummed: [2]), left, right)
    let order = leftAxes + rightAxes
    let split = product.permuted([0, 2, 1, 3]).reshaped(to: [n, outputs] + order.map { shape[$0] })
    var inverse = order
    for (place, axis) in order.enumerated() { inverse[axis] = place }
    return split.permuted([0, 1] + inverse.map { $0 + 2 }) * scale
  }

  /// The gradients of W where these are the gradients of the image of W under a map of parameters.
  func pulledBack(through map: ParameterMap, shape parameterShape: [Int]) -> OuterFactor {
    var result = self
    result.shape = parameterShape
    switch map {
    case .scale(let factor): result.scale *= factor
    case .permute(let axes):
      result.leftAxes = leftAxes.map { axes[$0] }
      result.rightAxes = rightAxes.map { axes[$0] }
    }
    return result
  }

  /// Flops of the inner products with another factor by the factors, against those of the dense route.
  func prefersFactors(with other: OuterFactor) -> Bool {
    guard leftAxes == other.leftAxes, rightAxes == other.rightAxes else { return false }
    let (n, m) = (Double(left.shape[0]), Double(other.left.shape[0]))
    let (s, t) = (Double(positions), Double(other.positions))
    let (a, b) = (Double(right.shape[1]), Double(other.right.shape[1]))
    let (l, r) = (Double(left.shape[2]), Double(right.shape[3]))
    let factored = n * s * m * t * (l + a * b * (r + 1))
    let dense = n * a * s * l * r + m * b * t * l * r + n * a * m * b * l * r
    return factored <= dense
  }

  /// Σ over the parameter's entries of G[i, a] · G'[j, b]: [n, m, outputs, outputs'].
  ///
  /// - Complexity: for one position n m (l + a b r) multiplications, never n · l · r memory.
  func gram(_ other: OuterFactor, reduction: OutputReduction) -> Tensor {
    let (n, m) = (left.shape[0], other.left.shape[0])
    let (s, t) = (positions, other.positions)
    let (l, r) = (left.shape[2], right.shape[3])
    let lefts = tensordot(left.reshaped(to: [n * s, l]), other.left.reshaped(to: [m * t, l]), axes: ([1], [1]))
    let factor = scale * other.scale
    switch reduction {
    case .full:
      let (a, b) = (right.shape[1], other.right.shape[1])
      let rights = tensordot(
        right.reshaped(to: [n * a * s, r]), other.right.reshaped(to: [m * b * t, r]), axes: ([1], [1]))
      if s == 1, t == 1 {
        let cotangents = rights.reshaped(to: [n, a, m, b]).permuted([0, 2, 1, 3])
        return cotangents * (lefts * factor).reshaped(to: [n, m, 1, 1])
      }
      // Parallel over example pairs, summed over position pairs.
      let pairs = bind(
        Contraction(leftBatch: [0, 2], rightBatch: [0, 3], leftSummed: [1, 3], rightSummed: [2, 5]),
        lefts.reshaped(to: [n, s, m, t]), rights.reshaped(to: [n, a, s, m, b, t]))
      return pairs * factor
    case .trace:
      let a = right.shape[1]
      if s == 1, t == 1 {
        let rights = tensordot(
          right.reshaped(to: [n, a * r]), other.right.reshaped(to: [m, a * r]), axes: ([1], [1]))
        return lefts * rights * factor
      }
      // [n, s, m, t] summed over outputs and entries.
      let rights = tensordot(
        right.permuted([0, 2, 1, 3]).reshaped(to: [n * s, a * r]),
        other.right.permuted([0, 2, 1, 3]).reshaped(to: [m * t, a * r]), axes: ([1], [1]))
      return (lefts * rights).reshaped(to: [n, s, m, t]).sum(axes: [1, 3]) * factor
    case .diagonal:
      // Parallel over outputs: [outputs, n s, m t].
      let a = right.shape[1]
      let rights = matmul(
        right.permuted([1, 0, 2, 3]).reshaped(to: [a, n * s, r]),
        other.right.permuted([1, 0, 2, 3]).reshaped(to: [a, m * t, r]).transposed)
      let products = (rights * lefts.expanded(at: 0)).reshaped(to: [a, n, s, m, t])
      return products.sum(axes: [2, 4]).movingAxis(0, to: 2) * factor
    }
  }
}

/// Which entries of the kernel's output axes are computed.
enum OutputReduction {
  /// All: [n, m, outputs, outputs].
  case full
  /// Their trace: [n, m].
  case trace
  /// Their diagonal: [n, m, outputs].
  case diagonal

  /// The inner products of materialized gradients [n, outputs, p] and [m, outputs, p].
  func gram(_ a: Tensor, _ b: Tensor) -> Tensor {
    let (n, m, outputs) = (a.shape[0], b.shape[0], a.shape[1])
    let p = a.shape.dropFirst(2).reduce(1, *)
    switch self {
    case .full:
      return tensordot(
        a.reshaped(to: [n * outputs, p]), b.reshaped(to: [m * b.shape[1], p]), axes: ([1], [1])
      ).reshaped(to: [n, outputs, m, b.shape[1]]).permuted([0, 2, 1, 3])
    case .trace:
      return tensordot(a.reshaped(to: [n, outputs * p]), b.reshaped(to: [m, outputs * p]), axes: ([1], [1]))
    case .diagonal:
      return matmul(
        a.reshaped(to: [n, outputs, p]).permuted([1, 0, 2]), b.reshaped(to: [m, outputs, p]).permuted([1, 2, 0])
      ).movingAxis(0, to: 2)
    }
  }
}
