import Testing

@testable import AutoDiff

/// What `select` promises: the branch that is not chosen does no harm, whatever its value and slopes are.
@Suite struct SelectLawTests {
  typealias Ways = AwkwardPointTests

  /// Functions and points where their values or slopes are infinite or not a number.
  static let singular: [(name: String, call: @Sendable (Tensor) -> Tensor, points: [Double])] = [
    ("log", { log($0) }, [0, -0.0, -1]), ("sqrt", { sqrt($0) }, [0, -1]), ("1/x", { 1 / $0 }, [0, -0.0]),
    ("x/x", { $0 / $0 }, [0]), ("x/(x - 1)", { $0 / ($0 - 1) }, [1]), ("pow(x, 0.3)", { pow($0, 0.3) }, [0, -2]),
    ("pow(x, -2)", { pow($0, -2) }, [0]), ("pow(x, x)", { pow($0, $0) }, [0, -0.5]),
    ("pow(x, -1.5)", { pow($0, Tensor(-1.5)) }, [0]), ("log1p", { log1p($0) }, [-1, -2]),
    ("tan", { tan($0) }, [.infinity]), ("sin", { sin($0) }, [.infinity, .nan]), ("cos", { cos($0) }, [-.infinity]),
    ("exp", { exp($0) }, [1000, .nan]), ("expm1", { expm1($0) }, [1000]), ("x log x", { $0 * log($0) }, [0]),
    ("log √x", { log(sqrt($0)) }, [0, -1]), ("tanh", { tanh($0) }, [.nan]), ("sigmoid", { sigmoid($0) }, [.nan]),
    ("softplus", { softplus($0, sharpness: 2) }, [.nan]), ("erf", { erf($0) }, [.nan]), ("erfc", { erfc($0) }, [.nan]),
    ("gelu", { gelu($0) }, [.nan]), ("silu", { silu($0) }, [.nan]), ("relu", { relu($0) }, [.nan]),
    ("abs", { abs($0) }, [.nan]), ("arctan", { arctan($0) }, [.nan]), ("square", { square($0) }, [.infinity]),
    ("maximum", { maximum(log($0), sqrt($0)) }, [0]), ("clamp", { clamp(1 / $0, min: 0, max: 1) }, [0]),
    ("norm", { ($0 * Tensor([1, 2])).norm() }, [.nan, .infinity]),
    ("max", { (log($0) * Tensor([1, 2])).max() }, [0, -1]),
    ("logsumexp", { logsumexp($0 * Tensor([1, 2, 3])) }, [.nan]),
    ("softmax", { softmax($0 * Tensor([1, 2, 3]))[0] }, [.nan]),
    ("logSoftmax", { logSoftmax($0 * Tensor([1, 2, 3]))[0] }, [.nan]),
    ("layerNorm", { layerNorm($0 * Tensor([1, 2, 3]))[0] }, [.nan]),
  ]

  @Test(arguments: singular.indices)
  func theOtherBranchDoesNoHarm(_ index: Int) {
    let (name, call, points) = Self.singular[index]
    for point in points {
      let cube = { (x: Tensor) in point.isFinite ? x * x * x : x * 0 + 1 }
      let masked = { (x: Tensor) in select(Tensor(0), call(x), point.isFinite ? cube(x) : Tensor(1)) }
      for order in 1...3 {
        let expected = !point.isFinite ? 0 : [3 * point * point, 6 * point, 6][order - 1]
        for way in Ways.ways(order) {
          let derivative = Ways.derivative(masked, way)
          #expect(derivative(Tensor(point)).scalar == expected, "\(name), \(way) at \(point)")
          #expect(
            vmap(derivative)(Tensor([point, point])).scalars == [expected, expected], "\(name), \(way) in vmap")
        }
      }
    }
  }

  /// As users write it: the mask depends on the entries, chosen and other ones side by side.
  @Test func aBranchChosenByTheEntries() {
    let f = { (x: Tensor) in select(x .> 0, log(x), x).sum() }
    let x = Tensor([0, 2, -1])
    #expect(gradient(of: f, at: x).scalars == [1, 0.5, 1])
    #expect(hvp(of: f, at: x, along: Tensor([1, 1, 1])).scalars == [0, -0.25, 0])
    #expect(gradient(of: { gradient(of: f, at: $0).sum() }, at: x).scalars == [0, -0.25, 0])
    #expect(hessian(of: f, at: x) == Tensor([[0, 0, 0], [0, -0.25, 0], [0, 0, 0]]))
    #expect(gradient(of: { select($0 .> 0, sqrt($0), $0 * 0).sum() }, at: Tensor([0, 4])).scalars == [0, 0.25])
  }

  /// What is chosen comes out as it is.
  @Test func chosenInfinitiesAndNotNumbersRemain() {
    let one = Tensor(1)
    for way in Ways.ways(1) {
      #expect(Ways.derivative({ select(one, log($0), $0) }, way)(Tensor(0)).scalar == .infinity)
      #expect(Ways.derivative({ select(one, sqrt($0), $0) }, way)(Tensor(-1)).scalar.isNaN)
      #expect(Ways.derivative({ select(one, sin($0), $0) }, way)(Tensor(.infinity)).scalar.isNaN)
      #expect(Ways.derivative({ select(one, $0, log($0)) }, way)(Tensor(.nan)).scalar == 1)
    }
    // An infinite cotangent meets a slope that has underflowed: it must not pass as 0.
    #expect(gradient(of: { log(sigmoid($0)) }, at: Tensor(-800)).scalar.isNaN)
    #expect(gradient(of: { log(square($0)) }, at: Tensor(0)).scalar.isNaN)
  }

  /// Entries that do not move have no share in a singular slope: Jacobians are diagonal by either mode.
  @Test func jacobiansAtSingularPoints() {
    let x = Tensor([0, 1])
    let expected = Tensor([[.infinity, 0], [0, 0.5]])
    #expect(jacobian(of: { sqrt($0) }, at: x) == expected)
    #expect(vmap { jvp(of: { sqrt($0) }, at: x, along: $0).tangent }(Tensor([[1, 0], [0, 1]])) == expected)
    #expect(vmap { vjp(of: { sqrt($0) }, at: x).pullback($0) }(Tensor([[1, 0], [0, 1]])) == expected)
    #expect(hessian(of: { pow($0, 1.5).sum() }, at: x) == Tensor([[.infinity, 0], [0, 0.75]]))
  }

  /// A choice among entries is one: the others have no share, however steep the rest is.
  @Test func extremesAreChoicesToo() {
    #expect(gradient(of: { sqrt(maximum($0, Tensor(0))) }, at: Tensor(-1)).scalar == 0)
    #expect(gradient(of: { sqrt(clamp($0, min: 0, max: 1)) }, at: Tensor(-1)).scalar == 0)
    #expect(gradient(of: { sqrt($0.max()) }, at: Tensor([-1, 0])).scalars == [0, .infinity])
    #expect(jvp(of: { maximum(sqrt($0), Tensor(1)) }, at: Tensor(0), along: Tensor(1)).tangent.scalar == 0)
  }
}
