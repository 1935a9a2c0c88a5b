/// One pass over the bytes of a ``CSVFile``.
struct CSVReader {
  let bytes: UnsafeBufferPointer<UInt8>
  let file: String
  let separator: CSVFile.Separator

  private(set) var names: [String]?
  private(set) var columnCount = 0
  private(set) var values: [Double] = []

  /// The line being read, counted from 1, and the one that decided the number of columns.
  private var line = 0
  private var firstLine = 0
  private var hint = ""

  init(bytes: UnsafeBufferPointer<UInt8>, file: String, separator: CSVFile.Separator) {
    self.bytes = bytes
    self.file = file
    self.separator = separator
  }

  mutating func read(_ header: CSVFile.Header) throws(FileError) {
    // Spreadsheets put a byte order mark before UTF-8.
    var position = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    var emptyLine: Int?
    while position < bytes.count {
      let start = position
      var end = start
      while end < bytes.count, bytes[end] != UInt8(ascii: "\n") { end += 1 }
      position = end + 1
      line += 1
      if end > start, bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
      let first = skipBlanks(start, end)
      if first == end {
        emptyLine = emptyLine ?? line
        continue
      }
      if let emptyLine { throw malformed(emptyLine, nil, "an empty line stands before the last row.") }
      if columnCount > 0 {
        try readRow(first, end)
        continue
      }
      firstLine = line
      let fields = names(from: first, to: end)
      if let column = fields.firstIndex(where: { $0.text.utf8.contains(UInt8(ascii: "\r")) }) {
        let name = FileError.quoted(fields[column].text.utf8)
        throw malformed(line, column + 1, "\(name) holds a carriage return that does not end the line.")
      }
      if header == .present || header == .detected && !fields.contains(where: \.isNumber) {
        names = fields.map(\.text)
        columnCount = fields.count
      } else {
        if header == .detected { hint = " Is the first line a header? Then state it (header: .present)." }
        try readRow(first, end)
        hint = ""
        // Each row takes its share of the file. The first may be shorter than the others: no more than a good part of the
        // memory is taken on its word.
        let expected = (bytes.count - start) / (end - start + 1) * columnCount + columnCount
        try makeRoom(for: min(expected, max(columnCount, MachineMemory.byteCount / 32)))
      }
    }
    if columnCount == 0 { throw FileError(.malformed, file: file, "the file holds no numbers.") }
  }

  /// Has memory for so many more numbers, or throws.
  private mutating func makeRoom(for more: Int) throws(FileError) {
    if values.count + more <= values.capacity { return }
    let capacity = max(values.count + more, 2 * values.capacity)
    try FileError.checkMemory(8 * capacity, for: "a table of at least \(values.count + more) numbers", file: file)
    values.reserveCapacity(capacity)
  }

  /// Appends the numbers of one line.
  private mutating func readRow(_ start: Int, _ end: Int) throws(FileError) {
    try makeRoom(for: max(1, columnCount))
    var position = start
    var column = 0
    while true {
      column += 1
      if column > columnCount, columnCount > 0 {
        throw malformed(
          line, column, "line \(firstLine) has \(columnCount) columns, but here follows \(field(position, end)).")
      }
      guard let number = DecimalNumber.read(bytes, from: position, to: end) else {
        throw notANumber(position, end, column)
      }
      let next = skipBlanks(number.next, end)
      if next < end, bytes[next] != separator.rawValue, separator != .space || next == number.next {
        throw notANumber(position, end, column)
      }
      if number.value.isInfinite, bytes[number.next - 1] | 0x20 < UInt8(ascii: "a") {
        throw malformed(line, column, "\(field(position, end)) is beyond the range of a float64.")
      }
      values.append(number.value)
      if next == end { break }
      position = separator == .space ? next : skipBlanks(next + 1, end)
    }
    if columnCount == 0 { columnCount = column }
    if column < columnCount {
      throw malformed(
        line, column + 1, "line \(firstLine) has \(columnCount) columns, but this line ends after \(column).")
    }
  }

  /// The fields of a header; names may stand in double quotes, where two of them mean one.
  private func names(from start: Int, to end: Int) -> [(text: String, isNumber: Bool)] {
    let quote = UInt8(ascii: "\"")
    var fields: [(text: String, isNumber: Bool)] = []
    var position = start
    while true {
      var name: [UInt8] = []
      var next = position
      let isQuoted = position < end && bytes[position] == quote
      if isQuoted {
        next += 1
        while next < end {
          if bytes[next] == quote {
            guard next + 1 < end, bytes[next + 1] == quote else { break }
            next += 1
          }
          name.append(bytes[next])
          next += 1
        }
        next = min(next + 1, end)
      }
      let rest = fieldEnd(next, end)
      var plain = bytes[next..<rest]
      while let last = plain.last, last == 0x20 || last == 0x09 { plain.removeLast() }
      name += plain
      let number = isQuoted ? nil : DecimalNumber.read(bytes, from: position, to: rest)
      let isNumber = number.map { skipBlanks($0.next, rest) == rest } ?? false
      fields.append((String(decoding: name, as: UTF8.self), isNumber))
      if separator == .space {
        position = skipBlanks(rest, end)
        if position == end { return fields }
      } else {
        if rest == end { return fields }
        position = skipBlanks(rest + 1, end)
      }
    }
  }

  private func fieldEnd(_ start: Int, _ end: Int) -> Int {
    var position = start
    while position < end, bytes[position] != separator.rawValue, separator != .space || bytes[position] != 0x09 {
      position += 1
    }
    return position
  }

  /// The first place from `start` on that is neither a space nor a tab, where a tab does not separate.
  @inline(__always)
  private func skipBlanks(_ start: Int, _ end: Int) -> Int {
    var position = start
    while position < end, bytes[position] == 0x20 || (bytes[position] == 0x09 && separator != .tab) { position += 1 }
    return position
  }

  /// The field at `start` for a message.
  private func field(_ start: Int, _ end: Int) -> String {
    let text = bytes[start..<fieldEnd(start, end)]
    return text.allSatisfy { $0 == 0x20 || $0 == 0x09 } ? "an empty field" : FileError.quoted(text)
  }

  private func notANumber(_ start: Int, _ end: Int, _ column: Int) -> FileError {
    malformed(line, column, "\(field(start, end)) is not a number.\(hint)")
  }

  private func malformed(_ line: Int, _ column: Int?, _ problem: String) -> FileError {
    FileError(.malformed, file: file, at: .line(line, column: column), problem)
  }
}
