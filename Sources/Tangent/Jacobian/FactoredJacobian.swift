import AutoDiff
import Layers

/// The gradients of a model's outputs with respect to its parameters, for every example, without forming them.
///
/// Gradients of a weight behind a matrix product, a convolution or a look-up stay sums of outer products of what the
/// weight met and the cotangents there; what has no such structure is kept in memory. Primitives state the structure
/// (``AutoDiff/Primitive/outerProducts(_:output:cotangent:argument:)``), yours as well. Everything is made of tensor
/// operations: under an outer transform the Jacobian is differentiated or batched like any other value.
///
/// - Source: the contraction of structured derivatives is described by Novak, Sohl-Dickstein and Schoenholz, Fast finite
///   width neural tangent kernel, ICML 2022.
public struct FactoredJacobian<P: TensorTree> {
  /// The gradients of the parameters' leaves.
  let blocks: [ParameterGradient]
  let parameters: P

  /// The number of examples.
  public let exampleCount: Int
  /// The shape of the model's output for one example; where that is a tree, [entries of all its leaves].
  public let outputShape: [Int]
  /// The outputs: [n, output shape...].
  public let outputs: Tensor

  /// Where the entries of every leaf of the output stand among all: the blocks of a model with several outputs.
  public let outputRanges: [Range<Int>]

  /// The number of output entries for one example.
  public var outputCount: Int { outputShape.reduce(1, *) }

  /// Runs a model on all examples and traces every output back to the parameters.
  ///
  /// - Parameters:
  ///   - f: the model: one example and the parameters to one output, each any tree of tensors. The entries of an output
  ///     tree are taken as one vector, leaf after leaf.
  ///   - p: the parameters.
  ///   - examples: a tree whose leaves have the shape [n, example leaf shape...].
  /// - Throws: what `f` throws.
  /// - Complexity: one batched forward pass and one backward pass for every output entry.
  public init<Example: TensorTree, Output: TensorTree>(
    of f: (Example, P) throws -> Output, at p: P, on examples: Example
  ) rethrows {
    let run = try ModelRun(of: f, at: p, on: examples, "FactoredJacobian")
    self = run.jacobian(ofOutputs: 0..<run.outputCount)
  }

  init(
    blocks: [ParameterGradient], parameters: P, outputShape: [Int], outputRanges: [Range<Int>], outputs: Tensor
  ) {
    (self.blocks, self.parameters, self.outputShape, self.outputs) = (blocks, parameters, outputShape, outputs)
    self.outputRanges = outputRanges
    exampleCount = outputs.shape[0]
  }

  // MARK: Inner products

  /// The inner products of gradients, block by block, before they get their layout; traces are sums.
  ///
  /// - Parameter other: the Jacobian on other examples, at the same parameters; nil for this one.
  /// - Returns: one tensor per leaf of the parameters, nil for a leaf that the outputs do not depend on.
  func grams(_ other: FactoredJacobian? = nil, _ request: GramRequest) -> [Tensor?] {
    guard request.outputs != .exampleDiagonal else { return exampleGrams(self, request) }
    let other = other ?? self
    return zip(blocks, other.blocks).map { $0.gram($1, request) }
  }

  /// The inner products of gradients for the same example, block by block: [n, outputs, outputs of the other].
  func exampleGrams(_ other: FactoredJacobian, _ request: GramRequest) -> [Tensor?] {
    zip(blocks, other.blocks).map { $0.exampleGram($1, request) }
  }

  /// The tangent kernel summed over all parameters: [n, m, outputs, outputs], or as `outputs` says.
  ///
  /// - Parameters:
  ///   - other: the Jacobian of the other argument, on other examples or of another model with the same parameters; by
  ///     default this one. It stops where the parameters differ in structure, and for traces and diagonals where the
  ///     numbers of outputs do.
  ///   - outputs: which part of the output axes is computed.
  ///   - method: how the inner products are computed.
  public func gram(
    with other: FactoredJacobian? = nil, outputs: KernelOutputs = .full, method: KernelMethod = .automatic
  ) -> Tensor {
    if let other {
      parameters.checkSameStructure(as: other.parameters.leaves, "FactoredJacobian.gram")
      guard outputs.keepsAllPairs || other.outputCount == outputCount else {
        stop(
          "FactoredJacobian.gram", "traces and diagonals need as many outputs in both",
          got: "\(outputCount) and \(other.outputCount)")
      }
      if outputs == .exampleDiagonal {
        stop("FactoredJacobian.gram", "the diagonal in examples is that of one Jacobian", got: "two")
      }
    }
    let request = GramRequest(outputs: outputs, method: method)
    let (n, m, o) = (exampleCount, (other ?? self).exampleCount, (other ?? self).outputCount)
    let sum = grams(other, request).compactMap { $0 }.sum
    return outputs.finished(
      sum ?? .zeros(request.shape(n, m, outputCount, o), as: self.outputs.scalarType), outputCount: outputCount)
  }

  // MARK: Parts

  /// The Jacobian of some of the examples.
  public subscript(examples range: Range<Int>) -> FactoredJacobian {
    guard range.lowerBound >= 0, range.upperBound <= exampleCount else {
      stop("FactoredJacobian[examples:]", "the range must lie within 0..<\(exampleCount)", got: "\(range)")
    }
    return FactoredJacobian(
      blocks: blocks.map { $0.examples(range) }, parameters: parameters, outputShape: outputShape,
      outputRanges: outputRanges, outputs: outputs[range])
  }

  /// The Jacobian with respect to some of the parameters' leaves, the others taken as constants: their gradients are zero.
  ///
  /// - Parameter leaves: the numbers of the leaves that count, in the order of the tree's leaves.
  public func restricted(toLeaves leaves: some Sequence<Int>) -> FactoredJacobian {
    let chosen = Set(leaves)
    if let wrong = chosen.first(where: { !blocks.indices.contains($0) }) {
      stop("FactoredJacobian.restricted", "there are \(blocks.count) leaves", got: "number \(wrong)")
    }
    return FactoredJacobian(
      blocks: blocks.enumerated().map { chosen.contains($0.offset) ? $0.element : ParameterGradient() },
      parameters: parameters, outputShape: outputShape, outputRanges: outputRanges, outputs: outputs)
  }

  /// Joins Jacobians of the same model at the same parameters, on some examples each, along the examples.
  public init(concatenating parts: [FactoredJacobian]) {
    guard let first = parts.first else { stop("FactoredJacobian", "needs at least one part", got: "none") }
    for part in parts.dropFirst() {
      first.parameters.checkSameStructure(as: part.parameters.leaves, "FactoredJacobian")
      guard part.outputShape == first.outputShape else {
        stop(
          "FactoredJacobian", "all parts must have the same outputs",
          got: "\(first.outputShape) and \(part.outputShape)")
      }
    }
    let counts = parts.map(\.exampleCount)
    self.init(
      blocks: first.parameters.leaves.enumerated().map { k, leaf in
        ParameterGradient(concatenating: parts.map { $0.blocks[k] }, counts: counts, like: leaf)
      }, parameters: first.parameters, outputShape: first.outputShape, outputRanges: first.outputRanges,
      outputs: concatenate(parts.map(\.outputs)))
  }

  // MARK: Products with directions

  /// The Jacobian times a direction of the parameters: [n, output shape...].
  ///
  /// - Parameter direction: v, of the structure of the parameters; another one stops.
  public func jvp(_ direction: P) -> Tensor {
    let directions = direction.leaves
    parameters.checkSameStructure(as: directions, "FactoredJacobian.jvp")
    return zip(blocks, directions).compactMap { $0.jvp($1) }.sum?.reshaped(to: [exampleCount] + outputShape)
      ?? .zeros([exampleCount] + outputShape, as: outputs.scalarType)
  }

  /// The transposed Jacobian times a direction of the outputs, Σ over examples and outputs: the structure of the
  /// parameters.
  ///
  /// - Parameter direction: [n, output shape...]; another shape stops.
  public func vjp(_ direction: Tensor) -> P {
    guard direction.shape == [exampleCount] + outputShape else {
      stop("FactoredJacobian.vjp", "needs shape \([exampleCount] + outputShape)", got: "\(direction.shape)")
    }
    requireOneScalarType("FactoredJacobian.vjp", outputs, direction)
    let flat = direction.reshaped(to: [exampleCount, outputCount])
    return parameters.replacingLeaves(
      with: zip(blocks, parameters.leaves).map { block, leaf in
        block.vjp(flat)?.reshaped(to: leaf.shape) ?? .zeros(like: leaf)
      })
  }

  /// All gradients in memory: every leaf has the shape [n, output shape..., leaf shape...].
  public var dense: P {
    parameters.replacingLeaves(
      with: zip(blocks, parameters.leaves).map { block, leaf in
        let shape = [exampleCount] + outputShape + leaf.shape
        return block.materialized?.reshaped(to: shape) ?? .zeros(shape, as: leaf.scalarType)
      })
  }

  /// ‖∂f_a(xᵢ)/∂p‖² for every example and output: [n, output shape...].
  public var squaredNorms: Tensor {
    blocks.compactMap(\.squaredNorms).sum?.reshaped(to: [exampleCount] + outputShape)
      ?? .zeros([exampleCount] + outputShape, as: outputs.scalarType)
  }

  /// The same with respect to every leaf of the parameters alone; their sum is ``squaredNorms``.
  public var leafSquaredNorms: [Tensor] {
    blocks.map {
      $0.squaredNorms?.reshaped(to: [exampleCount] + outputShape)
        ?? .zeros([exampleCount] + outputShape, as: outputs.scalarType)
    }
  }

  /// How the gradients of every leaf of the parameters are kept.
  public var storage: [FactoredJacobianStorage] { blocks.map(\.storage) }

  /// The bytes that the gradients of all leaves take.
  public var byteCount: Int { storage.reduce(0) { $0 + $1.byteCount } }
}

/// A model's run on all examples, recorded above a batch of them, from which outputs can be traced back.
final class ModelRun<P: TensorTree> {
  let tape: Tape
  let examples: Batch
  let output: Tensor
  private let parameters: P
  let outputShape: [Int]
  let outputRanges: [Range<Int>]
  /// [n, output shape...]
  let outputs: Tensor

  var outputCount: Int { outputShape.reduce(1, *) }
  var exampleCount: Int { examples.size }

  init<Example: TensorTree, Output: TensorTree>(
    of f: (Example, P) throws -> Output, at p: P, on examples: Example, _ operation: String
  ) rethrows {
    p.checkAllTensorsAreListed()
    examples.checkAllTensorsAreListed()
    let batch = Batch(size: Tangent.exampleCount(of: examples, operation))
    defer { batch.close() }
    // Made later than the batch, so that it stands above.
    let tape = Tape()
    (self.tape, self.examples) = (tape, batch)
    parameters = p
    let result: Output
    do {
      result = try f(examples.mapTensors { batch.hide($0) }, p.mapTensors { tape.watch($0) })
    } catch {
      tape.clear()
      throw error
    }
    output = (result as? Tensor) ?? result.flattenedEntries
    var end = 0
    outputRanges = result.leaves.map { leaf in
      defer { end += leaf.count }
      return end..<end + leaf.count
    }
    outputShape = output.shape
    outputs = batch.reveal(tape.primal(of: output))
    tape.close()
  }

  deinit { tape.clear() }

  /// Traces a range of the outputs back to the parameters.
  func jacobian(ofOutputs range: Range<Int>) -> FactoredJacobian<P> {
    let leaves = parameters.leaves.count
    let whole = range == 0..<outputCount
    let chosen =
      whole
      ? outputs
      : outputs.reshaped(to: [exampleCount, outputCount])[TensorIndex.all, range.lowerBound..<range.upperBound]
    var blocks = [ParameterGradient](repeating: .init(), count: leaves)
    if let index = tape.index(of: output), exampleCount > 0, !range.isEmpty {
      examples.reopen()
      let hidden = HiddenAxes(examples: examples, outputCount: range.count)
      defer { hidden.close() }
      var collector = GradientCollector(hidden)
      let last = tape.lastEntry(behind: CollectionOfOne(index))
      // Counted in float64, which does not round.
      let rows = Tensor.range(from: Double(range.lowerBound), to: Double(range.upperBound))
      let basis = (rows.expanded(at: 1) .== Tensor.range(to: Double(outputCount))).as(output.scalarType)
      collector.start(
        at: index, tape.entries[index], cotangents: basis.reshaped(to: [range.count] + output.shape))
      tape.runBackward(&collector, from: last, to: leaves, consuming: false)
      blocks = (0..<leaves).map { collector.gradients[$0]?.joined ?? .init() }
    }
    return FactoredJacobian(
      blocks: blocks, parameters: parameters, outputShape: whole ? outputShape : [range.count],
      outputRanges: whole ? outputRanges : [0..<range.count], outputs: chosen)
  }

  /// What has arrived at the parameters, as the gradients of one output on so many examples.
  func jacobian(_ collector: GradientCollector, ofExamples count: Int) -> FactoredJacobian<P> {
    FactoredJacobian(
      blocks: parameters.leaves.indices.map { collector.gradients[$0]?.joined ?? .init() }, parameters: parameters,
      outputShape: [], outputRanges: [0..<1], outputs: .zeros([count], as: outputs.scalarType))
  }

  /// The Jacobian of all outputs. The values that the backward pass needs are given up for it.
  private(set) lazy var wholeJacobian: FactoredJacobian<P> = {
    let jacobian = jacobian(ofOutputs: 0..<outputCount)
    tape.clear()
    return jacobian
  }()

  // MARK: What it takes

  var leafShapes: [[Int]] { parameters.leaves.map(\.shape) }

  /// The bytes of the values that differ between examples.
  var exampleBytes: Int { bytes { self.examples.follows($0) } }
  /// The bytes of the values made from parameters alone, the parameters themselves included.
  var sharedBytes: Int { bytes { !self.examples.follows($0) } }
  /// The bytes of the largest value of one example.
  var largestValueBytes: Int {
    tape.entries.lazy.filter { self.examples.follows($0.output) }
      .map { $0.output.count * $0.output.scalarType.byteCount }.max() ?? 0
  }

  private func bytes(where isCounted: (Tensor) -> Bool) -> Int {
    var sum = 0
    for entry in tape.entries where isCounted(entry.output) {
      sum += entry.output.count * entry.output.scalarType.byteCount
    }
    return sum
  }

  /// Ranges of outputs that are traced back together, so that their cotangents fit into about so many bytes.
  func outputChunks(bytes: Int) -> [Range<Int>] {
    // Every value that depends on the example may have a cotangent, and many are kept as factors.
    let perOutput = exampleBytes * exampleCount
    // No less than what the values take that are there anyway: in small parts the left sides meet again and again.
    let chunk = max(1, min(outputCount, max(bytes, 4 * perOutput) / max(1, perOutput)))
    return stride(from: 0, to: outputCount, by: chunk).map { $0..<min($0 + chunk, outputCount) }
  }
}

/// The number of examples in a tree of them. Stops where its leaves do not agree.
func exampleCount(of examples: some TensorTree, _ operation: String) -> Int {
  let leaves = examples.leaves
  guard let n = leaves.first?.shape.first else {
    stop(
      operation, "the examples need a leading axis", got: leaves.isEmpty ? "no tensor" : "a single number",
      hint: "For one example, pass x.expanded(at: 0).")
  }
  for leaf in leaves where leaf.shape.first != n {
    stop(operation, "all leaves must hold the same number of examples", got: "\(leaves.map(\.shape))")
  }
  return n
}

extension FactoredJacobian where P == Parameters {
  /// The per-example gradients of a layer; see ``init(of:at:on:)``.
  public init<Model: Layer>(of model: Model, at p: Parameters, on examples: Model.Input) {
    self.init(of: { (x: Model.Input, p: Parameters) in model(x, p) }, at: p, on: examples)
  }

  /// The Jacobian with respect to some of the parameters, the others taken as constants: their gradients are zero.
  ///
  /// - Parameter paths: those of parameters or of parts of the tree, such as `"0.weight"` or `"encoder"`; a path that
  ///   nothing lies under stops.
  public func restricted(to paths: String...) -> FactoredJacobian {
    let names = parameters.named.map(\.path)
    func lies(_ name: String, under path: String) -> Bool { name == path || name.hasPrefix(path + ".") }
    for path in paths where !names.contains(where: { lies($0, under: path) }) {
      stop("FactoredJacobian.restricted", "there must be a parameter at or under \"\(path)\"", got: "\(names)")
    }
    return restricted(toLeaves: names.indices.filter { k in paths.contains { lies(names[k], under: $0) } })
  }
}

extension [Tensor] {
  /// The sum of the tensors, or nil of none.
  var sum: Tensor? {
    guard var total = first else { return nil }
    for part in dropFirst() { total += part }
    return total
  }
}
