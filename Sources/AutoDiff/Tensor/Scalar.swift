/// The type of a tensor's entries.
public enum ScalarType: String, Sendable, CaseIterable {
  case float64, float32

  /// The size of one entry in bytes.
  public var byteCount: Int { self == .float64 ? 8 : 4 }

  /// The number up to which this type holds every whole number: 2⁵³ or 2²⁴. Beyond it neighbors are rounded to each other,
  /// so that a number no longer names a position.
  var largestExactInteger: Int { self == .float64 ? 1 << 53 : 1 << 24 }

  /// The distance from 1 to the next larger number of this type.
  public var epsilon: Double { self == .float64 ? Double.ulpOfOne : Double(Float.ulpOfOne) }
}

/// A Swift type that tensors can hold: `Double` or `Float`.
public protocol Scalar: BinaryFloatingPoint, SIMDScalar, Sendable, Codable {
  /// The corresponding case of ``ScalarType``.
  static var scalarType: ScalarType { get }
}

extension Double: Scalar {
  /// `.float64`.
  public static var scalarType: ScalarType { .float64 }
}

extension Float: Scalar {
  /// `.float32`.
  public static var scalarType: ScalarType { .float32 }
}
