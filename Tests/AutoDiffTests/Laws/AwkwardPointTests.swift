import Testing

@testable import AutoDiff

/// Every derivative up to order three of every elementwise function is the true one at awkward points too: at zeros of
/// either sign, at subnormal, tiny and huge numbers, near 1, in the tails and at infinities; by every combination of
/// forward and reverse mode, in both types, inside vmap and outside.
@Suite struct AwkwardPointTests {
  enum Mode: CaseIterable, Sendable { case forward, reverse }

  /// All ways to take a derivative of some order.
  static func ways(_ order: Int) -> [[Mode]] {
    order == 0 ? [[]] : ways(order - 1).flatMap { way in Mode.allCases.map { way + [$0] } }
  }

  /// The derivative of a function of one number, once for every mode.
  static func derivative(_ f: @escaping (Tensor) -> Tensor, _ way: [Mode]) -> (Tensor) -> Tensor {
    way.reduce(f) { f, mode in
      switch mode {
      case .forward: { x in jvp(of: f, at: x, along: .ones(like: x)).tangent }
      case .reverse: { x in gradient(of: f, at: x) }
      }
    }
  }

  static let functions: [(name: String, call: @Sendable (Tensor) -> Tensor)] = [
    ("tanh", { tanh($0) }), ("sigmoid", { sigmoid($0) }), ("softplus", { softplus($0) }),
    ("softplus4", { softplus($0, sharpness: 4) }), ("erf", { erf($0) }), ("erfc", { erfc($0) }), ("gelu", { gelu($0) }),
    ("silu", { silu($0) }), ("exp", { exp($0) }), ("expm1", { expm1($0) }), ("log", { log($0) }),
    ("log1p", { log1p($0) }), ("sqrt", { sqrt($0) }), ("pow0.5", { pow($0, 0.5) }), ("pow1.5", { pow($0, 1.5) }),
    ("pow2.5", { pow($0, 2.5) }), ("pow-1.5", { pow($0, -1.5) }), ("pow3", { pow($0, 3) }), ("pow4", { pow($0, 4) }),
    ("pow-2", { pow($0, -2) }), ("reciprocal", { reciprocal($0) }), ("square", { square($0) }), ("two/x", { 2 / $0 }),
    ("arctan", { arctan($0) }), ("tan", { tan($0) }), ("sin", { sin($0) }), ("cos", { cos($0) }), ("abs", { abs($0) }),
    ("relu", { relu($0) }), ("clamp", { clamp($0, min: -1, max: 1) }), ("max1", { maximum($0, 1) }),
  ]

  /// What a type makes of a number.
  static func rounded(_ x: Double, _ type: ScalarType) -> Double { type == .float64 ? x : Double(Float(x)) }

  /// Entry by entry, up to rounding. Below the normal numbers a type has no digits to compare.
  static func isClose(_ x: Double, _ reference: Double, _ type: ScalarType) -> Bool {
    let expected = rounded(reference, type)
    if x == expected || x.isNaN && expected.isNaN { return true }
    let least = type == .float64 ? Double.leastNormalMagnitude : Double(Float.leastNormalMagnitude)
    let largest = type == .float64 ? Double.greatestFiniteMagnitude : Double(Float.greatestFiniteMagnitude)
    let tolerance = type == .float64 ? 2e-13 : 1e-4
    // At the end of the range rounding decides between the largest number and infinity.
    if expected.magnitude > 0.999 * largest && x.magnitude > 0.999 * largest { return x * expected > 0 }
    return (x - expected).magnitude <= tolerance * expected.magnitude + 4 * least
  }

  @Test(arguments: functions.indices, [ScalarType.float64, .float32])
  func derivativesAreTheLimits(_ index: Int, _ type: ScalarType) {
    let (name, call) = Self.functions[index]
    let rows = AwkwardPointTable.rows(name).filter { Self.rounded($0.x, type) == $0.x }
    #expect(rows.count > 20)
    let points = Tensor(rows.map(\.x), shape: [rows.count], as: type)
    for order in 1...3 {
      for way in Self.ways(order) {
        let derivative = Self.derivative(call, way)
        let together = vmap(derivative)(points).scalars
        for (k, row) in rows.enumerated() {
          let (reference, alone) = (row.derivatives[order - 1], derivative(Tensor(row.x, as: type)).scalar)
          #expect(
            Self.isClose(together[k], reference, type) && Self.isClose(alone, reference, type),
            "\(name), \(way) at \(row.x), \(type): \(together[k]) in vmap, \(alone) alone, in truth \(reference)")
        }
      }
    }
  }

  /// aᵇ, all mixed derivatives, in several orders of the arguments.
  @Test(arguments: [ScalarType.float64, .float32])
  func powersOfTensors(_ type: ScalarType) {
    let rows = AwkwardPowerTable.rows.filter { Self.rounded($0.a, type) == $0.a && Self.rounded($0.b, type) == $0.b }
    #expect(rows.count > 40)
    let (a, b) = (rows.map(\.a), rows.map(\.b))
    let points = [Tensor(a, shape: [a.count], as: type), Tensor(b, shape: [b.count], as: type)]
    for (index, arguments) in AwkwardPowerTable.arguments.enumerated() {
      for path in Set([arguments, arguments.reversed()]) {
        for way in Self.ways(path.count) {
          var f = { (x: [Tensor]) in pow(x[0], x[1]) }
          for (argument, mode) in zip(path, way) {
            let inner = f
            f = { x in
              Self.derivative(
                { moved in inner(argument == 0 ? [moved, x[1]] : [x[0], moved]) }, [mode])(x[argument])
            }
          }
          let results = vmap(f)(points).scalars
          for (k, row) in rows.enumerated() {
            #expect(
              Self.isClose(results[k], row.derivatives[index], type),
              "\(path) \(way) at \(row.a), \(row.b), \(type): \(results[k]), in truth \(row.derivatives[index])")
          }
        }
      }
    }
  }

  /// x to the power x, whose second derivative is 1/x + … near 0.
  @Test func aNumberToItsOwnPower() {
    for x in [1e-160, 1e-155, 1e-100, 0.3] {
      let l = AutoDiff.log(Tensor(x)).scalar
      let value = pow(Tensor(x), Tensor(x)).scalar
      for way in Self.ways(2) {
        let second = Self.derivative({ pow($0, $0) }, way)(Tensor(x)).scalar
        expectClose(second, value * ((1 + l) * (1 + l) + 1 / x), .analytic, "\(way) at \(x)")
      }
    }
  }

  /// The values that IEEE 754 asks for at −0.
  @Test(arguments: [ScalarType.float64, .float32])
  func negativeZeroUnderRootsAndPowers(_ type: ScalarType) {
    let zero = Tensor(-0.0, as: type)
    #expect(sqrt(zero).scalar.sign == .minus && pow(zero, 3).scalar.sign == .minus)
    for result in [pow(zero, 1.5), pow(zero, 0.5), pow(zero, Tensor(1.5, as: type)), pow(zero, Tensor(0.5, as: type))] {
      #expect(result.scalar == 0 && result.scalar.sign == .plus)
    }
    #expect(pow(Tensor(-.infinity, as: type), 0.5).scalar == .infinity)
    #expect(softplus(Tensor(1e38, as: type), sharpness: 10).scalar == Tensor(1e38, as: type).scalar)
  }
}
