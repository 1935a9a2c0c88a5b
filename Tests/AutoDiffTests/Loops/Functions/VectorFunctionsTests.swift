import Foundation
import Testing

@testable import AutoDiff

#if arch(x86_64)
  private typealias Wide = Float80
#else
  private typealias Wide = Double
#endif

/// A function of the loops beside the C library's, in more digits.
private struct FunctionCase: Sendable, CustomTestStringConvertible {
  let name: String
  let ours: @Sendable (Tensor) -> Tensor
  let exact: @Sendable (Wide) -> Wide
  /// Where most of the points are taken from.
  let range: ClosedRange<Double>

  var testDescription: String { name }
}

private let functions = [
  FunctionCase(name: "exp", ours: { exp($0) }, exact: { Foundation.exp($0) }, range: -750...715),
  FunctionCase(name: "expm1", ours: { expm1($0) }, exact: { Foundation.expm1($0) }, range: -50...715),
  FunctionCase(name: "log", ours: { log($0) }, exact: { Foundation.log($0) }, range: 0.5...2),
  FunctionCase(name: "log1p", ours: { log1p($0) }, exact: { Foundation.log1p($0) }, range: -1...2),
  FunctionCase(
    name: "softplus", ours: { softplus($0) },
    exact: { $0.isNaN ? $0 : max($0, 0) + Foundation.log1p(Foundation.exp(-$0.magnitude)) }, range: -750...40),
  FunctionCase(
    name: "sigmoid", ours: { sigmoid($0) },
    exact: { $0 < 0 ? Foundation.exp($0) / (1 + Foundation.exp($0)) : 1 / (1 + Foundation.exp(-$0)) },
    range: -750...40),
  FunctionCase(name: "tanh", ours: { tanh($0) }, exact: { Foundation.tanh($0) }, range: -20...20),
  FunctionCase(name: "erf", ours: { erf($0) }, exact: { Foundation.erf($0) }, range: -6...6),
  FunctionCase(name: "erfc", ours: { erfc($0) }, exact: { Foundation.erfc($0) }, range: -6...28),
  FunctionCase(name: "sin", ours: { sin($0) }, exact: { Foundation.sin($0) }, range: -1e5...1e5),
  FunctionCase(name: "cos", ours: { cos($0) }, exact: { Foundation.cos($0) }, range: -1e5...1e5),
  FunctionCase(name: "tan", ours: { tan($0) }, exact: { Foundation.tan($0) }, range: -1e5...1e5),
  FunctionCase(name: "arctan", ours: { arctan($0) }, exact: { Foundation.atan($0) }, range: -10...10),
]

@Suite struct VectorFunctionsTests {
  /// The bound that every function keeps, in units of the last place.
  private let bound = 2.1

  @Test(arguments: functions) fileprivate func doubleAgreesWithMoreDigits(_ function: FunctionCase) {
    let points: [Double] = points(function.range, count: 40_000, seed: 1)
    let worst = worst(points, function.ours(Tensor(points)).scalars) { function.exact(Wide($0)) }
    // Where there are no more digits to compare with, the reference is wrong by up to one unit itself.
    let bound = Wide.self == Double.self ? bound + 1 : bound
    #expect(worst.error <= bound, "\(function.name)(\(worst.x)) = \(worst.y) is wrong by \(worst.error) units")
  }

  @Test(arguments: functions) fileprivate func floatAgreesWithMoreDigits(_ function: FunctionCase) {
    let points: [Float] = points(function.range, count: 40_000, seed: 2)
    let worst = worst(points, function.ours(Tensor(points)).floats) { function.exact(Wide($0)) }
    #expect(worst.error <= bound, "\(function.name)(\(worst.x)) = \(worst.y) is wrong by \(worst.error) units")
  }

  /// The point where the value is wrong by the most units in the last place.
  private func worst<T: BinaryFloatingPoint>(
    _ points: [T], _ values: [T], _ exact: (T) -> Wide
  ) -> (x: T, y: T, error: Double) {
    var worst = (x: points[0], y: values[0], error: 0.0)
    for (x, y) in zip(points, values) {
      let error = error(of: y, exact(x))
      if error > worst.error { worst = (x, y, error) }
    }
    return worst
  }

  @Test func powers() {
    let special: [Double] = [
      0, -0.0, 1, -1, 2, -2, 3, -3, 0.5, -0.5, 1.5, -1.5, .infinity, -.infinity, .nan,
      .leastNonzeroMagnitude,
      -.leastNonzeroMagnitude, .greatestFiniteMagnitude, -.greatestFiniteMagnitude, 1 + .ulpOfOne,
      1e18, -1e18 - 1,
    ]
    var bases = special.flatMap { [Double](repeating: $0, count: special.count) }
    var exponents = special.flatMap { _ in special }
    var noise = StridedNoise(3)
    for i in 0..<4000 {
      bases.append(
        i % 2 == 0
          ? Double.random(in: -4...4, using: &noise)
          : 1 + Double.random(in: -0.01...0.01, using: &noise))
      let exponent = Double.random(in: -700...700, using: &noise)
      exponents.append(i % 4 == 0 ? exponent.rounded() : i % 2 == 0 ? exponent : 99 * exponent)
    }
    let values = pow(Tensor(bases), Tensor(exponents)).scalars
    let floats = pow(Tensor(bases.map { Float($0) }), Tensor(exponents.map { Float($0) })).floats
    for i in bases.indices {
      let error = error(of: values[i], Foundation.pow(Wide(bases[i]), Wide(exponents[i])))
      #expect(
        error <= 2, "pow(\(bases[i]), \(exponents[i])) = \(values[i]) is wrong by \(error) units")
      let (x, y) = (Float(bases[i]), Float(exponents[i]))
      let floatError = self.error(of: floats[i], Foundation.pow(Wide(x), Wide(y)))
      #expect(floatError <= 1.5, "pow(\(x), \(y)) = \(floats[i]) is wrong by \(floatError) units")
    }
  }

  @Test func argumentsBeyondTheReductionKeepTheirNeighbors() {
    let points = [0.5, 1e15, -3, .infinity, 1e300, 2, -1e22, .nan, 7, 1e9]
    let together = sin(Tensor(points)).scalars
    for (x, y) in zip(points, together) {
      #expect(y.bitPattern == sin(Tensor([x])).scalars[0].bitPattern || y.isNaN && !x.isFinite)
      if x.magnitude > 1e8, x.isFinite { #expect(y == Foundation.sin(x)) }
    }
  }

  @Test func oddFunctionsAreOdd() {
    let points: [Double] = points(-30...30, seed: 4)
    for f in [tanh, erf, arctan, sin, tan] as [(Tensor) -> Tensor] {
      let (y, mirrored) = (f(Tensor(points)).scalars, f(Tensor(points.map { -$0 })).scalars)
      #expect(
        zip(y, mirrored).allSatisfy { $0.isNaN && $1.isNaN || $0.bitPattern == (-$1).bitPattern })
    }
  }

  @Test func boundedFunctionsKeepTheirBounds() {
    let points: [Double] = points(-40...40, seed: 5).filter { !$0.isNaN }
    #expect(
      [tanh, erf, sin, cos].allSatisfy { (f: (Tensor) -> Tensor) in
        f(Tensor(points.filter { $0.isFinite })).allSatisfy { -1...1 ~= $0 }
      })
    #expect(sigmoid(Tensor(points)).allSatisfy { 0...1 ~= $0 })
    #expect(erfc(Tensor(points)).allSatisfy { 0...2 ~= $0 })
  }

  /// x Φ(x), x σ(x) and their derivatives, whose error is compared with their two terms, since these may cancel.
  @Test func gatesKeepTheirTails() {
    func density(_ x: Wide) -> Wide { Foundation.exp(-x * x / 2) / (2 * Wide.pi).squareRoot() }
    func normal(_ x: Wide) -> Wide { Foundation.erfc(-x / Wide(2).squareRoot()) / 2 }
    func logistic(_ x: Wide) -> Wide {
      x < 0 ? Foundation.exp(x) / (1 + Foundation.exp(x)) : 1 / (1 + Foundation.exp(-x))
    }
    typealias Gate = (name: String, ours: (Tensor) -> Tensor, terms: (Wide) -> (Wide, Wide))
    let gates: [Gate] = [
      ("gelu", { gelu($0) }, { ($0 * normal($0), 0) }), ("silu", { silu($0) }, { ($0 * logistic($0), 0) }),
      ("geluSlope", { bind(GeluSlope(), [.ones(like: $0), $0]) }, { (normal($0), $0 * density($0)) }),
      (
        "siluSlope", { bind(SiluSlope(), [.ones(like: $0), $0]) },
        { (logistic($0), $0 * logistic($0) * logistic(-$0)) }
      ),
    ]
    func worst<T: BinaryFloatingPoint & SIMDScalar>(_ gate: Gate, _ x: [T], _ y: [T]) -> Double {
      zip(x, y).reduce(0) { worst, point in
        let (a, b) = gate.terms(Wide(point.0))
        let unit = max(abs(a) + abs(b), Wide(T.leastNormalMagnitude)) * Wide(T.ulpOfOne)
        return max(worst, Double(abs(Wide(point.1) - (a + b)) / unit))
      }
    }
    for gate in gates {
      let doubles: [Double] = points(-37...37, seed: 6).filter { $0.magnitude < 1e3 }
      let floats: [Float] = points(-13...13, seed: 7).filter { $0.magnitude < 1e3 }
      #expect(worst(gate, doubles, gate.ours(Tensor(doubles)).scalars) < 6, "\(gate.name) of Double")
      #expect(worst(gate, floats, gate.ours(Tensor(floats)).floats) < 6, "\(gate.name) of Float")
    }
  }

  /// Points from the range, from [-8, 8], small ones, such near the ends of the intervals into which the functions divide
  /// their arguments, and any bit patterns.
  private func points<T: BinaryFloatingPoint>(
    _ range: ClosedRange<Double>, count: Int = 6000, seed: UInt64
  ) -> [T] {
    var noise = StridedNoise(seed)
    let units = [Double.pi / 4, log(2.0) / 32, 25.0 / 128, 75.0 / 256]
    let special: [T] = [
      0, -0.0, 1, -1, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, -.leastNonzeroMagnitude,
      .leastNormalMagnitude, .greatestFiniteMagnitude, -.greatestFiniteMagnitude, T.ulpOfOne,
      -T.ulpOfOne,
    ]
    return special
      + (0..<count).map { i in
        switch i % 5 {
        case 0: return T(Double.random(in: range, using: &noise))
        case 2: return T(Double.random(in: -8...8, using: &noise))
        case 3:
          let end = Double.random(in: -60...60, using: &noise).rounded() * units[i / 5 % units.count]
          return T(
            end * (1 + Double.random(in: -1...1, using: &noise) * exp2(Double.random(in: -50 ... -4, using: &noise))))
        case 1:
          return T(
            Double.random(in: -1...1, using: &noise)
              * exp2(Double.random(in: -60...3, using: &noise)))
        default:
          let bits = noise.next()
          let any =
            T.self == Double.self
            ? T(Double(bitPattern: bits)) : T(Float(bitPattern: UInt32(bits >> 32)))
          return any.isNaN ? .nan : any
        }
      }
  }

  /// The distance of a number from the exact one in units of the last place: 0 where both are the same infinity, zero or
  /// not a number, infinite where only one is.
  private func error<T: BinaryFloatingPoint>(of value: T, _ exact: Wide) -> Double {
    let rounded = T(exact)
    if rounded.isNaN || value.isNaN { return rounded.isNaN && value.isNaN ? 0 : .infinity }
    if rounded == value, rounded.isInfinite || rounded == 0 {
      return rounded.sign == value.sign ? 0 : .infinity
    }
    if rounded.isInfinite || value.isInfinite {
      // The exact value may lie so close to the largest number that either is right.
      let finite = rounded.isInfinite ? value : rounded
      return finite.magnitude.nextUp.nextUp.nextUp.isInfinite ? 1 : .infinity
    }
    let unit = rounded.isNormal ? rounded.ulp : T.leastNonzeroMagnitude
    return Double((Wide(value) - exact).magnitude / Wide(unit))
  }
}
