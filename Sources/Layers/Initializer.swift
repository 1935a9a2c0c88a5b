import AutoDiff

/// The law of a parameter's first value.
public struct Initializer: Sendable {
  /// Makes a tensor of a shape and type.
  public let make: @Sendable (_ shape: [Int], _ scalarType: ScalarType, _ generator: inout RandomGenerator) -> Tensor

  /// A law of your own.
  public init(_ make: @escaping @Sendable ([Int], ScalarType, inout RandomGenerator) -> Tensor) { self.make = make }

  /// Zeros.
  public static let zeros = Initializer { shape, type, _ in .zeros(shape, as: type) }
  /// Ones.
  public static let ones = Initializer { shape, type, _ in .ones(shape, as: type) }

  /// Independent normal numbers with mean 0.
  public static func normal(standardDeviation: Double) -> Initializer {
    Initializer { shape, type, generator in Tensor.normal(shape, as: type, using: &generator) * standardDeviation }
  }

  /// Independent uniform numbers in ±bound.
  public static func uniform(bound: Double) -> Initializer {
    Initializer { shape, type, generator in Tensor.uniform(shape, in: -bound..<bound, as: type, using: &generator) }
  }
}
