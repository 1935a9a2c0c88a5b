import Foundation
import Testing

@testable import AutoDiff

@Suite struct SmoothFunctionTests {
  struct Named: Sendable, CustomTestStringConvertible {
    let name: String
    let function: SmoothFunction
    /// Where intervals are drawn.
    var from = -6.0, to = 6.0
    var testDescription: String { name }
  }

  static let functions: [Named] = [
    Named(name: "tanh", function: .tanh), Named(name: "sigmoid", function: .sigmoid),
    Named(name: "softplus", function: .softplus(1)), Named(name: "softplus 3", function: .softplus(3)),
    Named(name: "erf", function: .erf), Named(name: "erfc", function: .erfc), Named(name: "gelu", function: .gelu),
    Named(name: "silu", function: .silu), Named(name: "sin", function: .sin, from: -20, to: 20),
    Named(name: "cos", function: .cos, from: -20, to: 20), Named(name: "arctan", function: .arctan),
    Named(name: "exp", function: .exp), Named(name: "expm1", function: .expm1),
    Named(name: "log", function: .log, from: 0.1), Named(name: "square", function: .power(1, 2)),
    Named(name: "cube", function: .power(-2, 3)), Named(name: "root", function: .power(1, 0.5), from: 0.1),
    Named(name: "reciprocal", function: .power(1, -1), from: 0.2),
    Named(name: "negative reciprocal", function: .power(1, -1), to: -0.2),
    Named(name: "negative power", function: .power(0.5, -2.5), from: 0.2),
  ]

  /// Each order is the derivative of the one before, so a wrong formula is found.
  @Test(arguments: functions) func ordersAreDerivatives(_ row: Named) {
    var random = RandomGenerator(seed: 1)
    let step = 1e-3
    for x in Tensor.uniform([40], in: row.from..<row.to, using: &random).scalars {
      for order in 0..<3 {
        let f = row.function.orders[order].value
        let h = step * min(1, abs(x))
        let slope = (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h)
        let exact = row.function.orders[order + 1].value(x)
        #expect(abs(slope - exact) <= 1e-7 * max(1, abs(exact)), "order \(order + 1) at \(x)")
      }
    }
  }

  /// The range holds every value over the interval and is no wider than what they reach, so a missing turn is found.
  @Test(arguments: functions, 0...3) func rangesAreSharp(_ row: Named, order: Int) {
    var random = RandomGenerator(seed: 2)
    let ends = Tensor.uniform([40, 2], in: row.from..<row.to, using: &random).scalars
    for k in 0..<40 {
      // Wide and narrow intervals.
      let width = abs(ends[2 * k] - ends[2 * k + 1]) * (k % 2 == 0 ? 1 : 0.01)
      let (a, b) = (min(ends[2 * k], row.to - width), min(ends[2 * k], row.to - width) + width)
      let range = row.function.range(ofOrder: order, from: a, to: b)
      let values = (0...1000).map { row.function.orders[order].value(a + (b - a) * Double($0) / 1000) }
      let (least, most) = (values.min()!, values.max()!)
      #expect(range.lower <= least && most <= range.upper, "[\(a), \(b)]")
      let tolerance = 1e-3 * (most - least) + 1e-12 * max(1, abs(most), abs(least))
      #expect(least - range.lower <= tolerance && range.upper - most <= tolerance, "[\(a), \(b)]: \(range)")
    }
  }

  /// Far from 0 a turning point is known to the rounding of numbers there, and still no value is left out.
  @Test(arguments: [SmoothFunction.sin, .cos], 0...3) func farRangesHoldEveryValue(
    _ function: SmoothFunction, order: Int
  ) {
    var random = RandomGenerator(seed: 3)
    for exponent in 0...300 {
      let magnitude = pow(10, Double(exponent) / 6)
      let parts = Tensor.uniform([3], in: 0..<1, using: &random).scalars
      let a = magnitude * (parts[0] < 0.5 ? -1 : 1) * (0.5 + parts[1])
      // From a part of a period to many.
      let b = max(a + pow(1000, 1.5 * parts[2] - 0.5), a.nextUp)
      let range = function.range(ofOrder: order, from: a, to: b)
      #expect(range.lower >= -1 - 1e-12 && range.upper <= 1 + 1e-12)
      for share in Tensor.uniform([200], in: 0..<1, using: &random).scalars {
        let value = function.orders[order].value(min(a + (b - a) * share, b))
        #expect(range.lower <= value && value <= range.upper, "\(value) is not in \(range) over [\(a), \(b)]")
      }
    }
  }
}
