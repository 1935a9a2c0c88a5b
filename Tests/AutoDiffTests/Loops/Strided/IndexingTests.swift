import Testing

@testable import AutoDiff

@Suite struct IndexingTests {
  @Test func findsFirstInvalidIndex() {
    let good: [Double] = [0, 4, 2, -0.0, 3]
    #expect(Indexing.firstInvalidIndex(good, count: 5, extent: 5) == nil)
    #expect(Indexing.firstInvalidIndex(good, count: 5, extent: 4) == 1)
    #expect(Indexing.firstInvalidIndex(good, count: 0, extent: 0) == nil)
    for bad in [-1, 0.5, 5, .nan, .infinity, -.infinity, 1e300, -1e-300] {
      for place in 0..<40 {
        var indices = [Double](repeating: 4, count: 40)
        indices[place] = bad
        indices[39] = -1
        #expect(Indexing.firstInvalidIndex(indices, count: 40, extent: 5) == place, "\(bad) at \(place)")
      }
    }
    var many = [Double](repeating: 4, count: 100_000)
    for place in [99_999, 70_000, 3] {
      many[place] = 5
      #expect(Indexing.firstInvalidIndex(many, count: many.count, extent: 5) == place)
    }
    let largest = Double(1 << 24)
    #expect(Indexing.firstInvalidIndex([largest], count: 1, extent: 1 << 24) == 0)
    #expect(Indexing.firstInvalidIndex([largest], count: 1, extent: 1 << 24 + 1) == nil)
  }

  @Test(arguments: [
    (1, 5, 1, 0), (1, 5, 1, 9), (3, 5, 4, 7), (2, 7, 33, 12), (1, 1000, 64, 3000), (1, 100_000, 1, 200_000),
    (0, 3, 2, 4), (4, 300, 1, 50_000), (2, 3, 0, 5), (1, 20, 5000, 40), (1, 3, 100, 4000), (2, 50, 1, 100_000),
  ])
  func gathersAndScatters(outer: Int, extent: Int, inner: Int, count: Int) {
    check(Double.self, outer, extent, inner, count)
    check(Float.self, outer, extent, inner, count)
  }

  private func check<T: LoopScalar>(_: T.Type, _ outer: Int, _ extent: Int, _ inner: Int, _ count: Int) {
    var generator = StridedNoise(5)
    let indices = (0..<count).map { _ in Double(Int.random(in: 0..<extent, using: &generator)) }
    #expect(Indexing.firstInvalidIndex(indices, count: count, extent: extent) == nil)
    let table = (0..<outer * extent * inner).map { _ in T(Float.random(in: -1...1, using: &generator)) }
    // Sums of these are exact, in whatever order.
    let x = (0..<outer * count * inner).map { _ in T(Int.random(in: -1024...1024, using: &generator)) / 1024 }
    var gathered: [T] = []
    var sums = [T](repeating: 0, count: outer * extent * inner)
    for o in 0..<outer {
      for i in 0..<count {
        let row = (o * extent + Int(indices[i])) * inner
        gathered += table[row..<row + inner]
        for j in 0..<inner { sums[row + j] += x[(o * count + i) * inner + j] }
      }
    }
    let result = withGuardedOutput(outer * count * inner) { y in
      Indexing.gather(table, outer: outer, extent: extent, inner: inner, indices: indices, count: count, into: y)
    }
    #expect(result.isIntact && result.entries == gathered)
    let scattered = withGuardedOutput(outer * extent * inner) { y in
      Indexing.scatterAdd(x, outer: outer, extent: extent, inner: inner, indices: indices, count: count, into: y)
    }
    #expect(scattered.isIntact && scattered.entries == sums)
  }
}
