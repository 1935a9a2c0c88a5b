/// Eigenvalues and eigenvectors of a symmetric tridiagonal matrix.
enum TridiagonalEigen {
  /// The largest block that is not divided further.
  private static let leafExtent = 32

  /// Eigenvalues, ascending, and eigenvectors.
  ///
  /// Divide and conquer: leaves by the QL iteration, then merges with deflation, whose work is matrix products.
  ///
  /// - Parameters:
  ///   - d: The n diagonal entries; overwritten with the eigenvalues.
  ///   - e: The n − 1 entries beside the diagonal; destroyed.
  ///   - vectors: n × n entries; row i becomes the eigenvector of value i, of length 1 and either sign.
  /// - Throws: `LinearAlgebraError.notFinite` or `.notConverged`.
  @specialized(where T == Double)
  @specialized(where T == Float)
  @inline(never)
  static func decompose<T: LoopScalar>(
    diagonal d: UnsafeMutablePointer<T>, offDiagonal e: UnsafeMutablePointer<T>, n: Int,
    vectors: UnsafeMutablePointer<T>
  ) throws(LinearAlgebraError) {
    try requireFinite(d, e, n: n)
    let scale = normalize(d, e, n: n)
    let failure: LinearAlgebraError? = withPooledScratch(T.self, n * n) { rows in
      withPooledScratch(Int.self, n) { order in
        if let failure = divideAndConquer(d, e, n: n, rows: rows, order: order, memory: vectors) { return failure }
        sortValues(d, order, n: n, scales: scale, 1)
        for i in 0..<n { (vectors + i * n).update(from: rows + order[i] * n, count: n) }
        return nil
      }
    }
    if let failure { throw failure }
  }

  /// Eigenvalues only, ascending, in O(n²) operations.
  ///
  /// - Parameters: As for `decompose`.
  /// - Throws: `LinearAlgebraError.notFinite` or `.notConverged`.
  @specialized(where T == Double)
  @specialized(where T == Float)
  @inline(never)
  static func values<T: LoopScalar>(
    diagonal d: UnsafeMutablePointer<T>, offDiagonal e: UnsafeMutablePointer<T>, n: Int
  ) throws(LinearAlgebraError) {
    try requireFinite(d, e, n: n)
    let scale = normalize(d, e, n: n)
    let failed = withPooledScratch(T.self, n) { beside in
      if n > 0 { beside.update(from: e, count: n - 1) }
      return ImplicitQL<T>.iterate(d, beside, n: n, rows: nil, rowStride: 0)
    }
    if let failed { throw .notConverged(eigenvalue: failed, iterations: ImplicitQL<T>.iterationLimit) }
    for i in 0..<n { d[i] *= scale }
    var entries = UnsafeMutableBufferPointer(start: d, count: n)
    entries.sort()
  }

  private static func requireFinite<T: LoopScalar>(
    _ d: UnsafePointer<T>, _ e: UnsafePointer<T>, n: Int
  ) throws(LinearAlgebraError) {
    for i in 0..<n where !d[i].isFinite { throw .notFinite(row: i, column: i, value: Double(d[i])) }
    for i in 1..<max(1, n) where !e[i - 1].isFinite {
      throw .notFinite(row: i, column: i - 1, value: Double(e[i - 1]))
    }
  }

  /// Divides the matrix by the power of two in its largest entry, and returns it.
  ///
  /// Entries beside the diagonal that are then below the rounding error of 1 are set to zero: that moves no eigenvalue by
  /// more than rounding does, and squares of the others stay within the range of the type.
  static func normalize<T: LoopScalar>(
    _ d: UnsafeMutablePointer<T>, _ e: UnsafeMutablePointer<T>, n: Int
  ) -> T {
    var largest: T = 0
    for i in 0..<n { largest = max(largest, abs(d[i])) }
    for i in 0..<max(0, n - 1) { largest = max(largest, abs(e[i])) }
    let divisor = largest < .leastNormalMagnitude ? T.leastNormalMagnitude : largest.binade
    for i in 0..<n { d[i] /= divisor }
    for i in 0..<max(0, n - 1) { e[i] = abs(e[i] / divisor) > ImplicitQL<T>.negligible ? e[i] / divisor : 0 }
    return divisor
  }

  /// The indices of some values by ascending value, equal ones in order.
  @inline(never)
  static func sort<T: LoopScalar>(_ values: UnsafePointer<T>, count: Int, into order: UnsafeMutablePointer<Int>) {
    let sorted = (0..<count).sorted { (values[$0], $0) < (values[$1], $1) }
    order.update(from: sorted, count: count)
  }

  /// Puts the values into order and multiplies them by two scales, whose product could leave the range of the type.
  static func sortValues<T: LoopScalar>(
    _ d: UnsafeMutablePointer<T>, _ order: UnsafePointer<Int>, n: Int, scales first: T, _ second: T
  ) {
    let sorted = (0..<n).map { d[order[$0]] * first * second }
    for i in 0..<n { d[i] = sorted[i] }
  }

  /// Eigenvalues in `d` and eigenvectors in the rows of `rows`; `order` lists them by ascending value. The matrix must be
  /// normalized.
  ///
  /// - Parameter memory: n × n entries of working memory.
  @inline(never)
  static func divideAndConquer<T: LoopScalar>(
    _ d: UnsafeMutablePointer<T>, _ e: UnsafeMutablePointer<T>, n: Int, rows: UnsafeMutablePointer<T>,
    order: UnsafeMutablePointer<Int>, memory: UnsafeMutablePointer<T>
  ) -> LinearAlgebraError? {
    var blocks = [0..<n]
    while blocks[0].count > leafExtent {
      blocks = blocks.flatMap { block in
        let middle = block.lowerBound + (block.count + 1) / 2
        return [block.lowerBound..<middle, middle..<block.upperBound]
      }
    }
    for block in blocks.dropFirst() {
      d[block.lowerBound - 1] -= abs(e[block.lowerBound - 1])
      d[block.lowerBound] -= abs(e[block.lowerBound - 1])
    }
    if let failure = solveLeaves(blocks, d, e, n: n, rows: rows, order: order) { return failure }

    let lanes = T.Lanes.count
    let width = (n + lanes - 1) / lanes * lanes
    return withPooledScratch(T.self, n * width) { weights in
      while blocks.count > 1 {
        let pairs = blocks.count / 2
        let failed = withPooledScratch(Bool.self, pairs) { failed in
          func merge(_ pair: Int) {
            let (first, second) = (blocks[2 * pair], blocks[2 * pair + 1])
            let start = first.lowerBound
            let merge = RankOneMerge(
              d: d + start, rows: rows + start * (n + 1), rowStride: n, order: order + start, n1: first.count,
              n2: second.count, coupling: e[second.lowerBound - 1], gathered: memory + start * n,
              weights: weights + start * width)
            failed[pair] = !merge.run()
          }
          // Many small merges run side by side; a few large ones are parallel within.
          if pairs >= 4 { ThreadTeam.run(pairs, merge) } else { for pair in 0..<pairs { merge(pair) } }
          return (0..<pairs).first { failed[$0] }
        }
        if let failed {
          return .notConverged(eigenvalue: blocks[2 * failed].lowerBound, iterations: SecularEquation<T>.iterationLimit)
        }
        blocks = (0..<pairs).map { blocks[2 * $0].lowerBound..<blocks[2 * $0 + 1].upperBound }
      }
      return nil
    }
  }

  @inline(never)
  private static func solveLeaves<T: LoopScalar>(
    _ blocks: [Range<Int>], _ d: UnsafeMutablePointer<T>, _ e: UnsafeMutablePointer<T>, n: Int,
    rows: UnsafeMutablePointer<T>, order: UnsafeMutablePointer<Int>
  ) -> LinearAlgebraError? {
    withPooledScratch(Int.self, blocks.count) { failed in
      ThreadTeam.run(blocks.count) { task in
        let block = blocks[task]
        let (start, count) = (block.lowerBound, block.count)
        (rows + start * n).update(repeating: 0, count: count * n)
        for i in block { rows[i * (n + 1)] = 1 }
        failed[task] = withPooledScratch(T.self, max(1, count)) { beside in
          if count > 1 { beside.update(from: e + start, count: count - 1) }
          let index = ImplicitQL<T>.iterate(d + start, beside, n: count, rows: rows + start * (n + 1), rowStride: n)
          return index.map { $0 + start } ?? -1
        }
        sort(d + start, count: count, into: order + start)
      }
      return (0..<blocks.count).first { failed[$0] >= 0 }.map {
        .notConverged(eigenvalue: failed[$0], iterations: ImplicitQL<T>.iterationLimit)
      }
    }
  }
}
