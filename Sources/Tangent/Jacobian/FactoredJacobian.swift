import AutoDiff

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

  init(blocks: [ParameterGradient], parameters: P, outputShape: [Int], outputs: Tensor) {
    (self.blocks, self.parameters, self.outputShape, self.outputs) = (blocks, parameters, outputShape, outputs)
    exampleCount = outputs.shape[0]
  }

  // MARK: Inner products

  /// The inner products of gradients, block by block.
  ///
  /// - Parameter other: the Jacobian on other examples, at the same parameters; nil for this one.
  /// - Returns: one tensor per leaf of the parameters, nil for a leaf that the outputs do not depend on. Traces are sums.
  func grams(_ other: FactoredJacobian? = nil, outputs: KernelOutputs) -> [Tensor?] {
    let other = other ?? self
    return zip(blocks, other.blocks).map { $0.gram($1, outputs) }
  }

  /// The tangent kernel summed over all parameters: [n, m, outputs, outputs].
  ///
  /// - Parameter other: the Jacobian of the other argument, on other examples or of another model with the same
  ///   parameters; by default this one. It stops where the parameters differ in structure.
  public func gram(with other: FactoredJacobian? = nil) -> Tensor {
    if let other { parameters.checkSameStructure(as: other.parameters.leaves, "FactoredJacobian.gram") }
    let n = exampleCount, m = (other ?? self).exampleCount
    return grams(other, outputs: .full).compactMap { $0 }.sum
      ?? .zeros([n, m, outputCount, (other ?? self).outputCount], as: outputs.scalarType)
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

  /// How the gradients of every leaf of the parameters are kept.
  public var storage: [FactoredJacobianStorage] { blocks.map(\.storage) }
}

/// A model's run on all examples, recorded above a batch of them, from which outputs can be traced back.
final class ModelRun<P: TensorTree> {
  private let tape: Tape
  private let examples: Batch
  private let output: Tensor
  private let parameters: P
  let outputShape: [Int]
  /// [n, output shape...]
  let outputs: Tensor

  var outputCount: Int { outputShape.reduce(1, *) }
  var exampleCount: Int { examples.size }

  init<Example: TensorTree, Output: TensorTree>(
    of f: (Example, P) throws -> Output, at p: P, on examples: Example, _ operation: String
  ) rethrows {
    p.checkAllTensorsAreListed()
    examples.checkAllTensorsAreListed()
    let batch = Batch(size: Self.exampleCount(examples, operation))
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
    outputShape = output.shape
    outputs = batch.reveal(tape.primal(of: output))
    tape.close()
  }

  deinit { tape.clear() }

  private static func exampleCount(_ examples: some TensorTree, _ operation: String) -> Int {
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
      let rows = Tensor.range(from: Double(range.lowerBound), to: Double(range.upperBound), as: output.scalarType)
      let basis = rows.expanded(at: 1) .== Tensor.range(to: Double(outputCount), as: output.scalarType)
      collector.start(
        at: index, tape.entries[index], cotangents: basis.reshaped(to: [range.count] + output.shape))
      tape.runBackward(&collector, from: last, to: leaves, consuming: false)
      blocks = (0..<leaves).map { collector.gradients[$0]?.joined ?? .init() }
    }
    return FactoredJacobian(
      blocks: blocks, parameters: parameters, outputShape: whole ? outputShape : [range.count], outputs: chosen)
  }

  /// Ranges of outputs that are traced back together, so that their cotangents fit into about so many bytes.
  func outputChunks(bytes: Int) -> [Range<Int>] {
    // Every value that depends on the example may have a cotangent, and many are kept as factors.
    let perOutput =
      tape.entries.lazy.filter { self.examples.follows($0.output) }
      .map { $0.output.count * $0.output.scalarType.byteCount }.reduce(0, +) * exampleCount
    let chunk = max(1, min(outputCount, bytes / max(1, perOutput)))
    return stride(from: 0, to: outputCount, by: chunk).map { $0..<min($0 + chunk, outputCount) }
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
