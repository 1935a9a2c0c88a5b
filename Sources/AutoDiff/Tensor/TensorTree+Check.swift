extension TensorTree {
  /// Stops if a tree in this one stores a tensor that its `forEachTensor` does not visit: transforms would silently take
  /// it for a constant, and return it where its derivative is due. Stops as well if two calls visit different leaves.
  ///
  /// A tensor that shall be constant is kept in a type that is not a tree, or captured by the closure.
  ///
  /// - Complexity: every type is looked at once, the first time that a value of it holds a tensor.
  package func checkAllTensorsAreListed() {
    if Self.self == Tensor.self || Self.self == [Tensor].self { return }
    let type = ObjectIdentifier(Self.self)
    if CheckedTrees.lock.withLock({ CheckedTrees.types.contains(type) }) { return }
    let visited = leaves
    guard !visited.isEmpty || !Mirror(reflecting: self).children.isEmpty else { return }
    checkStoredTrees(path: "\(Self.self)")
    if !visited.isEmpty { CheckedTrees.lock.withLock { _ = CheckedTrees.types.insert(type) } }
  }

  private func checkStoredTrees(path: String) {
    let visited = leaves.map { ObjectIdentifier($0.node) }
    guard visited == leaves.map({ ObjectIdentifier($0.node) }) else {
      stop(
        path, "forEachTensor must visit the same leaves in the same order every time",
        got: "\(visited.count) and \(leaves.count) leaves")
    }
    var rest: [ObjectIdentifier: Int] = [:]
    for leaf in visited { rest[leaf, default: 0] += 1 }
    for (index, child) in Mirror(reflecting: self).children.enumerated() {
      // A dictionary's children are pairs of key and value.
      let value =
        (child.value as? any TensorTree) ?? Mirror(reflecting: child.value).descendant("value") as? any TensorTree
      guard let tree = value else { continue }
      let name = child.label.map { "\(path).\($0)" } ?? "\(path)[\(index)]"
      for leaf in tree.leaves {
        let leaf = ObjectIdentifier(leaf.node)
        guard let count = rest[leaf], count > 0 else {
          stop(
            name, "forEachTensor of \(Self.self) must visit every tensor that is stored, but does not visit this one",
            hint:
              "Call body(&property), or property.forEachTensor(body) for a tree. Keep constants in a type that is not a tree."
          )
        }
        rest[leaf] = count - 1
      }
      if !(tree is Tensor) { tree.checkStoredTrees(path: name) }
    }
  }
}

/// The types of trees that have been found complete.
private enum CheckedTrees {
  static let lock = SpinLock()
  nonisolated(unsafe) static var types: Set<ObjectIdentifier> = []
}
