import AutoDiff
import Foundation

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
    let prefixes = arguments[workload]
    for prefix in prefixes where !Workloads.all.contains(where: { $0.id.hasPrefix(prefix) }) {
      throw UsageError("no workload begins with \(prefix)")
    }
    let chosen = Workloads.all.filter { workload in
      prefixes.isEmpty || prefixes.contains { workload.id.hasPrefix($0) }
    }
    let type = arguments[scalarType]
    let limit = min(arguments[threads] ?? .max, ProcessInfo.processInfo.activeProcessorCount)
    try withThreadLimit(limit) {
      let peak = chosen.contains { $0.flops != nil } ? MachineLimits.productRate(of: type, threads: limit) : nil
      var table = Table([
        ("workload", .left), ("ms", .right), ("median ms", .right), ("rate", .right), ("of peak", .right),
        ("check", .right),
      ])
      for workload in chosen {
        let timing = try measure(workload, type, budget: arguments[budget])
        let rate = workload.flops.map { $0 / timing.best * 1e-9 }
        if arguments[json] {
          var fields = [
            "\"workload\": \"\(workload.id)\"", "\"dtype\": \"\(type.rawValue)\"", "\"threads\": \(limit)",
            "\"ms\": \(timing.best * 1e3)", "\"median_ms\": \(timing.median * 1e3)", "\"check\": \(timing.check)",
          ]
          if let variant = workload.variant { fields.append("\"variant\": \"\(variant)\"") }
          if let rate { fields.append("\"gflops\": \(rate)") }
          if let rate, let peak { fields.append("\"fraction_of_peak\": \(rate / peak)") }
          if let count = workload.elements { fields.append("\"ns_per_element\": \(timing.best * 1e9 / Double(count))") }
          if let count = workload.operations { fields.append("\"us_per_op\": \(timing.best * 1e6 / Double(count))") }
          print("{" + fields.joined(separator: ", ") + "}")
          fflush(nil)
        } else {
          let figure =
            if let rate {
              format(rate) + " GFLOP/s"
            } else if let count = workload.elements {
              format(timing.best * 1e9 / Double(count)) + " ns/element"
            } else if let count = workload.operations {
              format(timing.best * 1e6 / Double(count)) + " µs/operation"
            } else {
              ""
            }
          let share = rate.flatMap { rate in peak.map { format(100 * rate / $0) + " %" } } ?? ""
          table.append([
            workload.id, format(timing.best * 1e3), format(timing.median * 1e3), figure, share, "\(timing.check)",
          ])
        }
      }
      if !arguments[json] {
        print(table)
        if let peak { print("Peak product rate measured in cache: \(format(peak)) GFLOP/s on \(limit) threads.") }
        print("Memory bandwidth measured: \(format(MachineLimits.bandwidth())) GB/s (read and write).")
      }
    }
  }

  /// One untimed run, then runs until the budget is used, at least three.
  private static func measure(
    _ workload: Workload, _ type: ScalarType, budget: Double
  ) throws -> (best: Double, median: Double, check: Double) {
    let (work, check) = try workload.prepare(type)
    let value = check(try work())
    let clock = ContinuousClock()
    var times: [Double] = []
    var spent = 0.0
    while spent < budget || times.count < 3 {
      let time = try clock.measure { _ = try work() } / .seconds(1)
      times.append(time)
      spent += time
    }
    times.sort()
    return (times[0], times[times.count / 2], value)
  }

  private static func format(_ value: Double) -> String {
    String(format: value >= 100 ? "%.0f" : value >= 10 ? "%.1f" : "%.3f", value)
  }
}
