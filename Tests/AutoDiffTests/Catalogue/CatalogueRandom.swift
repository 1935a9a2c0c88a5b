import Foundation

@testable import AutoDiff

extension PrimitiveCatalogue {
  private static func draw(
    _ law: RandomDraw.Law, _ shape: [Int], states: [Int] = [], note: String,
    _ number: @escaping @Sendable (inout RandomGenerator) -> Double
  ) -> Variant {
    Variant(
      RandomDraw(law, shape, .float64), note: note,
      [Argument(states + [2], .indices(100_000)), Argument(states, .indices(1000))]
    ) { inputs in
      let (keys, positions) = (inputs[0].entries, inputs[1].entries)
      var entries: [Double] = []
      for i in positions.indices {
        var generator = RandomGenerator(
          seed: UInt64(keys[2 * i]) | UInt64(keys[2 * i + 1]) << 32, position: UInt64(positions[i]))
        for _ in 0..<shape.reduce(1, *) { entries.append(number(&generator)) }
      }
      var result = Naive(states + shape) { _ in 0 }
      result.entries = entries
      return result
    }
  }

  static let random: [PrimitiveRow] = [
    PrimitiveRow(
      RandomDraw.self,
      [
        draw(.normal, [3, 2], note: "normal") { $0.normal() },
        draw(.normal, [], note: "one normal number") { $0.normal() },
        draw(.normal, [2], states: [2, 3], note: "normal, of several states") { $0.normal() },
        draw(.uniform(-1..<3), [4], note: "uniform") { -1 + 4 * $0.uniform() },
        draw(.rademacher, [5], states: [2], note: "signs") { $0.next() >> 63 == 0 ? 1 : -1 },
        draw(.normal, [0], note: "none") { $0.normal() },
      ],
      illShaped: [
        IllShapedCall("randomDraw: the key must have one more axis, of 2, than the position, but got [3], [].") {
          bind(RandomDraw(.normal, [2], .float64), .ones([3]), .ones([]))
        },
        IllShapedCall("randomDraw: the entries of a state must be whole numbers in 0..<4294967296.0, but got 0.5.") {
          bind(RandomDraw(.normal, [2], .float64), .filled(0.5, [2]), .ones([]))
        },
      ])
  ]
}
