import Testing

@testable import AutoDiff

@Suite struct ReductionTests {
  /// The entries of x in groups, one for each entry of the result.
  private func groups(_ entries: [Double], _ shape: [Int], _ axes: [Int]) -> [[Double]] {
    let kept = shape.indices.filter { !axes.contains($0) }
    let keptStrides = StridedView<Double>.rowMajorStrides(kept.map { shape[$0] })
    var strides = shape.map { _ in 0 }
    for (axis, stride) in zip(kept, keptStrides) { strides[axis] = stride }
    var groups = [[Double]](repeating: [], count: kept.map { shape[$0] }.reduce(1, *))
    for (i, place) in StridedArray<Double>.offsets(shape, strides).enumerated() { groups[place].append(entries[i]) }
    return groups
  }

  private func check<T: LoopScalar>(
    _ a: StridedArray<T>, _ b: StridedArray<T>, _ axes: [Int], _ comment: Comment
  ) {
    let x = groups(doubles(a.entries), a.view.shape, axes)
    let y = groups(doubles(b.entries), a.view.shape, axes)
    func isClose(_ result: (entries: [T], isIntact: Bool), _ terms: [[Double]]) -> Bool {
      let entries = doubles(result.entries)
      let tolerance = 8 * Double(T.ulpOfOne)
      for (entry, terms) in zip(entries, terms) {
        let (sum, size) = exactSum(terms)
        if !(abs(entry - sum) <= tolerance * size) { return false }
      }
      return result.isIntact
    }
    let sums = withGuardedOutput(x.count) { Reduction.sum(a.view, axes: axes, into: $0) }
    #expect(isClose(sums, x), "sum \(comment)")
    let squares = withGuardedOutput(x.count) { Reduction.sumOfSquares(a.view, axes: axes, into: $0) }
    #expect(isClose(squares, x.map { $0.map { $0 * $0 } }), "sumOfSquares \(comment)")
    let dots = withGuardedOutput(x.count) { Reduction.dot(a.view, b.view, axes: axes, into: $0) }
    #expect(isClose(dots, zip(x, y).map { zip($0, $1).map { $0 * $1 } }), "dot \(comment)")
    let largest = withGuardedOutput(x.count) { Reduction.maximum(a.view, axes: axes, into: $0) }
    #expect(largest.isIntact && doubles(largest.entries) == x.map { $0.max() ?? -.infinity }, "maximum \(comment)")
    let smallest = withGuardedOutput(x.count) { Reduction.minimum(a.view, axes: axes, into: $0) }
    #expect(smallest.isIntact && doubles(smallest.entries) == x.map { $0.min() ?? .infinity }, "minimum \(comment)")
  }

  private func randomAxes(_ rank: Int, using generator: inout StridedNoise) -> [Int] {
    (0..<rank).filter { _ in Bool.random(using: &generator) }
  }

  @Test(arguments: 0..<100) func anyStrides(seed: Int) {
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
    for axes in [[0], [shape.count - 1], [shape.count / 2], Array(shape.indices)] where shape.count > 1 || axes == [0] {
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
      let count = shape.indices.reduce(1) { axes.contains($1) ? $0 : $0 * shape[$1] }
      let parallel = withGuardedOutput(count) { Reduction.dot(a.view, b.view, axes: axes, into: $0) }
      let serial = withThreadLimit(1) {
        withGuardedOutput(count) { Reduction.dot(a.view, b.view, axes: axes, into: $0) }
      }
      #expect(parallel.entries == serial.entries, "\(shape), \(strides), axes \(axes)")
    }
  }

  @Test(arguments: [[1], [9], [40], [4000], [70_001], [3, 5, 7], [300, 7], [7, 300], [70, 1030]])
  func specialValuesPropagate(shape: [Int]) {
    let rowMajor = StridedView<Double>.rowMajorStrides(shape)
    for (special, axes) in [Double.nan, .infinity, -.infinity].flatMap({ special in
      (1..<1 << shape.count).map { choice in (special, shape.indices.filter { choice >> $0 & 1 == 1 }) }
    }) {
      var generator = StridedNoise(9)
      let a = StridedArray<Double>(shape: shape, strides: rowMajor, using: &generator)
      for _ in 0..<3 { a.memory[Int.random(in: 0..<a.view.count, using: &generator)] = special }
      let x = groups(a.entries, shape, axes)
      let sums = withGuardedOutput(x.count) { Reduction.sum(a.view, axes: axes, into: $0) }.entries
      let squares = withGuardedOutput(x.count) { Reduction.sumOfSquares(a.view, axes: axes, into: $0) }.entries
      let largest = withGuardedOutput(x.count) { Reduction.maximum(a.view, axes: axes, into: $0) }.entries
      let smallest = withGuardedOutput(x.count) { Reduction.minimum(a.view, axes: axes, into: $0) }.entries
      /// Finite where the exact result is, else the same.
      func agrees(_ result: Double, _ exact: Double) -> Bool {
        exact.isFinite ? result.isFinite : isIdentical([result], [exact])
      }
      let areRight = x.indices.allSatisfy { i in
        let isNaN = x[i].contains { $0.isNaN }
        return agrees(sums[i], x[i].reduce(0, +)) && agrees(squares[i], x[i].reduce(0) { $0 + $1 * $1 })
          && isIdentical([largest[i]], [isNaN ? .nan : x[i].max()!])
          && isIdentical([smallest[i]], [isNaN ? .nan : x[i].min()!])
      }
      #expect(areRight, "\(special) in \(shape), axes \(axes)")
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
