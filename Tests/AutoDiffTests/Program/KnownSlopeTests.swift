import TestSupport
import Testing

@testable import AutoDiff

/// v · f′(x) for an x that is known when a function is recorded is a product with a constant, of the same bits.
struct KnownSlopeTests {
  static let functions: [(name: String, f: @Sendable (Tensor) -> Tensor)] = [
    ("tanh", { tanh($0) }), ("sigmoid", { sigmoid($0) }), ("erf", { erf($0) }), ("sin", { sin($0) }),
    ("cos", { cos($0) }),
  ]

  /// Points where slopes vanish, underflow, or are not a number, and tangents that are 0 there.
  @Test(arguments: [ScalarType.float64, .float32]) func slopesAtKnownPoints(type: ScalarType) {
    var random = RandomGenerator(seed: 3)
    let special = Tensor(
      [0, -0.0, .leastNormalMagnitude, 0.9, -2.2, 5, -19, 25, 800, .infinity, -.infinity, .nan], as: type)
    let x = concatenate([special, special, Tensor.normal([40], as: type, using: &random) * 3])
    let v = concatenate([
      Tensor.zeros([12], as: type), Tensor.normal([52], as: type, using: &random),
    ])
    func bits(_ t: Tensor) -> [UInt64] { t.scalars.map { $0.isNaN ? Double.nan.bitPattern : $0.bitPattern } }
    for (name, f) in Self.functions {
      let forward = { (v: Tensor) in directionalDerivative(of: f, at: x, along: v) }
      #expect(bits(compiled(forward)(v)) == bits(forward(v)), "\(name), forward")
      let reverse = { (v: Tensor) in gradient(of: { (f($0) * v).sum() }, at: x) }
      #expect(bits(compiled(reverse)(v)) == bits(reverse(v)), "\(name), reverse")
      // Known in the body of a loop, though not when the function is recorded.
      let loop = { (s: [Tensor]) in repeated(4, s[0]) { directionalDerivative(of: f, at: s[1], along: $0) * 0.5 } }
      #expect(bits(compiled(loop)([v, x])) == bits(loop([v, x])), "\(name), loop")
    }
  }

  @Test func knownSlopesAreProducts() {
    for (name, f) in Self.functions {
      let recorder = Recorder()
      let v = recorder.input([3], .float64)
      let result = directionalDerivative(of: f, at: Tensor([0.1, 0.2, 0.3]), along: v)
      let results = [recorder.value(of: result, for: "test")]
      let needed = zip(recorder.graph.operations, recorder.graph.isNeeded(for: results)).filter { $1 }
      #expect(needed.count == 1, "\(name)")
      for case (let operation, _) in needed {
        guard case .primitive(let primitive) = operation.kind else { continue }
        #expect(primitive is ChainProduct, "\(name): \(primitive.name)")
      }
      recorder.close()
    }
  }

  /// Norms that a program forms have the bits of those outside, the irregular ones too.
  @Test(arguments: [ScalarType.float64, .float32]) func norms(type: ScalarType) {
    let scales = [1, 0, 1e-300, 1e300, 1e-30, 1e30, .infinity, .nan]
    for shape in [[], [1], [7], [3, 5], [2, 3, 40], [0], [3, 0]] {
      var random = RandomGenerator(seed: 5)
      let x = Tensor.normal(shape, as: type, using: &random)
      for scale in scales {
        for axes in [Array(shape.indices), shape.isEmpty ? [] : [shape.count - 1], shape.isEmpty ? [] : [0]] {
          let f = { (x: Tensor) in [x.norm(axes: axes), (x * 2).norm(axes: axes)] }
          let input = x * scale
          for (mine, other) in zip(compiled(f)(input), f(input)) {
            #expect(mine.shape == other.shape)
            #expect(
              zip(mine.scalars, other.scalars).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN },
              "shape \(shape), axes \(axes), scale \(scale)")
          }
        }
      }
    }
  }
}
