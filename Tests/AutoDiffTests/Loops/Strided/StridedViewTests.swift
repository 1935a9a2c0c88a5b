import Testing

@testable import AutoDiff

@Suite struct StridedViewTests {
  @Test func rowMajorStrides() {
    #expect(StridedView<Double>.rowMajorStrides([]) == [])
    #expect(StridedView<Double>.rowMajorStrides([4, 3, 2]) == [6, 2, 1])
    #expect(StridedView<Double>.rowMajorStrides([4, 0, 2]) == [0, 2, 1])
  }

  @Test func count() {
    var generator = StridedNoise(0)
    #expect(StridedArray<Double>(shape: [], strides: [], using: &generator).view.count == 1)
    #expect(StridedArray<Double>(shape: [4, 3], strides: [0, 0], using: &generator).view.count == 12)
    #expect(StridedArray<Double>(shape: [4, 0], strides: [1, 1], using: &generator).view.count == 0)
  }
}
