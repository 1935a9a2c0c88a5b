/// Reads the one Python literal that a `.npy` header consists of:
/// `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`.
struct NumpyDictionaryReader {
  struct Items {
    let entry: NumpyHeader.Entry
    let isColumnMajor: Bool
    let shape: [Int]
    /// Where the shape stands in the file.
    let shapeOffset: Int
  }

  let bytes: [UInt8]
  var position: Int
  let end: Int
  let file: String

  /// The whole header, the three keys in any order.
  mutating func read() throws(FileError) -> Items {
    let opening = position
    var entry: NumpyHeader.Entry?
    var isColumnMajor: Bool?
    var shape: (extents: [Int], offset: Int)?
    try expect("{")
    while !accept("}") {
      skipSpace()
      let offset = position
      let key = try string()
      try expect(":")
      skipSpace()
      switch key {
      case "descr" where entry == nil: entry = try entryDescription()
      case "fortran_order" where isColumnMajor == nil: isColumnMajor = try boolean()
      case "shape" where shape == nil:
        let start = position
        shape = (try extents(), start)
      case "descr", "fortran_order", "shape": throw malformed(offset, "the key '\(key)' stands here a second time.")
      default:
        throw malformed(
          offset, "the keys are 'descr', 'fortran_order' and 'shape', but got \(FileError.quoted(key.utf8)).")
      }
      if !accept(",") {
        try expect("}", or: "','")
        break
      }
    }
    skipSpace()
    guard position == end else { throw unexpected("nothing but space after the closing '}'") }
    guard let entry else { throw malformed(opening, "the header lacks the key 'descr'.") }
    guard let isColumnMajor else { throw malformed(opening, "the header lacks the key 'fortran_order'.") }
    guard let shape else { throw malformed(opening, "the header lacks the key 'shape'.") }
    return Items(entry: entry, isColumnMajor: isColumnMajor, shape: shape.extents, shapeOffset: shape.offset)
  }

  /// `'<f8'`: byte order, kind and size of an entry.
  private mutating func entryDescription() throws(FileError) -> NumpyHeader.Entry {
    let offset = position
    func unsupported(_ found: String) -> FileError {
      FileError(
        .unsupported, file: file, at: .byte(offset),
        "entries can be f2, f4, f8, i1 to i8, u1 to u8 or b1 in either byte order, but got \(found).")
    }
    if peek == UInt8(ascii: "[") { throw unsupported("a record of several fields") }
    let text = try string()
    var code = Array(text.utf8)[...]
    var isBigEndian = false
    #if _endian(big)
      let hostIsBigEndian = true
    #else
      let hostIsBigEndian = false
    #endif
    switch code.first {
    case UInt8(ascii: "<"): code.removeFirst()
    case UInt8(ascii: ">"):
      isBigEndian = true
      code.removeFirst()
    case UInt8(ascii: "="), UInt8(ascii: "|"):
      isBigEndian = hostIsBigEndian
      code.removeFirst()
    default: isBigEndian = hostIsBigEndian
    }
    guard code.count == 2, let letter = code.first, let kind = NumpyHeader.Entry.Kind(rawValue: letter) else {
      throw unsupported(FileError.quoted(text.utf8))
    }
    let byteCount = Int(code.last!) - Int(UInt8(ascii: "0"))
    let isKnown =
      switch kind {
      case .float: [2, 4, 8].contains(byteCount)
      case .signed, .unsigned: [1, 2, 4, 8].contains(byteCount)
      case .bool: byteCount == 1
      }
    guard isKnown else { throw unsupported(FileError.quoted(text.utf8)) }
    return .init(kind: kind, byteCount: byteCount, isByteSwapped: isBigEndian != hostIsBigEndian)
  }

  /// `(3, 4)`, `(3,)` or `()`.
  private mutating func extents() throws(FileError) -> [Int] {
    try expect("(")
    var extents: [Int] = []
    while !accept(")") {
      extents.append(try extent())
      if !accept(",") {
        try expect(")", or: "','")
        break
      }
    }
    return extents
  }

  private mutating func extent() throws(FileError) -> Int {
    skipSpace()
    let start = position
    if peek == UInt8(ascii: "-") { throw malformed(start, "an extent cannot be negative.") }
    var value = 0
    while let byte = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
      let (tens, isTooLarge) = value.multipliedReportingOverflow(by: 10)
      let (next, isTooLargeNow) = tens.addingReportingOverflow(Int(byte - UInt8(ascii: "0")))
      if isTooLarge || isTooLargeNow { throw malformed(start, "an extent is larger than any memory.") }
      value = next
      position += 1
    }
    if position == start { throw unexpected("an extent") }
    if peek == UInt8(ascii: "L") { position += 1 }  // as Python 2 wrote long integers
    return value
  }

  private mutating func boolean() throws(FileError) -> Bool {
    for (word, value) in [("True", true), ("False", false)] where bytes[position..<end].starts(with: word.utf8) {
      position += word.utf8.count
      return value
    }
    throw unexpected("True or False")
  }

  private mutating func string() throws(FileError) -> String {
    guard let quote = peek, quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else {
      throw unexpected("a quoted word")
    }
    let start = position + 1
    guard let close = bytes[start..<end].firstIndex(of: quote) else {
      throw malformed(position, "the closing quote is missing.")
    }
    position = close + 1
    return String(decoding: bytes[start..<close], as: UTF8.self)
  }

  // MARK: Single bytes

  private var peek: UInt8? { position < end ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = peek, byte == 0x20 || (0x09...0x0D).contains(byte) { position += 1 }
  }

  /// Skips space, and the given byte if it comes next.
  private mutating func accept(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard peek == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar, or alternative: String? = nil) throws(FileError) {
    if !accept(character) { throw unexpected("'\(character)'" + (alternative.map { " or \($0)" } ?? "")) }
  }

  private func unexpected(_ wanted: String) -> FileError {
    let found = position < end ? FileError.quoted(bytes[position..<min(position + 12, end)]) : "the end of the header"
    return malformed(position, "expected \(wanted), but got \(found).")
  }

  private func malformed(_ offset: Int, _ problem: String) -> FileError {
    FileError(.malformed, file: file, at: .byte(offset), problem)
  }
}
