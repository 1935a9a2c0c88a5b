/// The gradient of a function with one number as its value.
///
/// Leaves that the value does not depend on have the gradient 0.
///
/// - Parameters:
///   - f: the function; its value must be a single number.
///   - x: where: any tree of tensors.
/// - Returns: ∂f/∂x, a tree of the structure of `x`.
/// - Complexity: a small multiple of the work of `f`; memory for its intermediate values.
public func gradient<T: TensorTree>(of f: (T) throws -> Tensor, at x: T) rethrows -> T {
  try valueWithGradient(of: f, at: x).gradient
}

/// The value of a function and its gradient, for the price of the gradient; see ``gradient(of:at:)``.
public func valueWithGradient<T: TensorTree>(
  of f: (T) throws -> Tensor, at x: T
) rethrows -> (value: Tensor, gradient: T) {
  try valueWithGradient(of: f, at: x, "gradient")
}

/// - Parameter operation: what the user called, for messages.
func valueWithGradient<T: TensorTree>(
  of f: (T) throws -> Tensor, at x: T, _ operation: String
) rethrows -> (value: Tensor, gradient: T) {
  let result = try valueWithGradient(of: { (try f($0), [Tensor]()) }, at: x, operation)
  return (result.value, result.gradient)
}

/// The value of a function, its gradient, and further tensors that the function returns on the way; see
/// ``gradient(of:at:)``.
///
/// - Parameters:
///   - f: returns the number to differentiate and an auxiliary tree, which is not differentiated.
///   - x: where: any tree of tensors.
public func valueWithGradient<T: TensorTree, Auxiliary: TensorTree>(
  of f: (T) throws -> (Tensor, Auxiliary), at x: T
) rethrows -> (value: Tensor, gradient: T, auxiliary: Auxiliary) {
  try valueWithGradient(of: f, at: x, "gradient")
}

private func valueWithGradient<T: TensorTree, Auxiliary: TensorTree>(
  of f: (T) throws -> (Tensor, Auxiliary), at x: T, _ operation: String
) rethrows -> (value: Tensor, gradient: T, auxiliary: Auxiliary) {
  x.checkAllTensorsAreListed()
  let tape = Tape(carriesCotangents: true)
  let watched = x.mapTensors { tape.watch($0) }
  defer { tape.clear() }
  let (value, auxiliary) = try f(watched)
  guard value.count == 1 else {
    stop(
      operation, "the function's value must be a single number", got: "shape \(value.shape)",
      hint: "Sum or average it, or use jacobian.")
  }
  let plain = tape.primal(of: value)
  let leaves = x.leaves
  var cotangents = [Tensor?](repeating: nil, count: leaves.count)
  if let index = tape.index(of: value) {
    let seed = Tensor(1, as: value.scalarType)
    cotangents = tape.runBackward(
      [(index, value.rank == 0 ? seed : seed.reshaped(to: value.shape))], leaves: leaves.count, consuming: true)
  }
  let gradient = x.replacingLeaves(with: zip(cotangents, leaves).map { $0 ?? .zeros(like: $1) })
  return (plain, gradient, auxiliary.mapTensors { tape.primal(of: $0) })
}

/// A value and the map of cotangents that belongs to it.
///
/// - Returns: f(x), and the pullback, which may be called any number of times: it maps a cotangent ȳ of the value's
///   structure to Jᵀȳ in the structure of `x`.
public func vjp<T: TensorTree, Out: TensorTree>(
  of f: (T) throws -> Out, at x: T
) rethrows -> (value: Out, pullback: Pullback<T, Out>) {
  x.checkAllTensorsAreListed()
  let recording = try Recording(of: f, at: x, forGradients: true)
  return (recording.value, Pullback(recording: recording))
}

/// The map ȳ ↦ Jᵀȳ at the point where it was made; see ``vjp(of:at:)``.
public struct Pullback<Input: TensorTree, Output: TensorTree> {
  let recording: Recording<Input, Output>

  /// The cotangent of the input that belongs to a cotangent of the output.
  public func callAsFunction(_ cotangent: Output) -> Input {
    let cotangents = cotangent.leaves
    recording.output.checkSameStructure(as: cotangents, "pullback")
    var seeds: [(index: Int, cotangent: Tensor)] = []
    for (leaf, cotangent) in zip(recording.output.leaves, cotangents) {
      if let index = recording.tape.index(of: leaf) { seeds.append((index, cotangent)) }
    }
    let leaves = recording.input.leaves
    let result = recording.tape.runBackward(seeds, leaves: leaves.count, consuming: false)
    return recording.input.replacingLeaves(with: zip(result, leaves).map { $0 ?? .zeros(like: $1) })
  }
}
