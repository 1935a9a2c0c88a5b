import Foundation

/// What every message of an eval says, whatever its input.
struct GradBenchMessage: Decodable {
  let id: Int
  let kind: String
  let module: String?
  let function: String?
}

/// The input of an "evaluate" message, and how often the function is to run.
struct GradBenchInput<Input: Decodable>: Decodable {
  let input: Input
  let runs: Runs

  enum CodingKeys: CodingKey { case input }

  init(from decoder: any Decoder) throws {
    let message = try decoder.container(keyedBy: CodingKeys.self)
    input = try message.decode(Input.self, forKey: .input)
    runs = try message.decode(Runs.self, forKey: .input)
  }
}

/// How often a function is to run: both so many times and for so many seconds at least. An input that does not say it, as
/// that of `hello`, means once.
struct Runs: Decodable {
  var count = 1
  var seconds = 0.0

  enum CodingKeys: String, CodingKey { case count = "min_runs", seconds = "min_seconds" }

  init(from decoder: any Decoder) throws {
    guard let input = try? decoder.container(keyedBy: CodingKeys.self) else { return }
    count = try input.decodeIfPresent(Int.self, forKey: .count) ?? 1
    seconds = try input.decodeIfPresent(Double.self, forKey: .seconds) ?? 0
    guard count > 0 else { throw GradBenchError("min_runs must be positive, but got \(count)") }
  }
}

struct StartAnswer: Encodable {
  let id: Int
  let tool: String
}

struct DefineAnswer: Encodable {
  let id: Int
  let success = true
}

/// The answer to a "define" or "evaluate" message that cannot be followed.
struct Refusal: Encodable {
  let id: Int
  let success = false
  let error: String
}

struct Acknowledgment: Encodable {
  let id: Int
}

struct EvaluateAnswer<Output: Encodable>: Encodable {
  let id: Int
  let success = true
  let output: Output
  let timings: [Timing]
}

struct Timing: Encodable {
  let name = "evaluate"
  let nanoseconds: Int64
}

/// What is wrong with a message, in one line.
struct GradBenchError: Error, Equatable, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// An answer as one line. It holds no numbers that JSON lacks; see ``Module`` for those that do.
func encoded(_ answer: some Encodable) -> Data {
  do {
    return try JSONEncoder().encode(answer)
  } catch {
    fatalError("GradBench: an answer of words and whole numbers must have a JSON form: \(error)")
  }
}

/// What went wrong, with the place in the message where there is one.
func plainText(of error: any Error) -> String {
  func place(_ path: [any CodingKey]) -> String {
    var text = ""
    for key in path {
      if let index = key.intValue {
        text += "[\(index)]"
      } else {
        text += (text.isEmpty ? "" : ".") + key.stringValue
      }
    }
    return text
  }
  switch error {
  case DecodingError.keyNotFound(let key, let context): return "\(place(context.codingPath + [key])) is missing"
  case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
    DecodingError.dataCorrupted(let context):
    let cause =
      context.underlyingError.map { " (\(($0 as NSError).userInfo[NSDebugDescriptionErrorKey] ?? $0))" } ?? ""
    let text = context.debugDescription + cause
    return context.codingPath.isEmpty ? text : "\(place(context.codingPath)): \(text)"
  case EncodingError.invalidValue(let value, let context):
    return "\(place(context.codingPath)) is \(value), which JSON has no word for"
  default: return "\(error)"
  }
}
