import Foundation
import Testing

@testable import AutoDiff

/// Files that are larger than memory, or say so: what the header announces is compared with the file and with the memory
/// before there is memory for it.
@Suite struct LargeFileTests {
  private static let size = 1 << 40

  /// A file with a beginning and then holes, which take no room on the disk.
  private static func makeSparse(_ path: String, _ start: [UInt8], size: Int = size) throws {
    try FileAccess.write(start, to: path)
    #expect(truncate(path, off_t(size)) == 0)
  }

  @Test func tooLargeATensorIsThrown() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/huge.npy"
      for (entry, announced) in [("<f8", 1 << 37), ("<f4", 1 << 38), ("|u1", 1 << 40)] {
        var header = NumpyHeader.encoded(shape: [announced / 8, 8], scalarType: .float64)
        let place = header.indices.first { header[$0...].starts(with: Array("<f8".utf8)) }!
        header.replaceSubrange(place..<place + 3, with: Array(entry.utf8))
        let total = header.count + Self.size
        try Self.makeSparse(path, header, size: total)
        let error = fileError { () throws(FileError) in try Tensor(contentsOf: path) }
        #expect(error?.kind == .tooLarge && error?.file == path)
        let inMemory = announced * (entry == "<f4" ? 4 : 8) + total
        #expect(
          error?.problem
            == "reading a tensor of shape [\(announced / 8), 8] takes \(inMemory) bytes, which the memory of "
            + "\(MachineMemory.byteCount) bytes cannot give.")
      }
    }
  }

  @Test func theHeaderIsReadFirst() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/sparse.npy"
      // More follows than was announced.
      let header = NumpyHeader.encoded(shape: [2], scalarType: .float64)
      try Self.makeSparse(path, header)
      let long = fileError { () throws(FileError) in try Tensor(contentsOf: path) }
      #expect(long?.kind == .malformed && long?.place == .byte(header.count + 16))
      #expect(long?.problem == "\(Self.size - header.count - 16) bytes follow the last value.")
      // Less.
      let more = NumpyHeader.encoded(shape: [1 << 50], scalarType: .float64)
      try Self.makeSparse(path, more)
      let short = fileError { () throws(FileError) in try Tensor(contentsOf: path) }
      #expect(short?.kind == .truncated && short?.place == .byte(Self.size))
      // No header.
      try Self.makeSparse(path, [])
      #expect(fileError { () throws(FileError) in try Tensor(contentsOf: path) }?.place == .byte(0))
      // A header without end.
      try Self.makeSparse(path, [0x93] + Array("NUMPY".utf8) + [2, 0, 0, 0, 0, 0x7F])
      let endless = fileError { () throws(FileError) in try Tensor(contentsOf: path) }
      #expect(endless?.kind == .unsupported && endless?.place == .byte(8))
    }
  }

  @Test func aTableWithHolesIsNotRead() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/sparse.csv"
      for start in ["", "1,2\n3,4\n"] {
        try Self.makeSparse(path, Array(start.utf8))
        let error = fileError { () throws(FileError) in try Tensor(contentsOf: path) }
        #expect(error?.description == "\(path), byte \(start.utf8.count): a table is text, but this byte is 0.")
      }
    }
  }

  @Test func bytesThatMemoryCannotHoldAreRefused() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/bytes"
      try Self.makeSparse(path, [1])
      let error = fileError { () throws(FileError) in try FileAccess.read(path) }
      #expect(error?.kind == .tooLarge)
      #expect(error?.problem.hasPrefix("reading the file takes \(Self.size + 1) bytes") == true)
    }
  }

  /// A file that is longer than the start that is looked at first.
  @Test func longFilesAreRead() throws {
    try withTemporaryFolder { folder in
      var generator = RandomGenerator(seed: 3)
      let x = Tensor.normal([300_000, 2], using: &generator)
      for (name, tensor) in [("a.npy", x), ("b.npy", x.as(.float32)), ("c.csv", x)] {
        try tensor.write(to: folder + "/" + name)
        #expect(
          try FileManager.default.attributesOfItem(atPath: folder + "/" + name)[.size] as! Int > FileAccess.startCount)
        #expect(try Tensor(contentsOf: folder + "/" + name) == tensor)
      }
      for count in [FileAccess.startCount - 1, FileAccess.startCount, FileAccess.startCount + 1] {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 / 5) }
        try FileAccess.write(bytes, to: folder + "/bytes")
        #expect(try FileAccess.read(folder + "/bytes") == bytes)
      }
    }
  }

  /// Text without rows does not tell how many columns it has, so it is not written: nothing is read back as it was not.
  @Test func emptyTables() throws {
    try withTemporaryFolder { folder in
      for shape in [[0, 3], [3, 0], [0]] {
        let error = fileError { () throws(FileError) in try Tensor.zeros(shape).write(to: folder + "/a.csv") }
        #expect(
          error?.description == "\(folder)/a.csv: a .csv file holds rows of numbers, not shape \(shape); use .npy.")
        try Tensor.zeros(shape).write(to: folder + "/a.npy")
        #expect(try Tensor(contentsOf: folder + "/a.npy").shape == shape)
      }
      let unnamed = fileError { () throws(FileError) in try CSVFile([], columnCount: 3).write(to: folder + "/a.csv") }
      #expect(unnamed?.kind == .unsupported)
      #expect(!FileManager.default.fileExists(atPath: folder + "/a.csv"))
      let named = CSVFile([], columnCount: 3, header: ["a", "b", "3"])
      try named.write(to: folder + "/b.csv")
      #expect(try CSVFile(contentsOf: folder + "/b.csv", header: .present) == named)
      #expect(try Tensor(CSVFile(contentsOf: folder + "/b.csv", header: .present)).shape == [0, 3])
    }
  }
}
