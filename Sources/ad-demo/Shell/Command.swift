/// One thing that the program can do.
protocol Command: SendableMetatype {
  /// The word that calls it.
  static var name: String { get }
  /// What it does, in one line.
  static var summary: String { get }
  /// What it does in more words, for its own help text; lines of at most 80 letters.
  static var discussion: String { get }
  /// What can be set.
  static var options: [any CommandOption] { get }

  /// Does it. What is thrown ends the program with one line and status 1.
  static func run(_ arguments: Arguments) throws
}

extension Command {
  static var discussion: String { "" }

  /// The text that `--help` prints.
  static var help: String {
    var text = "\(summary)\n\nUsage: ad-demo \(name)\(options.isEmpty ? "" : " [options]")\n"
    if !discussion.isEmpty { text += "\n\(discussion)\n" }
    var rows = options.map { option in
      let label = "--\(option.name)" + (option.placeholder.map { " \($0)" } ?? "")
      var help = option.help
      if option.isRepeatable { help += " (may be repeated)" }
      if let value = option.defaultText { help += " (default: \(value))" }
      return (label, help)
    }
    rows.append(("--help", "Print this text"))
    return text + "\nOptions:\n" + aligned(rows)
  }
}

/// Two columns, the right one wrapped so that lines stay within 80 letters.
func aligned(_ rows: [(label: String, text: String)]) -> String {
  let indent = (rows.map(\.label.count).max() ?? 0) + 4
  return rows.map { label, text in
    let lines = wrapped(text, width: max(80 - indent, 30))
    let first = "  " + label + String(repeating: " ", count: indent - 2 - label.count) + (lines.first ?? "")
    return ([first] + lines.dropFirst().map { String(repeating: " ", count: indent) + $0 }).joined(separator: "\n")
      + "\n"
  }.joined()
}

private func wrapped(_ text: String, width: Int) -> [String] {
  var lines: [String] = []
  for word in text.split(separator: " ") {
    if let last = lines.last, last.count + 1 + word.count <= width {
      lines[lines.count - 1] += " \(word)"
    } else {
      lines.append(String(word))
    }
  }
  return lines
}
