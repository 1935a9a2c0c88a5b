import Foundation
import Testing

@testable import ad_demo

@Suite struct GradBenchSessionTests {
  private static func evaluate(_ module: String, _ function: String, _ input: String) -> String {
    #"{"id": 3, "kind": "evaluate", "module": "\#(module)", "function": "\#(function)", "input": \#(input)}"#
  }

  @Test func aWholeSession() throws {
    let answers = try answers(to: [
      #"{"id": 0, "kind": "start", "eval": "lse", "config": {"any": [1, null]}}"#,
      #"{"id": 1, "kind": "define", "module": "lse"}"#,
      #"{"id": 2, "kind": "evaluate", "module": "lse", "function": "primal", "description": "n=1","#
        + #" "input": {"x": [0.25], "min_runs": 5, "min_seconds": 0}}"#,
      #"{"id": 3, "kind": "analysis", "of": 2, "valid": false, "error": "Expected more."}"#,
      #"{"id": 40, "kind": "something new"}"#,
    ])
    #expect(answers.map { $0["id"] as? Int } == [0, 1, 2, 3, 40])
    #expect(answers[0]["tool"] as? String == "ad-demo")
    #expect(answers[1]["success"] as? Bool == true)
    #expect(answers[2]["success"] as? Bool == true)
    #expect(answers[2]["output"] as? Double == 0.25)
    let timings = try #require(answers[2]["timings"] as? [[String: Any]])
    #expect(timings.count == 5)
    for timing in timings {
      #expect(timing["name"] as? String == "evaluate")
      #expect(try #require(timing["nanoseconds"] as? Int) >= 0)
    }
    #expect(answers[3].keys.sorted() == ["id"])
    #expect(answers[4].keys.sorted() == ["id"])
  }

  /// It runs until the runs' own times sum to what is asked for.
  @Test func itRunsForAsLongAsIsAskedFor() throws {
    let input = #"{"x": [1, 2, 3], "min_runs": 2, "min_seconds": 0.002}"#
    let answer = try answers(to: [Self.evaluate("lse", "gradient", input)])[0]
    let timings = try #require(answer["timings"] as? [[String: Any]])
    let total = timings.compactMap { $0["nanoseconds"] as? Int }.reduce(0, +)
    #expect(timings.count >= 2)
    #expect(total >= 2_000_000)
  }

  /// Each is answered with what is wrong, and the session goes on.
  @Test(arguments: [
    (#"{"id": 3, "kind": "define", "module": "lsq"}"#, #"there is no module "lsq""#),
    (#"{"id": 3, "kind": "define"}"#, "the message names no module"),
    (evaluate("lsq", "primal", "{}"), #"there is no module "lsq""#),
    (evaluate("lse", "jacobian", "{}"), #"there is no function "jacobian" in lse"#),
    (#"{"id": 3, "kind": "evaluate", "module": "lse"}"#, "the message names no function"),
    (#"{"id": 3, "kind": "evaluate", "module": "lse", "function": "primal"}"#, "input is missing"),
    (evaluate("lse", "primal", "{}"), "input.x is missing"),
    (evaluate("lse", "primal", #"{"x": []}"#), "the number of entries of x must be positive, but got 0"),
    (evaluate("lse", "primal", #"{"x": [1], "min_runs": 0}"#), "min_runs must be positive, but got 0"),
    (evaluate("llsq", "primal", #"{"x": [1], "n": 1}"#), "n must be at least 2, but got 1"),
    (evaluate("det", "primal", #"{"A": [1, 2, 3], "ell": 2}"#), "A must have 4 numbers, but got 3"),
    (evaluate("det", "primal", #"{"A": [], "ell": 40}"#), "ell must be between 1 and 20, but got 40"),
    (
      evaluate("kmeans", "dir", #"{"points": [[1, 2], [3]], "centroids": [[0, 0]]}"#),
      "points must have 2 rows of 2 numbers, but got 2 of 1 or 2"
    ),
    (
      evaluate("ba", "jacobian", #"{"n": 1, "m": 1, "p": 0, "cam": [], "x": [], "feat": [], "w": 1}"#),
      "p must be positive, but got 0"
    ),
    (
      evaluate(
        "gmm", "objective",
        #"{"d": 9000000000, "k": 9000000000, "n": 1, "x": [[1]], "alpha": [1], "mu": [[1]], "q": [[1]], "l": [[]]}"#),
      "d must be at most 50000000, but got 9000000000"
    ),
    (
      evaluate(
        "ba", "objective", #"{"n": 1, "m": 1, "p": 1000000000000000000, "cam": [], "x": [], "feat": [], "w": 1}"#),
      "p must be at most 50000000, but got 1000000000000000000"
    ),
    // A flight that never ends.
    (evaluate("particle", "rr", #"{"w": 1e300}"#), "output is nan, which JSON has no word for"),
    // Numbers that JSON has no word for are not passed off as others.
    (evaluate("hello", "square", "1e200"), "output is inf, which JSON has no word for"),
    (
      evaluate("kmeans", "dir", #"{"points": [[1, 2]], "centroids": [[1, 2], [5, 5]]}"#),
      "output[1][0] is -nan, which JSON has no word for"
    ),
  ])
  func refusesWithAReason(line: String, reason: String) throws {
    let answers = try answers(to: [line, #"{"id": 4, "kind": "start"}"#])
    #expect(answers.count == 2)
    #expect(answers[0]["id"] as? Int == 3)
    #expect(answers[0]["success"] as? Bool == false)
    #expect((answers[0]["error"] as? String)?.replacing("-nan", with: "nan") == reason.replacing("-nan", with: "nan"))
  }

  /// A number of the wrong kind is refused in Foundation's words, with its place in ours.
  @Test func namesThePlaceOfWhatIsNoNumber() throws {
    let answer = try answers(to: [Self.evaluate("gmm", "objective", #"{"d": 1, "k": 1, "n": 1, "x": [[1, "a"]]}"#)])[0]
    #expect(try #require(answer["error"] as? String).hasPrefix("input.x[0][1]: "))
  }

  // MARK: What ends a session

  @Test(arguments: [
    "", "hello", "[1, 2]", #"{"kind": "start"}"#, #"{"id": 1}"#, #"{"id": "one", "kind": "start"}"#,
    #"{"id": 1, "kind": "evaluate", "input": {"x": [NaN]}}"#, #"{"id": 1, "kind": "start""#,
  ])
  func aLineThatIsNoMessageEndsIt(line: String) throws {
    var rest = [#"{"id": 0, "kind": "start"}"#, line, #"{"id": 2, "kind": "start"}"#][...]
    var answers = 0
    let error = #expect(throws: GradBenchSession.NoMessage.self) {
      try GradBenchSession().run(lines: { rest.popFirst() }) { _ in
        answers += 1
        return true
      }
    }
    #expect(answers == 1)
    #expect(error?.line == 2)
    #expect("\(try #require(error))".hasPrefix("line 2 of the input is no message of GradBench: "))
  }

  @Test func anAnswerThatDoesNotArriveEndsIt() throws {
    var asked = 0
    try GradBenchSession().run(lines: {
      asked += 1
      return #"{"id": 0, "kind": "start"}"#
    }) { _ in asked < 3 }
    #expect(asked == 3)
  }

  // MARK: Numbers

  /// What is written is the same number when it is read by a reader that rounds correctly (JSONSerialization does not).
  @Test func numbersComeBackExactly() throws {
    struct Answer: Decodable { let output: Double }
    for x in [0.1, 1.0 / 3, 5e-200, 123456789.123456789, 1e22, 3e-308, 0.30000000000000004] {
      var line: String? = Self.evaluate("hello", "double", "\(x)")
      try GradBenchSession().run(lines: { line.take() }) { text in
        let answer = try? JSONDecoder().decode(Answer.self, from: Data(text.utf8))
        #expect(answer?.output == 2 * x)
        return true
      }
    }
  }

  @Test func helpNamesAllEvals() {
    for module in GradBenchSession.allModules { #expect(GradBenchCommand.help.contains(module.name)) }
  }
}
