import AutoDiff
import Foundation
import Tangent
import Testing

@Suite struct PairwiseDistancesTests {
  @Test(arguments: ScalarType.allCases) func agreesWithPlainLoops(type: ScalarType) {
    var random = RandomGenerator(seed: 1)
    // Up to 64 entries lie in front of the examples. The last ones are cut into tiles.
    for (n, m, d) in [
      (1, 1, 1), (3, 5, 4), (0, 2, 3), (4, 3, 0), (9, 7, 64), (9, 7, 65), (70, 60, 300), (700, 800, 2),
    ] {
      let x = Tensor.normal([n, d], as: type, using: &random), z = Tensor.normal([m, d], as: type, using: &random)
      let (a, b) = (x.scalars, z.scalars)
      var naive: [Double] = []
      for i in 0..<n {
        for j in 0..<m { naive.append((0..<d).reduce(0) { $0 + pow(a[i * d + $1] - b[j * d + $1], 2) }) }
      }
      let squares = Tensor(naive, shape: [n, m])
      expectClose(squaredDistances(x, z), squares.as(type), tolerance: 20 * type.epsilon)
      expectClose(distances(x, z), sqrt(squares).as(type), tolerance: 20 * type.epsilon)
    }
  }

  /// Points 2⁻⁴⁰ apart at a distance of 1 from the origin, where ‖x‖² − 2 x·z + ‖z‖² has no digit left.
  @Test func closePointsLoseNoDigits() {
    let step = 0x1p-40
    let x = Tensor([[1, 1, 1]]), z = Tensor([[1 + step, 1, 1 - step], [1, 1, 1]])
    #expect(squaredDistances(x, z) == Tensor([[2 * step * step, 0]] as [[Double]]))
    expectClose(distances(x, z), Tensor([[step * Double(2).squareRoot(), 0]]), tolerance: 1e-15)
    #expect(distances(x * 1e200, z * 1e200).isFinite)
  }

  @Test func oneSetGivesASymmetricMatrix() {
    var random = RandomGenerator(seed: 2)
    let x = Tensor.normal([300, 2, 8], as: .float32, using: &random)
    for matrix in [squaredDistances(x, x), distances(x, x)] {
      #expect(matrix == matrix.transposed && (0..<300).allSatisfy { matrix[$0, $0].scalar == 0 })
    }
  }

  @Test func differentExamplesStop() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = distances(Tensor.zeros([2, 3]), Tensor.zeros([2, 4]))
    }
    #expect(result.message.contains("distances: needs examples [n, shape...] and [m, shape...] of one type"))
  }
}
