/// A table of numbers in a text file, one row per line: `0.5,1,-3e-7`.
///
/// Every row has the same number of fields, and every field is a number. The first line may name the columns; empty lines
/// may stand at the end; lines end with a line feed, or with a carriage return and a line feed.
public struct CSVFile: Sendable, Equatable {
  /// What stands between two numbers of a row.
  public enum Separator: UInt8, Sendable, CaseIterable {
    case comma = 0x2C
    case semicolon = 0x3B
    case tab = 0x09
    /// Any number of spaces and tabs.
    case space = 0x20
  }

  /// What the first line holds.
  public enum Header: Sendable {
    /// Names if none of its fields is a number, otherwise numbers.
    case detected
    /// The names of the columns, whatever they look like.
    case present
    /// Numbers.
    case absent
  }

  /// The names of the columns, if the file has them.
  public let header: [String]?
  /// The number of numbers in each row.
  public let columnCount: Int
  /// The numbers, row by row.
  public let values: [Double]

  /// The number of rows, not counting the header.
  public var rowCount: Int { values.count / columnCount }

  /// Makes a table of numbers given row by row.
  ///
  /// Stops if there are no columns, if the numbers do not fill whole rows, or if there are not as many names as columns.
  public init(_ values: [Double], columnCount: Int, header: [String]? = nil) {
    Self.check(values.count, columnCount, header)
    self.values = values
    self.columnCount = columnCount
    self.header = header
  }

  /// Reads a file.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - separator: What stands between two numbers.
  ///   - header: What the first line holds.
  /// - Throws: ``FileError`` with line and column.
  public init(
    contentsOf path: String, separator: Separator = .comma, header: Header = .detected
  ) throws(FileError) {
    let bytes = try FileAccess.read(path) { start, _ throws(FileError) in
      guard let zero = start.firstIndex(of: 0) else { return }
      throw FileError(.malformed, file: path, at: .byte(zero), "a table is text, but this byte is 0.")
    }
    try self.init(decoding: bytes, name: path, separator: separator, header: header)
  }

  /// Reads the bytes of a file.
  ///
  /// - Parameters:
  ///   - bytes: Text in UTF-8 or any other extension of ASCII.
  ///   - name: What errors call the file.
  ///   - separator: What stands between two numbers.
  ///   - header: What the first line holds.
  /// - Throws: ``FileError`` with line and column.
  public init(
    decoding bytes: [UInt8], name: String, separator: Separator = .comma, header: Header = .detected
  ) throws(FileError) {
    let reader = try bytes.withUnsafeBufferPointer { bytes throws(FileError) in
      var reader = CSVReader(bytes: bytes, file: name, separator: separator)
      try reader.read(header)
      return reader
    }
    self.header = reader.names
    columnCount = reader.columnCount
    values = reader.values
  }

  /// Writes the table atomically: under the file's name stands either what stood there before or all of the new.
  ///
  /// Each number is written with the fewest digits that read back as the same number.
  ///
  /// - Throws: ``FileError``, also for a table without rows whose columns have no names: nothing would be written, and so
  ///   the number of columns would be lost. With names it is a file of one line.
  public func write(to path: String, separator: Separator = .comma) throws(FileError) {
    if rowCount == 0, header == nil {
      throw FileError(
        .unsupported, file: path,
        "a table of \(columnCount) columns without rows cannot be written unless its columns have names.")
    }
    try FileAccess.write(encoded(separator: separator), to: path)
  }

  /// The bytes that ``write(to:separator:)`` puts into a file; none for a table without rows and names.
  public func encoded(separator: Separator = .comma) -> [UInt8] {
    values.withUnsafeBufferPointer {
      Self.encode($0, columnCount: columnCount, header: header, separator: separator)
    }
  }

  /// The text of a table whose numbers are given row by row in either scalar type.
  package static func encode<T: Scalar & CustomStringConvertible>(
    _ values: UnsafeBufferPointer<T>, columnCount: Int, header: [String]? = nil, separator: Separator = .comma
  ) -> [UInt8] {
    check(values.count, columnCount, header)
    var text: [UInt8] = []
    text.reserveCapacity(values.count * 8)
    func end(_ column: Int) { text.append(column + 1 == columnCount ? UInt8(ascii: "\n") : separator.rawValue) }
    for (column, name) in (header ?? []).enumerated() {
      text += quotedIfNeeded(name, separator)
      end(column)
    }
    var column = 0
    for value in values {
      text += (value.isNaN ? "nan" : value.description).utf8
      if text.suffix(2).elementsEqual(".0".utf8) { text.removeLast(2) }
      end(column)
      column = column + 1 == columnCount ? 0 : column + 1
    }
    return text
  }

  /// A name that could be taken for a number, or for two names, goes in double quotes.
  private static func quotedIfNeeded(_ name: String, _ separator: Separator) -> [UInt8] {
    let bytes = Array(name.utf8)
    let isNumber = bytes.withUnsafeBufferPointer { DecimalNumber.read($0, from: 0, to: $0.count)?.next == $0.count }
    let isPlain = bytes.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 != separator.rawValue }
    if isPlain, !isNumber, !bytes.isEmpty { return bytes }
    let quote = UInt8(ascii: "\"")
    let doubled = bytes.flatMap { $0 == quote ? [quote, quote] : [$0] }
    return [quote] + doubled + [quote]
  }

  private static func check(_ count: Int, _ columnCount: Int, _ header: [String]?) {
    if columnCount < 1 { stop("CSVFile", "a table needs at least one column", got: "\(columnCount)") }
    if !count.isMultiple(of: columnCount) {
      stop("CSVFile", "the numbers must fill whole rows", got: "\(count) numbers for \(columnCount) columns")
    }
    guard let header else { return }
    if header.count != columnCount {
      stop("CSVFile", "every column needs a name", got: "\(header.count) names for \(columnCount) columns")
    }
    if let name = header.first(where: { $0.utf8.contains { $0 == 0x0A || $0 == 0x0D } }) {
      stop("CSVFile", "the name of a column must stand on one line", got: FileError.quoted(name.utf8))
    }
  }
}
