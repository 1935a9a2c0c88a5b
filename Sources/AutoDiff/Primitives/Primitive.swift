/// The inputs of a primitive.
public typealias Inputs = ShortList<Tensor>

/// The tangents of a primitive's inputs; nil stands for zero.
public typealias Tangents = ShortList<Tensor?>

/// An operation with its rules of differentiation and batching: the one place where this package is extended.
///
/// A primitive is a value whose stored properties are its static parameters (axes, shapes, exponents). Its rules stand
/// side by side; those that every primitive needs have no default, so that a forgotten rule does not compile. `jvp` and `vjp` are written with
/// tensor operations; they are themselves differentiated and batched when transforms nest. Call a primitive through
/// ``bind(_:_:)-(_,[Tensor])``.
///
/// ``residuals``, ``cotangents(_:output:cotangent:wanted:)``, ``outerProducts(_:output:cotangent:argument:)`` and
/// ``pullback(_:_:argument:)`` have one, which is always right: stating them saves memory and time.
/// ``bounds(_:)`` is asked only where bounds are wanted, and by default says that there are none.
/// ``takesMixedTypes`` has the strict one, ``isTransparent`` the opaque one, and
/// ``accumulateVJP(_:output:cotangent:argument:into:)`` one that always works.
///
/// Families derive what is common: ``ElementwisePrimitive``, ``LinearPrimitive``, ``BilinearPrimitive``.
public protocol Primitive: Sendable {
  /// The name that messages and tables use.
  var name: String { get }

  /// What the rules of differentiation look at beside shapes and scalar types; by default everything. What they leave
  /// alone is not kept for them, and not computed if nobody else asks for it.
  var residuals: Residuals { get }

  /// The scalar type of the output; by default that of the first input.
  func scalarType(of inputs: Inputs) -> ScalarType

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

  /// The gradients of ⟨cotangent, output⟩ with respect to all wanted inputs in one call, for a primitive whose rules share
  /// work; nil, the default, where ``vjp(_:output:cotangent:argument:)`` gives each on its own.
  ///
  /// - Parameters:
  ///   - inputs: those of the operation.
  ///   - output: what it gave.
  ///   - cotangent: of the output's shape.
  ///   - wanted: which of the inputs are followed, two of them or more.
  /// - Returns: one gradient per input; nil where it is zero or not wanted.
  func cotangents(
    _ inputs: Inputs, output: Tensor, cotangent: Tensor, wanted: ShortList<Bool>
  ) -> [Tensor?]?

  /// The gradient of ⟨cotangent, output⟩ with respect to one input as a sum of outer products, where it has that form; nil,
  /// the default, where it does not. Per-example Jacobians and tangent kernels then never form it.
  ///
  /// It is the same gradient as that of ``vjp(_:output:cotangent:argument:)``, and reads no more than ``residuals`` names.
  func outerProducts(
    _ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int
  ) -> OuterProducts?

  /// For a linear map of one followed input that keeps outer products outer products (a transposition, a part, a
  /// multiple): the gradient with respect to that input, given the one with respect to the output. Nil, the default, where
  /// it does not keep them.
  func pullback(_ gradient: OuterProducts, _ inputs: Inputs, argument: Int) -> OuterProducts?

  /// Adds the gradient that ``vjp(_:output:cotangent:argument:)`` gives to a sum; nil stands for zero.
  ///
  /// A primitive that touches only a part of an input, or gives most of its cotangent on as it is, states this to change
  /// that part in place. For the last of the inputs that are followed, the cotangent is given up to it.
  func accumulateVJP(
    _ inputs: Inputs, output: Tensor, cotangent: consuming Tensor, argument: Int, into sum: inout Tensor?)

  /// The primitive applied to every example: inputs with `isBatched` carry `size` examples along a leading axis, the
  /// others are shared by all examples. The output carries the example axis in front.
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor

  /// Whether ``evaluate(_:)`` is made of tensor operations, so that a recording looks inside it; by default it is not.
  var isTransparent: Bool { get }

  /// Where the output lies and how steep it is, given the same of the inputs, while parameters move in a ball; by default
  /// nothing is known, and ``BoundError/notStated(primitive:)`` is thrown. See ``valueBounds(of:at:radius:)``.
  ///
  /// Only the first derivative is asked for. Further ones come from the bounds of the primitives that `vjp` is made of.
  ///
  /// - Throws: ``BoundError``, where the inputs may leave what the bounds hold for.
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds
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
  /// That of the first input.
  public func scalarType(of inputs: Inputs) -> ScalarType { inputs[0].scalarType }

  /// Nil: each gradient on its own.
  public func cotangents(
    _ inputs: Inputs, output: Tensor, cotangent: Tensor, wanted: ShortList<Bool>
  ) -> [Tensor?]? { nil }

  /// Nil: no structure.
  public func outerProducts(
    _ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int
  ) -> OuterProducts? { nil }

  /// Nil: no structure survives.
  public func pullback(_ gradient: OuterProducts, _ inputs: Inputs, argument: Int) -> OuterProducts? { nil }

  /// The gradient, added.
  public func accumulateVJP(
    _ inputs: Inputs, output: Tensor, cotangent: consuming Tensor, argument: Int, into sum: inout Tensor?
  ) {
    if let part = vjp(inputs, output: output, cotangent: cotangent, argument: argument) { accumulate(&sum, part) }
  }

  /// The entries of all inputs and of the output.
  public var residuals: Residuals { [.inputs, .output] }

  /// False: a recording keeps the primitive as it is.
  public var isTransparent: Bool { false }

  /// Nothing is known.
  public func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    throw .notStated(primitive: name)
  }

  /// False: one scalar type for all inputs.
  public var takesMixedTypes: Bool { false }

  /// Stops with this primitive's name in front of the message.
  public func stop(_ requirement: String, got values: String? = nil, hint: String? = nil) -> Never {
    AutoDiff.stop(name, requirement, got: values, hint: hint)
  }
}
