import Foundation
import Synchronization

/// Whole files in and out.
package enum FileAccess {
  /// So many bytes are the start of a file.
  static let startCount = 1 << 20

  /// Reads a file or a pipe to its end.
  ///
  /// Of a file that is longer than ``startCount`` the start is read and looked at before there is memory for the rest: a
  /// file of holes has any size, and a header tells whether what follows can be what it announces.
  ///
  /// - Parameter inspect: what looks at the start of a long file; it is also given the file's size.
  package static func read(
    _ path: String, inspecting inspect: (_ start: [UInt8], _ size: Int) throws(FileError) -> Void = { _, _ in }
  ) throws(FileError) -> [UInt8] {
    func refuse(_ problem: String) -> FileError { FileError(.unreadable, file: path, problem) }
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw refuse("cannot be opened: \(systemMessage()).") }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { throw refuse("cannot be examined: \(systemMessage()).") }
    switch status.st_mode & S_IFMT {
    case S_IFREG, S_IFIFO: break
    case S_IFDIR: throw refuse("is a folder, but a file is needed.")
    default: throw refuse("is neither a file nor a pipe.")
    }
    let size = max(Int(status.st_size), 0)
    // One byte more than the size, so that the end of an ordinary file is seen without growing.
    var bytes = [UInt8](repeating: 0, count: min(size, startCount) + 1)
    var filled = 0
    while true {
      if filled == bytes.count {
        if filled == startCount + 1, size > startCount { try inspect(bytes, size) }
        let more = filled <= size ? size + 1 - filled : max(filled, 65536)
        try FileError.checkMemory(saturatingSum(filled, more), for: "reading the file", file: path)
        bytes.append(contentsOf: repeatElement(0, count: more))
      }
      let got = bytes.withUnsafeMutableBytes { unfilled in
        Foundation.read(file, unfilled.baseAddress! + filled, unfilled.count - filled)
      }
      if got == 0 { break }
      if got > 0 {
        filled += got
      } else if errno != EINTR {
        throw FileError(.unreadable, file: path, at: .byte(filled), "cannot be read: \(systemMessage()).")
      }
    }
    bytes.removeLast(bytes.count - filled)
    return bytes
  }

  /// Writes a file so that under its name stands either what stood there before or everything new, never a part.
  ///
  /// The bytes go to a hidden file in the same folder, which takes the final name when it is complete on the disk.
  package static func write(_ pieces: [UnsafeRawBufferPointer], to path: String) throws(FileError) {
    func refuse(_ problem: String) -> FileError { FileError(.unwritable, file: path, problem) }
    var status = stat()
    let isReplacing = stat(path, &status) == 0
    if isReplacing, status.st_mode & S_IFMT != S_IFREG {
      throw refuse(status.st_mode & S_IFMT == S_IFDIR ? "is a folder, not a file." : "is not an ordinary file.")
    }
    // A symbolic link keeps pointing where it did: its target is what gets replaced.
    let target = isReplacing ? resolved(path) : path
    let url = URL(fileURLWithPath: target)
    let mark = String(UInt64.random(in: .min ... .max), radix: 36)
    let temporary = url.deletingLastPathComponent().path + "/.\(url.lastPathComponent.prefix(100)).\(mark).partial"
    let file = partialFiles.withLock { partial in
      let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      if file >= 0 { partial.insert(temporary) }
      return file
    }
    guard file >= 0 else { throw refuse("cannot be created: \(systemMessage()).") }
    // After it has its final name, or is gone.
    defer { partialFiles.withLock { _ = $0.remove(temporary) } }
    var isComplete = true
    if isReplacing { isComplete = fchmod(file, status.st_mode & 0o777) == 0 }
    for piece in pieces where isComplete { isComplete = write(piece, to: file) }
    isComplete = isComplete && fsync(file) == 0
    var problem = systemMessage()
    if close(file) != 0, isComplete {
      isComplete = false
      problem = systemMessage()
    }
    if isComplete {
      if rename(temporary, target) == 0 { return }
      problem = systemMessage()
    }
    unlink(temporary)
    throw refuse("cannot be written: \(problem).")
  }

  /// The hidden files that exist at present.
  private static let partialFiles = Mutex<Set<String>>([])

  /// Removes all files that are being written, makes no new ones, and ends the program: for its handlers of signals.
  ///
  /// - Parameter end: ends the process at once.
  package static func removePartialFiles(andThen end: () -> Never) -> Never {
    // The lock is never given back, so that no file is made between its removal and the end.
    partialFiles.withLock { partial -> Never in
      for path in partial { unlink(path) }
      end()
    }
  }

  /// Writes one array of bytes as ``write(_:to:)-([UnsafeRawBufferPointer],_)`` does.
  package static func write(_ bytes: [UInt8], to path: String) throws(FileError) {
    try bytes.withUnsafeBufferPointer { bytes throws(FileError) in
      try write([UnsafeRawBufferPointer(bytes)], to: path)
    }
  }

  private static func write(_ bytes: UnsafeRawBufferPointer, to file: Int32) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      let piece = UnsafeRawBufferPointer(rebasing: rest)
      let written = Foundation.write(file, piece.baseAddress!, piece.count)
      if written >= 0 {
        rest = rest.dropFirst(written)
      } else if errno != EINTR {
        return false
      }
    }
    return true
  }

  private static func resolved(_ path: String) -> String {
    guard let text = realpath(path, nil) else { return path }
    defer { free(text) }
    return String(cString: text)
  }

  private static func systemMessage() -> String {
    let text = String(cString: strerror(errno))
    return text.prefix(1).lowercased() + text.dropFirst()
  }
}
