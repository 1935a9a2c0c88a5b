import Foundation

/// Whether the processor that runs this binary has the instructions that it was compiled for.
enum HostCPU {
  /// A message that names the first missing feature, or nil if the program may run.
  ///
  /// Only Linux on x86-64 is checked: elsewhere the code is compiled for what every processor has.
  static func missingFeature() -> String? {
    #if os(Linux) && arch(x86_64)
      guard let description = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8) else { return nil }
      return missingFeature(required: InstructionSet.features, processor: description)
    #else
      return nil
    #endif
  }

  /// The message for a processor that `/proc/cpuinfo` describes as given, or nil if nothing is missing.
  static func missingFeature(required: [String], processor description: String) -> String? {
    func value(of key: String) -> Substring? {
      let line = description.split(separator: "\n").first { $0.hasPrefix(key) }
      return line?.split(separator: ":", maxSplits: 1).last.map { $0.drop { $0 == " " } }
    }
    // A description without flags says nothing, and must not keep the program from running.
    guard let flags = value(of: "flags")?.split(separator: " ") else { return nil }
    guard let missing = required.first(where: { !flags.contains(Substring($0)) }) else { return nil }
    let name = value(of: "model name") ?? "this processor"
    return """
      This program was compiled for processors with \(missing), which \(name) lacks. \
      Build it on this machine, or with AUTODIFF_CPU=baseline.
      """
  }
}

/// Stops the process with one line of explanation where the processor lacks instructions that it was compiled for.
///
/// Call it first in `main`: without it such a process is killed by the operating system at some later point, without a
/// word. The line goes to the standard error output and the exit status is 1.
public func checkHostCPU() {
  guard let message = HostCPU.missingFeature() else { return }
  FileHandle.standardError.write(Data((message + "\n").utf8))
  exit(1)
}
