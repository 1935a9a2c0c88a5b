/// The type of a tensor's entries.
public enum ScalarType: String, Sendable, CaseIterable {
  case float64, float32

  /// The size of one entry in bytes.
  public var byteCount: Int { perType(self, double: 8, float: 4) }

  /// The number up to which this type holds every whole number: 2⁵³ or 2²⁴. Beyond it neighbors are rounded to each other,
  /// so that a number no longer names a position.
  var largestExactInteger: Int { perType(self, double: 1 << 53, float: 1 << 24) }

  /// The distance from 1 to the next larger number of this type.
  public var epsilon: Double { perType(self, double: Double.ulpOfOne, float: Double(Float.ulpOfOne)) }
}

/// Chooses between the code for `Double` and that for `Float`: the one door from a scalar type to a type of the language.
///
/// It is exhaustive, so that a further scalar type does not compile before every caller has code for it.
@inline(__always)
func perType<R>(
  _ scalarType: ScalarType, double: @autoclosure () throws -> R, float: @autoclosure () throws -> R
) rethrows -> R {
  switch scalarType {
  case .float64: try double()
  case .float32: try float()
  }
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
