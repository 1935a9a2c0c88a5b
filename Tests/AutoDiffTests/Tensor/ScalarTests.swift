import Foundation
import Testing

@testable import AutoDiff

@Suite struct ScalarTests {
  @Test func propertiesOfTheTypes() {
    #expect(ScalarType.float64.byteCount == 8 && ScalarType.float32.byteCount == 4)
    #expect(ScalarType.float64.epsilon == .ulpOfOne && ScalarType.float32.epsilon == Double(Float.ulpOfOne))
    for type in ScalarType.allCases {
      let largest = Double(type.largestExactInteger)
      #expect(Tensor(largest - 1, as: type).scalar == largest - 1)
      #expect(Tensor(largest + 1, as: type).scalar == largest)
      #expect(perType(type, double: "float64", float: "float32") == type.rawValue)
    }
  }

  /// A comparison with one type reads any other as the second: code for a type is chosen by `perType` or a switch.
  @Test func everyChoiceOfATypeIsExhaustive() throws {
    let sources = CompletenessTests.sources.deletingLastPathComponent().resolvingSymlinksInPath()
    let files = FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil)?.allObjects as? [URL] ?? []
    let swift = files.filter { $0.pathExtension == "swift" }
    #expect(swift.count > 100)
    for file in swift {
      let text = try String(contentsOf: file, encoding: .utf8)
      for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
        let compares = line.contains("== .float64") || line.contains("== .float32 ?")
        #expect(!compares, "\(file.lastPathComponent), line \(number + 1): \(line)")
      }
    }
  }
}
