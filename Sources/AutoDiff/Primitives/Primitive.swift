/// The inputs of a primitive.
public typealias Inputs = ShortList<Tensor>

/// The tangents of a primitive's inputs; nil stands for zero.
public typealias Tangents = ShortList<Tensor?>

/// An operation with its rules of differentiation and batching: the one place where this package is extended.
///
/// A primitive is a value whose stored properties are its static parameters (axes, shapes, exponents). Its rules stand
/// side by side and none has a default, so that a forgotten rule does not compile. `jvp` and `vjp` are written with
/// tensor operations; they are themselves differentiated and batched when transforms nest. Call a primitive through
/// ``bind(_:_:)-(Primitive,Inputs)``.
///
/// (``residuals`` has one, which is always right, and ``takesMixedTypes``, which is the strict one.)
///
/// Families derive what is common: ``ElementwisePrimitive``, ``LinearPrimitive``, ``BilinearPrimitive``.
public protocol Primitive: Sendable {
  /// The name that messages and tables use.
  var name: String { get }

  /// What the rules of differentiation look at beside shapes and scalar types; by default everything. What they leave
  /// alone is not kept for them, and not computed if nobody else asks for it.
  var residuals: Residuals { get }

  /// Whether the inputs may have different scalar types, as a table and its indices may; by default they may not. The
  /// output then has the type of the first input, unless the primitive says otherwise. It is asked only where they differ.
  var takesMixedTypes: Bool { get }

  /// The shape of the output. Stops, naming the primitive, when the inputs do not fit.
  func shape(of inputs: Inputs) -> [Int]

  /// Computes the output from untraced inputs.
  func evaluate(_ inputs: Inputs) -> Tensor

  /// The directional derivative of the output: Σᵢ ∂output/∂inputᵢ · tangentᵢ, or nil where it is zero.
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor?

  /// The gradient of ⟨cotangent, output⟩ with respect to one input, of that input's shape, or nil where it is zero.
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor?

  /// The primitive applied to every example: inputs with `isBatched` carry `size` examples along a leading axis, the
  /// others are shared by all examples. The output carries the example axis in front.
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor
}

/// The values that the rules of differentiation of a primitive look at.
public struct Residuals: OptionSet, Sendable {
  /// The set as bits.
  public let rawValue: UInt8
  /// A set from its bits.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// The entries of the inputs.
  public static let inputs = Residuals(rawValue: 1)
  /// The entries of the output.
  public static let output = Residuals(rawValue: 2)
}

extension Primitive {
  /// The entries of all inputs and of the output.
  public var residuals: Residuals { [.inputs, .output] }

  /// False: one scalar type for all inputs.
  public var takesMixedTypes: Bool { false }

  /// Stops with this primitive's name in front of the message.
  public func stop(_ requirement: String, got values: String? = nil, hint: String? = nil) -> Never {
    AutoDiff.stop(name, requirement, got: values, hint: hint)
  }
}
