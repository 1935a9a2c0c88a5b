import Testing

@testable import ad_demo

/// The commands `lipschitz` and `certify` as a user calls them.
@Suite(.serialized) struct BoundsCommandTests {
  /// Both ends of every bracket, in a table and a chart.
  @Test func bracketsAreShown() throws {
    let result = try HostileCallTests.shell(
      "\"$AD\" lipschitz --from 8 --to 16 --draws 2 --examples 1 --radius 0.5 --output o")
    #expect(result.status == 0, "\(result.complaint)")
    #expect(result.files == ["o", "o/lipschitz.svg"])
    let rows = result.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    let brackets = rows.filter { $0.count == 7 && Int($0[0]) != nil }
    #expect(brackets.map { $0[0] } == ["8", "8", "8", "16", "16", "16"])
    for row in brackets {
      let numbers = row.compactMap(Double.init)
      #expect(numbers.count == 7 && numbers[2] <= numbers[3] && numbers[5] <= numbers[6], "\(row)")
    }
    #expect(result.output.contains("slope of log upper end over log width at radius 0.5000: -0."))
  }

  /// Without a second derivative there is no upper end, and the primitive is named.
  @Test func reluIsNamed() throws {
    let result = try HostileCallTests.shell(
      "\"$AD\" lipschitz --from 8 --to 8 --draws 2 --examples 1 --activation relu --output o")
    #expect(result.status == 0 && result.output.contains("No upper end: bounds: relu has no second derivative at 0"))
  }

  @Test(arguments: ["descent", "linearization"]) func aLazyNetworkIsProvedAndTrained(theorem: String) throws {
    let result = try HostileCallTests.shell(
      "\"$AD\" certify --theorem \(theorem) --examples 4 --width 16 --steps 5 --output o")
    #expect(result.status == 0, "\(result.complaint)")
    #expect(
      result.output.contains("Together: proved") && result.output.contains("The promise is kept at all 6 points."))
    #expect(result.files == ["o", "o/certify.svg"])
  }

  @Test func aPlainNetworkIsNot() throws {
    let result = try HostileCallTests.shell(
      "\"$AD\" certify --plain --examples 4 --width 8 --steps 2 --output o")
    #expect(result.status == 0, "\(result.complaint)")
    #expect(!result.output.contains("Together: proved"))
    #expect(result.output.contains("(c)") && result.output.contains("Corollary 2.5"))
  }

  @Test(arguments: [
    ("lipschitz --from 9 --to 8", 2, "--from 9 must not be larger than --to 8"),
    ("lipschitz --radius -1", 2, "must be between 0 and"), ("lipschitz --draws 1", 2, "must be between 2 and"),
    ("certify --plain --alpha 3", 2, "--plain means no alpha"), ("certify --alpha nan", 2, "needs a number"),
    ("certify --theorem x", 2, "descent or linearization"), ("certify --examples 0", 2, "must be between 1 and"),
  ])
  func explainsWrongCalls(call: String, status: Int32, complaint: String) throws {
    let result = try HostileCallTests.shell("\"$AD\" \(call)")
    #expect(result.status == status && result.complaint.contains(complaint), "\(result.complaint)")
    #expect(result.complaint.split(separator: "\n").count == 1 && result.files.isEmpty)
  }
}
