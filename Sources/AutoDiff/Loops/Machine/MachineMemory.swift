import Foundation

/// How much memory there is.
enum MachineMemory {
  /// The bytes of the machine's memory, or those that a container is granted. More than this is never asked for: the
  /// system would promise it and then end the process.
  static let byteCount: Int = {
    let physical = Int(clamping: ProcessInfo.processInfo.physicalMemory)
    guard let text = try? String(contentsOfFile: "/sys/fs/cgroup/memory.max", encoding: .utf8),
      let quota = Int(text.trimmingCharacters(in: .whitespacesAndNewlines)), quota > 0
    else { return physical }
    return min(physical, quota)
  }()

  /// Whether so many bytes can be had at present. (The language's own arrays end the process where there is no memory.)
  static func isEnough(for bytes: Int) -> Bool {
    guard bytes <= byteCount, let probe = malloc(max(1, bytes)) else { return false }
    free(probe)
    return true
  }
}
