import AutoDiff
import TestSupport
import Testing

@testable import Tangent

/// Brackets where gradients are no derivatives, or where there is nothing to bracket.
struct OwnDerivativeTests {
  typealias Model = @Sendable (Tensor, [Tensor]) -> Tensor

  private let x = Tensor([[0.3, -0.7], [1.1, 0.4]])
  private let p = [Tensor([0.2, -0.4, 1]), Tensor([0.7, 0.1, -0.5])]

  private func expectBrackets(_ model: @escaping Model, _ label: String, hasUpperEnds: Bool = true) throws {
    for radius in [0, 0.01, 5] {
      let found = try lipschitzEstimates(
        of: model, at: p, on: x, radius: radius, options: .init(starts: 1, stepLimit: 2))
      for estimate in found.lipschitz + found.gradientNorms {
        let (lower, upper) = (estimate.bracket.lower.value, estimate.bracket.upper.value)
        #expect(lower <= upper && upper.isFinite == hasUpperEnds, "\(label), radius \(radius): \(lower), \(upper)")
      }
    }
  }

  /// The Jacobian of such a gradient is not symmetric, and the value's slope is not its size.
  @Test func stoppedGradientsAndRulesByHand() throws {
    let straightThrough = withDerivative(
      of: { @Sendable (x: Tensor) in x },
      vjp: { @Sendable (x: Tensor, _: Tensor, c: Tensor) in c * 100 * cos(x * 10) })
    let models: [(String, Model)] = [
      ("product", { x, p in dot(stopGradient(p[0]), p[1]) * x[0] }),
      ("functions", { x, p in (sin(p[0]) * stopGradient(exp(p[0]))).sum() * x[0] }),
      ("another slope", { x, p in straightThrough(p[0]).sum() * x[1] }),
      ("checkpoint", { x, p in checkpoint { dot(tanh($0[0] * x[0]), $0[1]) }(p) }),
    ]
    for (label, model) in models { try expectBrackets(model, label) }
    // What is promised of training needs derivatives.
    for (_, model) in models[..<3] {
      #expect(throws: BoundError.self) {
        _ = try TrainingStart(
          of: { model($0, $1) }, from: p, on: x, targets: Tensor([1, 0]))
      }
    }
  }

  @Test func aSpectrumOfOneSign() throws {
    let found = try lipschitzEstimates(of: { x, p in log(p) * x[0] }, at: Tensor(2), on: x, radius: 0)
    #expect(found.lipschitz[0].tightness < 1 + 1e-6)
  }

  @Test func solversStateNoUpperEnds() throws {
    let matrix: @Sendable ([Tensor]) -> Tensor = { p in outer(p[0], p[1]) * 0.1 + Tensor.eye(3) * 3 }
    try expectBrackets(
      { x, p in try! logDeterminant(matrix(p) + matrix(p).transposed) * x[0] }, "cholesky", hasUpperEnds: false)
    try expectBrackets({ x, p in try! triangularSolve(matrix(p), p[0]).sum() * x[0] }, "solve", hasUpperEnds: false)
    try expectBrackets(
      { x, p in try! fixedPoint(of: { tanh($0 * 0.3 + $1) }, from: .zeros([3]), at: p[0]).sum() * x[0] }, "fixedPoint",
      hasUpperEnds: false)
  }

  /// Points of the ball where the model is no number count for nothing; a center of that kind is refused.
  @Test func numbersThatAreNone() throws {
    let found = try lipschitzEstimates(of: { x, p in log(p) * x[0] }, at: Tensor(2), on: x, radius: 5)
    #expect(found.lipschitz[0].bracket.lower.value >= 0.3 / 4 * (1 - 1e-6))
    #expect(found.lipschitz[0].bracket.upper.value == .infinity && found.obstacle?.primitive == "log")
    #expect(throws: LipschitzError.valueNotFinite(-.infinity)) {
      _ = try lipschitzEstimates(of: { x, p in log(p) * x[0] }, at: Tensor(0), on: x, radius: 1)
    }
    #expect(throws: LipschitzError.gradientNotFinite(leaf: 0, value: .infinity)) {
      _ = try lipschitzEstimates(of: { x, p in sqrt(p) * x[0] }, at: Tensor(0), on: x, radius: 1)
    }
  }
}
