import Testing

@testable import AutoDiff

@Suite struct PlainProductTests {
  /// The short way for small products has the bits of the general one, for every orientation, in place or not, and so do
  /// the gradients.
  @Test(arguments: [ScalarType.float64, .float32]) func plainProductsAreContractions(type: ScalarType) throws {
    var random = RandomGenerator(seed: 5)
    func operand(_ shape: [Int], isTransposed: Bool) -> Tensor {
      if !isTransposed { return .normal(shape, as: type, using: &random) }
      return Tensor.normal(shape.reversed(), as: type, using: &random).permuted(Array(shape.indices.reversed()))
    }
    func run<T: LoopScalar>(_ product: Contraction, _ a: ArrayNode, _ b: ArrayNode, _ count: Int, _: T.Type) throws {
      let plan = ContractionPlan(
        product, Layout(shape: a.shape, strides: a.explicitStrides), Layout(shape: b.shape, strides: b.explicitStrides))
      let plain = try #require(PlainProduct(product, a, b))
      for accumulate in [false, true] {
        var (x, y) = ([T](repeating: 3, count: count), [T](repeating: 3, count: count))
        a.withAddress(T.self) { p in
          b.withAddress(T.self) { q in
            plan.run(p, q, into: &x, scratch: nil, accumulate: accumulate)
            plain.run(p, q, into: &y, accumulate)
          }
        }
        #expect(x == y, "\(product) of \(a.shape) and \(b.shape)")
      }
    }
    for (m, k, n) in [(1, 1, 1), (3, 1, 2), (1, 4, 5), (6, 3, 1), (7, 5, 4), (13, 17, 11), (1, 0, 2)] {
      for (left, right) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        for isTransposed in [false, true] {
          let a = operand(left == 1 ? [m, k] : [k, m], isTransposed: isTransposed)
          let b = operand(right == 0 ? [k, n] : [n, k], isTransposed: !isTransposed)
          let product = Contraction(leftSummed: [left], rightSummed: [right])
          let vector = Contraction(leftSummed: [left], rightSummed: [0])
          try perType(
            type, double: run(product, a.array, b.array, m * n, Double.self),
            float: run(product, a.array, b.array, m * n, Float.self))
          let v = operand([k], isTransposed: false)
          try perType(
            type, double: run(vector, a.array, v.array, m, Double.self),
            float: run(vector, a.array, v.array, m, Float.self))
        }
      }
    }
  }
}
