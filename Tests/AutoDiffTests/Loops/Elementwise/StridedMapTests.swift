import Testing

@testable import AutoDiff

@Suite struct StridedMapTests {
  private struct ProductMinusFirst: BinaryLaneFunction {
    func value<V: LaneVector>(_ a: V, _ b: V) -> V { a * b - a }
  }

  private struct DifferenceTimesThird: TernaryLaneFunction {
    func value<V: LaneVector>(_ a: V, _ b: V, _ c: V) -> V { (a - b) * c }
  }

  @Test(arguments: 0..<100) func anyStrides(seed: Int) {
    check(Double.self, seed: UInt64(seed))
    check(Float.self, seed: UInt64(seed))
  }

  private func check<T: LoopScalar>(_: T.Type, seed: UInt64) {
    var generator = StridedNoise(seed)
    let shape = randomStridedShape(using: &generator)
    let a = StridedArray<T>.random(shape: shape, using: &generator)
    let b = StridedArray<T>.random(shape: shape, using: &generator)
    let c = StridedArray<T>.random(shape: shape, using: &generator)
    check(a, b, c, "seed \(seed)")
  }

  @Test(arguments: largeStridedCases.indices, largeStridedCases.indices) func largeOperands(first: Int, second: Int) {
    if largeStridedCases[first].shape != largeStridedCases[second].shape { return }
    var generator = StridedNoise(2)
    let (shape, strides) = largeStridedCases[first]
    let a = StridedArray<Float>(shape: shape, strides: strides, using: &generator)
    let b = StridedArray<Float>(shape: shape, strides: largeStridedCases[second].strides, using: &generator)
    check(a, b, a, "\(shape), \(strides), \(b.view.strides)")
  }

  private func check<T: LoopScalar>(
    _ a: StridedArray<T>, _ b: StridedArray<T>, _ c: StridedArray<T>, _ comment: Comment
  ) {
    let count = a.view.count
    let (x, y, z) = (a.entries, b.entries, c.entries)
    let two = withGuardedOutput(count) { output in
      StridedMap.binary(a.view, b.view, into: output, ProductMinusFirst())
    }
    #expect(two.isIntact && two.entries == zip(x, y).map { $0 * $1 - $0 }, comment)
    let three = withGuardedOutput(count) { output in
      StridedMap.ternary(a.view, b.view, c.view, into: output, DifferenceTimesThird())
    }
    #expect(three.isIntact && three.entries == x.indices.map { (x[$0] - y[$0]) * z[$0] }, comment)
  }

  @Test(arguments: [[7], [70_001], [96, 1024], [30, 70, 11]]) func outputMayReplaceContiguousOperand(shape: [Int]) {
    checkInPlace(Double.self, shape)
    checkInPlace(Float.self, shape)
  }

  // Generic, because vectors must not cross the border between modules.
  private func checkInPlace<T: LoopScalar>(_: T.Type, _ shape: [Int]) {
    var generator = StridedNoise(3)
    let strides = StridedView<T>.rowMajorStrides(shape)
    let a = StridedArray<T>(shape: shape, strides: strides, using: &generator)
    let row = [Int](repeating: 0, count: shape.count - 1) + [1]
    let b = StridedArray<T>(shape: shape, strides: row, using: &generator)
    let (x, y) = (a.entries, b.entries)
    let output = UnsafeMutablePointer(mutating: a.view.base)
    StridedMap.binary(a.view, b.view, into: output, Subtract())
    let differences = zip(x, y).map { $0 - $1 }
    #expect(a.entries == differences)
    StridedMap.binary(b.view, a.view, into: output, Multiply())
    #expect(a.entries == zip(y, differences).map { $0 * $1 })
  }
}
