/// The value of a function and its derivative along a direction.
///
/// - Parameters:
///   - f: the function.
///   - x: where.
///   - direction: ẋ, a tree of the structure of `x`.
/// - Returns: f(x) and J ẋ, in the structure of the function's value.
/// - Complexity: about twice the work of `f`, and no memory for intermediate values.
public func jvp<T: TensorTree, Out: TensorTree>(
  of f: (T) throws -> Out, at x: T, along direction: T
) rethrows -> (value: Out, tangent: Out) {
  let (trace, output) = try forward(direction, through: f, at: x, "jvp")
  defer { trace.close() }
  return (output.mapTensors { trace.primal(of: $0) }, output.mapTensors { trace.tangentOrZero(of: $0) })
}

/// The derivative of a function along a direction: the tangent of ``jvp(of:at:along:)`` without the function's value, of
/// which only that is computed which the tangent needs.
///
/// - Parameters:
///   - f: a function of a tree of tensors.
///   - x: where.
///   - direction: v, a tree of the structure and the shapes of `x`; others stop.
/// - Returns: the derivative along v, a tree of the structure and the shapes of `f(x)`.
/// - Throws: what `f` throws.
/// - Source: Griewank and Walther, Evaluating Derivatives, SIAM 2008, section 3.1.
public func directionalDerivative<T: TensorTree, Out: TensorTree>(
  of f: (T) throws -> Out, at x: T, along direction: T
) rethrows -> Out {
  try directionalDerivative(of: f, at: x, along: direction, "directionalDerivative")
}

/// - Parameter operation: what the user called, for messages.
private func directionalDerivative<T: TensorTree, Out: TensorTree>(
  of f: (T) throws -> Out, at x: T, along direction: T, _ operation: String
) rethrows -> Out {
  let (trace, output) = try forward(direction, through: f, at: x, operation)
  defer { trace.close() }
  return output.mapTensors { trace.tangentOrZero(of: $0) }
}

private func forward<T: TensorTree, Out: TensorTree>(
  _ direction: T, through f: (T) throws -> Out, at x: T, _ operation: String
) rethrows -> (trace: Forward, output: Out) {
  x.checkAllTensorsAreListed()
  let trace = Forward()
  let directions = direction.leaves
  x.checkSameStructure(as: directions, operation)
  let duals = zip(x.leaves, directions).map { trace.dual($0, tangent: $1) }
  do {
    return (trace, try f(x.replacingLeaves(with: duals)))
  } catch {
    trace.close()
    throw error
  }
}

extension Forward {
  fileprivate func tangentOrZero(of tensor: Tensor) -> Tensor {
    tangent(of: tensor) ?? .zeros(tensor.shape, as: tensor.scalarType)
  }
}

/// The product of a function's Hessian with a direction, forward over reverse.
///
/// - Parameters:
///   - f: a function whose value is a single number.
///   - x: where.
///   - direction: v, a tree of the structure of `x`.
/// - Returns: H v, a tree of the structure of `x`. The Hessian itself is never formed.
/// - Complexity: for a deep dense network 2.4 times the multiplications of the gradient, which itself is left out.
/// - Source: Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6 (1994).
public func hvp<T: TensorTree>(of f: (T) throws -> Tensor, at x: T, along direction: T) rethrows -> T {
  try directionalDerivative(
    of: { try valueWithGradient(of: f, at: $0, "hvp").gradient }, at: x, along: direction, "hvp")
}

/// The linear part of a function at a point, which can be applied to many directions without running the function again.
///
/// - Returns: f(x), and the map ẋ ↦ J ẋ.
/// - Complexity: the recording costs about as much as `f` and keeps its intermediate values; every application about as
///   much as `f`.
public func linearize<T: TensorTree, Out: TensorTree>(
  _ f: (T) throws -> Out, at x: T
) rethrows -> (value: Out, derivative: LinearMap<T, Out>) {
  x.checkAllTensorsAreListed()
  let recording = try Recording(of: f, at: x)
  return (recording.value, LinearMap(recording: recording))
}

/// The map ẋ ↦ J ẋ at the point where it was made; see ``linearize(_:at:)``.
public struct LinearMap<Input: TensorTree, Output: TensorTree> {
  let recording: Recording<Input, Output>

  /// The derivative along a direction.
  public func callAsFunction(_ direction: Input) -> Output {
    let directions = direction.leaves
    recording.input.checkSameStructure(as: directions, "linearize")
    let leaves = recording.output.leaves
    let indices = leaves.map { recording.tape.index(of: $0) }
    let tangents = recording.tape.runForward(directions, to: indices.compactMap { $0 })
    var next = 0
    return recording.output.replacingLeaves(
      with: zip(leaves, indices).map { leaf, index in
        guard index != nil else { return .zeros(like: leaf) }
        defer { next += 1 }
        return tangents[next] ?? .zeros(leaf.shape, as: leaf.scalarType)
      })
  }
}
