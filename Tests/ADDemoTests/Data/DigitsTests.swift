import AutoDiff
import Foundation
import Testing

@testable import ad_demo

@Suite struct DigitsTests {
  @Test func loadsTheBundledDigits() throws {
    let digits = try Digits.bundled()
    #expect(digits.count == 1797)
    #expect(digits.pixels.count == 1797 * 64)
    #expect(digits.labels.prefix(10) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    #expect(digits.pixels.allSatisfy { (0...1).contains($0) })
    #expect(digits.pixels[2...5].map { $0 * 16 } == [5, 13, 9, 1])
  }

  @Test(arguments: [
    ("1,2,3\n", ": a row needs 64 pixels and a digit, but has 3 numbers."),
    (
      String(repeating: "16,", count: 64) + "9\n" + String(repeating: "17,", count: 64) + "9\n",
      ", line 2, column 1: expected a pixel from 0 to 16, but got 17."
    ),
    (
      (0..<64).map { "p\($0)," }.joined() + "digit\n" + String(repeating: "0,", count: 64) + "2.5\n",
      ", line 2, column 65: expected a digit from 0 to 9, but got 2.5."
    ),
  ])
  func refusesOtherTables(text: String, problem: String) throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("digits-\(UUID().uuidString).csv").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    let error = #expect(throws: FileError.self) { try Digits(contentsOf: path) }
    #expect(error?.description == path + problem)
  }
}
