import AutoDiff

/// Inner products of gradients that are sums of outer products: Σ over W's entries of G[i, a] · G'[j, b].
extension GradientFactors {
  /// [n, m], [n, m, outputs] or [n, m, outputs, outputs], as the request says; the trace is not divided.
  ///
  /// - Parameter other: sums of the same form.
  func gram(_ other: GradientFactors, _ request: GramRequest) -> Tensor {
    let method =
      request.method == .automatic ? GramExtents(self, other).cheapestMethod(request.outputs) : request.method
    switch method {
    case .factored, .automatic:
      return form.hasRows && !left.isTraced && !other.left.isTraced
        ? matchingRowsGram(other, request) : factoredGram(other, request)
    case .dense: return denseGram(other, request)
    case .vectorProducts: return productsGram(other, request)
    }
  }

  private var entryBytes: Int { right.scalarType.byteCount }

  /// Does the work for a part of the examples at a time, of which one takes so many bytes.
  func inParts(_ bytesPerExample: Int, _ request: GramRequest, _ part: (GradientFactors) -> Tensor) -> Tensor {
    let count = max(1, request.temporaryBytes / max(1, bytesPerExample))
    if count >= exampleCount { return part(self) }
    return concatenate(
      stride(from: 0, to: exampleCount, by: count).map { part(examples($0..<min($0 + count, exampleCount))) })
  }

  func examples(_ range: Range<Int>) -> GradientFactors {
    GradientFactors(left: left[range], right: right[range], like: self)
  }

  // MARK: By gradients in memory

  private func denseGram(_ other: GradientFactors, _ request: GramRequest) -> Tensor {
    let perEntry = (exampleCount * outputCount + other.exampleCount * other.outputCount) * parallelCount * rightCount
    let chunk = max(1, request.temporaryBytes / max(1, perEntry * entryBytes))
    let isSame = right.isIdentical(to: other.right)
    let parts = stride(from: 0, to: leftCount, by: chunk).map { start in
      let range = start..<min(start + chunk, leftCount)
      let mine = product(range)
      return request.gram(mine, isSame ? mine : other.product(range))
    }
    return parts.sum
      ?? .zeros(
        request.shape(exampleCount, other.exampleCount, outputCount, other.outputCount), as: right.scalarType)
  }

  /// With gradients in memory: [m, outputs, entries of W].
  func gram(dense: Tensor, _ request: GramRequest) -> Tensor {
    let (m, b) = (dense.shape[0], dense.shape[1])
    let directions = taken(dense.reshaped(to: [m * b, dense.shape[2]]), leading: [m * b])
      .reshaped(to: [m, b, parallelCount, leftCount, rightCount])
    return inParts((m * b + outputCount) * positions * parallelCount * rightCount * entryBytes, request) {
      $0.products(directions, request)
    }
  }

  /// With sums of another form, or of this one by ``KernelMethod/vectorProducts``: their gradients in memory, of as many
  /// examples at a time as fit.
  func productsGram(_ other: GradientFactors, _ request: GramRequest) -> Tensor {
    let (m, b) = (other.exampleCount, other.outputCount)
    let step = max(1, request.temporaryBytes / max(1, b * other.entryCount * entryBytes))
    let parts = stride(from: 0, to: m, by: step).map { start in
      gram(dense: other.examples(start..<min(start + step, m)).dense, request)
    }
    return parts.isEmpty
      ? .zeros(request.shape(exampleCount, m, outputCount, b), as: right.scalarType) : concatenate(parts, axis: 1)
  }

  /// The number of W's entries.
  var entryCount: Int { form.boxes.last?.container.reduce(1, *) ?? form.shape.reduce(1, *) }

  /// With directions [m, b, p, l, r]: what the left sides make of each, met by the right sides.
  private func products(_ directions: Tensor, _ request: GramRequest) -> Tensor {
    let (n, s, p, l, r) = (exampleCount, positions, parallelCount, leftCount, rightCount)
    let (m, b) = (directions.shape[0], directions.shape[1])
    let moved = leftProducts(directions.permuted([0, 1, 4, 2, 3]).reshaped(to: [m * b * r, p, l]))
      .reshaped(to: [p, n, s, m, b, r])
    switch request.outputs {
    case .full, .flattened, .exampleDiagonal:
      return contract(right, moved, batch: ([0], [1]), summed: ([2, 3, 4], [2, 0, 5])).permuted([0, 2, 1, 3])
    case .traceSum, .traceMean:
      return contract(right, moved, batch: ([0], [1]), summed: ([1, 2, 3, 4], [4, 2, 0, 5]))
    case .outputDiagonal:
      return contract(right, moved, batch: ([0, 1], [1, 4]), summed: ([2, 3, 4], [2, 0, 5])).permuted([0, 2, 1])
    }
  }

  // MARK: By pairs of positions

  private func factoredGram(_ other: GradientFactors, _ request: GramRequest) -> Tensor {
    let kept = request.outputs.kept(outputCount, other.outputCount)
    // Without positions the intermediate result is no larger than the kernel.
    let isSingle = positions * other.positions * parallelCount == 1
    let perExample = other.exampleCount * positions * other.positions * parallelCount * (1 + kept) * entryBytes
    return inParts(isSingle ? 0 : perExample, request) { $0.factoredTile(other, request.outputs) }
  }

  private func factoredTile(_ other: GradientFactors, _ outputs: KernelOutputs) -> Tensor {
    let (n, m) = (exampleCount, other.exampleCount)
    let (s, t, p, r) = (positions, other.positions, parallelCount, rightCount)
    let (a, b) = (outputCount, other.outputCount)
    let isSingle = s == 1 && t == 1 && p == 1
    let lefts = leftGram(other)  // [p, n s, m t]
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
      return (rights * lefts).reshaped(to: [a, p, n, s, m, t]).sum(axes: [1, 3, 5]).movingAxis(0, to: 2)
    }
    if isSingle {
      return lefts.reshaped(to: [n, m])
        * tensordot(right.reshaped(to: [n, a * r]), other.right.reshaped(to: [m, a * r]), axes: ([1], [1]))
    }
    // [p, n s, m t], summed over outputs and entries.
    func ordered(_ side: Tensor, _ n: Int, _ s: Int) -> Tensor {
      side.permuted([3, 0, 2, 1, 4]).reshaped(to: p == 1 ? [n * s, a * r] : [p, n * s, a * r])
    }
    let rights = matmul(ordered(right, n, s), ordered(other.right, m, t).transposed)
    return (lefts * rights).reshaped(to: [p, n, s, m, t]).sum(axes: [0, 2, 4])
  }

  /// The inner products of left sides: [p, n s, m t].
  private func leftGram(_ other: GradientFactors) -> Tensor {
    guard form.hasRows else {
      return leftProducts(other.left.reshaped(to: [other.exampleCount * other.positions, parallelCount, leftCount]))
    }
    let (rows, columns) = (exampleCount * positions, other.exampleCount * other.positions)
    return (left.reshaped(to: [1, rows, 1]) .== other.left.reshaped(to: [1, 1, columns])).as(right.scalarType)
  }

  /// The left sides times vectors [k, p, l]: [p, n s, k].
  private func leftProducts(_ vectors: Tensor) -> Tensor {
    let (rows, k) = (exampleCount * positions, vectors.shape[0])
    if form.hasRows {
      return vectors.reshaped(to: [k, leftCount]).gathered(at: left.flattened, axis: 1).transposed.expanded(at: 0)
    }
    if parallelCount == 1 {
      return tensordot(left.reshaped(to: [rows, leftCount]), vectors.reshaped(to: [k, leftCount]), axes: ([1], [1]))
        .expanded(at: 0)
    }
    return matmul(
      left.movingAxis(2, to: 0).reshaped(to: [parallelCount, rows, leftCount]),
      vectors.movingAxis(1, to: 0).reshaped(to: [parallelCount, k, leftCount]).transposed)
  }

  // MARK: Of a weight and its transpose

  /// Whether the right sides of one run over the entries that the left sides of the other run over, as for a weight that
  /// is used with its transpose, or a table that is used for look-up and output.
  func isTransposed(of other: GradientFactors) -> Bool {
    form.leftAxes == other.form.rightAxes && form.rightAxes == other.form.leftAxes
      && form.parallelAxes == other.form.parallelAxes && form.shape == other.form.shape
      && form.boxes == other.form.boxes
  }

  /// The inner products with sums of the transposed form: Σ_{s,t} (left · right′) (right · left′).
  func transposedGram(_ other: GradientFactors, _ request: GramRequest) -> Tensor {
    let perExample =
      other.exampleCount * positions * other.positions * parallelCount * (outputCount + other.outputCount)
      * entryBytes
    return inParts(perExample, request) { $0.transposedTile(other, request.outputs) }
  }

  private func transposedTile(_ other: GradientFactors, _ outputs: KernelOutputs) -> Tensor {
    let (n, m, s, t, p) = (exampleCount, other.exampleCount, positions, other.positions, parallelCount)
    let (a, b) = (outputCount, other.outputCount)
    let x = leftProducts(other.right.reshaped(to: [m * b * t, p, leftCount])).reshaped(to: [p, n, s, m, b, t])
    let y = other.leftProducts(right.reshaped(to: [n * a * s, p, rightCount])).reshaped(to: [p, m, t, n, a, s])
    switch outputs {
    case .full, .flattened, .exampleDiagonal:
      return contract(y, x, batch: ([3, 1], [1, 3]), summed: ([0, 2, 5], [0, 5, 2]))
    case .traceSum, .traceMean:
      return contract(y, x, batch: ([3, 1], [1, 3]), summed: ([0, 2, 5, 4], [0, 5, 2, 4]))
    case .outputDiagonal:
      return contract(y, x, batch: ([3, 1, 4], [1, 3, 4]), summed: ([0, 2, 5], [0, 5, 2]))
    }
  }
}
