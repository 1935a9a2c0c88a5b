/// What is wrong with a file: which file, where in it, and what was found there.
///
/// `kernel.npy, byte 10: ...` or `digits.csv, line 3, column 2: "1O" is not a number.`
public struct FileError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The class of the problem, for programs that treat them differently.
  public enum Kind: Sendable, Equatable {
    /// The operating system refuses to open or to read the file.
    case unreadable
    /// The operating system refuses to write the file; what stood under its name is unchanged.
    case unwritable
    /// The file ends before what it announces.
    case truncated
    /// The file breaks the rules of its format.
    case malformed
    /// The file is well formed, but holds what tensors cannot.
    case unsupported
    /// The machine's memory cannot hold what the file holds, or says that it holds.
    case tooLarge
  }

  /// A place in a file.
  public enum Place: Sendable, Equatable, CustomStringConvertible {
    /// The file as a whole.
    case whole
    /// The distance in bytes from the start of the file; the first byte is 0.
    case byte(Int)
    /// A line of a text file, counted from 1, and the field of that line, counted from 1 too.
    case line(Int, column: Int?)

    /// The place in words; empty for the whole file.
    public var description: String {
      switch self {
      case .whole: ""
      case .byte(let offset): "byte \(offset)"
      case .line(let line, let column?): "line \(line), column \(column)"
      case .line(let line, nil): "line \(line)"
      }
    }
  }

  /// The class of the problem.
  public let kind: Kind
  /// The file as the caller named it.
  public let file: String
  /// Where in the file the problem is.
  public let place: Place
  /// What was found, and what should stand there.
  public let problem: String

  /// Describes a problem with a file.
  public init(_ kind: Kind, file: String, at place: Place = .whole, _ problem: String) {
    self.kind = kind
    self.file = file
    self.place = place
    self.problem = problem
  }

  /// File, place and problem on one line.
  public var description: String {
    place == .whole ? "\(file): \(problem)" : "\(file), \(place): \(problem)"
  }
}

extension FileError {
  /// Refuses what memory cannot hold.
  ///
  /// - Parameter what: what needs the memory, as the beginning of a sentence.
  static func checkMemory(_ byteCount: Int, for what: @autoclosure () -> String, file: String) throws(FileError) {
    if MachineMemory.isEnough(for: byteCount) { return }
    throw FileError(
      .tooLarge, file: file,
      "\(what()) takes \(byteCount) bytes, which the memory of \(MachineMemory.byteCount) bytes cannot give.")
  }

  /// The bytes of a file for a message: in quotes, at most 40 of them, what cannot be printed as `\xNN`.
  static func quoted(_ bytes: some Collection<UInt8>) -> String {
    var text = "\""
    for byte in bytes.prefix(40) {
      if (0x20..<0x7F).contains(byte) {
        text.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        let digits = String(byte, radix: 16, uppercase: true)
        text += byte < 16 ? "\\x0\(digits)" : "\\x\(digits)"
      }
    }
    return text + (bytes.count > 40 ? "...\"" : "\"")
  }
}
