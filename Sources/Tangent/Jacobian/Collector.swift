import AutoDiff

/// Walks the tape of a model backward and keeps, at every place where examples meet parameters, the contribution to the
/// parameters' gradients instead of evaluating it.
final class Collector {
  private let tape: Tape
  private let batch: Batch
  private let outputCount: Int
  /// The gradients by place on the tape. These places hold parameters, or what was computed from parameters alone.
  private var found: [Int: Found] = [:]

  private struct Found {
    var outer: [OuterFactor] = []
    var dense: Tensor?

    mutating func add(_ part: Tensor) { dense = dense.map { $0 + part } ?? part }
  }

  init(tape: Tape, batch: Batch, outputCount: Int) {
    self.tape = tape
    self.batch = batch
    self.outputCount = outputCount
  }

  /// Runs the tape backward from one place.
  ///
  /// - Parameter outputs: the trace that hides one cotangent per output in the seed; nil if there is one output only.
  func collect(from place: Int, seed: Tensor, outputs: Batch?) {
    if !batch.follows(tape.entries[place].output) {
      // The model does not look at the example: every example has the same gradient.
      found[place, default: Found()].add(reveal(seed, outputs))
      return
    }
    _ = tape.sweep([(place, seed)], leaves: 0, consuming: false) { contribution in
      let entry = contribution.entry
      let input = entry.inputs[contribution.argument]
      if self.batch.follows(input) { return false }
      let parent = Int(entry.parents[contribution.argument])
      if let factor = self.outerFactor(contribution, outputs) {
        self.found[parent, default: Found()].outer.append(factor)
      } else if let part = entry.operation!.vjp(
        entry.inputs, output: entry.output, cotangent: contribution.cotangent, argument: contribution.argument)
      {
        self.found[parent, default: Found()].add(self.reveal(part, outputs))
      }
      return true
    }
  }

  /// [n, outputs, shape...]: a value of one example and one output, for all of them.
  private func reveal(_ value: Tensor, _ outputs: Batch?) -> Tensor {
    guard let outputs else { return batch.reveal(value).expanded(at: 1) }
    return batch.reveal(outputs.reveal(value))
  }

  /// The factors of a contribution to a parameter that was contracted with something else.
  private func outerFactor(_ contribution: Contribution, _ outputs: Batch?) -> OuterFactor? {
    if let convolution = contribution.entry.operation as? ConvolutionProduct {
      return outerFactor(contribution, of: convolution, outputs)
    }
    guard let contraction = contribution.entry.operation as? Contraction, contraction.leftBatch.isEmpty else {
      return nil
    }
    let inputs = contribution.entry.inputs
    let isRight = contribution.argument == 1
    let (parameter, other) = isRight ? (inputs[1], inputs[0]) : (inputs[0], inputs[1])
    let (mySummed, otherSummed) =
      isRight
      ? (contraction.rightSummed, contraction.leftSummed) : (contraction.leftSummed, contraction.rightSummed)
    let otherFree = isRight ? contraction.leftFree(other.rank) : contraction.rightFree(other.rank)
    let myFree = isRight ? contraction.rightFree(parameter.rank) : contraction.leftFree(parameter.rank)
    let order = mySummed.indices.sorted { mySummed[$0] < mySummed[$1] }
    // In memory: examples, positions (the other factor's free axes), and the entries that meet the parameter.
    let left = batch.reveal(other).permuted([0] + (otherFree + order.map { otherSummed[$0] }).map { $0 + 1 })
    let n = batch.size
    let positions = otherFree.map { other.shape[$0] }.reduce(1, *)
    let cotangent = reveal(contribution.cotangent, outputs)
    // [n, outputs, free axes of the left factor, those of the right]: the other factor's come first.
    let freeAxes = Array(myFree.count..<myFree.count + otherFree.count) + Array(0..<myFree.count)
    let right = isRight ? cotangent : cotangent.permuted([0, 1] + freeAxes.map { $0 + 2 })
    return OuterFactor(
      left: left.reshaped(to: [n, positions, mySummed.map { parameter.shape[$0] }.reduce(1, *)]),
      right: right.reshaped(to: [n, outputCount, positions, myFree.map { parameter.shape[$0] }.reduce(1, *)]),
      leftAxes: mySummed.sorted(), rightAxes: myFree, shape: parameter.shape)
  }

  /// The factors of a contribution to the weights of a convolution: the patches of an example's images, one for every
  /// place of the window, and the cotangents there.
  private func outerFactor(
    _ contribution: Contribution, of convolution: ConvolutionProduct, _ outputs: Batch?
  ) -> OuterFactor? {
    let inputs = contribution.entry.inputs
    guard contribution.argument == 1, let patches = convolution.patches(of: batch.reveal(inputs[0])) else { return nil }
    let shape = inputs[1].shape
    let cotangent = reveal(contribution.cotangent, outputs)
    let positions = contribution.entry.output.shape.dropLast().reduce(1, *)
    return OuterFactor(
      left: patches.reshaped(to: [batch.size, positions, shape.dropLast().reduce(1, *)]),
      right: cotangent.reshaped(to: [batch.size, outputCount, positions, shape[3]]),
      leftAxes: [0, 1, 2], rightAxes: [3], shape: shape)
  }

  /// The gradients of the leaves, after those of values computed from parameters have been pulled back to them.
  func blocks<P>(leaves: Int) -> [FactoredJacobian<P>.Block] {
    while let place = found.keys.max(), place >= leaves {
      let gradients = found.removeValue(forKey: place)!
      let entry = tape.entries[place]
      guard let operation = entry.operation else { continue }
      var dense = gradients.dense
      if entry.parents.count == 1, let map = ParameterMap(operation) {
        let parent = Int(entry.parents[0])
        let pulled = gradients.outer.map { $0.pulledBack(through: map, shape: entry.inputs[0].shape) }
        found[parent, default: Found()].outer += pulled
      } else {
        for factor in gradients.outer { dense = dense.map { $0 + factor.dense } ?? factor.dense }
      }
      guard let dense else { continue }
      // All examples and outputs at once, hidden in one axis, through the operation's own rule.
      let rows = Batch(size: batch.size * outputCount)
      let hidden = rows.hide(dense.reshaped(to: [rows.size] + entry.output.shape))
      for (argument, parent) in entry.parents.enumerated() where parent >= 0 {
        guard let part = operation.vjp(entry.inputs, output: entry.output, cotangent: hidden, argument: argument)
        else { continue }
        let shape = [batch.size, outputCount] + entry.inputs[argument].shape
        found[Int(parent), default: Found()].add(rows.reveal(part).reshaped(to: shape))
      }
    }
    return (0..<leaves).map { .init(outer: found[$0]?.outer ?? [], dense: found[$0]?.dense) }
  }
}
