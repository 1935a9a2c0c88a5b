import Foundation
import Testing

@testable import ad_demo

/// A conversation with the tool: messages in, answers as objects out.
func answers(to lines: [String]) throws -> [[String: Any]] {
  var rest = lines[...]
  var answers: [[String: Any]] = []
  try GradBenchSession().run(lines: { rest.popFirst() }) { line in
    #expect(line.last == "\n" && !line.dropLast().contains("\n"), "an answer is one line")
    let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
    answers.append(object ?? [:])
    return true
  }
  return answers
}

/// The output for an input; a failed expectation and nil if there is none.
func output(_ module: String, _ function: String, _ input: String) throws -> Any? {
  let line = """
    {"id": 7, "kind": "evaluate", "module": "\(module)", "function": "\(function)", "input": \(input)}
    """.replacing("\n", with: " ")
  let answer = try #require(answers(to: [line]).first)
  #expect(answer["id"] as? Int == 7)
  #expect(answer["success"] as? Bool == true, "\(answer["error"] ?? "")")
  return answer["output"]
}

/// Objects and arrays of the same form whose numbers agree to 1e-9 of the largest number that belongs together.
func expectSameJSON(
  _ actual: Any?, _ expected: Any?, _ place: String = "output", sourceLocation: SourceLocation = #_sourceLocation
) {
  switch (actual, expected) {
  case (let a as [String: Any], let b as [String: Any]):
    #expect(Set(a.keys) == Set(b.keys), "\(place)", sourceLocation: sourceLocation)
    for key in b.keys { expectSameJSON(a[key], b[key], "\(place).\(key)", sourceLocation: sourceLocation) }
  case (let a as [Double], let b as [Double]):
    #expect(a.count == b.count, "\(place)", sourceLocation: sourceLocation)
    let scale = b.map(abs).max() ?? 0
    for (index, (x, y)) in zip(a, b).enumerated() {
      #expect(abs(x - y) <= 1e-9 * scale, "\(place)[\(index)]: \(x) for \(y)", sourceLocation: sourceLocation)
    }
  case (let a as [Any], let b as [Any]):
    #expect(a.count == b.count, "\(place)", sourceLocation: sourceLocation)
    for (index, (x, y)) in zip(a, b).enumerated() {
      expectSameJSON(x, y, "\(place)[\(index)]", sourceLocation: sourceLocation)
    }
  case (let a as Double, let b as Double):
    #expect(abs(a - b) <= 1e-9 * abs(b), "\(place): \(a) for \(b)", sourceLocation: sourceLocation)
  default:
    Issue.record("\(place): \(actual ?? "nothing") for \(expected ?? "nothing")", sourceLocation: sourceLocation)
  }
}

/// What a text in JSON says.
func json(_ text: String) throws -> Any {
  try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
}
