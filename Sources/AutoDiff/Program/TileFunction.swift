/// An elementwise function as a loop over a part of its operands.
class TileFunction: @unchecked Sendable {
  /// y = f(a), f(a, b) or f(a, b, c) for `count` entries, a multiple of a vector.
  func run(
    _ a: LaneOperand, _ b: LaneOperand, _ c: LaneOperand, _ y: UnsafeMutableRawPointer, _ count: Int,
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

// Generic, and not holders of existential values, whose contents would have to be found at every call.
private final class UnaryTileFunction<F: UnaryLaneFunction>: TileFunction, @unchecked Sendable {
  private let f: F
  init(_ f: F, name: String) {
    self.f = f
    super.init(f, name: name)
  }

  override var takesNumbers: Bool { false }

  override func run(
    _ a: LaneOperand, _ b: LaneOperand, _ c: LaneOperand, _ y: UnsafeMutableRawPointer, _ count: Int,
    _ type: ScalarType
  ) {
    switch type {
    case .float64:
      f.map(a.base.assumingMemoryBound(to: Double.self), y.assumingMemoryBound(to: Double.self), count, streamed: false)
    case .float32:
      f.map(a.base.assumingMemoryBound(to: Float.self), y.assumingMemoryBound(to: Float.self), count, streamed: false)
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
    _ a: LaneOperand, _ b: LaneOperand, _ c: LaneOperand, _ y: UnsafeMutableRawPointer, _ count: Int,
    _ type: ScalarType
  ) {
    switch type {
    case .float64: f.map(a, b, y.assumingMemoryBound(to: Double.self), count, streamed: false)
    case .float32: f.map(a, b, y.assumingMemoryBound(to: Float.self), count, streamed: false)
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
    _ a: LaneOperand, _ b: LaneOperand, _ c: LaneOperand, _ y: UnsafeMutableRawPointer, _ count: Int,
    _ type: ScalarType
  ) {
    switch type {
    case .float64: f.map(a, b, c, y.assumingMemoryBound(to: Double.self), count)
    case .float32: f.map(a, b, c, y.assumingMemoryBound(to: Float.self), count)
    }
  }
}
