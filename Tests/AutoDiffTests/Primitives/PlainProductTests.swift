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

  /// Sums over any axes in any order, of whole tensors as well, are products of matrices, and so are their gradients.
  @Test(arguments: [ScalarType.float64, .float32]) func tensordotIsAProductOfMatrices(type: ScalarType) {
    var random = RandomGenerator(seed: 6)
    for _ in 0..<200 {
      let left = (0..<Int.random(in: 0..<4, using: &random)).map { _ in 1 + Int.random(in: 0..<4, using: &random) }
      let pairs = Array(left.indices).shuffled(using: &random).prefix(
        Int.random(in: 0...left.count, using: &random))
      // The right factor has the summed axes at any places among its own.
      let free = (0..<Int.random(in: 0..<3, using: &random)).map { _ in 1 + Int.random(in: 0..<4, using: &random) }
      let places = Array(0..<pairs.count + free.count).shuffled(using: &random)
      let right = (pairs.map { left[$0] } + free).picking(places)
      let axes = (left: Array(pairs), right: pairs.indices.map { places.firstIndex(of: $0)! })
      let (a, b) = (
        Tensor.normal(left, as: type, using: &random), Tensor.normal(right, as: type, using: &random)
      )
      func asMatrices(_ a: Tensor, _ b: Tensor) -> Tensor {
        let (mine, others) = (
          left.indices.filter { !pairs.contains($0) }, right.indices.filter { places[$0] >= pairs.count }
        )
        let depth = left.picking(axes.left).product
        let p = a.permuted(mine + axes.left).reshaped(to: [left.picking(mine).product, depth])
        let q = b.permuted(axes.right + others).reshaped(to: [depth, right.picking(others).product])
        return matmul(p, q).reshaped(to: left.picking(mine) + right.picking(others))
      }
      let weights = Tensor.normal(asMatrices(a, b).shape, as: type, using: &random)
      let tolerance = type == .float64 ? 1e-13 : 1e-5
      expectClose(tensordot(a, b, axes: axes), asMatrices(a, b), tolerance: tolerance)
      let mine = gradient(of: { (tensordot($0.first, $0.second, axes: axes) * weights).sum() }, at: Pair(a, b))
      let expected = gradient(of: { (asMatrices($0.first, $0.second) * weights).sum() }, at: Pair(a, b))
      expectClose(mine.first, expected.first, tolerance: tolerance)
      expectClose(mine.second, expected.second, tolerance: tolerance)
    }
  }

  /// The inner product of whole tensors has the bits of the general rule.
  @Test(arguments: [[], [5], [3, 7], [2, 3, 4], [1, 1], [0, 3]]) func innerProductsAreContractions(shape: [Int]) throws
  {
    var random = RandomGenerator(seed: 7)
    let (a, b) = (Tensor.normal(shape, using: &random), Tensor.normal(shape, using: &random))
    let product = Contraction(leftSummed: Array(shape.indices), rightSummed: Array(shape.indices))
    let layout = Layout(shape: shape, strides: shape.rowMajorStrides)
    let plain = try #require(PlainProduct(product, a.array, b.array))
    var (x, y) = (0.0, 0.0)
    a.array.withAddress(Double.self) { p in
      b.array.withAddress(Double.self) { q in
        ContractionPlan(product, layout, layout).run(p, q, into: &x, scratch: nil)
        plain.run(p, q, into: &y, false)
      }
    }
    #expect(x == y)
    #expect(dot(a, b).scalar == x)
  }
}
