import Testing

@testable import AutoDiff

@Suite struct ReductionTests {
  /// The entries of x in groups, one for each entry of the result.
  private func groups<T>(_ entries: [T], _ shape: [Int], _ axes: [Int]) -> [[T]] {
    let kept = shape.indices.filter { !axes.contains($0) }
    let keptStrides = StridedView<Double>.rowMajorStrides(kept.map { shape[$0] })
    var strides = shape.map { _ in 0 }
    for (axis, stride) in zip(kept, keptStrides) { strides[axis] = stride }
    var groups = [[T]](repeating: [], count: kept.map { shape[$0] }.reduce(1, *))
    for (i, place) in StridedArray<Double>.offsets(shape, strides).enumerated() { groups[place].append(entries[i]) }
    return groups
  }

  private func check<T: LoopScalar>(
    _ a: StridedArray<T>, _ b: StridedArray<T>, _ axes: [Int], _ comment: Comment
  ) {
    let x = groups(a.entries, a.view.shape, axes)
    let y = groups(b.entries, a.view.shape, axes)
    func isClose(_ result: (entries: [T], isIntact: Bool), _ exact: [Double], _ sizes: [Double]) -> Bool {
      result.isIntact
        && result.entries.indices.allSatisfy {
          abs(Double(result.entries[$0]) - exact[$0]) <= 8 * Double(T.ulpOfOne) * sizes[$0]
        }
    }
    let sums = withGuardedOutput(x.count) { Reduction.sum(a.view, axes: axes, into: $0) }
    let exactSums = x.map { exactSum($0.map { Double($0) }) }
    #expect(isClose(sums, exactSums, x.map { $0.reduce(0.0) { $0 + abs(Double($1)) } }), "sum \(comment)")
    let squares = withGuardedOutput(x.count) { Reduction.sumOfSquares(a.view, axes: axes, into: $0) }
    let exactSquares = x.map { exactSum($0.map { Double($0) * Double($0) }) }
    #expect(isClose(squares, exactSquares, exactSquares), "sumOfSquares \(comment)")
    let dots = withGuardedOutput(x.count) { Reduction.dot(a.view, b.view, axes: axes, into: $0) }
    let products = zip(x, y).map { zip($0, $1).map { Double($0) * Double($1) } }
    let sizes = products.map { $0.reduce(0.0) { $0 + abs($1) } }
    #expect(isClose(dots, products.map(exactSum), sizes), "dot \(comment)")
    let largest = withGuardedOutput(x.count) { Reduction.maximum(a.view, axes: axes, into: $0) }
    #expect(largest.isIntact && largest.entries == x.map { $0.max() ?? -.infinity }, "maximum \(comment)")
    let smallest = withGuardedOutput(x.count) { Reduction.minimum(a.view, axes: axes, into: $0) }
    #expect(smallest.isIntact && smallest.entries == x.map { $0.min() ?? .infinity }, "minimum \(comment)")
  }

  private func randomAxes(_ rank: Int, using generator: inout StridedNoise) -> [Int] {
    (0..<rank).filter { _ in Bool.random(using: &generator) }
  }

  @Test(arguments: 0..<150) func anyStrides(seed: Int) {
    checkRandom(Double.self, seed)
    checkRandom(Float.self, seed)
  }

  private func checkRandom<T: LoopScalar>(_: T.Type, _ seed: Int) {
    var generator = StridedNoise(UInt64(seed))
    let shape = randomStridedShape(using: &generator)
    let a = StridedArray<T>.random(shape: shape, using: &generator)
    let b = StridedArray<T>.random(shape: shape, using: &generator)
    let axes = randomAxes(shape.count, using: &generator)
    check(a, b, axes, "seed \(seed): \(shape), \(a.view.strides), \(b.view.strides), axes \(axes)")
  }

  @Test(arguments: largeStridedCases.indices) func largeOperands(index: Int) {
    var generator = StridedNoise(7)
    let (shape, strides) = largeStridedCases[index]
    let a = StridedArray<Float>(shape: shape, strides: strides, using: &generator)
    let rowMajor = StridedView<Float>.rowMajorStrides(shape)
    let b = StridedArray<Float>(shape: shape, strides: rowMajor, using: &generator)
    for choice in 0..<1 << shape.count {
      let axes = shape.indices.filter { choice >> $0 & 1 == 1 }
      check(a, b, axes, "\(shape), \(strides), axes \(axes)")
    }
  }

  @Test(arguments: largeStridedCases.indices) func threadsDoNotMatter(index: Int) {
    var generator = StridedNoise(8)
    let (shape, strides) = largeStridedCases[index]
    let a = StridedArray<Float>(shape: shape, strides: strides, using: &generator)
    let rowMajor = StridedView<Float>.rowMajorStrides(shape)
    let b = StridedArray<Float>(shape: shape, strides: rowMajor, using: &generator)
    for choice in 0..<1 << shape.count {
      let axes = shape.indices.filter { choice >> $0 & 1 == 1 }
      let count = groups(a.entries, shape, axes).count
      let parallel = withGuardedOutput(count) { Reduction.dot(a.view, b.view, axes: axes, into: $0) }
      let serial = withThreadLimit(1) {
        withGuardedOutput(count) { Reduction.dot(a.view, b.view, axes: axes, into: $0) }
      }
      #expect(parallel.entries == serial.entries, "\(shape), \(strides), axes \(axes)")
    }
  }

  @Test(arguments: [[1], [9], [40], [4000], [70_001], [3, 5, 7], [300, 7], [7, 300], [70, 1030], [23_001, 3]])
  func specialValuesPropagate(shape: [Int]) {
    let rowMajor = StridedView<Double>.rowMajorStrides(shape)
    for (special, axes) in [Double.nan, .infinity, -.infinity].flatMap({ special in
      (0..<1 << shape.count).map { choice in (special, shape.indices.filter { choice >> $0 & 1 == 1 }) }
    }) {
      var generator = StridedNoise(9)
      let a = StridedArray<Double>(shape: shape, strides: rowMajor, using: &generator)
      for _ in 0..<3 { a.memory[Int.random(in: 0..<a.view.count, using: &generator)] = special }
      let x = groups(a.entries, shape, axes)
      let sums = withGuardedOutput(x.count) { Reduction.sum(a.view, axes: axes, into: $0) }.entries
      let squares = withGuardedOutput(x.count) { Reduction.sumOfSquares(a.view, axes: axes, into: $0) }.entries
      let largest = withGuardedOutput(x.count) { Reduction.maximum(a.view, axes: axes, into: $0) }.entries
      let smallest = withGuardedOutput(x.count) { Reduction.minimum(a.view, axes: axes, into: $0) }.entries
      for (i, group) in x.enumerated() {
        let total = group.reduce(0, +)
        #expect(total.isFinite ? sums[i].isFinite : isIdentical([sums[i]], [total]))
        let square = group.reduce(0) { $0 + $1 * $1 }
        #expect(square.isFinite ? squares[i].isFinite : isIdentical([squares[i]], [square]))
        let hasNaN = group.contains { $0.isNaN }
        #expect(isIdentical([largest[i]], [hasNaN ? .nan : group.max()!]))
        #expect(isIdentical([smallest[i]], [hasNaN ? .nan : group.min()!]))
      }
    }
  }

  @Test(arguments: [([1_000_000], [0]), ([1_000_000, 3], [0]), ([3, 1_000_000], [1]), ([1000, 3, 1000], [0, 2])])
  func roundingErrorDoesNotGrowWithCount(shape: [Int], axes: [Int]) {
    let count = shape.reduce(1, *)
    let x = [Float](repeating: 0.1, count: count)
    let kept = count / 1_000_000
    let result = withGuardedOutput(kept) { y in
      x.withUnsafeBufferPointer { x in
        Reduction.sum(StridedView(x.baseAddress!, shape: shape), axes: axes, into: y)
      }
    }
    for entry in result.entries { #expect(abs(Double(entry) / (1e6 * Double(Float(0.1))) - 1) < 4e-7) }
  }
}
