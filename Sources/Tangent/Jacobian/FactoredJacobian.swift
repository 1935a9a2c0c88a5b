import AutoDiff

/// The gradients of a model's outputs with respect to its parameters, for every example, without forming them.
///
/// Gradients of a weight behind a matrix product stay a sum of outer products of the layer's input and the output's
/// cotangent; what has no such structure is kept in memory. Everything is made of tensor operations: under an outer
/// transform the Jacobian is differentiated or batched like any other value.
///
/// - Source: the contraction of structured derivatives is described by Novak, Sohl-Dickstein and Schoenholz, Fast finite
///   width neural tangent kernel, ICML 2022.
public struct FactoredJacobian<P: TensorTree> {
  /// The gradients of one leaf of the parameters.
  struct Block {
    var outer: [OuterFactor] = []
    /// [n, outputs, leaf shape...].
    var dense: Tensor?

    /// [n, outputs, leaf shape...]: the sum of all contributions, or nil where there is none.
    var materialized: Tensor? {
      var sum = dense
      for factor in outer { sum = sum.map { $0 + factor.dense } ?? factor.dense }
      return sum
    }
  }

  let blocks: [Block]
  let parameters: P

  /// The number of examples.
  public let exampleCount: Int
  /// The shape of the model's output for one example.
  public let outputShape: [Int]
  /// The outputs: [n, output shape...].
  public let outputs: Tensor

  /// The number of output entries for one example.
  public var outputCount: Int { outputShape.reduce(1, *) }

  /// Runs a model on all examples and traces every output back to the parameters.
  ///
  /// - Parameters:
  ///   - f: the model: one example and the parameters to one output tensor.
  ///   - p: the parameters.
  ///   - examples: [n, example shape...]
  /// - Complexity: one batched forward pass and one backward pass for every output entry.
  public init(of f: (Tensor, P) -> Tensor, at p: P, on examples: Tensor) {
    guard let n = examples.shape.first else {
      stop("FactoredJacobian", "the examples need a leading axis", got: "a single number")
    }
    let batch = Batch(size: n)
    let tape = Tape()
    let leaves = p.leaves
    let output = f(batch.hide(examples), p.mapTensors { tape.watch($0) })
    tape.close()
    parameters = p
    exampleCount = n
    outputShape = output.shape
    outputs = batch.reveal(tape.primal(of: output))
    let count = output.count
    let collector = Collector(tape: tape, batch: batch, outputCount: count)
    if let place = tape.index(of: output), n > 0, count > 0 {
      if count == 1 {
        collector.collect(from: place, seed: .ones(output.shape, as: output.scalarType), outputs: nil)
      } else {
        let outputs = Batch(size: count)
        let basis = Tensor.eye(count, as: output.scalarType).reshaped(to: [count] + output.shape)
        collector.collect(from: place, seed: outputs.hide(basis), outputs: outputs)
      }
    }
    blocks = collector.blocks(leaves: leaves.count)
    tape.clear()
  }

  /// The inner products of gradients: the tangent kernel.
  ///
  /// - Parameter other: the Jacobian on other examples, at the same parameters; by default this one.
  /// - Returns: one tensor per leaf of the parameters, nil for a leaf that the outputs do not depend on.
  func grams(_ other: FactoredJacobian? = nil, reduction: OutputReduction) -> [Tensor?] {
    let other = other ?? self
    if reduction.requiresEqualOutputs, outputCount != other.outputCount {
      stop("gram", "both Jacobians must have the same outputs", got: "\(outputShape) and \(other.outputShape)")
    }
    return zip(blocks, other.blocks).map { mine, theirs in
      if mine.dense == nil, theirs.dense == nil, let pairs = Self.factoredPairs(mine, theirs) {
        return pairs.map { $0.gram($1, reduction: reduction) }.sum
      }
      guard let a = mine.materialized else { return nil }
      // One tensor for both factors lets the product see that the result is symmetric.
      let isSame = other.outputs.isIdentical(to: outputs)
      guard let b = isSame ? a : theirs.materialized else { return nil }
      return reduction.gram(a, b)
    }
  }

  private static func factoredPairs(_ a: Block, _ b: Block) -> [(OuterFactor, OuterFactor)]? {
    let pairs = a.outer.flatMap { x in b.outer.map { (x, $0) } }
    return !pairs.isEmpty && pairs.allSatisfy { $0.prefersFactors(with: $1) } ? pairs : nil
  }

  /// The tangent kernel summed over all parameters: [n, m, outputs, outputs].
  public func gram(_ other: FactoredJacobian? = nil) -> Tensor {
    let n = exampleCount, m = (other ?? self).exampleCount
    return grams(other, reduction: .full).compactMap { $0 }.sum
      ?? .zeros([n, m, outputCount, (other ?? self).outputCount], as: outputs.scalarType)
  }

  /// The Jacobian times a direction of the parameters: [n, output shape...].
  public func callAsFunction(_ direction: P) -> Tensor {
    let directions = direction.leaves
    var sum = Tensor.zeros([exampleCount, outputCount], as: outputs.scalarType)
    for (block, v) in zip(blocks, directions) {
      if let dense = block.dense {
        sum += tensordot(dense, v, axes: (Array(2..<dense.rank), Array(0..<v.rank)))
      }
      for factor in block.outer {
        let matrix = v.permuted(factor.leftAxes + factor.rightAxes).reshaped(
          to: [factor.left.shape[2], factor.right.shape[3]])
        let moved = matmul(factor.left, matrix)  // [n, positions, r]
        sum += (factor.right * moved.expanded(at: 1)).sum(axes: [2, 3]) * factor.scale
      }
    }
    return sum.reshaped(to: [exampleCount] + outputShape)
  }

  /// The transposed Jacobian times a direction of the outputs, Σ over examples and outputs: the structure of the
  /// parameters.
  ///
  /// - Parameter direction: [n, output shape...]
  public func transposed(_ direction: Tensor) -> P {
    guard direction.shape == [exampleCount] + outputShape else {
      stop("FactoredJacobian.transposed", "needs shape \([exampleCount] + outputShape)", got: "\(direction.shape)")
    }
    let u = direction.reshaped(to: [exampleCount, outputCount])
    let leaves = parameters.leaves
    return parameters.replacingLeaves(
      with: zip(blocks, leaves).map { block, leaf in
        var sum: Tensor?
        func add(_ part: Tensor) { sum = sum.map { $0 + part } ?? part }
        if let dense = block.dense { add(tensordot(u, dense, axes: ([0, 1], [0, 1]))) }
        for factor in block.outer {
          let weighted = (factor.right * u.reshaped(to: [exampleCount, outputCount, 1, 1])).sum(axes: [1])
          let matrix = tensordot(factor.left, weighted, axes: ([0, 1], [0, 1])) * factor.scale
          let order = factor.leftAxes + factor.rightAxes
          var inverse = order
          for (place, axis) in order.enumerated() { inverse[axis] = place }
          add(matrix.reshaped(to: order.map { leaf.shape[$0] }).permuted(inverse))
        }
        return sum ?? .zeros(like: leaf)
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
    var sum = Tensor.zeros([exampleCount, outputCount], as: outputs.scalarType)
    for block in blocks {
      if block.dense == nil, block.outer.count == 1, block.outer[0].positions == 1 {
        let factor = block.outer[0]
        let left = square(factor.left).sum(axes: [1, 2]).expanded(at: 1)
        sum += left * square(factor.right).sum(axes: [2, 3]) * (factor.scale * factor.scale)
      } else if let dense = block.materialized {
        sum += square(dense).sum(axes: Array(2..<dense.rank))
      }
    }
    return sum.reshaped(to: [exampleCount] + outputShape)
  }
}

extension OutputReduction {
  fileprivate var requiresEqualOutputs: Bool {
    switch self {
    case .full: false
    case .trace, .diagonal: true
    }
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
