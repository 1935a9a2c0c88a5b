/// A function and the programs that have been recorded of it, by the structure of the input.
final class ProgramCache<Input: TensorTree, Output: TensorTree> {
  private struct Recorded {
    let key: TreeStructure
    let program: Program
    let output: Output
  }

  /// How many programs are kept.
  static var mostPrograms: Int { 64 }

  private let f: (Input) throws -> Output
  private var programs: [Recorded] = []
  private let lock = SpinLock()

  init(_ f: @escaping (Input) throws -> Output) { self.f = f }

  /// The function's value, by the program of the input's structure, which is recorded if there is none.
  func value(_ input: Input) throws -> Output {
    let leaves = input.leaves
    if leaves.contains(where: \.isTraced) { return try f(input) }
    let key = TreeStructure(input, leaves)
    let recorded = try lock.withLock { known(key) } ?? record(input, leaves, key)
    return recorded.output.replacingLeaves(with: try recorded.program.run(leaves))
  }

  /// The program of a structure, which then stands in front.
  private func known(_ key: TreeStructure) -> Recorded? {
    guard let place = programs.firstIndex(where: { $0.key == key }) else { return nil }
    if place > 0 { programs.insert(programs.remove(at: place), at: 0) }
    return programs[0]
  }

  private func record(_ input: Input, _ leaves: [Tensor], _ key: TreeStructure) throws -> Recorded {
    let recorder = Recorder()
    defer { recorder.close() }
    let output = try f(input.mapTensors { recorder.input($0.shape, $0.scalarType) })
    let (program, shell) = recorder.program(of: output, for: "compiled")
    let recorded = Recorded(key: key, program: program, output: shell)
    lock.withLock {
      if programs.contains(where: { $0.key == key }) { return }
      if programs.count == Self.mostPrograms { programs.removeLast() }
      programs.insert(recorded, at: 0)
    }
    return recorded
  }
}

extension ProgramCache: CustomStringConvertible {
  /// For every program, the last one used first, its inputs and results, and a line for each of its steps.
  var description: String {
    let recorded = lock.withLock { programs }
    if recorded.isEmpty { return "compiled, not called yet" }
    return recorded.map { recorded in
      func text(_ kinds: [ProgramGraph.ValueType]) -> String {
        kinds.map { "\($0.shape) \($0.scalarType.rawValue)" }.joined(separator: ", ")
      }
      let program = recorded.program
      let header = "\(text(recorded.key.kinds)) → \(text(program.resultTypes)), \(program.mostBytes) bytes on the way"
      return ([header] + program.listing.map { "  " + $0 }).joined(separator: "\n")
    }.joined(separator: "\n")
  }
}
