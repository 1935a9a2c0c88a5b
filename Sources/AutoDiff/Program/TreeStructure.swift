/// What programs are told apart by: the leaves' shapes and types, and everything of a tree that is no tensor.
struct TreeStructure: Equatable {
  private let shapes: [[Int]]
  private let types: [ScalarType]
  private let rest: [AnyHashable]

  init(_ tree: some TensorTree, _ leaves: [Tensor]) {
    shapes = leaves.map(\.shape)
    types = leaves.map(\.scalarType)
    var rest: [AnyHashable] = []
    Self.collect(tree, &rest)
    self.rest = rest
  }

  /// Lists what is no tensor: counts of lists, keys, cases, numbers.
  ///
  /// An object without equality counts for itself, and a part of which nothing can be told, such as a closure, not at all.
  private static func collect(_ part: Any, _ rest: inout [AnyHashable]) {
    if part is Tensor { return }
    if let tensors = part as? [Tensor] { return rest.append(tensors.count) }
    if let tree = part as? any DescribedTree { return tree.describeStructure(to: &rest) }
    if let leaf = part as? AnyHashable, !(part is any TensorTree) { return rest.append(leaf) }
    let mirror = Mirror(reflecting: part)
    switch mirror.displayStyle {
    case .collection, .dictionary, .optional, .enum:
      rest.append(mirror.children.count)
      if mirror.displayStyle == .enum { rest.append(mirror.children.first?.label ?? "\(part)") }
      if let keyed = part as? any KeyedTree {
        // In the order of the leaves.
        keyed.collectKeys {
          rest.append($0)
        } values: {
          collect($0, &rest)
        }
        return
      }
    // An object may lead to anything, itself included.
    case .class: return rest.append(ObjectIdentifier(part as AnyObject))
    default: break
    }
    for child in mirror.children { collect(child.value, &rest) }
  }
}

/// A tree that knows its structure, so that it need not be looked at by reflection, which takes microseconds.
package protocol DescribedTree {
  /// Adds what, beside the leaves' shapes and types, tells this tree from others.
  func describeStructure(to description: inout [AnyHashable])
}

/// A dictionary, whose own order changes from run to run.
private protocol KeyedTree {
  func collectKeys(_ key: (AnyHashable) -> Void, values: (Any) -> Void)
}

extension Dictionary: KeyedTree where Key: Comparable, Value: TensorTree {
  fileprivate func collectKeys(_ key: (AnyHashable) -> Void, values: (Any) -> Void) {
    for name in keys.sorted() {
      key(name)
      values(self[name]!)
    }
  }
}
