import TestSupport
import Testing

@testable import AutoDiff

/// Bounds of programs that nobody has thought of, against points and directions in the ball.
struct RandomBoundsTests {
  static let radii = [0, 1e-6, 0.01, 0.3, 3]

  private func norm(_ tensors: [Tensor]) -> Double { tensors.euclideanNorm.scalar }

  /// The center, and points of the sphere in random directions, in those of single leaves, and uphill.
  private func points(
    _ f: ([Tensor]) -> [Tensor], _ x: [Tensor], radius: Double, using random: inout RandomGenerator
  ) -> [[Tensor]] {
    var directions = (0..<2).map { _ in x.map { Tensor.normal($0.shape, using: &random) } }
    let leaf = Int.random(in: x.indices, using: &random)
    directions.append(x.indices.map { $0 == leaf ? directions[0][$0] : .zeros(like: x[$0]) })
    let slope = gradient(of: { z in f(z).reduce(Tensor(0)) { $0 + $1.sum() } }, at: x)
    directions += [slope, slope.map { -$0 }]
    return [x] + directions.filter { norm($0) > 0 }.map { x.adding($0, scaledBy: radius * (1 - 1e-12) / norm($0)) }
  }

  private func expectTrue(
    _ f: @escaping ([Tensor]) -> [Tensor], at x: [Tensor], radius: Double, seed: UInt64, _ label: String
  ) -> Bool {
    guard let bounds = try? valueBounds(of: f, at: x, radius: radius) else { return false }
    var random = RandomGenerator(seed: seed)
    for (number, point) in points(f, x, radius: radius, using: &random).enumerated() {
      for (value, bounds) in zip(f(point), bounds) {
        let enclosure = number == 0 ? bounds.initial : bounds.range
        // What the evaluation itself rounds.
        let slack = 1e-11 * (abs(value) + 1)
        let isInside = (value .>= enclosure.lower - slack) * (value .<= enclosure.upper + slack)
        #expect(isInside.allSatisfy { $0 == 1 }, "\(label), seed \(seed), radius \(radius): \(value) in \(enclosure)")
      }
      for leaf in x.indices where x[leaf].count > 0 {
        var direction = x.map { Tensor.zeros(like: $0) }
        direction[leaf] = .normal(x[leaf].shape, using: &random)
        let length = norm(direction) * (1 + 1e-9)
        for (tangent, bounds) in zip(jvp(of: f, at: point, along: direction).tangent, bounds) {
          let slopes = bounds.slopes[leaf] ?? SlopeBounds(scale: .zeros(tangent.shape), rows: .zeros(tangent.shape))
          let rows = (abs(tangent) .<= slopes.rows * length + 1e-10).allSatisfy { $0 == 1 }
          let isSlow = norm([tangent]) <= slopes.norm * length + 1e-10
          #expect(rows && isSlow, "\(label), seed \(seed), radius \(radius), leaf \(leaf): \(tangent)")
        }
      }
    }
    return true
  }

  @Test func valuesAndSlopes() {
    var proved = 0
    for seed in UInt64(0)..<16 {
      let f = RandomProgram(
        seed: seed, type: .float64, length: 10, isSmooth: true, isBounded: true, extents: [1, 2, 3, 4])
      let g = RandomProgram(
        seed: seed, type: .float64, length: 6, isSmooth: true, isBounded: true, extents: [1, 2, 3, 4])
      for radius in Self.radii {
        proved += expectTrue({ f($0) }, at: f.point, radius: radius, seed: seed, "value") ? 1 : 0
        let slope: ([Tensor]) -> [Tensor] = { gradient(of: g.sum, at: $0) }
        proved += expectTrue(slope, at: g.point, radius: radius, seed: seed, "gradient") ? 1 : 0
      }
    }
    // Most of them have bounds.
    #expect(proved > 80, "\(proved)")
  }

  // MARK: Functions of functions

  private let x = [Tensor([0.3, -0.7]), Tensor([1.1, 0.4])]

  @Test func checkpointsAndRulesByHandAreLookedInto() throws {
    let plain: ([Tensor]) -> [Tensor] = { [sin($0[0]) * $0[1]] }
    let byHand = withDerivative(
      of: { @Sendable (x: [Tensor]) in [sin(x[0]) * x[1]] },
      vjp: { @Sendable (x: [Tensor], _: [Tensor], c: [Tensor]) in [c[0] * cos(x[0]) * x[1], c[0] * sin(x[0])] })
    for f in [checkpoint(plain), byHand, { compiled(plain)($0) }] {
      for radius in Self.radii {
        let (mine, other) = (
          try valueBounds(of: f, at: x, radius: radius), try valueBounds(of: plain, at: x, radius: radius)
        )
        #expect(mine[0].range.lower == other[0].range.lower && mine[0].slope == other[0].slope)
        let slope: ([Tensor]) -> [Tensor] = { x in gradient(of: { f($0)[0].sum() }, at: x) }
        #expect(expectTrue(slope, at: x, radius: radius, seed: 1, "gradient"))
      }
    }
  }

  /// Functions that read numbers or check them say that there are no bounds, where they state none.
  @Test func whatStatesNoBoundsSaysSo() {
    let matrix = Tensor([[3, 1], [1, 4]])
    let functions: [(String, @Sendable (Tensor) throws -> Tensor)] = [
      ("cholesky", { try logDeterminant($0) }), ("triangularSolve", { try triangularSolve($0, matrix) }),
      ("qr", { try qr($0).r }), ("symmetricEigen", { try symmetricEigen($0).values }),
      ("fixedPoint", { try fixedPoint(of: { tanh($0 * 0.3 + $1) }, from: .zeros([2, 2]), at: $0) }),
    ]
    for (name, f) in functions {
      do {
        _ = try valueBounds(of: f, at: matrix, radius: 0.1)
        Issue.record("\(name) has bounds")
      } catch {
        #expect((error as? BoundError)?.primitive.contains(name) == true, "\(error)")
      }
    }
  }

  @Test func aValueInABallIsPrintedWithoutNumbers() throws {
    let text = Locked("")
    _ = try valueBounds(
      of: { (x: Tensor) in
        text.value = "\(x)"
        return x
      }, at: x[0], radius: 1)
    #expect(text.value == "traced [no numbers] shape [2]")
  }
}
