import AutoDiff

/// A model's parameters: an ordered tree of named tensors, as an explicit value.
///
/// A layer states its parameters where it uses them, with ``tensor(_:_:_:)``, and finds those of its parts by their
/// names: `p.inner`, `p["3"]`. Handing the same subtree to two layers ties their weights. As a ``TensorTree`` parameters
/// can be added, scaled, interpolated and differentiated.
@dynamicMemberLookup
public struct Parameters: TensorTree, DescribedTree, Sendable {
  private enum Entry: Sendable {
    case tensor(Tensor)
    case tree(Parameters)
  }

  private var names: [String] = []
  private var entries: [Entry] = []
  /// Where this tree hangs in the whole, such as `"1.inner"`; empty for the whole.
  public private(set) var path: String
  /// For a part that does not exist: the tree (one) in which it was looked for.
  private var origin: [Parameters] = []
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
      empty.origin = origin.isEmpty ? [self] : origin
      return empty
    }
    set {
      var tree = newValue
      tree.origin = []
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
      stopAtMissing(name)
    }
    guard tensor.shape == shape else {
      stop(
        "Parameters", "\(join(path, name)) must have shape \(shape)", got: "\(tensor.shape)",
        hint: "The shape follows from the input. A model takes one example; for several use vmap or batched.")
    }
    return tensor
  }

  private func stopAtMissing(_ name: String) -> Never {
    let tree = origin.first ?? self
    let wanted = join(path, name)
    let candidates = tree.named.map(\.path)
    let near = candidates.filter { $0.differsByWords(from: wanted) }.map { ($0, wanted.editDistance(to: $0)) }
      .min { $0.1 < $1.1 }
    let hint =
      if let near, near.1 <= max(2, wanted.count / 3) {
        "Did you mean \(near.0)?"
      } else if let other = candidates.first(where: { $0.hasSuffix("." + wanted) || wanted.hasSuffix("." + $0) }) {
        "There is \(other)."
      } else {
        "Create the parameters with initialized(like:seed:) of the same model."
      }
    let place = tree.path.isEmpty ? "" : " under \(tree.path)"
    stop("Parameters", "\(wanted) must exist", got: "only \(tree.names)\(place)", hint: hint)
  }

  /// What a message calls a layer with these parameters: `Dense at "2"`.
  func place(of layer: String) -> String { path.isEmpty ? layer : "\(layer) at \"\(path)\"" }

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

  /// The names, and where trees begin and end.
  package func describeStructure(to description: inout [AnyHashable]) {
    for (name, entry) in zip(names, entries) {
      description.append(name)
      if case .tree(let tree) = entry {
        description.append(tree.names.count)
        tree.describeStructure(to: &description)
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

extension String {
  /// Whether two paths have as many parts and the same numbers: the tenth layer is no misspelling of the ninth.
  fileprivate func differsByWords(from other: String) -> Bool {
    let (mine, theirs) = (split(separator: "."), other.split(separator: "."))
    return mine.count == theirs.count && zip(mine, theirs).allSatisfy { $0 == $1 || Int($0) == nil && Int($1) == nil }
  }

  /// How many letters must be inserted, left out or replaced to come to another string (Levenshtein's distance).
  func editDistance(to other: String) -> Int {
    var distances = Array(0...other.count)
    for (row, letter) in enumerated() {
      var diagonal = row
      distances[0] = row + 1
      for (column, otherLetter) in other.enumerated() {
        let replaced = diagonal + (letter == otherLetter ? 0 : 1)
        diagonal = distances[column + 1]
        distances[column + 1] = Swift.min(replaced, diagonal + 1, distances[column] + 1)
      }
    }
    return distances[other.count]
  }
}
