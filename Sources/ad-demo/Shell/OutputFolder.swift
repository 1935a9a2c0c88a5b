import AutoDiff
import Foundation

/// The folder that a command writes its results to.
struct OutputFolder {
  /// As the user named it.
  let path: String

  /// Makes the folder if it does not exist.
  init(_ path: String) throws(FileError) {
    self.path = path
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) {
      if !isFolder.boolValue { throw FileError(.unwritable, file: path, "is a file, but a folder is needed.") }
      return
    }
    var folder = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      folder += part + "/"
      if mkdir(folder, 0o777) == 0 || errno == EEXIST { continue }
      let reason = String(cString: strerror(errno)).lowercased()
      throw FileError(.unwritable, file: path, "the folder cannot be made: \(reason).")
    }
  }

  /// The path of a file in the folder.
  func path(of name: String) -> String { path.hasSuffix("/") ? path + name : path + "/" + name }

  /// Writes a text file; under its name never stands a part of it.
  func write(_ text: String, to name: String) throws(FileError) {
    try FileAccess.write(Array(text.utf8), to: path(of: name))
  }
}
