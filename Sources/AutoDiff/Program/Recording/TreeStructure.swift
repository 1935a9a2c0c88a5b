/// What programs are told apart by: the leaves' shapes and types, and everything of a tree that is no leaf.
struct TreeStructure: Equatable {
  private let shapes: [[Int]]
  private let types: [ScalarType]
  private var rest: [AnyHashable] = []

  init(_ tree: some TensorTree, _ leaves: [Tensor]) {
    shapes = leaves.map(\.shape)
    types = leaves.map(\.scalarType)
    switch tree {
    // All of these is leaves.
    case is Tensor: break
    case let tensors as [Tensor]: rest.append(tensors.count)
    case let tree as any DescribedTree: tree.describeStructure(to: &rest)
    case _ where Self.isNothingButLeaves(tree, leaves): break
    // With a mark on the leaves, because what the tree does not list may be tensors too.
    default: collect(tree.mapTensors { _ in Self.leaf })
    }
  }

  /// Whether the memory of a tree is its leaves, one behind the other, as that of a structure of tensors is. Its type then says
  /// all that there is to say, and nobody need look at it by reflection, which takes microseconds.
  private static func isNothingButLeaves<T: TensorTree>(_ tree: T, _ leaves: [Tensor]) -> Bool {
    guard !leaves.isEmpty, MemoryLayout<T>.size == leaves.count * MemoryLayout<Tensor>.size else { return false }
    return withUnsafeBytes(of: tree) { bytes in
      leaves.indices.allSatisfy { k in
        bytes.load(fromByteOffset: k * MemoryLayout<Tensor>.size, as: UnsafeRawPointer?.self)
          == UnsafeRawPointer(Unmanaged.passUnretained(leaves[k].node).toOpaque())
      }
    }
  }

  /// Shape and scalar type of every leaf.
  var kinds: [ProgramGraph.ValueType] { Array(zip(shapes, types)) }

  /// Stands for every leaf while a tree is looked at.
  private static let leaf = Tensor(0)

  /// Lists what is no leaf: counts of lists, keys, cases, numbers, tensors that the tree does not list.
  private mutating func collect(_ part: Any) {
    switch part {
    case let tensor as Tensor: return note(tensor)
    case let tensors as [Tensor]:
      rest.append(tensors.count)
      return tensors.forEach { note($0) }
    case let tree as any DescribedTree:
      tree.describeStructure(to: &rest)
      // Where it ends.
      rest.append(rest.count)
      return tree.leaves.forEach { note($0) }
    case let value as AnyHashable where !(part is any TensorTree):
      rest.append(ObjectIdentifier(type(of: value.base)))
      return rest.append(value)
    default: break
    }
    let mirror = Mirror(reflecting: part)
    // A protocol's value may be of any type, and its type may be all that it is.
    rest.append(ObjectIdentifier(type(of: part)))
    switch mirror.displayStyle {
    case .collection, .dictionary, .optional, .enum:
      rest.append(mirror.children.count)
      if mirror.displayStyle == .enum { rest.append(mirror.children.first?.label ?? "\(part)") }
      if let keyed = part as? any KeyedTree {
        // In the order of the leaves.
        keyed.collectKeys {
          rest.append($0)
        } values: {
          collect($0)
        }
        return
      }
    // An object may lead to anything, itself included.
    case .class: return rest.append(SameObject(object: part as AnyObject))
    case nil where mirror.children.isEmpty: return rest.append(SameBits(part))
    default: break
    }
    for child in mirror.children { collect(child.value) }
  }

  /// A tensor that is no leaf is a constant of the program.
  private mutating func note(_ tensor: Tensor) {
    if tensor.node !== Self.leaf.node { rest.append(SameObject(object: tensor.node)) }
  }
}

/// An object that equals itself alone. It is kept, so that no other can take its place in memory.
private struct SameObject: Hashable {
  let object: AnyObject

  static func == (a: SameObject, b: SameObject) -> Bool { a.object === b.object }
  func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(object)) }
}

/// Something into which nobody can look, such as a closure: what has other bits is another. It is kept, and with it what
/// the bits refer to.
private struct SameBits: Hashable {
  private let bits: [UInt8]
  private let value: Any

  init(_ value: Any) {
    func bytes<T>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }
    (bits, self.value) = (_openExistential(value, do: bytes), value)
  }

  static func == (a: SameBits, b: SameBits) -> Bool { a.bits == b.bits }
  func hash(into hasher: inout Hasher) { hasher.combine(bits) }
}

/// A tree that knows its structure, so that it need not be looked at by reflection, which takes microseconds.
package protocol DescribedTree: TensorTree {
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
