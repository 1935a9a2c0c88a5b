/// A function that is called many times with trees of one structure, and recorded when it is first called.
///
/// Unlike one that is ``compiled(_:)`` it may read numbers of what it computes, capture what a transform outside follows, and
/// have loops that no program could hold: there, and at every `repeated`, the recording is given up, and the function called
/// as it is. So is it for a tree of another structure. Serves one thread, as a transform does.
package final class RecordedWherePossible<Input: TensorTree, Output: TensorTree> {
  private enum Form {
    case unknown
    case program(Program, for: TreeStructure, output: Output)
    case function
  }

  private let f: (Input) throws -> Output
  private var form = Form.unknown

  /// - Parameter f: the function. What it captures must not change from call to call.
  package init(_ f: @escaping (Input) throws -> Output) { self.f = f }

  /// The function's value.
  package func callAsFunction(_ input: Input) throws -> Output {
    let leaves = input.leaves
    if leaves.contains(where: \.isTraced) { return try f(input) }
    switch form {
    case .function: return try f(input)
    case .unknown: return try record(input, leaves)
    case .program(let program, let structure, let output):
      if TreeStructure(input, leaves) != structure { return try f(input) }
      return output.replacingLeaves(with: try program.run(leaves))
    }
  }

  private func record(_ input: Input, _ leaves: [Tensor]) throws -> Output {
    let recorder = Recorder(reading: leaves)
    defer { recorder.close() }
    let output = try f(input.mapTensors { recorder.input($0.shape, $0.scalarType) })
    if recorder.isGivenUp {
      form = .function
      return output.mapTensors(recorder.known)
    }
    let (program, shell) = recorder.program(of: output, for: "a recorded function")
    form = .program(program, for: TreeStructure(input, leaves), output: shell)
    return shell.replacingLeaves(with: try program.run(leaves))
  }
}
