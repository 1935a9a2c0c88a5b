import AutoDiff
import Foundation

/// The workloads of the published benchmark, so that the figures can stand beside those of other programs.
enum Bench: Command {
  static let name = "bench"
  static let summary = "Measure the speed of the framework on its benchmark"

  static let workload = Option<[String]>(
    repeated: "workload", "ID", "Only what begins like this, such as W5. or \"W13.ode32.ntk, factored\"")
  static let scalarType = Option("dtype", "TYPE", default: ScalarType.float64, "The precision")
  static let threads = Option<Int?>(optional: "threads", "N", range: 1...1024, "How many cores to use (default: all)")
  static let budget = Option("budget", "SECONDS", default: 0.4, range: 0...3600, "The least time for each measurement")
  static let json = Option(switch: "json", "Print one JSON object per line instead of a table")
  static let options: [any CommandOption] = [workload, scalarType, threads, budget, json]

  static func run(_ arguments: Arguments) throws {
    let prefixes = arguments[workload]
    for prefix in prefixes where !Workloads.all.contains(where: { $0.label.hasPrefix(prefix) }) {
      throw UsageError("no workload begins with \(prefix)")
    }
    let chosen = Workloads.all.filter { workload in
      prefixes.isEmpty || prefixes.contains { workload.label.hasPrefix($0) }
    }
    let type = arguments[scalarType]
    let threads = min(arguments[threads] ?? .max, ProcessInfo.processInfo.activeProcessorCount)
    try withThreadLimit(threads) {
      let limits = BenchmarkLimits(for: chosen, as: type, threads: threads)
      var table = Table([
        ("workload", .left), ("ms", .right), ("median ms", .right), ("rate", .right), ("of limit", .right),
        ("check", .right),
      ])
      for workload in chosen {
        let measurement = try Measurement(of: workload, as: type, budget: arguments[budget])
        if arguments[json] {
          print(json(measurement, limits, threads: threads))
        } else {
          table.append(row(measurement, limits))
        }
      }
      if arguments[json] { return }
      print(table)
      if let rate = limits.productRate {
        print("Limit of products, measured in cache: \(numeral(rate)) GFLOP/s with \(threads) threads.")
      }
      if let rate = limits.bandwidth {
        print("Limit of elementwise functions, measured by copying: \(numeral(rate)) GB/s (read and write).")
      }
    }
  }

  static func row(_ m: Measurement, _ limits: BenchmarkLimits) -> [String] {
    let rate =
      if let rate = m.productRate {
        numeral(rate) + " GFLOP/s"
      } else if let rate = m.memoryRate {
        numeral(rate) + " GB/s"
      } else if let count = m.workload.operations {
        numeral(m.best * 1e6 / Double(count)) + " µs/operation"
      } else {
        ""
      }
    return [
      m.workload.label, numeral(m.best * 1e3), numeral(m.median * 1e3), rate, limits.share(of: m).map(percentage) ?? "",
      m.check.map { "\($0)" } ?? "",
    ]
  }

  static func json(_ m: Measurement, _ limits: BenchmarkLimits, threads: Int) -> String {
    var fields = [
      "\"workload\": \"\(m.workload.id)\"", "\"dtype\": \"\(m.scalarType.rawValue)\"", "\"threads\": \(threads)",
      "\"ms\": \(m.best * 1e3)", "\"median_ms\": \(m.median * 1e3)", "\"check\": \(m.check.map { "\($0)" } ?? "null")",
    ]
    func add(_ name: String, _ value: Double?) { if let value { fields.append("\"\(name)\": \(value)") } }
    if let variant = m.workload.variant { fields.append("\"variant\": \"\(variant)\"") }
    add("gflops", m.productRate)
    add("gb_per_s", m.memoryRate)
    add(m.productRate != nil ? "fraction_of_peak" : "fraction_of_bandwidth", limits.share(of: m))
    add("ns_per_element", m.workload.elements.map { m.best * 1e9 / Double($0) })
    add("us_per_op", m.workload.operations.map { m.best * 1e6 / Double($0) })
    return "{" + fields.joined(separator: ", ") + "}"
  }
}
