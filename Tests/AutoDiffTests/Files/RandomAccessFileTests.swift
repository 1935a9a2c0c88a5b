import Foundation
import Testing

@testable import AutoDiff

struct RandomAccessFileTests {
  /// The lock ends with the file, even where a child process that is just being started still has it open.
  @Test func theLockEndsWithTheFile() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/locked"
      var file: RandomAccessFile? = try RandomAccessFile(path, lock: true)
      #expect(throws: FileError.self) { _ = try RandomAccessFile(path, lock: true) }
      // What a child has: the same open file under another number.
      let open = "/proc/self/fd"
      let numbers = try FileManager.default.contentsOfDirectory(atPath: open).compactMap { Int32($0) }
      let number = numbers.first {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(open)/\($0)"))?.hasSuffix(path) == true
      }
      let double = dup(try #require(number))
      defer { close(double) }
      #expect(file != nil)
      file = nil
      _ = try RandomAccessFile(path, lock: true)
    }
  }
}
