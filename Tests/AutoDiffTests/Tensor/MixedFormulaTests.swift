import AutoDiff
import Foundation
import Testing

/// Numbers stand beside tensors wherever a formula has them. That these formulas compile is most of the test; the module is
/// imported as by everybody else, with Foundation and its own operators beside it.
@Suite struct MixedFormulaTests {
  private let t = Tensor.range(to: 24).reshaped(to: [2, 3, 4])
  private let x = Tensor([-2, -0.5, 0, 1, 3])

  @Test func numbersBesideTensors() {
    let masked: [Double] = select(x .> 0, x, -.infinity).scalars
    let low = -Double.infinity
    #expect(masked == [low, low, low, 1, 3])
    #expect(select(x .> 0, 0, x).scalars == [-2, -0.5, 0, 0, 0])
    #expect(select(x .> 0, 1, 0).scalars == [0, 0, 0, 1, 1])
    #expect(maximum(0, x).scalars == [0, 0, 0, 1, 3] && maximum(x, 0) == maximum(0, x))
    #expect(minimum(x, 1).scalars == [-2, -0.5, 0, 1, 1] && minimum(1, x) == minimum(x, 1))
    #expect(pow(2, Tensor([0, 1, 3, -1])).scalars == [1, 2, 8, 0.5])
    #expect((2 / Tensor([1, 4])).scalars == [2, 0.5])
    #expect((1 + 2 * x - 3 * x / 2).scalars == [0, 0.75, 1, 1.5, 2.5])
  }

  /// A relation with the number on the left is the mirrored one with the number on the right.
  @Test func numbersOnTheLeftOfARelation() {
    for number in [-2, -0.5, 0, 0.25, 1, .infinity, .nan] {
      #expect((number .< x) == (x .> number))
      #expect((number .<= x) == (x .>= number))
      #expect((number .> x) == (x .< number))
      #expect((number .>= x) == (x .<= number))
      #expect((number .== x) == (x .== number))
      #expect((number .!= x) == (x .!= number))
    }
    #expect((0 .< x).scalars == [0, 0, 0, 1, 1])
  }

  @Test func aNumberTakesTheScalarTypeOfItsTensor() {
    let x = x.as(.float32)
    let results = [
      select(x .> 0, x, -.infinity), select(0 .< x, 0, x), select(x .> 0, 1, 0), maximum(0, x), minimum(1, x),
      pow(2, x),
      2 / x, 1 - x, 0.1 * x, 0 .< x, 0 .<= x, 0 .> x, 0 .>= x, 0 .== x, 0 .!= x,
    ]
    for result in results { #expect(result.scalarType == .float32) }
  }

  @Test func derivatives() {
    let x = Tensor([-2, -0.5, 0.25, 1.5])
    let f = { (x: Tensor) -> Tensor in
      (maximum(0, x) + minimum(1, x) * 3 + pow(2, x) + 2 / x + select(0 .< x, 0, square(x))).sum()
    }
    let slopes = x.scalars.map { x -> Double in
      (x > 0 ? 1 : 0) + (x < 1 ? 3 : 0) + log(2) * pow(2, x) - 2 / (x * x) + (x > 0 ? 0 : 2 * x)
    }
    for (slope, expected) in zip(gradient(of: f, at: x).scalars, slopes) {
      #expect(Swift.abs(slope - expected) < 1e-12)
    }
  }

  @Test func positions() {
    let (i, n) = (1, 3)
    #expect(t[.all, 1] == Tensor([[4, 5, 6, 7], [16, 17, 18, 19]]))
    #expect(t[0, 1..<3, ...] == Tensor([[4, 5, 6, 7], [8, 9, 10, 11]]))
    #expect(t[..., 0] == Tensor([[0, 4, 8], [12, 16, 20]]))
    #expect(t[0, ..., 1] == Tensor([1, 5, 9]))
    #expect(t[1..., ..., 2] == Tensor([[14, 18, 22]]))
    #expect(t[i, .newAxis, 0..<n].shape == [1, 3, 4] && t[i, .newAxis, 0..<n][0] == t[i])
    #expect(t[i, n - 1, -1].scalar == 23)
    #expect(t[.all, i, ...] == t[.all, i] && t[0, i, .all, ...] == t[0, 1])
    #expect(t[.newAxis, .all, 1, ..., 0].shape == [1, 2])
    #expect(t[-1, stride(from: 0, to: n, by: 2), ...2] == Tensor([[12, 13, 14], [20, 21, 22]]))
    #expect(t[..., .newAxis, .all, 1..<n].shape == [2, 1, 3, 2])
    #expect(t[...] == t && t[] == t)
  }

  @Test func positionsInAssignments() {
    let i = 1
    var t = t
    t[.all, 0] = Tensor(-1)
    t[i, 1..<3, ...] = Tensor(-2)
    t[i, .newAxis, 1, ..., 0] += Tensor([5])
    t[..., 3] *= Tensor(10)
    #expect(t[0] == Tensor([[-1, -1, -1, -10], [4, 5, 6, 70], [8, 9, 10, 110]]))
    #expect(t[1] == Tensor([[-1, -1, -1, -10], [3, -2, -2, -20], [-2, -2, -2, -20]]))
  }

  /// Closures of one expression, without types, inside generic calls: here the compiler has most to find out.
  @Test func genericContexts() {
    let (t, i) = (t, 1)
    let g = gradient(of: { (2 * $0[.all, 1] + $0[0, 0..<2, ...] * 3).sum() }, at: t)
    let row = g[0, 0]
    #expect(row.scalars == [3, 3, 3, 3])
    let h1 = gradient(of: { (1 - 2 / ($0[i, .newAxis, 0..<2] + 1)).sum() }, at: t)
    #expect(h1.shape == t.shape)
    let maxima = vmap { (x: Tensor) in
      select(0 .< x, 1, x) + maximum(0, x) - minimum(x, 1) + select(x .> 2, x, -.infinity) * 0 + 2 * x / 3 - 1
    }(t)
    #expect(maxima.shape == t.shape)
    let scores = vmap { (x: Tensor, mask: Tensor) in softmax(select(mask, x[0, ...], -.infinity)) }(
      t, Tensor([[1, 1, 0, 0], [1, 0, 0, 0]]))
    #expect(scores[1].scalars == [1, 0, 0, 0])
    let h = hvp(of: { (maximum(0, $0) * pow(2, $0) + 0.5 * square($0 - 1) / 3).sum() }, at: x, along: 2 * x - 1)
    #expect(h.shape == [5])
  }

  @Test func longFormulas() {
    let (t, u, v) = (x, 2 * x + 0.25, Tensor([1, 2, 3, 4, 5]))
    let a = 1 + 2 * t - 3 * square(u) / 4 + 5 * v * 6 - 7 / v + 8 * (u - 9) * (1 - v) + 0.5 * t * u - 2 * exp(-t)
    let b =
      2 * t / 5 + 0.1 * u * v - t * 2 * u / 3 + -2 * t + 2 * -t + maximum(0, t) * select(0 .< t, 1, u) - pow(2, t) / 2
    let g = gradient(
      of: { (2 * $0 + 3 * tanh($0) * $0 - 1 / (1 + exp(-$0)) + 0.5 * square($0 - 1) - 4 * sin(2 * $0 + 1)).sum() },
      at: t)
    #expect(a.shape == [5] && b.shape == [5] && g.shape == [5])
  }
}
