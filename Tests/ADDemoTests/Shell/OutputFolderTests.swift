import AutoDiff
import Foundation
import Testing

@testable import ad_demo

@Suite struct OutputFolderTests {
  @Test func makesFoldersAndFiles() throws {
    let base = FileManager.default.temporaryDirectory.appendingPathComponent("ad-demo-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: base) }
    for _ in 0..<2 {
      let folder = try OutputFolder(base + "/deep/er")
      try folder.write("über", to: "a.txt")
      let text = try String(contentsOfFile: folder.path(of: "a.txt"), encoding: .utf8)
      #expect(text == "über")
      let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      #expect(names == ["a.txt"])
    }
    #expect(throws: FileError(.unwritable, file: base + "/deep/er/a.txt", "is a file, but a folder is needed.")) {
      try OutputFolder(base + "/deep/er/a.txt")
    }
    let message = #expect(throws: FileError.self) { try OutputFolder(base + "/deep/er/a.txt/b") }
    #expect(message?.description == "\(base)/deep/er/a.txt/b: the folder cannot be made: not a directory.")
  }
}
