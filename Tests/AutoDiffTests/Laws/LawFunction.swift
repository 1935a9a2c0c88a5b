import Testing

@testable import AutoDiff

/// A function of several tensors with several results at a point, on which the laws of differentiation are checked.
///
/// Its derivatives are functions of the same kind, which makes the laws of higher order the same laws again.
struct LawFunction {
  let call: ([Tensor]) -> [Tensor]
  let point: [Tensor]
  /// Which arguments may be varied; indices and masks may not.
  let moves: [Bool]
  let seed: UInt64
  let label: String

  init(_ variant: Variant, using generator: inout RandomGenerator) {
    call = { [variant.apply($0)] }
    point = variant.sample(using: &generator)
    moves = variant.arguments.map(\.moves)
    seed = variant.seed
    label = "f"
  }

  private init(
    _ call: @escaping ([Tensor]) -> [Tensor], _ point: [Tensor], _ moves: [Bool], _ seed: UInt64, _ label: String
  ) {
    (self.call, self.point, self.moves, self.seed, self.label) = (call, point, moves, seed, label)
  }

  private func directions(using generator: inout RandomGenerator) -> [Tensor] {
    zip(point, moves).map { $1 ? dyadicDirection(like: $0, using: &generator) : .zeros(like: $0) }
  }

  /// (x, ẋ) ↦ J(x) ẋ.
  func pushforward(using generator: inout RandomGenerator) -> LawFunction {
    let (count, call) = (point.count, call)
    return LawFunction(
      { jvp(of: call, at: Array($0.prefix(count)), along: Array($0.suffix(count))).tangent },
      point + directions(using: &generator), moves + moves, seed, "jvp of \(label)")
  }

  /// (x, ȳ) ↦ J(x)ᵀ ȳ.
  func pullback(using generator: inout RandomGenerator) -> LawFunction {
    let (count, call) = (point.count, call)
    let cotangents = call(point).map { dyadicDirection(like: $0, using: &generator) }
    return LawFunction(
      { vjp(of: call, at: Array($0.prefix(count))).pullback(Array($0.dropFirst(count))) },
      point + cotangents, moves + cotangents.map { _ in true }, seed, "vjp of \(label)")
  }

  /// jvp = central difference, of fourth order: (8 (f(x+h) − f(x−h)) − (f(x+2h) − f(x−2h))) / 12h.
  func checkAgainstDifferences(
    using generator: inout RandomGenerator, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let directions = directions(using: &generator)
    let (values, tangents) = jvp(of: call, at: point, along: directions)
    let step = 0x1p-10
    func entries(at t: Double) -> [Naive] {
      call(zip(point, directions).map { $0 + $1 * t }).map { Naive($0) }
    }
    let (near, nearBack) = (entries(at: step), entries(at: -step))
    let (far, farBack) = (entries(at: 2 * step), entries(at: -2 * step))
    for output in values.indices {
      var difference = near[output]
      for k in difference.entries.indices {
        let inner = near[output].entries[k] - nearBack[output].entries[k]
        let outer = far[output].entries[k] - farBack[output].entries[k]
        difference.entries[k] = (8 * inner - outer) / (12 * step)
      }
      let magnitude = values[output].scalars.map(\.magnitude).max() ?? 0
      expectClose(
        tangents[output].as(.float64), difference.tensor, .finiteDifference, atLeast: 1e-3 * max(1, magnitude),
        seed: seed,
        "jvp and central difference of \(label), output \(output)", sourceLocation: sourceLocation)
    }
  }

  /// ⟨ȳ, J ẋ⟩ = ⟨Jᵀ ȳ, ẋ⟩.
  func checkAdjoint(using generator: inout RandomGenerator, sourceLocation: SourceLocation = #_sourceLocation) {
    let directions = directions(using: &generator)
    let tangents = jvp(of: call, at: point, along: directions).tangent
    let cotangents = tangents.map { dyadicDirection(like: $0, using: &generator) }
    let (_, pullback) = vjp(of: call, at: point)
    let gradients = pullback(cotangents)
    func inner(_ a: [Tensor], _ b: [Tensor]) -> (sum: Double, size: Double) {
      let products = zip(a, b).flatMap { zip($0.scalars, $1.scalars).map { $0 * $1 } }
      return (products.reduce(0, +), products.map(\.magnitude).reduce(0, +))
    }
    let (left, right) = (inner(cotangents, tangents), inner(gradients, directions))
    expectClose(
      left.sum, right.sum, .analytic, atLeast: max(left.size, right.size), seed: seed, "adjoint identity of \(label)",
      sourceLocation: sourceLocation)
    for k in point.indices {
      #expect(
        gradients[k].shape == point[k].shape, "cotangent of argument \(k) of \(label)", sourceLocation: sourceLocation)
      #expect(gradients[k].scalarType == point[k].scalarType, sourceLocation: sourceLocation)
      if !moves[k] {
        #expect(gradients[k].allSatisfy { $0 == 0 }, "argument \(k) of \(label)", sourceLocation: sourceLocation)
      }
    }
  }
}

/// Multiples of 1/8 in [−1, 1] other than 0: exact in every type, and a step along them is too.
func dyadicDirection(like model: Tensor, using generator: inout RandomGenerator) -> Tensor {
  let entries = (0..<model.count).map { _ in
    Double(Int.random(in: 1...8, using: &generator)) / (Bool.random(using: &generator) ? 8 : -8)
  }
  return Tensor(entries, shape: model.shape, as: model.scalarType)
}
