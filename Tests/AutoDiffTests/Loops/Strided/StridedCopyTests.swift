import Testing

@testable import AutoDiff

@Suite struct StridedCopyTests {
  @Test(arguments: 0..<100) func copiesAndScattersAnyStrides(seed: Int) {
    check(Double.self, seed: UInt64(seed))
    check(Float.self, seed: UInt64(seed))
  }

  private func check<T: LoopScalar>(_: T.Type, seed: UInt64) {
    var generator = StridedNoise(seed)
    let shape = randomStridedShape(using: &generator)
    let x = StridedArray<T>.random(shape: shape, using: &generator)
    let copy = withGuardedOutput(x.view.count) { StridedCopy.copy(x.view, to: $0) }
    #expect(copy.isIntact && copy.entries == x.entries, "seed \(seed): \(shape), \(x.view.strides)")

    let y = StridedArray<T>.random(shape: shape, allowingRepetition: false, using: &generator)
    let before = Array(y.memory)
    let entries = x.entries
    entries.withUnsafeBufferPointer { source in
      if let source = source.baseAddress {
        StridedCopy.scatter(source, shape: shape, to: .init(mutating: y.view.base), strides: y.view.strides)
      }
    }
    let offset = y.view.base - UnsafePointer(y.memory.baseAddress!)
    var expected = before
    for (i, place) in StridedArray<T>.offsets(shape, y.view.strides).enumerated() {
      expected[offset + place] = entries[i]
    }
    #expect(Array(y.memory) == expected, "seed \(seed): \(shape), \(y.view.strides)")
  }

  @Test(arguments: largeStridedCases.indices) func copiesLargeArrays(index: Int) {
    var generator = StridedNoise(1)
    let (shape, strides) = largeStridedCases[index]
    let x = StridedArray<Double>(shape: shape, strides: strides, using: &generator)
    let copy = withGuardedOutput(x.view.count) { StridedCopy.copy(x.view, to: $0) }
    #expect(copy.isIntact && copy.entries == x.entries)
    if !strides.contains(0) {
      let y = StridedArray<Double>(shape: shape, strides: strides, using: &generator)
      StridedCopy.scatter(copy.entries, shape: shape, to: .init(mutating: y.view.base), strides: strides)
      #expect(y.entries == x.entries)
    }
  }
}
