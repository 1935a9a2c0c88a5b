/// The gradient of a function of several trees with respect to each of them; see ``gradient(of:at:)``.
///
///     let (dw, db) = gradient(of: { w, b in squaredLoss(matmul(x, w) + b, y) }, at: w, b)
///
/// - Parameters:
///   - f: the function; its value must be a single number.
///   - a: the first tree.
///   - b: the second tree.
///   - more: further trees.
/// - Returns: one gradient per argument, in the argument's structure.
public func gradient<A: TensorTree, B: TensorTree, each More: TensorTree>(
  of f: (A, B, repeat each More) throws -> Tensor, at a: A, _ b: B, _ more: repeat each More
) rethrows -> (A, B, repeat each More) {
  try valueWithGradient(of: f, at: a, b, repeat each more).gradient
}

/// The value of a function of several trees and its gradient with respect to each of them; see
/// ``gradient(of:at:_:_:)``.
public func valueWithGradient<A: TensorTree, B: TensorTree, each More: TensorTree>(
  of f: (A, B, repeat each More) throws -> Tensor, at a: A, _ b: B, _ more: repeat each More
) rethrows -> (value: Tensor, gradient: (A, B, repeat each More)) {
  a.checkAllTensorsAreListed()
  b.checkAllTensorsAreListed()
  var leaves = a.leaves + b.leaves
  for tree in repeat each more {
    tree.checkAllTensorsAreListed()
    leaves += tree.leaves
  }
  let (value, gradient) = try valueWithGradient(
    of: { (leaves: [Tensor]) in
      var rest = leaves[...]
      return try f(a.taking(from: &rest), b.taking(from: &rest), repeat (each more).taking(from: &rest))
    }, at: leaves)
  var rest = gradient[...]
  return (value, (a.taking(from: &rest), b.taking(from: &rest), repeat (each more).taking(from: &rest)))
}

extension TensorTree {
  /// This tree with the first of the given leaves, which are taken away.
  fileprivate func taking(from leaves: inout ArraySlice<Tensor>) -> Self { mapTensors { _ in leaves.removeFirst() } }
}
