import AutoDiff

/// A backward pass that keeps, wherever examples meet parameters, the parameters' gradients as outer products instead of
/// evaluating them.
///
/// It runs on a tape above a batch of examples. Values that depend on the example have ordinary cotangents. Values made
/// from parameters alone have one gradient per example and output; it travels on through what was done to the
/// parameters, as outer products as long as those survive.
struct GradientCollector: BackwardPass {
  private let hidden: HiddenAxes

  /// By entry, the cotangents of values that depend on the example.
  private var cotangents: [Int: Tensor] = [:]
  /// By entry, the gradients of values made from parameters alone.
  private(set) var gradients: [Int: ParameterGradient] = [:]

  init(_ hidden: HiddenAxes) { self.hidden = hidden }

  /// Starts from an entry, with one cotangent per output: [outputs, shape...].
  mutating func start(at index: Int, _ entry: Tape.Entry, cotangents seed: Tensor) {
    let seed = hidden.hideOutputs(seed)
    if hidden.examples.follows(entry.output) {
      cotangents[index] = seed
    } else {
      // The model does not look at the example: every example has the same gradient.
      gradients[index, default: .init()].add(dense: hidden.reveal(seed))
    }
  }

  /// Adds gradients that come from elsewhere with respect to a value made from parameters alone.
  mutating func add(_ gradient: ParameterGradient, at index: Int) { gradients[index, default: .init()].add(gradient) }

  // MARK: The pass

  func hasArrived(at index: Int) -> Bool { cotangents[index] != nil || gradients[index] != nil }

  mutating func move(from source: Int, to target: Int) {
    if let cotangent = cotangents.removeValue(forKey: source) { add(cotangent, at: target) }
    if let gradient = gradients.removeValue(forKey: source) { gradients[target, default: .init()].add(gradient) }
  }

  mutating func grow(to count: Int) {}

  mutating func visit(_ entry: Tape.Entry, at index: Int) {
    guard let operation = entry.operation else { return }
    if let cotangent = cotangents.removeValue(forKey: index) {
      handOn(cotangent, through: operation, entry)
    } else if let gradient = gradients.removeValue(forKey: index) {
      handOn(gradient, through: operation, entry)
    }
  }

  private mutating func add(_ cotangent: Tensor, at index: Int) {
    if let old = cotangents[index] {
      cotangents[index] = nil
      cotangents[index] = old + cotangent
    } else {
      cotangents[index] = cotangent
    }
  }

  // MARK: Where examples are

  private mutating func handOn(_ cotangent: Tensor, through operation: any Primitive, _ entry: Tape.Entry) {
    var wanted = entry.parents.map { $0 >= 0 }
    for (argument, parent) in entry.parents.enumerated() where parent >= 0 {
      guard !hidden.examples.follows(entry.inputs[argument]),
        let products = operation.outerProducts(
          entry.inputs, output: entry.output, cotangent: cotangent, argument: argument)
      else { continue }
      gradients[Int(parent), default: .init()].add(GradientFactors(revealing: products, hidden))
      wanted = ShortList(wanted.enumerated().map { $0.offset == argument ? false : $0.element })
    }
    for (argument, part) in parts(of: operation, entry, cotangent, wanted) {
      let parent = Int(entry.parents[argument])
      if hidden.examples.follows(entry.inputs[argument]) {
        add(part, at: parent)
      } else {
        gradients[parent, default: .init()].add(dense: hidden.reveal(part))
      }
    }
  }

  /// The gradients with respect to the wanted inputs by the rules of the operation; those that are zero are left out.
  private func parts(
    of operation: any Primitive, _ entry: Tape.Entry, _ cotangent: Tensor, _ wanted: ShortList<Bool>
  ) -> [(argument: Int, part: Tensor)] {
    if wanted.count(where: { $0 }) > 1,
      let parts = operation.cotangents(entry.inputs, output: entry.output, cotangent: cotangent, wanted: wanted)
    {
      return parts.enumerated().compactMap { k, part in wanted[k] ? part.map { (k, $0) } : nil }
    }
    return wanted.indices.compactMap { k in
      guard wanted[k] else { return nil }
      return operation.vjp(entry.inputs, output: entry.output, cotangent: cotangent, argument: k).map { (k, $0) }
    }
  }

  // MARK: Where there are parameters alone

  private mutating func handOn(_ gradient: ParameterGradient, through operation: any Primitive, _ entry: Tape.Entry) {
    let followed = entry.parents.indices.filter { entry.parents[$0] >= 0 }
    var rest = gradient.dense
    for factors in gradient.factors {
      // Outer products have to survive on the way to every parent.
      let pulled = followed.map { argument in
        factors.pulledBack(hidden) { operation.pullback($0, entry.inputs, argument: argument) }
      }
      if pulled.contains(where: { $0 == nil }) {
        let dense = factors.dense.reshaped(to: factors.leadingShape + entry.output.shape)
        rest = rest.map { $0 + dense } ?? dense
        continue
      }
      for (argument, factors) in zip(followed, pulled) {
        gradients[Int(entry.parents[argument]), default: .init()].add(factors!)
      }
    }
    guard let rest else { return }
    // All examples and outputs at once, hidden in one axis, through the operation's own rule.
    let (n, count) = (rest.shape[0], rest.shape[1])
    let rows = Batch(size: n * count)
    defer { rows.close() }
    let cotangent = rows.hide(rest.reshaped(to: [n * count] + entry.output.shape))
    for (argument, part) in parts(of: operation, entry, cotangent, entry.parents.map { $0 >= 0 }) {
      gradients[Int(entry.parents[argument]), default: .init()].add(
        dense: rows.reveal(part).reshaped(to: [n, count] + entry.inputs[argument].shape))
    }
  }
}

/// The axes of examples and of outputs that rules of one example and one output do not see.
struct HiddenAxes {
  let examples: Batch
  /// Nil where there is one output, which needs no axis.
  let outputs: Batch?

  init(examples: Batch, outputCount: Int) {
    self.examples = examples
    outputs = outputCount == 1 ? nil : Batch(size: outputCount)
  }

  func hideOutputs(_ all: Tensor) -> Tensor { outputs?.hide(all) ?? all.reshaped(to: Array(all.shape.dropFirst())) }

  /// The value of one example and one output that stands for those of all, [n, outputs, shape...].
  func hide(_ all: Tensor) -> Tensor {
    guard let outputs else {
      return examples.hide(all.reshaped(to: [all.shape[0]] + all.shape.dropFirst(2)))
    }
    return outputs.hide(examples.hide(all))
  }

  /// [n, outputs, shape...]: a value of one example and one output, for all of them.
  func reveal(_ value: Tensor) -> Tensor {
    guard let outputs else { return examples.reveal(value).expanded(at: 1) }
    return examples.reveal(outputs.reveal(value))
  }

  func close() {
    examples.close()
    outputs?.close()
  }
}
