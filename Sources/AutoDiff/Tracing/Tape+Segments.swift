extension Tape {
  /// A part of a computation that is not recorded: it stands on the tape by its results, which are leaves in front of it.
  package class Segment {
    /// The entries of the part's results.
    let outputs: [Int]

    init(outputs: [Int]) { self.outputs = outputs }
  }

  /// A part that is run again when its operations are needed; see ``checkpoint(_:)``.
  final class CheckpointSegment: Segment {
    /// Records the part at the end of the tape and returns where its results are.
    private let run: () -> [Int]

    init(outputs: [Int], run: @escaping () -> [Int]) {
      self.run = run
      super.init(outputs: outputs)
    }

    fileprivate func recorded() -> [Int] { RunAgain.of(run) }
  }

  /// A loop of a program, through which cotangents return by another loop; see ``LoopGradient``.
  package final class LoopSegment: Segment {
    /// The entries on which the loop depends, or −1 for constants.
    let inputs: [Int]
    private let pullback: ([Tensor?]) -> [Tensor]

    init(outputs: [Int], inputs: [Int], pullback: @escaping ([Tensor?]) -> [Tensor]) {
      self.inputs = inputs
      self.pullback = pullback
      super.init(outputs: outputs)
    }

    /// The cotangents of the inputs that belong to those of the outputs.
    func pullBack(_ cotangents: [Tensor?]) -> [Tensor] { pullback(cotangents) }
  }

  /// Notes that the preceding leaves are the results of a part.
  func record(_ segment: Segment) {
    entries.append(Entry(operation: nil, segment: segment, inputs: .many([]), parents: .many([]), output: .zero))
  }

  /// Records a part once more, behind all entries.
  func recordAgain(_ segment: CheckpointSegment) -> (start: Int, outputs: [Int]) {
    let start = entries.count
    return (start, segment.recorded())
  }
}
