import AutoDiff
import Foundation

/// The program `ad-demo`: one file per command, and this one to choose among them.
@main
enum AdDemo {
  static let commands: [any Command.Type] = [
    Tour.self, Check.self, KernelCommand.self, PredictCommand.self, WidthCommand.self, HierarchyCommand.self,
    SpectrumCommand.self, LipschitzCommand.self, CertifyCommand.self, Bench.self, GradBenchCommand.self,
  ]

  static func main() {
    StandardStream.secure()
    Interruption.handle()
    checkHostCPU()
    do {
      try EnvironmentVariables.check()
      let words = try CommandLine.words()
      exit(Program(commands: commands).runToTheEnd(words))
    } catch {
      StandardStream.error.write("ad-demo: \(error)\n")
      exit(2)
    }
  }
}

extension CommandLine {
  /// The words after the program's name. Bytes that are no text would be replaced silently, and then name another file.
  fileprivate static func words() throws(UsageError) -> [String] {
    var words: [String] = []
    for (number, bytes) in UnsafeBufferPointer(start: unsafeArgv, count: Int(argc)).enumerated().dropFirst() {
      guard let bytes, let word = String(validatingCString: bytes) else {
        throw UsageError("word \(number) of the call is not UTF-8 text: \(arguments[number].debugDescription).")
      }
      words.append(word)
    }
    return words
  }
}
