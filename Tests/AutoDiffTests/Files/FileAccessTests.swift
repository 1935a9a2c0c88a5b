import Foundation
import Testing

@testable import AutoDiff

@Suite struct FileAccessTests {
  @Test func namesWhatCannotBeRead() throws {
    try withTemporaryFolder { folder in
      let missing = fileError { () throws(FileError) in try FileAccess.read(folder + "/none.csv") }
      #expect(missing?.description == "\(folder)/none.csv: cannot be opened: no such file or directory.")
      let directory = fileError { () throws(FileError) in try FileAccess.read(folder) }
      #expect(directory?.description == "\(folder): is a folder, but a file is needed.")
      let endless = fileError { () throws(FileError) in try FileAccess.read("/dev/zero") }
      #expect(endless?.description == "/dev/zero: is neither a file nor a pipe.")
    }
  }

  @Test func readsPipes() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/pipe"
      #expect(mkfifo(path, 0o600) == 0)
      let content = [UInt8]((0..<200_000).map { UInt8(truncatingIfNeeded: $0 / 7) })
      let writer = Thread {
        let file = open(path, O_WRONLY)
        var sent = 0
        while sent < content.count {
          sent += content.withUnsafeBytes { write(file, $0.baseAddress! + sent, $0.count - sent) }
        }
        close(file)
      }
      writer.start()
      let received = try FileAccess.read(path)
      #expect(received == content)
    }
  }

  @Test func leavesNothingBehindWhenWritingFails() throws {
    try withTemporaryFolder { folder in
      let error = fileError { () throws(FileError) in try FileAccess.write([1], to: folder + "/none/a.csv") }
      #expect(error?.kind == .unwritable)
      #expect(error?.description == "\(folder)/none/a.csv: cannot be created: no such file or directory.")
      let directory = fileError { () throws(FileError) in try FileAccess.write([1], to: folder) }
      #expect(directory?.description == "\(folder): is a folder, not a file.")
      let device = fileError { () throws(FileError) in try FileAccess.write([1], to: "/dev/null") }
      #expect(device?.description == "/dev/null: is not an ordinary file.")
      let left = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(left.isEmpty)
    }
  }

  @Test func replacesTheTargetOfALink() throws {
    try withTemporaryFolder { folder in
      try FileAccess.write([1], to: folder + "/file")
      #expect(chmod(folder + "/file", 0o600) == 0)
      #expect(symlink("file", folder + "/link") == 0)
      try FileAccess.write([2, 3], to: folder + "/link")
      #expect(try FileAccess.read(folder + "/file") == [2, 3])
      let manager = FileManager.default
      #expect(try manager.destinationOfSymbolicLink(atPath: folder + "/link") == "file")
      #expect(try manager.attributesOfItem(atPath: folder + "/file")[.posixPermissions] as? Int == 0o600)
      #expect(try manager.contentsOfDirectory(atPath: folder).sorted() == ["file", "link"])
    }
  }
}
