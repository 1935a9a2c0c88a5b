/// An operand of a tile: in each of its rows contiguous entries, or one vector that is used over and over.
struct TileOperand {
  var base: UnsafeRawPointer
  /// 1, or 0 for a vector.
  var step = 1
  /// From row to row, in bytes.
  var rowStride = 0

  @inline(__always)
  func row(_ number: Int) -> LaneOperand { LaneOperand(base: base + number &* rowStride, step: step) }
}

/// The entries of a tile that a function computes.
struct TileRows {
  var count = 1
  /// The entries of a row, a multiple of a vector.
  var length: Int
  /// How far the rows of the result are apart, in bytes.
  var stride = 0
}

/// An elementwise function as a loop over a part of its operands.
class TileFunction: @unchecked Sendable {
  /// y = f(a), f(a, b) or f(a, b, c) in all rows.
  func run(
    _ a: TileOperand, _ b: TileOperand, _ c: TileOperand, _ y: UnsafeMutableRawPointer, _ rows: TileRows,
    _ type: ScalarType
  ) { fatalError("TileFunction.run is abstract.") }

  /// That of the function; see ``LaneFunction/weight``.
  let weight: Int
  /// That of the primitive.
  let name: String

  fileprivate init(_ f: any LaneFunction, name: String) { (weight, self.name) = (f.weight, name) }

  /// Whether a row may stand for many with one vector.
  var takesNumbers: Bool { true }

  /// Nil for a primitive that is not made of lanes.
  static func make(_ primitive: any Primitive) -> TileFunction? {
    let name = primitive.name
    func unary(_ f: some UnaryLaneFunction) -> TileFunction { UnaryTileFunction(f, name: name) }
    func binary(_ f: some BinaryLaneFunction) -> TileFunction { BinaryTileFunction(f, name: name) }
    func ternary(_ f: some TernaryLaneFunction) -> TileFunction { TernaryTileFunction(f, name: name) }
    if let f = primitive as? any UnaryLaneFunction { return unary(f) }
    if let f = primitive as? any BinaryLaneFunction { return binary(f) }
    if let f = primitive as? any TernaryLaneFunction { return ternary(f) }
    return nil
  }
}

extension TileRows {
  /// Calls for every row what computes it, with its number and its place in the result.
  @inline(__always)
  fileprivate func forEach<T: LoopScalar>(
    _ y: UnsafeMutableRawPointer, _: T.Type, _ body: (Int, UnsafeMutablePointer<T>) -> Void
  ) {
    for row in 0..<count { body(row, (y + row &* stride).assumingMemoryBound(to: T.self)) }
  }
}

// Generic, and not holders of existential values, whose contents would have to be found at every call.
private final class UnaryTileFunction<F: UnaryLaneFunction>: TileFunction, @unchecked Sendable {
  private let f: F
  init(_ f: F, name: String) {
    self.f = f
    super.init(f, name: name)
  }

  override var takesNumbers: Bool { false }

  override func run(
    _ a: TileOperand, _ b: TileOperand, _ c: TileOperand, _ y: UnsafeMutableRawPointer, _ rows: TileRows,
    _ type: ScalarType
  ) {
    switch type {
    case .float64:
      rows.forEach(y, Double.self) {
        f.map(a.row($0).base.assumingMemoryBound(to: Double.self), $1, rows.length, streamed: false)
      }
    case .float32:
      rows.forEach(y, Float.self) {
        f.map(a.row($0).base.assumingMemoryBound(to: Float.self), $1, rows.length, streamed: false)
      }
    }
  }
}

private final class BinaryTileFunction<F: BinaryLaneFunction>: TileFunction, @unchecked Sendable {
  private let f: F
  init(_ f: F, name: String) {
    self.f = f
    super.init(f, name: name)
  }

  override func run(
    _ a: TileOperand, _ b: TileOperand, _ c: TileOperand, _ y: UnsafeMutableRawPointer, _ rows: TileRows,
    _ type: ScalarType
  ) {
    switch type {
    case .float64: rows.forEach(y, Double.self) { f.map(a.row($0), b.row($0), $1, rows.length, streamed: false) }
    case .float32: rows.forEach(y, Float.self) { f.map(a.row($0), b.row($0), $1, rows.length, streamed: false) }
    }
  }
}

private final class TernaryTileFunction<F: TernaryLaneFunction>: TileFunction, @unchecked Sendable {
  private let f: F
  init(_ f: F, name: String) {
    self.f = f
    super.init(f, name: name)
  }

  override func run(
    _ a: TileOperand, _ b: TileOperand, _ c: TileOperand, _ y: UnsafeMutableRawPointer, _ rows: TileRows,
    _ type: ScalarType
  ) {
    switch type {
    case .float64: rows.forEach(y, Double.self) { f.map(a.row($0), b.row($0), c.row($0), $1, rows.length) }
    case .float32: rows.forEach(y, Float.self) { f.map(a.row($0), b.row($0), c.row($0), $1, rows.length) }
    }
  }
}
