import AutoDiff
import Foundation

/// The program `ad-demo`: one file per command, and this one to choose among them.
@main
enum AdDemo {
  static let commands: [any Command.Type] = [Tour.self, Check.self, KernelCommand.self, Bench.self]

  static func main() {
    checkHostCPU()
    let program = Program(commands: commands)
    exit(program.run(Array(CommandLine.arguments.dropFirst())))
  }
}
