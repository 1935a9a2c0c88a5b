/// A vector of the host's register width: the unit in which the loops load, compute and store.
///
/// The operations are requirements of this protocol, not the generic ones of `SIMD`, because only the operators of the
/// concrete vector types compile to one instruction.
protocol LaneVector: Sendable {
  associatedtype Element

  /// The number of entries.
  static var count: Int { get }

  init(repeating value: Element)
  /// Loads `count` entries; the address needs no alignment.
  init(_ address: UnsafePointer<Element>)
  /// Stores all entries; the address needs no alignment.
  func store(_ address: UnsafeMutablePointer<Element>)

  static func + (a: Self, b: Self) -> Self
  static func - (a: Self, b: Self) -> Self
  static func * (a: Self, b: Self) -> Self
  static func / (a: Self, b: Self) -> Self

  /// `self + a * b`, in one rounding where the host has the instruction and in two where it has not.
  func adding(_ a: Self, times b: Self) -> Self
}

#if AUTODIFF_LANES_512
  typealias DoubleVector = SIMD8<Double>
  typealias FloatVector = SIMD16<Float>
#elseif AUTODIFF_LANES_256
  typealias DoubleVector = SIMD4<Double>
  typealias FloatVector = SIMD8<Float>
#else
  typealias DoubleVector = SIMD2<Double>
  typealias FloatVector = SIMD4<Float>
#endif

/// The host's vector of `Double`.
struct DoubleLanes: LaneVector {
  typealias Element = Double

  let v: DoubleVector

  @inline(__always) init(v: DoubleVector) { self.v = v }
  static var count: Int { @inline(__always) get { DoubleVector.scalarCount } }
  @inline(__always) init(repeating value: Double) { v = .init(repeating: value) }
  @inline(__always) init(_ address: UnsafePointer<Double>) {
    v = UnsafeRawPointer(address).loadUnaligned(as: DoubleVector.self)
  }
  @inline(__always) func store(_ address: UnsafeMutablePointer<Double>) {
    UnsafeMutableRawPointer(address).storeBytes(of: v, as: DoubleVector.self)
  }
  @inline(__always) static func + (a: Self, b: Self) -> Self { .init(v: a.v + b.v) }
  @inline(__always) static func - (a: Self, b: Self) -> Self { .init(v: a.v - b.v) }
  @inline(__always) static func * (a: Self, b: Self) -> Self { .init(v: a.v * b.v) }
  @inline(__always) static func / (a: Self, b: Self) -> Self { .init(v: a.v / b.v) }
  @inline(__always) func adding(_ a: Self, times b: Self) -> Self {
    #if AUTODIFF_FMA
      .init(v: v.addingProduct(a.v, b.v))
    #else
      .init(v: v + a.v * b.v)
    #endif
  }
}

/// The host's vector of `Float`.
struct FloatLanes: LaneVector {
  typealias Element = Float

  let v: FloatVector

  @inline(__always) init(v: FloatVector) { self.v = v }
  static var count: Int { @inline(__always) get { FloatVector.scalarCount } }
  @inline(__always) init(repeating value: Float) { v = .init(repeating: value) }
  @inline(__always) init(_ address: UnsafePointer<Float>) {
    v = UnsafeRawPointer(address).loadUnaligned(as: FloatVector.self)
  }
  @inline(__always) func store(_ address: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(address).storeBytes(of: v, as: FloatVector.self)
  }
  @inline(__always) static func + (a: Self, b: Self) -> Self { .init(v: a.v + b.v) }
  @inline(__always) static func - (a: Self, b: Self) -> Self { .init(v: a.v - b.v) }
  @inline(__always) static func * (a: Self, b: Self) -> Self { .init(v: a.v * b.v) }
  @inline(__always) static func / (a: Self, b: Self) -> Self { .init(v: a.v / b.v) }
  @inline(__always) func adding(_ a: Self, times b: Self) -> Self {
    #if AUTODIFF_FMA
      .init(v: v.addingProduct(a.v, b.v))
    #else
      .init(v: v + a.v * b.v)
    #endif
  }
}

/// A scalar that the loops can compute with. Internal, as everything about vectors is: their calling convention depends
/// on the instruction set that a module is compiled for, so they must not cross its border.
protocol LoopScalar: Scalar {
  associatedtype Lanes: LaneVector where Lanes.Element == Self
}

extension Double: LoopScalar {
  typealias Lanes = DoubleLanes
}

extension Float: LoopScalar {
  typealias Lanes = FloatLanes
}
