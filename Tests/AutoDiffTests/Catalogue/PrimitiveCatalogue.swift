import Testing

@testable import AutoDiff

/// What an argument's entries are drawn from, so that the primitive is smooth around them.
enum Domain: Sendable {
  /// Uniform in an interval.
  case interval(ClosedRange<Double>)
  /// Pairwise different, at least 0.4 apart, and at least 0.1 away from the entries of a grid with another offset
  /// (0 and 0.25 are in use): for primitives with kinks.
  case grid(offset: Double)
  /// Multiples of 1/8 in [−2, 2], which every type holds exactly.
  case dyadic
  /// Whole numbers in 0..<extent. They do not move.
  case indices(Int)
  /// 0 or 1. They do not move.
  case mask
}

/// One argument of a primitive: its shape and its safe values.
struct Argument: Sendable {
  var shape: [Int]
  var domain: Domain
  var scalarType: ScalarType = .float64

  init(_ shape: [Int], _ domain: Domain, as scalarType: ScalarType = .float64) {
    (self.shape, self.domain, self.scalarType) = (shape, domain, scalarType)
  }

  /// Whether the primitive may be differentiated in this argument.
  var moves: Bool {
    switch domain {
    case .interval, .grid, .dyadic: true
    case .indices, .mask: false
    }
  }

  /// Draws a value; `leading` extents come in front of the shape.
  func sample(_ leading: [Int] = [], using generator: inout RandomGenerator) -> Tensor {
    let shape = leading + shape
    let count = shape.reduce(1, *)
    let entries: [Double]
    switch domain {
    case .interval(let range):
      let width = range.upperBound - range.lowerBound
      entries = (0..<count).map { _ in range.lowerBound + width * generator.uniform() }
    case .grid(let offset):
      entries = (0..<count).shuffled(using: &generator).map { (place: Int) -> Double in
        let jitter: Double = 0.1 * (generator.uniform() - 0.5)
        return (Double(place) - Double(count / 2)) * 0.5 + offset + jitter
      }
    case .dyadic: entries = (0..<count).map { _ in Double(Int.random(in: -16...16, using: &generator)) / 8 }
    case .indices(let extent): entries = (0..<count).map { _ in Double(Int.random(in: 0..<extent, using: &generator)) }
    case .mask: entries = (0..<count).map { _ in Double(Int.random(in: 0...1, using: &generator)) }
    }
    return Tensor(entries, shape: shape, as: scalarType)
  }
}

/// A primitive with particular static parameters and argument shapes: what the laws are run on.
struct Variant: Sendable, CustomTestStringConvertible {
  let primitive: any Primitive
  /// What tells this variant from the others of its row.
  let note: String
  let arguments: [Argument]
  let oracle: Oracle
  /// To which order the derivatives are those of the value. It is 0 where a primitive hides its derivative on purpose.
  var order = 3

  init(
    _ primitive: any Primitive, note: String = "", _ arguments: [Argument], order: Int = 3, oracle: @escaping Oracle
  ) {
    (self.primitive, self.note, self.arguments) = (primitive, note, arguments)
    (self.order, self.oracle) = (order, oracle)
  }

  var testDescription: String {
    "\(type(of: primitive))\(note.isEmpty ? "" : " \(note)") \(arguments.map { "\($0.shape)" }.joined(separator: " "))"
  }

  /// The seed of this variant's inputs: a hash of its description, so that rows can come and go.
  var seed: UInt64 {
    testDescription.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 } % 1_000_000
  }

  func apply(_ inputs: [Tensor]) -> Tensor { bind(primitive, inputs) }

  func sample(_ leading: [Int] = [], using generator: inout RandomGenerator) -> [Tensor] {
    arguments.map { $0.sample(leading, using: &generator) }
  }
}

/// Inputs at which a primitive promises more than ordinary accuracy, and what it must give there.
struct SpecialPoint: Sendable, CustomTestStringConvertible {
  let primitive: any Primitive
  let inputs: [Tensor]
  let value: Tensor
  /// For every input the gradient of the sum of the output's entries; nil where none is promised.
  let gradients: [Tensor?]
  /// The second derivative of a function of one number; nil where none is promised.
  var second: Double?

  var testDescription: String {
    "\(type(of: primitive)) at \(inputs.map { "\($0)" }.joined(separator: ", "))"
  }

  /// A point of a function of one number.
  static func at(
    _ x: Double, _ value: Double, slope: Double? = nil, second: Double? = nil, _ primitive: any Primitive
  ) -> SpecialPoint {
    SpecialPoint(
      primitive: primitive, inputs: [Tensor(x)], value: Tensor(value), gradients: [slope.map { Tensor($0) }],
      second: second)
  }

  /// A point of a function of several numbers.
  static func at(_ x: [Double], _ value: Double, slopes: [Double?], _ primitive: any Primitive) -> SpecialPoint {
    SpecialPoint(
      primitive: primitive, inputs: x.map { Tensor($0) }, value: Tensor(value),
      gradients: slopes.map { $0.map { Tensor($0) } })
  }
}

/// A call that must stop, and what it must say.
struct IllShapedCall: Sendable {
  let message: String
  let call: @Sendable () -> Void

  init(_ message: String, _ call: @escaping @Sendable () -> Tensor) {
    self.message = message
    self.call = { _ = call() }
  }
}

/// Everything that the tests need to know of a primitive.
struct PrimitiveRow: Sendable, CustomTestStringConvertible {
  /// The name of the type that conforms to `Primitive`.
  let typeName: String
  let variants: [Variant]
  var points: [SpecialPoint] = []
  /// Empty only where every shape is welcome.
  var illShaped: [IllShapedCall] = []

  init<P: Primitive>(
    _ type: P.Type, _ variants: [Variant], points: [SpecialPoint] = [], illShaped: [IllShapedCall] = []
  ) {
    (typeName, self.variants, self.points, self.illShaped) = ("\(type)", variants, points, illShaped)
  }

  /// The row of a type that tests cannot name.
  init(typeName: String, _ variants: [Variant], illShaped: [IllShapedCall]) {
    (self.typeName, self.variants, self.illShaped) = (typeName, variants, illShaped)
  }

  var testDescription: String { typeName }
}

/// One row per primitive.
enum PrimitiveCatalogue {
  static let rows: [PrimitiveRow] =
    arithmetic + comparison + exponential + trigonometric + activations + shape + slicing + indexing + reductions
    + softmax + layerNorm + products + convolution + pooling + linearAlgebra + conversions + customFunctions + random

  static let variants: [Variant] = rows.flatMap(\.variants)
  static let points: [SpecialPoint] = rows.flatMap(\.points)

  static func row(_ typeName: String) -> PrimitiveRow {
    guard let row = rows.first(where: { $0.typeName == typeName }) else { fatalError("There is no row \(typeName).") }
    return row
  }
}
