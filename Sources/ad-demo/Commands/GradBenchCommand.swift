import AutoDiff
import Foundation

/// A tool of GradBench, the benchmark in which differentiation tools are compared.
enum GradBenchCommand: Command {
  static let name = "gradbench"
  static let summary = "Answer GradBench, the benchmark of differentiation tools"
  static let discussion = """
    Reads the messages of an eval from the standard input, one JSON object per
    line, and writes one line for each: GradBench's protocol for tools. It ends
    with its input. Every run of a function is timed on its own; reading the
    input and writing the answer are not. A result that is not finite, and an
    input that does not fit, are answered with what is wrong. A line that is no
    message ends the program with status 1.

    Evals: \(GradBenchSession.allModules.map(\.name).prefix(9).joined(separator: ", ")),
    \(GradBenchSession.allModules.map(\.name).dropFirst(9).joined(separator: ", ")).

    By hand:

      echo '{"id": 1, "kind": "evaluate", "module": "hello",
             "function": "double", "input": 3}' | tr -d '\\n' | ad-demo gradbench
    """

  static let threads = Option("threads", "N", default: 1, range: 1...1024, "How many cores to use")
  static let options: [any CommandOption] = [threads]

  static func run(_ arguments: Arguments) throws {
    let threads = min(arguments[threads], ProcessInfo.processInfo.activeProcessorCount)
    try withThreadLimit(threads) {
      try GradBenchSession().run(lines: { readLine() }) { line in
        StandardStream.output.write(line)
        return StandardStream.output.problem == nil
      }
    }
  }
}
