extension KernelPlan {
  /// Counts what one example takes, and divides the work.
  ///
  /// - Parameters:
  ///   - run: the model's run on a single example.
  ///   - names: what the leaves of the parameters are called.
  init<P>(
    probing run: ModelRun<P>, names: [String], rowCount: Int, columnCount: Int, isSymmetric: Bool,
    outputs: KernelOutputs, method: KernelMethod, budget: Int
  ) throws(KernelError) {
    // Without outputs it is planned as with one.
    let count = max(1, run.outputCount)
    let one = run.jacobian(ofOutputs: 0..<min(1, run.outputCount))
    let bytes = ExampleBytes(run, one, kept: outputs.kept(count, count) * run.outputs.scalarType.byteCount)
    let kernel = outputs.shape(rowCount, columnCount, count, count).reduce(run.outputs.scalarType.byteCount, saturating)
    // Some intermediate results are alive at a time.
    let fixed = run.sharedBytes + 6 * Self.temporaryBytes(budget)
    // A kernel that takes no more than half is kept in memory; a larger one has to go to a file.
    let available = budget - fixed - (kernel <= budget / 2 ? kernel : 0)
    guard bytes.ofTile(1, 1, outputs: 1) <= available else {
      throw .tooLittleMemory(needed: fixed + bytes.ofTile(1, 1, outputs: 1), budget: budget)
    }
    let tile = bytes.largestTile(
      within: available, rowCount: rowCount, columnCount: columnCount, outputCount: count, isSymmetric: isSymmetric)
    let isWhole = isSymmetric && tile.rows >= rowCount
    (self.rowCount, self.columnCount, outputCount) = (rowCount, columnCount, run.outputCount)
    (self.outputs, self.isSymmetric, self.budget) = (outputs, isSymmetric, budget)
    (rowTile, columnTile, outputChunk) = (tile.rows, tile.columns, tile.outputs)
    (exampleBytes, outputBytes) = (bytes.perExample, bytes.perOutput)
    scalarType = run.outputs.scalarType
    estimatedPeak =
      fixed
      + bytes.ofTile(
        min(tile.rows, rowCount), isWhole ? 0 : min(tile.columns, columnCount), outputs: tile.outputs)

    let (rows, columns) = (Double(min(tile.rows, rowCount)), Double(min(tile.columns, columnCount)))
    let tileCount = Double(rowCount) * Double(columnCount) / max(1, rows * columns) * (isSymmetric ? 0.5 : 1)
    let traced = Double(tile.outputs)
    parameters = zip(zip(names, run.leafShapes), one.blocks).map { leaf, block in
      let extents = block.factors.map { factors in
        var extents = GramExtents(factors, factors)
        (extents.n, extents.m, extents.a, extents.b) = (rows, columns, traced, traced)
        return extents
      }
      let methods = extents.map { method == .automatic ? $0.cheapestMethod(outputs) : method }
      let pairs = outputs.keepsAllPairs ? traced * traced : traced
      let dense = block.dense.map { rows * columns * pairs * Double($0.count) } ?? 0
      let work = zip(extents, methods).reduce(dense) { $0 + $1.0.cost(of: $1.1, outputs) }
      let chunks = Double((count + tile.outputs - 1) / tile.outputs)
      let times = tileCount * (outputs.keepsAllPairs ? chunks * chunks : chunks)
      return ParameterPlan(
        name: leaf.0, shape: leaf.1, positions: block.factors.map(\.positions), methods: methods,
        multiplications: work * times,
        costs: extents.map { extents in
          let methods: [KernelMethod] = [.factored, .dense, .vectorProducts]
          return Dictionary(uniqueKeysWithValues: methods.map { ($0, extents.cost(of: $0, outputs) * times) })
        })
    }
  }
}

/// What the examples of a tile take.
private struct ExampleBytes {
  /// The values of the run and the left sides.
  let perExample: Int
  /// Every output's right sides, and the cotangents on their way.
  let perOutput: Int
  /// A pair of examples of the kernel.
  let kept: Int

  init<P>(_ run: ModelRun<P>, _ one: FactoredJacobian<P>, kept: Int) {
    let right =
      run.outputCount > 1 ? run.jacobian(ofOutputs: 0..<2).byteCount - one.byteCount : one.byteCount
    perExample = run.exampleBytes + max(0, one.byteCount - right) + 2 * run.largestValueBytes
    perOutput = right + 4 * run.largestValueBytes
    self.kept = kept
  }

  /// A quarter more, because memory comes in blocks of certain sizes.
  func ofTile(_ rows: Int, _ columns: Int, outputs: Int) -> Int {
    let examples = Double(rows + columns) * (Double(perExample) + Double(outputs) * Double(perOutput))
    let total = 1.25 * (examples + 4 * Double(rows) * Double(columns == 0 ? rows : columns) * Double(kept))
    return total >= 1e18 ? 1_000_000_000_000_000_000 : Int(total)
  }

  func largestTile(
    within available: Int, rowCount: Int, columnCount: Int, outputCount: Int, isSymmetric: Bool
  ) -> (rows: Int, columns: Int, outputs: Int) {
    // All outputs at a time if some tens of examples then fit; otherwise as many as do.
    let modest = max(1, min(rowCount, 32))
    var chunk = outputCount
    while chunk > 1, ofTile(modest, modest, outputs: chunk) > available { chunk = (chunk + 1) / 2 }
    if isSymmetric, ofTile(rowCount, 0, outputs: chunk) <= available {
      return (max(1, rowCount), max(1, columnCount), chunk)
    }
    func largest(_ limit: Int, _ fits: (Int) -> Bool) -> Int {
      var (low, high) = (1, max(1, limit))
      while low < high {
        let middle = (low + high + 1) / 2
        if fits(middle) { low = middle } else { high = middle - 1 }
      }
      return low
    }
    // A band keeps its Jacobian while narrower tiles pass by; with outputs in parts nothing is kept, and squares are best.
    let ratio = chunk < outputCount ? 1 : 3
    let columns = largest(columnCount) { ofTile(min(rowCount, ratio * $0), $0, outputs: chunk) <= available }
    let rows = largest(rowCount) { ofTile($0, columns, outputs: chunk) <= available }
    // Equal parts rather than a small rest.
    func evened(_ step: Int, _ count: Int) -> Int {
      let parts = max(1, (count + step - 1) / step)
      return max(1, (count + parts - 1) / parts)
    }
    return (evened(rows, rowCount), evened(columns, columnCount), chunk)
  }
}
