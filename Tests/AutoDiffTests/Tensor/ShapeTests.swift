import Testing

@testable import AutoDiff

@Suite struct ShapeTests {
  @Test func products() {
    #expect(([] as [Int]).product == 1 && [2, 3, 4].product == 24 && [2, 0].product == 0)
  }

  @Test func strides() {
    #expect([2, 3, 4].rowMajorStrides == [12, 4, 1] && ([] as [Int]).rowMajorStrides == [])
    #expect([12, 4, 1].describesRowMajorOrder(of: [2, 3, 4]))
    #expect(![1, 2].describesRowMajorOrder(of: [2, 2]) && ![0, 1].describesRowMajorOrder(of: [2, 2]))
    #expect([99, 1].describesRowMajorOrder(of: [1, 3]), "an axis of extent 1 has no stride to speak of")
    #expect([5, 7].describesRowMajorOrder(of: [0, 3]))
  }

  @Test func selections() {
    #expect([5, 6, 7].picking([2, 0]) == [7, 5] && [5, 6, 7].dropping([1]) == [5, 7])
    #expect([2, 0, 1].inversePermutation == [1, 2, 0])
    #expect([2, 0, 1].picking([2, 0, 1].inversePermutation) == [0, 1, 2])
  }

  @Test func axes() {
    #expect(normalizedAxis(-1, rank: 3, "") == 2 && normalizedAxis(0, rank: 1, "") == 0)
    #expect(normalizedAxes(nil, rank: 3, "") == [0, 1, 2] && normalizedAxes([-1, 0], rank: 3, "") == [0, 2])
  }

  @Test func broadcasting() {
    #expect(broadcastShape([2, 1], [3], "") == [2, 3] && broadcastShape([], [], "") == [])
    #expect(broadcastShape([1], [0], "") == [0] && broadcastShape([4, 1, 2], [3, 1], "") == [4, 3, 2])
  }

  @Test func few() {
    for count in 0..<5 {
      let list = ShortList(Array(0..<count))
      #expect(Array(list) == Array(0..<count) && list.count == count)
      #expect(Array(list.map { $0 * 2 }) == (0..<count).map { $0 * 2 })
    }
    let literal: ShortList<Int> = [1, 2, 3]
    #expect(Array(literal) == [1, 2, 3] && literal[2] == 3)
  }

  @Test func fewStopsOutside() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = ShortList<Int>.two(1, 2)[2]
    }
    #expect(result.message.contains("ShortList: index 2 lies outside 0..<2."))
  }
}
