import AutoDiff

/// A word that starts with two hyphens and sets a value: `--examples 256` or `--examples=256`.
///
/// A command keeps its options as constants and looks their values up by them, so that a value always has its type:
///
///     static let examples = Option("examples", "N", default: 256, range: 1...10_000, "How many to take")
///     let count = arguments[Self.examples]
struct Option<Value: Sendable>: CommandOption {
  let name: String
  let placeholder: String?
  let help: String
  let defaultText: String?
  let isRepeatable: Bool
  private let interpret: @Sendable ([String]) throws(UsageError) -> Value

  func value(of words: [String]) throws(UsageError) -> Value { try interpret(words) }
}

/// What the parser and the help text need to know of an option, whatever the type of its value.
protocol CommandOption: Sendable {
  associatedtype Value: Sendable
  /// Without the hyphens.
  var name: String { get }
  /// Stands for the value in the help text; nil if the option is a switch without one.
  var placeholder: String? { get }
  var help: String { get }
  var defaultText: String? { get }
  var isRepeatable: Bool { get }

  /// The value that the given words mean: none if the option is absent, several only if it may be repeated.
  func value(of words: [String]) throws(UsageError) -> Value
}

/// What is wrong with the way the program was called, in one line.
struct UsageError: Error, Equatable, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

// MARK: The kinds of options

extension Option where Value: OptionValue {
  /// An option that has a value even when it is absent.
  init(_ name: String, _ placeholder: String, default value: Value, _ help: String) {
    self.init(
      name: name, placeholder: placeholder, help: help + Value.listOfChoices, defaultText: value.word,
      isRepeatable: false
    ) { words throws(UsageError) in try words.last.map { word throws(UsageError) in try read(word, for: name) } ?? value
    }
  }
}

extension Option where Value: OptionValue & Comparable {
  /// An option whose value lies between two bounds.
  init(_ name: String, _ placeholder: String, default value: Value, range: ClosedRange<Value>, _ help: String) {
    self.init(name: name, placeholder: placeholder, help: help, defaultText: value.word, isRepeatable: false) {
      words throws(UsageError) in
      guard let word = words.last else { return value }
      return try read(word, for: name, range: range)
    }
  }
}

extension Option {
  /// An option that may be absent.
  init<Element: OptionValue>(optional name: String, _ placeholder: String, _ help: String) where Value == Element? {
    self.init(
      name: name, placeholder: placeholder, help: help + Element.listOfChoices, defaultText: nil, isRepeatable: false
    ) { words throws(UsageError) in try words.last.map { word throws(UsageError) in try read(word, for: name) } }
  }

  /// An option that may be absent, and whose value lies between two bounds.
  init<Element: OptionValue & Comparable>(
    optional name: String, _ placeholder: String, range: ClosedRange<Element>, _ help: String
  ) where Value == Element? {
    self.init(name: name, placeholder: placeholder, help: help, defaultText: nil, isRepeatable: false) {
      words throws(UsageError) in
      try words.last.map { word throws(UsageError) in try read(word, for: name, range: range) }
    }
  }

  /// An option that may be given any number of times.
  init<Element: OptionValue>(repeated name: String, _ placeholder: String, _ help: String) where Value == [Element] {
    self.init(
      name: name, placeholder: placeholder, help: help + Element.listOfChoices, defaultText: nil, isRepeatable: true
    ) { words throws(UsageError) in try words.map { word throws(UsageError) in try read(word, for: name) } }
  }
}

extension Option where Value == Bool {
  /// An option without a value, which is true when it is given.
  init(switch name: String, _ help: String) {
    self.init(name: name, placeholder: nil, help: help, defaultText: nil, isRepeatable: false) { !$0.isEmpty }
  }
}

private func read<Value: OptionValue>(_ word: String, for name: String) throws(UsageError) -> Value {
  if let value = Value(word: word) { return value }
  let hint = nearest(word, among: Value.choices).map { " Did you mean \"\($0)\"?" } ?? ""
  throw UsageError("--\(name) needs \(Value.expectation), but got \"\(word)\".\(hint)")
}

private func read<Value: OptionValue & Comparable>(
  _ word: String, for name: String, range: ClosedRange<Value>
) throws(UsageError) -> Value {
  let value: Value = try read(word, for: name)
  if range.contains(value) { return value }
  throw UsageError(
    "--\(name) must be between \(range.lowerBound.word) and \(range.upperBound.word), but got \"\(word)\".")
}

// MARK: The types of values

/// A type whose values can be given on the command line.
protocol OptionValue: Sendable {
  /// What an error asks for: "a whole number".
  static var expectation: String { get }
  /// All words, if there are only some.
  static var choices: [String] { get }

  /// The value that a word means, if any.
  init?(word: String)
  /// The word that means this value.
  var word: String { get }
}

extension OptionValue {
  static var choices: [String] { [] }

  /// The choices, for the help text.
  static var listOfChoices: String { choices.isEmpty ? "" : ": " + choices.joined(separator: ", ") }
}

extension Int: OptionValue {
  static var expectation: String { "a whole number" }
  init?(word: String) { self.init(word) }
  var word: String { String(self) }
}

extension UInt64: OptionValue {
  static var expectation: String { "a whole number that is not negative" }
  init?(word: String) { self.init(word) }
  var word: String { String(self) }
}

extension Double: OptionValue {
  static var expectation: String { "a number" }

  init?(word: String) {
    guard let value = Double(word), value.isFinite else { return nil }
    self = value
  }

  var word: String {
    let text = description
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }
}

extension String: OptionValue {
  static var expectation: String { "a value" }

  init?(word: String) {
    if word.isEmpty { return nil }
    self = word
  }

  var word: String { self }
}

/// A value that is one of a few words: an enumeration over `String`.
protocol OptionChoice: OptionValue, CaseIterable, RawRepresentable<String> {}

extension OptionChoice {
  static var choices: [String] { allCases.map(\.rawValue) }

  static var expectation: String {
    let words = choices
    return words.count < 2 ? words.joined() : words.dropLast().joined(separator: ", ") + " or " + words.last!
  }

  init?(word: String) { self.init(rawValue: word) }
  var word: String { rawValue }
}

extension ScalarType: OptionChoice {}
