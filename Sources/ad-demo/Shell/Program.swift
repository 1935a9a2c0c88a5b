import Foundation

/// Runs the command that the words on the command line ask for.
struct Program {
  /// The first one is what runs when no command is named.
  let commands: [any Command.Type]
  var output: (String) -> Void = { print($0, terminator: "") }
  var complain: (String) -> Void = { StandardStream.error.write($0) }

  /// Runs the command, and looks whether all that was printed has arrived.
  ///
  /// - Returns: The exit status, as ``run(_:)``; 1 where output was lost.
  func runToTheEnd(_ line: [String], output stream: StandardStream = .output) -> Int32 {
    let status = run(line)
    guard let problem = stream.problem else { return status }
    complain("ad-demo: the standard output is not complete: \(problem).\n")
    return max(status, 1)
  }

  /// - Returns: The exit status: 0 for success, 1 for a run that failed, 2 for a call that makes no sense.
  func run(_ line: [String]) -> Int32 {
    var words = line
    if words.first == "help" { words = Array(words.dropFirst().prefix(1)) + ["--help"] }
    let isHelp = words.contains { $0 == "--help" || $0 == "-h" }
    let first = words.first.flatMap { $0.hasPrefix("-") ? nil : $0 }
    if first == nil, isHelp {
      output(help)
      return 0
    }
    guard let command = first.map({ name in commands.first { $0.name == name } }) ?? commands[0] else {
      let hint = nearest(first!, among: commands.map { $0.name }).map { "Did you mean \"\($0)\"?" }
      complain("ad-demo: there is no command \"\(first!)\". \(hint ?? "ad-demo --help lists them.")\n")
      return 2
    }
    if isHelp {
      output(command.help)
      return 0
    }
    do {
      let arguments = try Arguments(first == nil ? words : Array(words.dropFirst()), for: command.options)
      try command.run(arguments)
      return 0
    } catch {
      let text = "\(error)".split(whereSeparator: \.isNewline).joined(separator: " ")
      complain("ad-demo \(command.name): \(text)\n")
      return error is UsageError ? 2 : 1
    }
  }

  /// The text that `ad-demo --help` prints.
  var help: String {
    var text = "Differentiates networks and computes their tangent kernels.\n\n"
    text += "Usage: ad-demo [command] [options]\n\nCommands:\n"
    text += aligned(
      commands.enumerated().map { ($1.name, $1.summary + ($0 == 0 ? " (what runs without a command)" : "")) })
    return text + "\nad-demo <command> --help explains a command's options.\n"
  }
}
