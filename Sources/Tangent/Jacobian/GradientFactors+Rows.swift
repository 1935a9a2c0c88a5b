import AutoDiff

/// Inner products of gradients of a table from which rows were picked: only equal rows meet, so neither the table's extent
/// nor pairs of different rows count.
extension GradientFactors {
  /// The sums of what belongs to one example and one row, ordered by row.
  private struct PickedRows {
    /// [picked, outputs, r].
    var sums: Tensor
    /// By picked row, its example.
    var examples: [Int] = []
    /// By row of the table, which of the picked rows are it.
    var ranges: [Int: Range<Int>] = [:]

    init(_ factors: GradientFactors) {
      let (n, s) = (factors.exampleCount, factors.positions)
      let rows = factors.left.scalars.map { Int($0) }
      let order = rows.indices.sorted { (rows[$0], $0) < (rows[$1], $1) }
      // The positions in this order; those of one example and row fall together.
      var target = [Int](repeating: 0, count: n * s)
      var previous = -1
      for k in order {
        if previous < 0 || rows[k] != rows[previous] || k / s != previous / s {
          let row = rows[k]
          ranges[row] = (ranges[row]?.lowerBound ?? examples.count)..<examples.count + 1
          examples.append(k / s)
        }
        target[k] = examples.count - 1
        previous = k
      }
      let (a, r) = (factors.outputCount, factors.rightCount)
      let flat = factors.right.permuted([0, 2, 1, 3, 4]).reshaped(to: [n * s, a * r])
      let ordered =
        examples.count == n * s
        ? flat.gathered(at: order)
        : flat.scatterAdded(at: Tensor(target.map(Double.init)), extent: examples.count)
      sums = ordered.reshaped(to: [examples.count, a, r])
    }
  }

  func matchingRowsGram(_ other: GradientFactors, _ request: GramRequest) -> Tensor {
    let outputs = request.outputs
    let mine = PickedRows(self)
    let theirs = right.isIdentical(to: other.right) && left.isIdentical(to: other.left) ? mine : PickedRows(other)
    // Rows of the table that as many examples pick, here and there, are treated together.
    var sizes: [[Int]: [(Range<Int>, Range<Int>)]] = [:]
    for (row, range) in mine.ranges {
      if let match = theirs.ranges[row] { sizes[[range.count, match.count], default: []].append((range, match)) }
    }
    let (n, m) = (exampleCount, other.exampleCount)
    let width = outputs.kept(outputCount, other.outputCount)
    var total = Tensor.zeros([n * m, width], as: right.scalarType)
    // In a fixed order, so that results do not depend on that of a dictionary.
    for (size, matches) in sizes.sorted(by: { ($0.key[0], $0.key[1]) < ($1.key[0], $1.key[1]) }) {
      let matches = matches.sorted { $0.0.lowerBound < $1.0.lowerBound }
      let chunk = max(1, request.temporaryBytes / max(1, size[0] * size[1] * width * right.scalarType.byteCount))
      for start in stride(from: 0, to: matches.count, by: chunk) {
        let part = matches[start..<min(start + chunk, matches.count)]
        let a = mine.sums.gathered(at: part.flatMap { Array($0.0) })
        let b = theirs.sums.gathered(at: part.flatMap { Array($0.1) })
        let cells = part.flatMap { x, y in x.flatMap { i in y.map { mine.examples[i] * m + theirs.examples[$0] } } }
        let products = Self.products(a, b, count: part.count, outputs)
        total += products.reshaped(to: [cells.count, width])
          .scatterAdded(at: Tensor(cells.map(Double.init)), extent: n * m)
      }
    }
    return total.reshaped(to: request.shape(n, m, outputCount, other.outputCount))
  }

  /// Inner products of all pairs within `count` groups of equal size: [count, here, there, kept outputs...].
  private static func products(_ a: Tensor, _ b: Tensor, count: Int, _ outputs: KernelOutputs) -> Tensor {
    let (g, h, r) = (a.shape[0] / count, b.shape[0] / count, a.shape[2])
    let (x, y) = (a.reshaped(to: [count, g, a.shape[1], r]), b.reshaped(to: [count, h, b.shape[1], r]))
    if outputs.keepsAllPairs {
      return contract(x, y, batch: ([0], [0]), summed: ([3], [3])).permuted([0, 1, 3, 2, 4])
    }
    if outputs.keepsDiagonal {
      return contract(x, y, batch: ([0, 2], [0, 2]), summed: ([3], [3])).permuted([0, 2, 3, 1])
    }
    return contract(x, y, batch: ([0], [0]), summed: ([2, 3], [2, 3]))
  }
}
