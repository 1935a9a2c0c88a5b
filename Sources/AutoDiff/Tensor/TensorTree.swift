/// Anything that is made of tensors: a tensor, an array, a dictionary, an optional, a model's parameters, a struct of
/// yours.
///
/// Transforms take any tree and return the same tree. To make a struct a tree, list its leaves:
///
///     struct Line: TensorTree {
///       var slope: Tensor
///       var intercept: Tensor
///       mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
///         body(&slope)
///         body(&intercept)
///       }
///     }
public protocol TensorTree {
  /// Calls `body` with every leaf, always in the same order. Trees inside this one: call their `forEachTensor`.
  mutating func forEachTensor(_ body: (inout Tensor) -> Void)
}

extension TensorTree {
  /// All leaves in order.
  public var leaves: [Tensor] {
    var result: [Tensor] = []
    var copy = self
    copy.forEachTensor { result.append($0) }
    return result
  }

  /// The tree with every leaf transformed.
  public func mapTensors(_ transform: (Tensor) -> Tensor) -> Self {
    var copy = self
    copy.forEachTensor { $0 = transform($0) }
    return copy
  }

  /// The tree with other leaves in the same order. Stops unless there are as many as the tree has.
  public func replacingLeaves(with leaves: [Tensor]) -> Self {
    var next = 0
    let copy = mapTensors { _ in
      guard next < leaves.count else {
        stop("replacingLeaves", "needs a tensor for every leaf", got: "\(leaves.count)")
      }
      defer { next += 1 }
      return leaves[next]
    }
    guard next == leaves.count else {
      stop("replacingLeaves", "needs as many tensors as leaves", got: "\(leaves.count) for \(next)")
    }
    return copy
  }

  /// Stops unless another tree has as many leaves of the same shapes and, but where told otherwise, scalar types.
  package func checkSameStructure(as other: [Tensor], _ operation: String, ofOneType: Bool = true) {
    let mine = leaves
    guard mine.count == other.count, zip(mine, other).allSatisfy({ $0.shape == $1.shape }) else {
      stop(
        operation, "both trees must have the same leaves",
        got: "\(mine.map(\.shape)) and \(other.map(\.shape))")
    }
    if ofOneType { for (mine, theirs) in zip(mine, other) { requireOneScalarType(operation, mine, theirs) } }
  }
}

extension Tensor: TensorTree {
  /// Calls `body` with the tensor itself.
  public mutating func forEachTensor(_ body: (inout Tensor) -> Void) { body(&self) }
}

extension Array: TensorTree where Element: TensorTree {
  /// The leaves of the first element, of the second, and so on.
  public mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
    // (`indices` would ask the runtime for a type every time.)
    for index in 0..<count { self[index].forEachTensor(body) }
  }
}

extension Dictionary: TensorTree where Key: Comparable, Value: TensorTree {
  /// The leaves in increasing order of the keys.
  public mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
    for key in keys.sorted() { self[key]!.forEachTensor(body) }
  }
}

extension Optional: TensorTree where Wrapped: TensorTree {
  /// The leaves of the value, if there is one.
  public mutating func forEachTensor(_ body: (inout Tensor) -> Void) { self?.forEachTensor(body) }
}

/// Two trees as one.
public struct Pair<First: TensorTree, Second: TensorTree>: TensorTree {
  /// The first tree.
  public var first: First
  /// The second tree.
  public var second: Second

  /// Joins two trees.
  public init(_ first: First, _ second: Second) { (self.first, self.second) = (first, second) }

  /// The leaves of the first tree, then those of the second.
  public mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
    first.forEachTensor(body)
    second.forEachTensor(body)
  }
}

extension Pair: Sendable where First: Sendable, Second: Sendable {}
