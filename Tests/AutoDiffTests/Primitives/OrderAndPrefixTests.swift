import TestSupport
import Testing

@testable import AutoDiff

@Suite struct OrderAndPrefixTests {
  /// Rows with many equal entries and entries that are no numbers, against the standard library.
  @Test(arguments: [ScalarType.float64, .float32], [true, false])
  func sortedRowsAreThoseOfTheStandardLibrary(type: ScalarType, descending: Bool) {
    var generator = RandomGenerator(seed: 5)
    for extent in [0, 1, 2, 17, 300] {
      let entries = (0..<7 * extent).map { _ -> Double in
        let number = Int.random(in: -9...9, using: &generator)
        return number == 9 ? .nan : number == 8 ? .infinity : Double(number) / 2
      }
      let x = Tensor(entries, shape: [7, extent], as: type)
      let (sorted, order) = (x.sorted(descending: descending), x.argsort(descending: descending))
      let columns = x.transposed.sorted(axis: 0, descending: descending)
      for row in 0..<7 {
        let numbers = Array(entries[row * extent..<(row + 1) * extent])
        let places = numbers.indices.sorted { a, b in
          let (x, y) = (numbers[a], numbers[b])
          if x.isNaN || y.isNaN { return !x.isNaN || y.isNaN && x.isNaN && a < b }
          return x == y ? a < b : descending ? x > y : x < y
        }
        #expect(order[row].scalars == places.map(Double.init))
        let expected = places.map { numbers[$0].description }
        #expect(sorted[row].scalars.map(\.description) == expected)
        #expect(columns[.all, row].scalars.map(\.description) == expected)
      }
    }
  }

  @Test func derivativesOfSortedEntriesGoToWhereTheyStood() {
    let x = Tensor([[3, -1, 2], [0.5, 4, -2]])
    let weights = Tensor([1, 10, 100])
    let gradient = gradient(of: { ($0.sorted() * weights).sum() }, at: x)
    #expect(gradient == Tensor([[100, 1, 10], [10, 100, 1]]))
    let largest = jacobian(of: { $0.sorted(descending: true)[..., 0..<2].sum(axes: [1]) }, at: x)
    #expect(largest[0] == Tensor([[1, 0, 1], [0, 0, 0]]))
    #expect(vmap { $0.sorted() }(x) == x.sorted())
  }

  /// The last sums of a long row are as good as the first.
  @Test func sumsOfSinglePrecisionDoNotDrift() {
    var generator = RandomGenerator(seed: 6)
    let x = Tensor.uniform([100_000], in: 0..<1, as: .float32, using: &generator)
    let (single, double) = (x.cumulativeSum(), x.as(.float64).cumulativeSum())
    let error = abs(single.as(.float64) / double - 1).max().scalar
    #expect(error <= Double(Float.ulpOfOne))
    #expect((x.cumulativeSum(reversed: true)[0] - single[-1]).scalar == 0)
    let columns = stack([x, x], axis: 1)
    #expect(columns.cumulativeSum(axis: 0)[.all, 1] == single)
  }

  /// Π x has the derivative Π of the others, whatever is zero.
  @Test func derivativesOfProductsWithZeros() throws {
    for zeros in 0...3 {
      var x = Tensor([1.5, -0.5, 2, 0.25, 3, -1, 0.75])
      for place in 0..<zeros { x[2 * place] = Tensor(0) }
      let others = { (places: [Int]) -> Double in
        (0..<7).reduce(1.0) { places.contains($1) ? $0 : $0 * x.scalars[$1] }
      }
      #expect(abs(x.product().scalar - others([])) <= 1e-15)
      let slope = Tensor((0..<7).map { others([$0]) })
      #expect(gradient(of: { $0.product() }, at: x).isApproximatelyEqual(to: slope, tolerance: 1e-15))
      let curvature = Tensor((0..<49).map { $0 / 7 == $0 % 7 ? 0 : others([$0 / 7, $0 % 7]) }, shape: [7, 7])
      #expect(hessian(of: { $0.product() }, at: x).isApproximatelyEqual(to: curvature, tolerance: 1e-15))
    }
    var generator = RandomGenerator(seed: 7)
    let x = Tensor.normal([2, 3, 5], using: &generator)
    #expect(x.product(axes: [0, 2], keepingAxes: true).shape == [1, 3, 1])
    for row in 0..<3 {
      let expected = x[.all, row, .all].scalars.reduce(1, *)
      #expect(abs(x.product(axes: [0, 2])[row].scalar / expected - 1) < 1e-14)
    }
    #expect(Tensor.ones([2, 0]).product(axes: [1]) == Tensor([1, 1]))
    #expect(Tensor.ones([2, 0], as: .float32).product(keepingAxes: true) == Tensor([[1]], as: .float32))
  }
}
