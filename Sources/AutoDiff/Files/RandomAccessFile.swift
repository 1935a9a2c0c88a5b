import Foundation

/// A file that is written piece by piece at any offset, and stays where it is when the process ends.
package final class RandomAccessFile: @unchecked Sendable {
  /// The file as the caller named it.
  package let path: String
  private let file: Int32

  /// Opens a file to read and write, and makes it if there is none.
  ///
  /// - Parameter lock: keeps other processes that want to lock the file from it until this one ends.
  package init(_ path: String, lock: Bool = false) throws(FileError) {
    self.path = path
    file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard file >= 0 else { throw FileError(.unwritable, file: path, "cannot be opened: \(systemMessage()).") }
    var status = stat()
    if fstat(file, &status) != 0 || status.st_mode & S_IFMT != S_IFREG {
      close(file)
      throw FileError(.unwritable, file: path, "is not an ordinary file.")
    }
    if lock, flock(file, LOCK_EX | LOCK_NB) != 0 {
      close(file)
      throw FileError(.unwritable, file: path, "is in use by another process.")
    }
  }

  deinit {
    // A child process that is just being started still has the file open, and would keep the lock for that time.
    flock(file, LOCK_UN)
    close(file)
  }

  /// The size in bytes.
  package var size: Int {
    get throws(FileError) {
      var status = stat()
      guard fstat(file, &status) == 0 else {
        throw FileError(.unreadable, file: path, "cannot be examined: \(systemMessage()).")
      }
      return Int(status.st_size)
    }
  }

  /// Makes the file so long; what is added reads as zeros and takes no room on the disk before it is written.
  package func resize(to size: Int) throws(FileError) {
    guard ftruncate(file, off_t(size)) == 0 else {
      throw FileError(.unwritable, file: path, "cannot get \(size) bytes: \(systemMessage()).")
    }
  }

  /// Writes bytes from an offset on.
  package func write(_ bytes: ArraySlice<UInt8>, at offset: Int) throws(FileError) {
    var rest = bytes
    while !rest.isEmpty {
      let place = offset + bytes.count - rest.count
      let written = rest.withUnsafeBytes { pwrite(file, $0.baseAddress!, $0.count, off_t(place)) }
      if written > 0 {
        rest = rest.dropFirst(written)
      } else if written == 0 || errno != EINTR {
        throw FileError(.unwritable, file: path, at: .byte(place), "cannot be written: \(systemMessage()).")
      }
    }
  }

  /// Reads so many bytes from an offset on; it throws where the file ends before.
  package func read(_ count: Int, at offset: Int) throws(FileError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let got = bytes.withUnsafeMutableBytes { pread(file, $0.baseAddress! + done, count - done, off_t(offset + done)) }
      if got > 0 {
        done += got
      } else if got == 0 {
        throw FileError(
          .truncated, file: path, at: .byte(offset + done), "the file ends where \(count - done) bytes should follow.")
      } else if errno != EINTR {
        throw FileError(.unreadable, file: path, at: .byte(offset + done), "cannot be read: \(systemMessage()).")
      }
    }
    return bytes
  }

  /// Waits until everything written is on the disk.
  package func synchronize() throws(FileError) {
    guard fsync(file) == 0 else { throw FileError(.unwritable, file: path, "cannot be written: \(systemMessage()).") }
  }

  /// Gives the file another name, in place of what stands there, so that it is there after a loss of power too.
  package func rename(to target: String) throws(FileError) {
    try synchronize()
    guard Foundation.rename(path, target) == 0 else {
      throw FileError(.unwritable, file: target, "cannot be written: \(systemMessage()).")
    }
    let folder = open(URL(fileURLWithPath: target).deletingLastPathComponent().path, O_RDONLY | O_CLOEXEC)
    if folder >= 0 {
      _ = fsync(folder)
      close(folder)
    }
  }
}

private func systemMessage() -> String {
  let text = String(cString: strerror(errno))
  return text.prefix(1).lowercased() + text.dropFirst()
}
