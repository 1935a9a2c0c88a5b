import AutoDiff

/// The text beside a kernel that grows: what it is a kernel of, then a line for every tile that is there.
struct KernelJournal {
  static let title = "tangent kernel journal 2"
  static let separator = "tiles"

  var fields: [String: String] = [:]
  /// The tiles that are there, with the checks of their values.
  var checks: [Int: String] = [:]
  /// Where the next line goes; what was written after it was not completed.
  var end = 0

  /// Reads a journal; nil where nothing was completed.
  init?(_ file: RandomAccessFile, path: String) throws {
    let size = try file.size
    guard size <= 1 << 30 else { throw FileError(.malformed, file: path, "is no journal.") }
    let bytes = try file.read(size, at: 0)
    var lines: [Substring] = []
    let text = String(decoding: bytes, as: UTF8.self)
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) { lines.append(line) }
    // What follows the last line feed was not completed.
    lines.removeLast()
    guard !lines.isEmpty else { return nil }
    guard lines[0] == Self.title else {
      throw FileError(.malformed, file: path, at: .line(1, column: nil), "a journal starts with \"\(Self.title)\".")
    }
    guard let start = lines.firstIndex(of: Self.separator[...]) else { return nil }
    for line in lines[1..<start] {
      guard let space = line.firstIndex(of: " ") else { continue }
      fields[String(line[..<space])] = String(line[line.index(after: space)...])
    }
    guard start > 1, lines[start - 1] == Self.check(lines[..<(start - 1)]) else {
      throw FileError(
        .malformed, file: path,
        "its first lines, which say of what kernel it is, have changed. Remove it to begin anew.")
    }
    end = lines[...start].reduce(0) { $0 + $1.utf8.count + 1 }
    for line in lines[(start + 1)...] {
      let words = line.split(separator: " ")
      guard words.count == 3, let index = Int(words[0]), Self.line(index, String(words[1])) == line + "\n" else {
        break
      }
      checks[index] = String(words[1])
      end += line.utf8.count + 1
    }
  }

  /// What a journal begins with: what it is a kernel of, and a check of that.
  static func head(_ fields: [(field: String, value: String)]) -> String {
    let lines = [title] + fields.map { "\($0.field) \($0.value)" }
    return (lines + [check(lines.map { $0[...] }[...]), separator]).joined(separator: "\n") + "\n"
  }

  private static func check(_ lines: ArraySlice<Substring>) -> String {
    var check = Check()
    check.take(Array(lines.joined(separator: "\n").utf8)[...])
    return "check \(check.text)"
  }

  /// A tile, the check of its values, and a check of the line itself, which may have been cut short.
  static func line(_ index: Int, _ check: String) -> String {
    var own = Check()
    own.take(Array("\(index) \(check)".utf8)[...])
    return "\(index) \(check) \(own.text)\n"
  }

  /// FNV-1a over bytes.
  struct Check {
    private var value: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func take(_ bytes: ArraySlice<UInt8>) {
      for byte in bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
    }

    var text: String { String(value, radix: 16) }
  }
}
