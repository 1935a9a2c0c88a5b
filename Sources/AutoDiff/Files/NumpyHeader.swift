/// The header of a `.npy` file: what the bytes after it mean.
///
/// - Source: NumPy Enhancement Proposal 1, "A Simple File Format for NumPy Arrays", and `numpy.lib.format`.
struct NumpyHeader: Equatable {
  /// How one entry is stored.
  struct Entry: Equatable {
    enum Kind: UInt8 { case float = 0x66, signed = 0x69, unsigned = 0x75, bool = 0x62 }  // f, i, u, b
    let kind: Kind
    let byteCount: Int
    let isByteSwapped: Bool
  }

  let entry: Entry
  let isColumnMajor: Bool
  let shape: [Int]
  /// The number of entries, the product of the extents.
  let count: Int
  /// Where the entries start.
  let byteOffset: Int

  /// Reads the header, and checks that exactly the entries which it announces follow it.
  ///
  /// - Parameters:
  ///   - bytes: the file, or at least its start.
  ///   - fileSize: the size of the whole file, if these are not all of its bytes.
  init(_ bytes: [UInt8], fileSize: Int? = nil, file: String) throws(FileError) {
    let fileSize = fileSize ?? bytes.count
    func malformed(_ offset: Int, _ problem: String) -> FileError {
      FileError(.malformed, file: file, at: .byte(offset), problem)
    }
    func truncated(_ problem: String) -> FileError {
      FileError(.truncated, file: file, at: .byte(bytes.count), problem)
    }
    let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
    guard bytes.starts(with: magic) else {
      if !bytes.isEmpty, magic.starts(with: bytes) { throw truncated("the file ends within the first 6 bytes.") }
      let found = bytes.isEmpty ? "an empty file" : FileError.quoted(bytes.prefix(6))
      throw malformed(0, "a .npy file starts with \"\\x93NUMPY\", but this one is \(found).")
    }
    guard bytes.count > 7 else { throw truncated("the file ends before its version number.") }
    let version = bytes[6]
    guard (1...3).contains(version), bytes[7] == 0 else {
      throw FileError(
        .unsupported, file: file, at: .byte(6), "versions 1.0, 2.0 and 3.0 can be read, but got \(version).\(bytes[7])."
      )
    }
    let start = version == 1 ? 10 : 12
    guard bytes.count >= start else { throw truncated("the file ends within the length of its header.") }
    let length = bytes[8..<start].reversed().reduce(0) { $0 << 8 | Int($1) }
    guard length <= fileSize - start else {
      throw FileError(
        .truncated, file: file, at: .byte(8),
        "a header of \(length) bytes is announced, but only \(fileSize - start) bytes follow.")
    }
    guard length <= bytes.count - start else {
      throw FileError(
        .unsupported, file: file, at: .byte(8),
        "a header can have \(bytes.count - start) bytes at most, but \(length) are announced.")
    }

    var reader = NumpyDictionaryReader(bytes: bytes, position: start, end: start + length, file: file)
    let items = try reader.read()
    (entry, isColumnMajor, shape) = (items.entry, items.isColumnMajor, items.shape)
    byteOffset = start + length

    // An extent of 0 makes the array empty, but the others must still multiply to something addressable, because
    // strides are made of them. A number in memory takes eight bytes at most, and so does an entry of the file.
    let largestEntry = 8
    var product = largestEntry
    for extent in items.shape where extent != 0 {
      let (next, isTooLarge) = product.multipliedReportingOverflow(by: extent)
      guard !isTooLarge else {
        throw malformed(items.shapeOffset, "an array of shape \(briefly(items.shape)) is too large for any memory.")
      }
      product = next
    }
    count = items.shape.contains(0) ? 0 : product / largestEntry
    let announced = count * items.entry.byteCount
    let present = fileSize - byteOffset
    guard present >= announced else {
      throw FileError(
        .truncated, file: file, at: .byte(fileSize),
        "shape \(briefly(shape)) needs \(announced) bytes of values, but the file holds \(present).")
    }
    guard present == announced else {
      throw malformed(byteOffset + announced, "\(present - announced) bytes follow the last value.")
    }
  }

  /// The scalar type that takes the entries; see ``NumpyFile/scalarType``.
  var scalarType: ScalarType { entry.kind == .float && entry.byteCount <= 4 ? .float32 : .float64 }

  /// Refuses entries that memory cannot hold as a tensor, beside the bytes of the file.
  func checkMemory(beside bytes: Int, file: String) throws(FileError) {
    let (tensor, isTooLarge) = count.multipliedReportingOverflow(by: scalarType.byteCount)
    try FileError.checkMemory(
      isTooLarge ? .max : saturatingSum(tensor, bytes), for: "reading a tensor of shape \(briefly(shape))", file: file)
  }

  /// The header that stands before row-major values of the given type, padded to a multiple of 64 bytes.
  static func encoded(shape: [Int], scalarType: ScalarType) -> [UInt8] {
    #if _endian(big)
      let order = ">"
    #else
      let order = "<"
    #endif
    let extents = shape.count == 1 ? "\(shape[0])," : shape.map(String.init).joined(separator: ", ")
    let dictionary = "{'descr': '\(order)f\(scalarType.byteCount)', 'fortran_order': False, 'shape': (\(extents)), }"
    func padded(_ start: Int) -> Int { (start + dictionary.utf8.count + 1 + 63) / 64 * 64 }
    let version: UInt8 = padded(10) - 10 <= UInt16.max ? 1 : 2
    let start = version == 1 ? 10 : 12
    let length = padded(start) - start
    var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [version, 0]
    for byte in 0..<(start - 8) { bytes.append(UInt8(truncatingIfNeeded: length >> (8 * byte))) }
    bytes += Array(dictionary.utf8)
    bytes += repeatElement(UInt8(ascii: " "), count: start + length - 1 - bytes.count)
    bytes.append(UInt8(ascii: "\n"))
    return bytes
  }
}

/// A shape for a message; a hostile header can list thousands of extents.
private func briefly(_ shape: [Int]) -> String {
  guard shape.count > 8 else { return "\(shape)" }
  return "[" + shape.prefix(8).map(String.init).joined(separator: ", ") + ", ...] of rank \(shape.count)"
}
