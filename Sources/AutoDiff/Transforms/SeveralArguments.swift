// Written out for two and three arguments: with parameter packs the compiler (6.3) no longer finds the types of a closure's
// parameters from the arguments, and gives up at formulas of a few terms. For more there are ``Pair``, arrays and structs.

/// The gradient of a function of two trees with respect to each of them; see ``gradient(of:at:)``.
///
///     let (dw, db) = gradient(of: { w, b in squaredLoss(matmul(x, w) + b, y) }, at: w, b)
///
/// - Parameters:
///   - f: the function; its value must be a single number.
///   - a: the first tree.
///   - b: the second tree.
/// - Returns: one gradient per argument, in the argument's structure.
public func gradient<A: TensorTree, B: TensorTree>(
  of f: (A, B) throws -> Tensor, at a: A, _ b: B
) rethrows -> (A, B) {
  try valueWithGradient(of: f, at: a, b).gradient
}

/// The gradient of a function of three trees with respect to each of them; see ``gradient(of:at:_:)``.
public func gradient<A: TensorTree, B: TensorTree, C: TensorTree>(
  of f: (A, B, C) throws -> Tensor, at a: A, _ b: B, _ c: C
) rethrows -> (A, B, C) {
  try valueWithGradient(of: f, at: a, b, c).gradient
}

/// The value of a function of two trees and its gradient with respect to each of them; see ``gradient(of:at:_:)``.
public func valueWithGradient<A: TensorTree, B: TensorTree>(
  of f: (A, B) throws -> Tensor, at a: A, _ b: B
) rethrows -> (value: Tensor, gradient: (A, B)) {
  let result = try valueWithGradient(of: { try f($0.first, $0.second) }, at: Pair(a, b))
  return (result.value, (result.gradient.first, result.gradient.second))
}

/// The value of a function of three trees and its gradient with respect to each of them; see ``gradient(of:at:_:)``.
public func valueWithGradient<A: TensorTree, B: TensorTree, C: TensorTree>(
  of f: (A, B, C) throws -> Tensor, at a: A, _ b: B, _ c: C
) rethrows -> (value: Tensor, gradient: (A, B, C)) {
  let result = try valueWithGradient(
    of: { try f($0.first.first, $0.first.second, $0.second) }, at: Pair(Pair(a, b), c))
  return (result.value, (result.gradient.first.first, result.gradient.first.second, result.gradient.second))
}
