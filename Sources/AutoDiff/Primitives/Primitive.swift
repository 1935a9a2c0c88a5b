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
/// (``residuals`` and ``accumulateVJP(_:output:cotangent:argument:into:)`` have one, which is always right.)
///
/// Families derive what is common: ``ElementwisePrimitive``, ``LinearPrimitive``, ``BilinearPrimitive``.
public protocol Primitive: Sendable {
  /// The name that messages and tables use.
  var name: String { get }

  /// What the rules of differentiation look at beside shapes and scalar types; by default everything. What they leave
  /// alone is not kept for them, and not computed if nobody else asks for it.
  var residuals: Residuals { get }

  /// The shape of the output. Stops, naming the primitive, when the inputs do not fit.
  func shape(of inputs: Inputs) -> [Int]

  /// Computes the output from untraced inputs.
  func evaluate(_ inputs: Inputs) -> Tensor

  /// The directional derivative of the output: Σᵢ ∂output/∂inputᵢ · tangentᵢ, or nil where it is zero.
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor?

  /// The gradient of ⟨cotangent, output⟩ with respect to one input, of that input's shape, or nil where it is zero.
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor?

  /// Adds the gradient that ``vjp(_:output:cotangent:argument:)`` gives to a sum; nil stands for zero.
  ///
  /// A primitive that touches only a part of an input, or gives most of its cotangent on as it is, states this to change
  /// that part in place. For the last of the inputs that are followed, the cotangent is given up to it.
  func accumulateVJP(
    _ inputs: Inputs, output: Tensor, cotangent: consuming Tensor, argument: Int, into sum: inout Tensor?)

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
  /// The gradient, added.
  public func accumulateVJP(
    _ inputs: Inputs, output: Tensor, cotangent: consuming Tensor, argument: Int, into sum: inout Tensor?
  ) {
    if let part = vjp(inputs, output: output, cotangent: cotangent, argument: argument) { accumulate(&sum, part) }
  }

  /// The entries of all inputs and of the output.
  public var residuals: Residuals { [.inputs, .output] }

  /// Stops with this primitive's name in front of the message.
  public func stop(_ requirement: String, got values: String? = nil, hint: String? = nil) -> Never {
    AutoDiff.stop(name, requirement, got: values, hint: hint)
  }
}
