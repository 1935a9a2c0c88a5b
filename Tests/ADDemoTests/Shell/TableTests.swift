import Testing

@testable import ad_demo

@Suite struct TableTests {
  @Test func alignsColumns() {
    var table = Table([("primitive", .left), ("error", .right), ("note", .left)])
    table.append(["tanh", "1.2e-10", "λ ok"])
    table.append(["logSoftmax", "3e-9"])
    let expected = """
      primitive     error  note
      -------------------------
      tanh        1.2e-10  λ ok
      logSoftmax     3e-9

      """
    #expect(table.description == expected)
  }

  @Test func survivesHavingNothing() {
    #expect(Table([]).description == "\n\n")
    #expect(Table([("a", .right)]).description == "a\n-\n")
  }
}
