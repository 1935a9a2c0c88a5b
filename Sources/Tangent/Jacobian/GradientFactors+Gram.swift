import AutoDiff

/// Inner products of gradients that are sums of outer products of one form: Σ over W's entries of G[i, a] · G'[j, b].
extension GradientFactors {
  /// How the inner products are computed.
  enum Route {
    /// (X Xᵀ) ∘ (Δ Δᵀ) by pairs of positions.
    case factored
    /// By pairs of equal rows of the identity.
    case matchingRows
    /// From the gradients in memory, a range of left entries at a time.
    case dense
  }

  /// The route of the least work, by counted multiplications and bytes.
  func route(with other: GradientFactors, _ outputs: KernelOutputs) -> Route {
    if form.hasRows, !left.isTraced, !other.left.isTraced { return .matchingRows }
    let (n, m) = (Double(exampleCount), Double(other.exampleCount))
    let (s, t, p) = (Double(positions), Double(other.positions), Double(parallelCount))
    let (a, b) = (Double(outputCount), Double(other.outputCount))
    let (l, r) = (form.hasRows ? 1 : Double(leftCount), Double(rightCount))
    /// Entries of the result per pair of examples, and inner products of right sides that they need.
    let (kept, pairs) =
      switch outputs {
      case .full: (a * b, a * b)
      case .diagonal: (a, a)
      case .traceSum, .traceMean: (1.0, a)
      }
    let positionPairs = n * m * s * t * p
    // Work on single entries runs at the speed of memory, a tenth of that of a product.
    let factored = positionPairs * (l + pairs * r) + (s * t * p > 1 ? 10 : 1) * positionPairs * kept
    let entries = p * Double(leftCount) * r
    let forming = (n * a * s + m * b * t) * entries + 10 * (n * a + m * b) * entries
    let dense = forming + n * m * pairs * entries
    return factored <= dense ? .factored : .dense
  }

  /// [n, m], [n, m, outputs] or [n, m, outputs, outputs], as `outputs` says; the trace is not divided.
  ///
  /// - Complexity: for one position n m (l + outputs² r) multiplications; temporary memory of about
  ///   ``GradientFactors/temporaryBytes``.
  func gram(_ other: GradientFactors, _ outputs: KernelOutputs, by route: Route? = nil) -> Tensor {
    switch route ?? self.route(with: other, outputs) {
    case .factored: factoredGram(other, outputs)
    case .matchingRows: matchingRowsGram(other, outputs)
    case .dense: denseGram(other, outputs)
    }
  }

  /// What an intermediate result may take before the work is done in pieces.
  static var temporaryBytes: Int { 1 << 26 }

  private var entryBytes: Int { right.scalarType.byteCount }

  // MARK: By gradients in memory

  private func denseGram(_ other: GradientFactors, _ outputs: KernelOutputs) -> Tensor {
    let perEntry = (exampleCount * outputCount + other.exampleCount * other.outputCount) * parallelCount * rightCount
    let chunk = max(1, Self.temporaryBytes / max(1, perEntry * entryBytes))
    let isSame = right.isIdentical(to: other.right)
    let parts = stride(from: 0, to: leftCount, by: chunk).map { start in
      let range = start..<min(start + chunk, leftCount)
      let mine = product(range)
      return outputs.gram(mine, isSame ? mine : other.product(range))
    }
    return parts.sum ?? outputs.zeros(self, other)
  }

  // MARK: By pairs of positions

  private func factoredGram(_ other: GradientFactors, _ outputs: KernelOutputs) -> Tensor {
    let kept = outputs.keepsAllPairs ? outputCount * other.outputCount : outputs.keepsDiagonal ? outputCount : 1
    let perRow = other.exampleCount * positions * other.positions * parallelCount * (1 + kept) * entryBytes
    let rows = max(1, Self.temporaryBytes / max(1, perRow))
    // Without positions the intermediate result is no larger than the kernel.
    if rows >= exampleCount || positions * other.positions * parallelCount == 1 {
      return factoredTile(other, outputs)
    }
    return concatenate(
      stride(from: 0, to: exampleCount, by: rows).map { start in
        examples(start..<min(start + rows, exampleCount)).factoredTile(other, outputs)
      })
  }

  private func examples(_ range: Range<Int>) -> GradientFactors {
    GradientFactors(left: left[range], right: right[range], like: self)
  }

  private func factoredTile(_ other: GradientFactors, _ outputs: KernelOutputs) -> Tensor {
    let (n, m) = (exampleCount, other.exampleCount)
    let (s, t, p, r) = (positions, other.positions, parallelCount, rightCount)
    let (a, b) = (outputCount, other.outputCount)
    let isSingle = s == 1 && t == 1 && p == 1
    let lefts = leftGram(other)  // [p, n s, m t], without p if that is 1
    if outputs.keepsAllPairs {
      let rights: Tensor
      if p == 1 {
        rights = tensordot(
          right.reshaped(to: [n * a * s, r]), other.right.reshaped(to: [m * b * t, r]), axes: ([1], [1]))
      } else {
        rights = matmul(
          right.movingAxis(3, to: 0).reshaped(to: [p, n * a * s, r]),
          other.right.movingAxis(3, to: 0).reshaped(to: [p, m * b * t, r]).transposed)
      }
      if isSingle {
        return rights.reshaped(to: [n, a, m, b]).permuted([0, 2, 1, 3]) * lefts.reshaped(to: [n, m, 1, 1])
      }
      // Parallel over pairs of examples, summed over pairs of positions and over p.
      return contract(
        lefts.reshaped(to: [p, n, s, m, t]), rights.reshaped(to: [p, n, a, s, m, b, t]),
        batch: ([1, 3], [1, 4]), summed: ([0, 2, 4], [0, 3, 6]))
    }
    if outputs.keepsDiagonal {
      // [outputs, p, n s, r] times [outputs, p, r, m t].
      func ordered(_ side: Tensor, _ n: Int, _ s: Int) -> Tensor {
        side.permuted([1, 3, 0, 2, 4]).reshaped(to: [a, p, n * s, r])
      }
      let rights = matmul(ordered(right, n, s), ordered(other.right, m, t).transposed)
      return (rights * lefts.reshaped(to: [p, n * s, m * t])).reshaped(to: [a, p, n, s, m, t])
        .sum(axes: [1, 3, 5]).movingAxis(0, to: 2)
    }
    if isSingle {
      return lefts
        * tensordot(right.reshaped(to: [n, a * r]), other.right.reshaped(to: [m, a * r]), axes: ([1], [1]))
    }
    // [p, n s, m t], summed over outputs and entries.
    func ordered(_ side: Tensor, _ n: Int, _ s: Int) -> Tensor {
      side.permuted([3, 0, 2, 1, 4]).reshaped(to: p == 1 ? [n * s, a * r] : [p, n * s, a * r])
    }
    let rights = matmul(ordered(right, n, s), ordered(other.right, m, t).transposed)
    return (lefts * rights).reshaped(to: [p, n, s, m, t]).sum(axes: [0, 2, 4])
  }

  /// The inner products of left sides: [p, n s, m t], without the first axis if p is 1.
  private func leftGram(_ other: GradientFactors) -> Tensor {
    let (rows, columns) = (exampleCount * positions, other.exampleCount * other.positions)
    if form.hasRows {
      return (left.reshaped(to: [rows, 1]) .== other.left.reshaped(to: [1, columns])).as(right.scalarType)
    }
    if parallelCount == 1 {
      return tensordot(
        left.reshaped(to: [rows, leftCount]), other.left.reshaped(to: [columns, leftCount]), axes: ([1], [1]))
    }
    return matmul(
      left.movingAxis(2, to: 0).reshaped(to: [parallelCount, rows, leftCount]),
      other.left.movingAxis(2, to: 0).reshaped(to: [parallelCount, columns, leftCount]).transposed)
  }
}
