import Foundation
import Testing

@testable import AutoDiff

/// The public operations on top of the primitives: axes, broadcasting, vector cases.
@Suite struct OperationTests {
  private let a = Tensor([[1, 2, 3], [4, 5, 6]])

  // MARK: Broadcasting

  @Test(arguments: [
    ([2, 3], [3], [2, 3]), ([2, 1], [3], [2, 3]), ([], [2, 2], [2, 2]), ([4, 1, 3], [2, 1], [4, 2, 3]),
    ([1], [0], [0]), ([2, 1, 0], [3, 1], [2, 3, 0]), ([1, 1], [], [1, 1]),
  ])
  func operandsBroadcast(left: [Int], right: [Int], result: [Int]) {
    var generator = RandomGenerator(seed: 61)
    let x = Tensor.uniform(left, in: 1..<2, using: &generator)
    let y = Tensor.uniform(right, in: 1..<2, using: &generator)
    let (wideX, wideY) = (Naive(x.broadcast(to: result)), Naive(y.broadcast(to: result)))
    let operations: [((Tensor, Tensor) -> Tensor, (Double, Double) -> Double)] = [
      ({ $0 + $1 }, { $0 + $1 }), ({ $0 - $1 }, { $0 - $1 }), ({ $0 * $1 }, { $0 * $1 }), ({ $0 / $1 }, { $0 / $1 }),
      ({ maximum($0, $1) }, { max($0, $1) }), ({ minimum($0, $1) }, { min($0, $1) }),
      ({ $0 .< $1 }, { $0 < $1 ? 1 : 0 }), ({ $0 .>= $1 }, { $0 >= $1 ? 1 : 0 }), ({ $0 .!= $1 }, { $0 != $1 ? 1 : 0 }),
    ]
    for (ours, naive) in operations {
      let expected = Naive(result) { naive(wideX[$0], wideY[$0]) }
      expectClose(ours(x, y), expected.tensor, .exact, seed: 61)
    }
  }

  @Test func broadcastingErrors() async {
    let sum = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Tensor.ones([2, 3]) + Tensor.ones([2])
    }
    #expect(
      sum.message.contains(
        "add: shapes must agree or broadcast, but got [2, 3] and [2]. Extents are compared from the last axis; each pair "
          + "must be equal or contain a 1."))
    let product = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var x = Tensor.ones([2])
      x *= Tensor.ones([3])
    }
    #expect(product.message.contains("multiply: shapes must agree or broadcast, but got [2] and [3]."))
  }

  @Test func numbersOnEitherSide() {
    #expect(a + 1 == Tensor([[2, 3, 4], [5, 6, 7]]) && 1 + a == a + 1)
    #expect(a - 1 == Tensor([[0, 1, 2], [3, 4, 5]]) && 1 - a == -(a - 1))
    #expect(a * 2 == a + a && 2 * a == a * 2)
    #expect(a / 2 == a * 0.5 && 12 / a == Tensor([[12, 6, 4], [3, 2.4, 2]]))
    #expect((a .> 2) == Tensor([[0, 0, 1], [1, 1, 1]]) && (a .== 2) == Tensor([[0, 1, 0], [0, 0, 0]]))
    #expect((a .<= 2) + (a .> 2) == .ones([2, 3]) && (a .< 2) + (a .>= 2) == .ones([2, 3]))
    #expect((a .!= 2) + (a .== 2) == .ones([2, 3]))
    #expect(pow(a, 1) == a && pow(a, 2) == a * a && pow(a, -1) == 1 / a && pow(a, 0.5) == sqrt(a))
    #expect(maximum(a, 3) == Tensor([[3, 3, 3], [4, 5, 6]]) && minimum(a, 3) == Tensor([[1, 2, 3], [3, 3, 3]]))
    #expect(clamp(a, min: 2, max: 5) == Tensor([[2, 2, 3], [4, 5, 5]]))
  }

  // MARK: Products

  @Test(arguments: [
    ([3], [3], []), ([2, 3], [3], [2]), ([3], [3, 4], [4]), ([2, 3], [3, 4], [2, 4]), ([5, 2, 3], [3, 4], [5, 2, 4]),
    ([5, 2, 3], [5, 3, 4], [5, 2, 4]), ([5, 1, 2, 3], [4, 3, 2], [5, 4, 2, 2]), ([3], [5, 3, 4], [5, 4]),
    ([5, 2, 3], [3], [5, 2]), ([2, 0], [0, 3], [2, 3]), ([0, 3], [3, 2], [0, 2]), ([1, 3], [3, 1], [1, 1]),
  ])
  func matmulShapes(left: [Int], right: [Int], result: [Int]) {
    var generator = RandomGenerator(seed: 62)
    let x = Tensor.normal(left, using: &generator)
    let y = Tensor.normal(right, using: &generator)
    let product = matmul(x, y)
    #expect(product.shape == result)
    // As a sum of outer products over the inner axis.
    let rows = left.count == 1 ? x.expanded(at: 0) : x
    let columns = right.count == 1 ? y.expanded(at: 1) : y
    var sum = (rows.expanded(at: -1) * columns.expanded(at: -3)).sum(axes: [-2])
    if left.count == 1 { sum = sum.squeezed([-2]) }
    if right.count == 1 { sum = sum.squeezed([-1]) }
    expectClose(product, sum, .exact, seed: 62)
  }

  @Test func otherProducts() {
    let (x, y) = (Tensor([1, 2, 3]), Tensor([4, 5, 6]))
    #expect(dot(x, y) == Tensor(32) && dot(a, a) == Tensor(91) && dot(Tensor(2), Tensor(3)) == Tensor(6))
    #expect(outer(x, Tensor([1, 10])) == Tensor([[1, 10], [2, 20], [3, 30]]))
    #expect(outer(a, x).shape == [2, 3, 3])
    #expect(tensordot(a, a, axes: ([0, 1], [0, 1])) == Tensor(91))
    #expect(tensordot(a, a, axes: ([1], [-1])) == matmul(a, a.transposed))
    #expect(tensordot(a, a, axes: ([0], [0])) == matmul(a.transposed, a))
  }

  // MARK: Reductions

  @Test func axesAndKeptAxes() {
    #expect(a.sum() == Tensor(21) && a.sum(axes: [0]) == Tensor([5, 7, 9]) && a.sum(axes: [-1]) == Tensor([6, 15]))
    #expect(a.sum(axes: [1], keepingAxes: true) == Tensor([[6], [15]]))
    #expect(a.sum(axes: [1, 0], keepingAxes: true) == Tensor([[21]]) && a.sum(axes: []) == a)
    #expect(a.mean() == Tensor(3.5) && a.mean(axes: [0]) == Tensor([2.5, 3.5, 4.5]))
    #expect(a.max() == Tensor(6) && a.min(axes: [0]) == Tensor([1, 2, 3]) && a.max(axes: [1]) == Tensor([3, 6]))
    #expect(Tensor([3, 4]).norm() == Tensor(5) && Tensor(-3).norm() == Tensor(3))
    #expect(a.norm(axes: [0], keepingAxes: true).shape == [1, 3])
    #expect(Tensor.zeros([0, 2]).sum(axes: [0]) == Tensor([0, 0]) && Tensor.zeros([0]).max() == Tensor(-.infinity))
  }

  @Test func softmaxAlongAnyAxis() {
    var generator = RandomGenerator(seed: 63)
    let x = Tensor.normal([2, 3, 4], using: &generator)
    for axis in [-3, -2, -1, 0, 1, 2] {
      let expected = exp(x) / exp(x).sum(axes: [axis], keepingAxes: true)
      expectClose(softmax(x, axis: axis), expected, .exact, seed: 63)
      expectClose(exp(logSoftmax(x, axis: axis)), expected, .exact, seed: 63)
      expectClose(logsumexp(x, axes: [axis]), log(exp(x).sum(axes: [axis])), .exact, seed: 63)
    }
    expectClose(logsumexp(x), log(exp(x).sum()), .exact, seed: 63)
    expectClose(logsumexp(x, axes: [0, 2]), log(exp(x).sum(axes: [0, 2])), .exact, seed: 63)
    #expect(logsumexp(x, axes: [0, 2], keepingAxes: true).shape == [1, 3, 1])
    #expect(logsumexp(x, axes: []) == x)
  }

  @Test func layerNormAlongAnyAxis() {
    var generator = RandomGenerator(seed: 65)
    let x = Tensor.normal([2, 3, 4], using: &generator)
    for axis in [-3, -2, -1, 0, 1, 2] {
      let deviation = x - x.mean(axes: [axis], keepingAxes: true)
      let variance = square(deviation).mean(axes: [axis], keepingAxes: true)
      expectClose(layerNorm(x, axis: axis), deviation / sqrt(variance + 1e-5), .exact, seed: 65)
      expectClose(layerNorm(x, axis: axis, epsilon: 2), deviation / sqrt(variance + 2), .exact, seed: 65)
    }
  }

  // MARK: Shapes

  @Test func reshaping() {
    #expect(a.reshaped(to: [3, -1]).shape == [3, 2] && a.flattened == Tensor([1, 2, 3, 4, 5, 6]))
    #expect(a.transposed == Tensor([[1, 4], [2, 5], [3, 6]]) && a.permuted([-1, 0]) == a.transposed)
    #expect(a.transposed.reshaped(to: [6]) == Tensor([1, 4, 2, 5, 3, 6]), "row-major, not as it lies in memory")
    #expect(a.expanded(at: 0).shape == [1, 2, 3] && a.expanded(at: -1).shape == [2, 3, 1])
    #expect(a.expanded(at: 1).squeezed() == a && a.expanded(at: 1).squeezed([1]) == a)
    let t = Tensor.zeros([2, 3, 4])
    #expect(t.movingAxis(0, to: -1).shape == [3, 4, 2] && t.movingAxis(2, to: 0).shape == [4, 2, 3])
    #expect(t.transposed.shape == [2, 4, 3])
  }

  @Test func joining() {
    #expect(concatenate([a, a], axis: -1).shape == [2, 6] && concatenate([a]) == a)
    #expect(stack([a, a]).shape == [2, 2, 3] && stack([a, a], axis: -1).shape == [2, 3, 2])
    #expect(stack([Tensor(1), Tensor(2)]) == Tensor([1, 2]))
    #expect(Tensor([1, 2]).padded([(1, 2)]) == Tensor([0, 1, 2, 0, 0]))
    #expect(a.padded([(0, 1), (1, 0)]) == Tensor([[0, 1, 2, 3], [0, 4, 5, 6], [0, 0, 0, 0]]))
  }

  @Test func gatheringAndScattering() {
    #expect(a.gathered(at: [1, 0, 1]) == Tensor([[4, 5, 6], [1, 2, 3], [4, 5, 6]]))
    #expect(a.gathered(at: [2, 0], axis: 1) == Tensor([[3, 1], [6, 4]]))
    #expect(
      a.gathered(at: Tensor([[0, 1], [1, 1]]), axis: -1) == Tensor([[[1, 2], [2, 2]], [[4, 5], [5, 5]]]))
    #expect(a.gathered(at: Tensor(1)) == Tensor([4, 5, 6]))
    #expect(Tensor([1, 2, 3]).scatterAdded(at: Tensor([0, 2, 0]), extent: 4) == Tensor([4, 0, 2, 0]))
    #expect(a.scatterAdded(at: Tensor([1, 1, 0]), axis: 1, extent: 2) == Tensor([[3, 3], [6, 9]]))
    let slope = gradient(of: { (t: Tensor) in square(t.gathered(at: [1, 1])).sum() }, at: a)
    #expect(slope == Tensor([[0, 0, 0], [16, 20, 24]]))
  }

  // MARK: Size

  /// Long vectors go through other loops (blocks, threads) than short ones; entries must not notice.
  @Test(
    arguments: PrimitiveCatalogue.variants.filter {
      $0.primitive is any ElementwisePrimitive && $0.arguments[0].shape == [37]
    })
  func longVectorsGiveWhatPiecesGive(_ variant: Variant) {
    var generator = RandomGenerator(seed: variant.seed)
    for count in [1000, 70_001] {
      let whole = variant.arguments.map { argument in
        var long = argument
        long.shape = [count]
        return long.sample(using: &generator)
      }
      let piece = 97
      let results = stride(from: 0, to: count, by: piece).map { start in
        variant.apply(whole.map { $0[start..<min(start + piece, count)] })
      }
      expectClose(variant.apply(whole), concatenate(results), .exact, seed: variant.seed)
    }
  }

  /// Quotients by powers of two are products, with the same bits wherever numbers begin and end.
  @Test func quotientsByConstantsAreRoundedOnce() {
    let exponents = [-1074, -1000, -150, -127, -126, -3, 0, 1, 5, 126, 127, 1000, 1023]
    let finite = exponents.flatMap { [scalbn(1.0, $0), -scalbn(1.0, $0), scalbn(1.5, $0)] }
    let divisors: [Double] = finite + [0, -0.0, .infinity, .nan]
    var g = RandomGenerator(seed: 12)
    let sizes = (0..<40).map { _ in
      scalbn(Double.random(in: -2...2, using: &g), Int.random(in: -1080...1030, using: &g))
    }
    let small = (0..<40).map { _ in scalbn(Double.random(in: -2...2, using: &g), Int.random(in: -155...130, using: &g))
    }
    let x: [Double] = sizes + small + [0, -0.0, .infinity, -.infinity, .nan]
    for c in divisors {
      let double = (Tensor(x) / c).scalars, single = (Tensor(x, as: .float32) / c).floats
      for (k, x) in x.enumerated() {
        #expect(double[k] == x / c || (x / c).isNaN && double[k].isNaN, "\(x) / \(c)")
        let expected = Float(x) / Float(c)
        #expect(single[k] == expected || expected.isNaN && single[k].isNaN, "\(Float(x)) / \(c) in single precision")
      }
    }
  }

  /// Results are the same, bit by bit, whatever the number of threads.
  @Test func threadsDoNotChangeResults() {
    var generator = RandomGenerator(seed: 64)
    let x = Tensor.normal([300, 400], using: &generator)
    let operations: [(String, (Tensor) -> Tensor)] = [
      ("matmul", { matmul($0, $0.transposed) }), ("product", { matmul($0.transposed, exp($0 * 0.1)) }),
      ("sum", { $0.sum() }), ("sum over rows", { $0.sum(axes: [0]) }), ("norm", { $0.norm() }),
      ("softmax", { softmax($0) }), ("layerNorm", { layerNorm($0) }),
      ("tanh", { tanh($0) }), ("transpose", { $0.transposed + 1 }), ("logsumexp", { logsumexp($0) }),
      ("gradient", { gradient(of: { (tanh(matmul($0, $0.transposed)) * 0.01).sum() }, at: $0) }),
    ]
    for (name, operation) in operations {
      let alone = withThreadLimit(1) { operation(x) }
      for limit in [2, 3, 4] {
        #expect(withThreadLimit(limit) { operation(x) } == alone, "\(name) with \(limit) threads")
      }
      let single = x.as(.float32)
      #expect(withThreadLimit(4) { operation(single) } == withThreadLimit(1) { operation(single) }, "\(name), float32")
    }
  }
}
