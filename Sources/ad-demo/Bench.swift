import AutoDiff

/// The workloads of the published benchmark, so that the figures can stand beside those of other programs.
enum Bench: Command {
  static let name = "bench"
  static let summary = "Measure the speed of the framework on its benchmark"

  static let workload = Option<[String]>(
    repeated: "workload", "ID", "Only the workloads that begin like this, such as W5. or W5.mlp256.ntk")
  static let scalarType = Option("dtype", "TYPE", default: ScalarType.float64, "The precision")
  static let threads = Option<Int?>(optional: "threads", "N", range: 1...1024, "How many cores to use (default: all)")
  static let budget = Option("budget", "SECONDS", default: 0.4, range: 0...3600, "The least time for each measurement")
  static let json = Option(switch: "json", "Print one JSON object per line instead of a table")
  static let options: [any CommandOption] = [workload, scalarType, threads, budget, json]

  static func run(_ arguments: Arguments) throws {
  }
}
