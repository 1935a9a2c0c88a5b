/// Parts of a computation that are not recorded but run again when their operations are needed; see ``checkpoint(_:)``.
extension Tape {
  /// A part that can be run again.
  final class Segment {
    /// The entries of the part's results.
    let outputs: [Int]
    /// Records the part at the end of the tape and returns where its results are.
    private let run: () -> [Int]
    /// The traces above the tape that follow what the part computes with. They have ended when it is run again.
    private let innerTraces: [Trace]

    init(outputs: [Int], innerTraces: [Trace], run: @escaping () -> [Int]) {
      self.outputs = outputs
      self.innerTraces = innerTraces
      self.run = run
    }

    fileprivate func recorded(on tape: Tape) -> [Int] {
      let traces = innerTraces + [tape]
      for trace in traces { trace.reopen() }
      defer { for trace in traces { trace.close() } }
      return run()
    }
  }

  /// Notes that the preceding leaves are the results of a part that can be run again.
  func record(_ segment: Segment) {
    entries.append(Entry(operation: nil, segment: segment, inputs: .many([]), parents: .many([]), output: .zero))
  }

  /// Records a part once more, behind all entries.
  func recordAgain(_ segment: Segment) -> (start: Int, outputs: [Int]) {
    let start = entries.count
    return (start, segment.recorded(on: self))
  }
}
