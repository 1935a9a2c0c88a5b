import Foundation

// The functions of the elementwise primitives, each with its first three derivatives. The turning points were found as the
// roots of the next derivative, by bisection in thirty digits where there is no closed form.

extension SmoothFunction {
  /// With t = tanh x and s = 1 − t²: s, −2ts, s(6t² − 2).
  static let tanh = tanh(scale: 1, offset: 0, slope: 1)

  /// The logistic function, (1 + tanh(x/2))/2.
  static let sigmoid = tanh(scale: 0.5, offset: 0.5, slope: 0.5)

  /// offset + scale · tanh(slope · x).
  private static func tanh(scale: Double, offset: Double, slope: Double) -> SmoothFunction {
    let (second, third) = (0.6584789484624084 / slope, 1.1462158347805889 / slope)
    @Sendable func slopeOfTanh(_ x: Double) -> Double {
      let e = Foundation.exp(-2 * abs(x))
      return 4 * e / ((1 + e) * (1 + e))
    }
    return SmoothFunction([
      Order { offset + scale * Foundation.tanh(slope * $0) },
      Order(turns: .points([0])) { scale * slope * slopeOfTanh(slope * $0) },
      Order(turns: .points([-second, second])) { x in
        scale * slope * slope * -2 * Foundation.tanh(slope * x) * slopeOfTanh(slope * x)
      },
      Order(turns: .points([-third, 0, third])) { x in
        let t = Foundation.tanh(slope * x)
        return scale * slope * slope * slope * slopeOfTanh(slope * x) * (6 * t * t - 2)
      },
    ])
  }

  /// log(1 + e^{ax})/a, whose slope is the logistic function of ax.
  static func softplus(_ a: Double) -> SmoothFunction {
    let third = 1.3169578969248168 / a
    let logistic = SmoothFunction.sigmoid.orders
    return SmoothFunction(
      [
        Order { max($0, 0) + log1p(Foundation.exp(-abs(a * $0))) / a },
        Order { logistic[0].value(a * $0) },
        Order(turns: .points([0])) { a * logistic[1].value(a * $0) },
        Order(turns: .points([-third, third])) { a * a * logistic[2].value(a * $0) },
      ], accuracy: 4 * max(1 / a, a * a))
  }

  private static let twoOverRootPi = 1.1283791670955126

  /// With g = 2/√π · e^{−x²}: g, −2xg, (4x² − 2)g.
  static let erf = SmoothFunction([Order { Foundation.erf($0) }] + slopesOfErf(1))
  /// 1 − erf x.
  static let erfc = SmoothFunction([Order { Foundation.erfc($0) }] + slopesOfErf(-1))

  private static func slopesOfErf(_ sign: Double) -> [Order] {
    let (second, third) = (0.7071067811865476, 1.224744871391589)
    @Sendable func g(_ x: Double) -> Double { sign * twoOverRootPi * Foundation.exp(-x * x) }
    return [
      Order(turns: .points([0])) { g($0) },
      Order(turns: .points([-second, second])) { -2 * $0 * g($0) },
      Order(turns: .points([-third, 0, third])) { (4 * $0 * $0 - 2) * g($0) },
    ]
  }

  /// With the normal density φ and its integral Φ: xΦ, Φ + xφ, (2 − x²)φ, (x³ − 4x)φ.
  static let gelu: SmoothFunction = {
    @Sendable func integral(_ x: Double) -> Double { 0.5 * Foundation.erfc(-x * 0.7071067811865476) }
    @Sendable func density(_ x: Double) -> Double { 0.3989422804014327 * Foundation.exp(-x * x / 2) }
    let (near, far) = (0.7922869913932613, 2.524337798962139)
    return SmoothFunction([
      Order(turns: .points([-0.7517915246935645])) { $0 * integral($0) },
      Order(turns: .points([-1.4142135623730951, 1.4142135623730951])) { integral($0) + $0 * density($0) },
      Order(turns: .points([-2, 0, 2])) { (2 - $0 * $0) * density($0) },
      Order(turns: .points([-far, -near, near, far])) { $0 * ($0 * $0 - 4) * density($0) },
    ])
  }()

  /// With the logistic function s: xs, s + xs′, 2s′ + xs″, 3s″ + xs‴.
  static let silu: SmoothFunction = {
    let s = SmoothFunction.sigmoid.orders.map(\.value)
    let (first, second) = (2.3993572805205457, 3.435840993535109)
    let (near, far) = (1.0319582417807491, 4.429235100557222)
    return SmoothFunction([
      Order(turns: .points([-1.278464542761074])) { $0 * s[0]($0) },
      Order(turns: .points([-first, first])) { s[0]($0) + $0 * s[1]($0) },
      Order(turns: .points([-second, 0, second])) { 2 * s[1]($0) + $0 * s[2]($0) },
      Order(turns: .points([-far, -near, near, far])) { 3 * s[2]($0) + $0 * s[3]($0) },
    ])
  }()

  static let sin = SmoothFunction([sine(0), sine(1), sine(2), sine(3)])
  static let cos = SmoothFunction([sine(1), sine(2), sine(3), sine(4)])

  /// The derivative of the sine of an order.
  private static func sine(_ order: Int) -> Order {
    switch order % 4 {
    case 0: Order(turns: .everyPi(from: .pi / 2)) { Foundation.sin($0) }
    case 1: Order(turns: .everyPi(from: 0)) { Foundation.cos($0) }
    case 2: Order(turns: .everyPi(from: .pi / 2)) { -Foundation.sin($0) }
    default: Order(turns: .everyPi(from: 0)) { -Foundation.cos($0) }
    }
  }

  /// With q = 1/(1 + x²): q, −2xq², (6x² − 2)q³.
  static let arctan: SmoothFunction = {
    let third = 0.5773502691896258
    return SmoothFunction([
      Order { atan($0) },
      Order(turns: .points([0])) { 1 / (1 + $0 * $0) },
      Order(turns: .points([-third, third])) { -2 * $0 / ((1 + $0 * $0) * (1 + $0 * $0)) },
      Order(turns: .points([-1, 0, 1])) { x in
        let q = 1 / (1 + x * x)
        return (6 * x * x - 2) * q * q * q
      },
    ])
  }()

  static let exp = SmoothFunction([exponential, exponential, exponential, exponential], accuracy: 0)
  static let expm1 = SmoothFunction(
    [Order { Foundation.expm1($0) }, exponential, exponential, exponential], accuracy: 0)
  private static let exponential = Order { Foundation.exp($0) }

  /// log x for positive x.
  static let log = SmoothFunction(
    [Order { Foundation.log($0) }] + power(1, -1).orders.dropLast(), domain: .positive, accuracy: 0)

  /// c xᵖ; for p that are no whole numbers, and roots, where x is positive, for other negative p where it is not 0.
  static func power(_ c: Double, _ p: Double) -> SmoothFunction {
    let isWhole = p == p.rounded()
    let orders = (0..<4).map { order in
      let factor = (0..<order).reduce(c) { $0 * (p - Double($1)) }
      let exponent = p - Double(order)
      if factor == 0 { return Order { _ in 0 } }
      return Order(turns: .points(isWhole && exponent > 0 ? [0] : [])) { factor * pow($0, exponent) }
    }
    return SmoothFunction(orders, domain: isWhole ? (p < 0 ? .nonzero : .all) : .positive, accuracy: 0)
  }
}
