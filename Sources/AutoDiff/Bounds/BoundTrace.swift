/// Bounds: every value carries where it lies and how steep it is while the parameters move in a ball.
///
/// One more interpretation of a computation, beside ``Tape``, ``Forward`` and ``Batch``. It asks every primitive for its
/// ``Primitive/bounds(_:)``. A tape above it interprets the gradient in the same way, so bounds of a gradient's derivative,
/// which is the Hessian, need no rule of their own.
package final class BoundTrace: Trace, @unchecked Sendable {
  /// The radius of the ball.
  private let radius: Double
  /// Why there are no bounds of what has been computed since, if so.
  package private(set) var failure: BoundError?
  /// The first primitive with derivatives that need not be those of its value, if there was one: a gradient is then
  /// bounded as what it is, the value of a function, and not as a derivative.
  package private(set) var ownDerivatives: String?

  package init(radius: Double) { self.radius = radius }

  /// A parameter in the ball around its value, as the leaf with a number.
  package func watch(_ parameter: Tensor, leaf: Int) -> Tensor {
    let center = Enclosure(parameter)
    let one = Tensor(1).broadcast(to: center.shape)
    let range = center.widened(by: one * radius)
    let bounds = ValueBounds(
      initial: center, range: range, slopes: [leaf: SlopeBounds(scale: one, rows: one)], deviation: radius,
      norms: Locked([:]))
    return Tensor(node: BoundNode(self, bounds.shape, parameter.scalarType, bounds))
  }

  /// The bounds of a value; nil after a failure.
  package func bounds(of tensor: Tensor) -> ValueBounds? {
    node(tensor, BoundNode.self).map(\.bounds) ?? ValueBounds(constant: tensor.concrete("bounds"))
  }

  /// Forgets a failure, for another computation with the same parameters.
  package func recover() { (failure, ownDerivatives) = (nil, nil) }

  package override func process(_ primitive: any Primitive, _ inputs: Inputs) -> Tensor {
    if primitive.isTransparent || primitive is StopGradient { ownDerivatives = ownDerivatives ?? primitive.name }
    if primitive.isTransparent { return primitive.evaluate(inputs) }
    let (shape, type) = (primitive.shape(of: inputs), primitive.scalarType(of: inputs))
    guard failure == nil else { return Tensor(node: BoundNode(self, shape, type, nil)) }
    do throws(BoundError) {
      var values: [ValueBounds] = []
      for input in inputs {
        guard let value = bounds(of: input) else { throw .notFinite(primitive: primitive.name) }
        values.append(value)
      }
      let result = try primitive.bounds(ShortList(values)).narrowed(radius: radius)
      guard result.shape == shape else {
        primitive.stop("the bounds must have the output's shape", got: "\(result.shape) for \(shape)")
      }
      guard result.isFinite else { throw .notFinite(primitive: primitive.name) }
      return Tensor(node: BoundNode(self, shape, type, result))
    } catch {
      failure = error
      return Tensor(node: BoundNode(self, shape, type, nil))
    }
  }
}

/// A value of ``BoundTrace``.
final class BoundNode: TracedNode, @unchecked Sendable {
  /// Nil after a failure.
  let bounds: ValueBounds?

  init(_ trace: BoundTrace, _ shape: [Int], _ type: ScalarType, _ bounds: ValueBounds?) {
    self.bounds = bounds
    super.init(trace: trace, shape: shape, scalarType: type)
  }

  override var absenceOfNumbers: (reason: String, hint: String)? {
    (
      "a value that stands for all values in a ball cannot be read", "Choose between values with select(_:_:_:)."
    )
  }
}

/// Bounds of a function's value and of its derivative on a ball of parameters, proved for real arithmetic.
///
/// - Parameters:
///   - f: a function of a tree of tensors, made of primitives that state ``Primitive/bounds(_:)``. Its constants are taken
///     as they are.
///   - x: the center of the ball, of either scalar type. The bounds are those of the function in real arithmetic, and are
///     computed in double precision.
///   - radius: the Euclidean radius, of all leaves together; at least 0.
/// - Returns: one result for every leaf of the value. Slopes are numbered by the leaves of `x`.
/// - Throws: ``BoundError``, which names the primitive that is missing, and what `f` throws.
/// - Complexity: some ten times the work of `f`, and for every leaf of `x` two numbers per entry of every value that depends
///   on it; for a product with a matrix besides some products of matrices, once for each parameter.
public func valueBounds<T: TensorTree, Out: TensorTree>(
  of f: (T) throws -> Out, at x: T, radius: Double
) throws -> [ValueBounds] {
  let ball = BoundedBall(around: x, radius: radius)
  defer { ball.close() }
  return try ball.bounds(of: f)
}

/// A ball of parameters, in which several functions are bounded.
package final class BoundedBall<T: TensorTree> {
  private let trace: BoundTrace
  /// The parameters, to be handed to a function whose value ``bounds(of:)`` bounds.
  private let parameters: T

  package init(around x: T, radius: Double) {
    guard radius >= 0, radius.isFinite else {
      stop("bounds", "the radius must be finite and not negative", got: "\(radius)")
    }
    x.checkAllTensorsAreListed()
    let trace = BoundTrace(radius: radius)
    var leaf = -1
    parameters = x.mapTensors {
      leaf += 1
      return trace.watch($0, leaf: leaf)
    }
    self.trace = trace
  }

  package func close() { trace.close() }

  /// The first primitive of the last function whose derivatives need not be those of its value.
  package var ownDerivatives: String? { trace.ownDerivatives }

  /// The bounds of every leaf of a function's value.
  package func bounds<Out: TensorTree>(of f: (T) throws -> Out) throws -> [ValueBounds] {
    trace.recover()
    let values = try f(parameters).leaves
    if let failure = trace.failure { throw failure }
    return values.map { trace.bounds(of: $0)! }
  }
}
