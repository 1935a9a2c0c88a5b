import Testing

@testable import AutoDiff

@Suite struct LoopNestTests {
  @Test func mergesAxesThatAllOperandsAllow() {
    var nest = LoopNest([4, 1, 3, 5], [15, 99, 5, 1], [0, 0, 0, 1])
    nest.mergeAxes()
    #expect(nest.axes.map { $0.extent } == [12, 5])
    #expect(nest.axes.map { $0.strides[0] } == [5, 1])
    #expect(nest.axes.map { $0.strides[2] } == [0, 1])
    nest = LoopNest([4, 3, 5], [15, 5, 1])
    nest.mergeAxes()
    #expect(nest.axes.map { $0.extent } == [60])
    nest = LoopNest([1, 1], [7, 7])
    nest.mergeAxes()
    #expect(nest.axes.isEmpty && nest.count == 1)
  }

  @Test func keptAndReducedAxesStayApart() {
    var nest = LoopNest([4, 3, 5], reducing: [1, 2], [15, 5, 1])
    nest.mergeAxes()
    #expect(nest.axes.map { $0.extent } == [4, 15])
    #expect(nest.axes.map { $0.strides[0] } == [1, 0])
  }

  @Test(arguments: [[7, 9], [300, 1000], [5, 40, 500], [2, 100_000], [100_000, 2], [3, 3, 3, 3000]], [1, 64])
  func tilesCoverEveryIndexOnce(shape: [Int], rows: Int) {
    let nest = LoopNest(shape, StridedView<Double>.rowMajorStrides(shape))
    var visits = [Int](repeating: 0, count: nest.count)
    visits.withUnsafeMutableBufferPointer { buffer in
      // Tiles that overlapped would be a data race, which a run with the thread sanitizer would find too.
      nonisolated(unsafe) let visits = buffer
      nest.forEachTile(entries: 4096, rows: rows) { tile in
        tile.forEachIndex(ofFirst: tile.axes.count) { visits[$0[0]] += 1 }
      }
    }
    #expect(visits.allSatisfy { $0 == 1 })
  }
}
