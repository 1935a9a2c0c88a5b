import AutoDiff

/// The words after the name of a command, sorted by the options that they belong to.
struct Arguments {
  private var words: [String: [String]] = [:]

  /// Sorts the words, and checks that every value can be read; a command never runs on half-understood options.
  init(_ line: [String], for options: [any CommandOption]) throws(UsageError) {
    var rest = line[...]
    while let word = rest.popFirst() {
      guard word.hasPrefix("--") else { throw Self.unexpected(word, options) }
      let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = String(parts[0])
      guard let option = options.first(where: { $0.name == name }) else {
        let hint = nearest(name, among: options.map(\.name)).map { " Did you mean --\($0)?" }
        throw UsageError("there is no option --\(name).\(hint ?? " The option --help lists them.")")
      }
      if words[name] != nil, !option.isRepeatable { throw UsageError("--\(name) is given twice.") }
      if let placeholder = option.placeholder {
        var value = parts.count == 2 ? String(parts[1]) : nil
        if value == nil, let next = rest.first, !next.hasPrefix("--") { value = rest.popFirst() }
        guard let value, !value.isEmpty else { throw UsageError("--\(name) needs a value: --\(name) \(placeholder)") }
        words[name, default: []].append(value)
      } else {
        if parts.count == 2 { throw UsageError("--\(name) takes no value, but got \"\(parts[1])\".") }
        words[name] = [""]
      }
    }
    for option in options { _ = try option.value(of: words[option.name] ?? []) }
  }

  /// Whether an option stands in the call.
  func contains<Value>(_ option: Option<Value>) -> Bool { words[option.name] != nil }

  /// The value of an option.
  subscript<Value>(option: Option<Value>) -> Value {
    do {
      return try option.value(of: words[option.name] ?? [])
    } catch {
      stop("Arguments", "the option must be one that the command declares", got: "--\(option.name): \(error)")
    }
  }

  private static func unexpected(_ word: String, _ options: [any CommandOption]) -> UsageError {
    let name = word.drop { $0 == "-" }.prefix { $0 != "=" }
    let isOption = word.hasPrefix("-") && !name.isEmpty
    let hint = isOption ? nearest(String(name), among: options.map(\.name)).map { " Did you mean --\($0)?" } : nil
    return UsageError("\"\(word)\" is not an option.\(hint ?? " The option --help lists them.")")
  }
}

/// The word that somebody who wrote `word` probably meant: the beginning of only one of them, or at most a third of its
/// letters wrong.
func nearest(_ word: String, among words: [String]) -> String? {
  let begun = words.filter { !word.isEmpty && $0.hasPrefix(word.lowercased()) }
  if begun.count == 1 { return begun[0] }
  let best = words.map { ($0, editDistance(word.lowercased(), $0.lowercased())) }.min { $0.1 < $1.1 }
  guard let best, best.1 <= max(1, max(word.count, best.0.count) / 3) else { return nil }
  return best.0
}

/// How many letters must be inserted, removed, replaced or swapped with their neighbor to make `b` from `a`.
///
/// - Source: optimal string alignment, F. J. Damerau (1964) and V. I. Levenshtein (1966).
func editDistance(_ a: String, _ b: String) -> Int {
  let (a, b) = (Array(a), Array(b))
  var rows = [Array(0...b.count)]
  for i in a.indices {
    var row = [i + 1]
    for j in b.indices {
      var best = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
      if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, rows[i - 1][j - 1] + 1) }
      row.append(best)
    }
    rows.append(row)
  }
  return rows[a.count][b.count]
}
