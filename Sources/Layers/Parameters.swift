import AutoDiff

/// A model's parameters: an ordered tree of named tensors, as an explicit value.
///
/// A layer states its parameters where it uses them, with ``tensor(_:_:_:)``, and finds those of its parts by their
/// names: `p.inner`, `p["3"]`. Handing the same subtree to two layers ties their weights. As a ``TensorTree`` parameters
/// can be added, scaled, interpolated and differentiated.
@dynamicMemberLookup
public struct Parameters: TensorTree, Sendable {
  private enum Entry: Sendable {
    case tensor(Tensor)
    case tree(Parameters)
  }

  private var names: [String] = []
  private var entries: [Entry] = []
  /// Where this tree hangs in the whole.
  private var path: String
  /// Set while a model is run to create its parameters.
  private var initialization: Initialization?

  /// No parameters.
  public init() { path = "" }

  init(initialization: Initialization, path: String = "") {
    self.initialization = initialization
    self.path = path
  }

  /// The parameters of the part with a name; none if there is no such part, as for parts without parameters.
  public subscript(part: String) -> Parameters {
    get {
      if let initialization { return Parameters(initialization: initialization, path: join(path, part)) }
      if let index = names.firstIndex(of: part) {
        guard case .tree(let tree) = entries[index] else {
          stop("Parameters", "\(join(path, part)) must be a part", got: "a tensor")
        }
        return tree
      }
      var empty = Parameters()
      empty.path = join(path, part)
      return empty
    }
    set {
      var tree = newValue
      tree.rename(to: join(path, part))
      set(part, .tree(tree))
    }
  }

  /// The parameters of the part with a name.
  public subscript(dynamicMember part: String) -> Parameters {
    get { self[part] }
    set { self[part] = newValue }
  }

  /// The parameter with a name, as a layer states and uses it.
  ///
  /// Stops, naming the parameter's path, if it is missing or has another shape.
  ///
  /// - Parameters:
  ///   - name: its name within this part.
  ///   - shape: its shape.
  ///   - initializer: the law of its first value.
  public func tensor(_ name: String, _ shape: [Int], _ initializer: Initializer) -> Tensor {
    if let initialization { return initialization.tensor(join(path, name), shape, initializer) }
    guard let index = names.firstIndex(of: name), case .tensor(let tensor) = entries[index] else {
      stop(
        "Parameters", "\(join(path, name)) must exist", got: "only \(names)",
        hint: "Create the parameters with initialized(like:seed:) of the same model.")
    }
    guard tensor.shape == shape else {
      stop("Parameters", "\(join(path, name)) must have shape \(shape)", got: "\(tensor.shape)")
    }
    return tensor
  }

  /// All parameters with their paths, such as `"1.inner.weight"`, in order.
  public var named: [(path: String, tensor: Tensor)] {
    zip(names, entries).flatMap { name, entry -> [(path: String, tensor: Tensor)] in
      switch entry {
      case .tensor(let tensor): [(join(path, name), tensor)]
      case .tree(let tree): tree.named
      }
    }
  }

  /// Sets or adds the parameter at a path such as `"1.inner.weight"`.
  public mutating func set(_ path: String, to tensor: Tensor) {
    guard let dot = path.firstIndex(of: ".") else { return set(path, .tensor(tensor)) }
    let part = String(path[..<dot])
    var tree = self[part]
    tree.set(String(path[path.index(after: dot)...]), to: tensor)
    self[part] = tree
  }

  /// The parameter at a path such as `"1.inner.weight"`, or nil.
  public subscript(at path: String) -> Tensor? {
    guard let dot = path.firstIndex(of: ".") else {
      guard let index = names.firstIndex(of: path), case .tensor(let tensor) = entries[index] else { return nil }
      return tensor
    }
    return self[String(path[..<dot])][at: String(path[path.index(after: dot)...])]
  }

  /// Calls `body` with every parameter in order.
  public mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
    for index in entries.indices {
      switch entries[index] {
      case .tensor(var tensor):
        body(&tensor)
        entries[index] = .tensor(tensor)
      case .tree(var tree):
        tree.forEachTensor(body)
        entries[index] = .tree(tree)
      }
    }
  }

  private mutating func set(_ name: String, _ entry: Entry) {
    if let index = names.firstIndex(of: name) {
      entries[index] = entry
    } else {
      names.append(name)
      entries.append(entry)
    }
  }

  private mutating func rename(to newPath: String) {
    path = newPath
    for index in entries.indices {
      guard case .tree(var tree) = entries[index] else { continue }
      tree.rename(to: join(newPath, names[index]))
      entries[index] = .tree(tree)
    }
  }

  private func join(_ path: String, _ name: String) -> String { path.isEmpty ? name : path + "." + name }
}

extension Parameters: CustomStringConvertible {
  /// One line per parameter: its path and its shape.
  public var description: String {
    named.map { "\($0.path) \($0.tensor.shape)" }.joined(separator: "\n")
  }
}

/// The creation of parameters while a model runs for the first time.
final class Initialization: @unchecked Sendable {
  private let seed: UInt64
  private let scalarType: ScalarType
  private(set) var created = Parameters()

  init(seed: UInt64, scalarType: ScalarType) {
    self.seed = seed
    self.scalarType = scalarType
  }

  /// A new parameter, or the one that was made under this path before: then its weights are tied.
  func tensor(_ path: String, _ shape: [Int], _ initializer: Initializer) -> Tensor {
    if let old = created[at: path] {
      guard old.shape == shape else {
        stop("Parameters", "\(path) is used twice and must keep its shape", got: "\(old.shape) and \(shape)")
      }
      return old
    }
    _ = shape.entryCount("Parameters: \(path)")
    // The path takes part in the seed, so that a layer's first values do not depend on what stands before it.
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in path.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    var generator = RandomGenerator(seed: seed ^ hash)
    let tensor = initializer.make(shape, scalarType, &generator)
    created.set(path, to: tensor)
    return tensor
  }
}
