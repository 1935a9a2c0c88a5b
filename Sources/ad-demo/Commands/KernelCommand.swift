import AutoDiff
import Foundation
import Layers
import Tangent

/// The tangent kernel of a network of the user's choice on the user's data.
enum KernelCommand: Command {
  static let name = "kernel"
  static let summary = "Compute the tangent kernel of a network on your data"
  static let discussion = """
    Reads one example per row (of a .npy file: per entry of the first axis), builds
    a fully connected network, and writes the kernel, its spectrum and its heat map.

    The kernel goes into kernel.npy tile by tile. A run that was killed is continued
    by the same call, to the same bytes. Several processes share the work with
    --shard 0/4 to --shard 3/4; then --merge 4 joins their files.
    """

  static let keep = Option(
    "keep", "PART", default: KernelOutputs.traceMean, "Which part of the kernel's outputs and examples is kept")
  static let method = Option(
    "method", "NAME", default: KernelMethod.automatic, "How inner products of gradients are computed")
  static let budget = Option<ByteCount?>(
    optional: "budget", "SIZE", "The memory for tensors, such as 2GiB; half of the machine's without")
  static let tile = Option<Int?>(
    optional: "tile", "N", range: 1...1_000_000, "Examples on either side of a tile, instead of what the budget allows")
  static let plan = Option(switch: "plan", "Print how the work would be divided, and do not begin it")
  static let shard = Option<ShardChoice?>(
    optional: "shard", "I/N",
    "Compute one of N parts, counted from 0; auto or auto/N takes it from the job array of Slurm or Kubernetes")
  static let merge = Option<Int?>(
    optional: "merge", "N", range: 1...100_000, "Join the N parts that were computed with --shard")
  static let output = Option("output", "DIR", default: "ad-demo-output", "The folder for the results")
  static let options: [any CommandOption] =
    ChosenNetwork.options + [keep, method, budget, tile, plan, shard, merge, output]

  static func run(_ arguments: Arguments) throws {
    if arguments[shard] != nil, arguments[merge] != nil {
      throw UsageError("--shard computes a part and --merge joins all of them: give one of them.")
    }
    let part = try arguments[shard]?.shard()
    let chosen = try ChosenNetwork(arguments)
    var computation = try KernelComputation(
      of: chosen.network, at: chosen.parameters, on: chosen.examples, outputs: arguments[keep],
      method: arguments[method], budget: arguments[budget]?.bytes)
    if let tile = arguments[tile] { computation = computation.withTiles(rows: tile, columns: tile) }
    for line in chosen.lines { print(line) }
    if arguments[plan] {
      print(indented("Plan", "\(computation.plan)"))
      print(indented("Why", computation.plan.explanation))
      return
    }
    let folder = try OutputFolder(arguments[output])
    let path = folder.path(of: "kernel.npy")
    if let count = arguments[merge] {
      try computation.merge(to: path, count: count)
    } else {
      let peak = try compute(computation, to: path, part ?? .whole)
      print("Memory   at most \(numeral(Double(peak) / 0x1p20, digits: 3)) MiB of tensors at a time")
      if let part {
        print("Part     \(part) of the kernel is complete in \(folder.path); --merge \(part.count) joins all parts")
        return
      }
    }
    try report(chosen, computation.plan, path, folder)
  }

  private static func compute(
    _ computation: KernelComputation<Tensor, Parameters>, to path: String, _ shard: KernelShard
  ) throws -> Int {
    let pairs = computation.plan.rowCount * computation.plan.columnCount
    let bar = ProgressBar("Kernel", total: pairs, unit: "pairs", patience: 1)
    defer { bar.finish() }
    return try computation.write(to: path, shard: shard) { bar.update(to: Int($0.fraction * Double(pairs))) }
  }

  /// Prints the kernel's summary and draws it, where it is a matrix that fits into memory beside its spectrum.
  private static func report(
    _ chosen: ChosenNetwork, _ plan: KernelPlan, _ path: String, _ folder: OutputFolder
  ) throws {
    let outputs = chosen.parameters.leaves.isEmpty ? 0 : plan.outputCount
    let part = plan.outputs.isMatrix && outputs > 1 ? ", \(plan.outputs.rawValue) of the \(outputs) outputs" : ""
    print("Kernel   \(plan.shape)\(part)")
    var results = ["kernel.npy"]
    // The eigenvectors take some copies of the kernel, within the budget as well.
    if plan.outputs.isMatrix, plan.kernelBytes <= plan.budget / 10 {
      releasePooledMemory()
      let summary = try KernelSummary(
        Tensor(contentsOf: path), shares: shares(chosen, plan))
      for line in summary.lines { print("  " + line) }
      if summary.count <= 4096 {
        let labels = plan.outputs == .flattened ? nil : chosen.table.labels
        try folder.write(
          summary.heatMap(title: "Tangent kernel of \(chosen.table.count) examples", labels: labels).svg,
          to: "kernel.svg")
        results.append("kernel.svg")
      }
      try folder.write(
        spectrumChart(title: "Eigenvalues of the tangent kernel", [("", summary)]).svg, to: "spectrum.svg")
      results.append("spectrum.svg")
    } else {
      print(
        plan.outputs.isMatrix
          ? "  no spectrum and no picture, which take ten times the kernel's memory: more than the budget"
          : "  no spectrum and no picture, because it is no matrix: --keep flattened or a trace is one")
    }
    print("Results  \(ListFormatter.text(results)) in \(folder.path)")
  }

  /// What every parameter contributes to the trace, from the lengths of its gradients.
  private static func shares(
    _ chosen: ChosenNetwork, _ plan: KernelPlan
  ) -> [(name: String, shape: [Int], share: Double)] {
    let named = chosen.parameters.named
    var sums = [Double](repeating: 0, count: named.count)
    let step = max(1, min(plan.rowTile, 256))
    for start in stride(from: 0, to: plan.rowCount, by: step) {
      let some = chosen.examples[start..<min(start + step, plan.rowCount)]
      let jacobian = FactoredJacobian(of: { chosen.network($0, $1) }, at: chosen.parameters, on: some)
      for (leaf, norms) in jacobian.leafSquaredNorms.enumerated() { sums[leaf] += norms.as(.float64).sum().scalar }
    }
    let whole = sums.reduce(0, +)
    return zip(named, sums).map { ($0.path, $0.tensor.shape, whole == 0 ? 0 : $1 / whole) }
  }

  private static func indented(_ title: String, _ text: String) -> String {
    let lines = text.split(separator: "\n")
    return lines.enumerated().map { ($0 == 0 ? title : "").padding(toLength: 9, withPad: " ", startingAt: 0) + $1 }
      .joined(separator: "\n")
  }
}

extension KernelOutputs: OptionChoice {
  /// Whether the kernel is a symmetric matrix.
  var isMatrix: Bool { self == .traceSum || self == .traceMean || self == .flattened }
}

extension KernelMethod: OptionChoice {}

private enum ListFormatter {
  /// `a, b and c`.
  static func text(_ words: [String]) -> String {
    words.count < 2 ? words.joined() : words.dropLast().joined(separator: ", ") + " and " + words.last!
  }
}

/// A number of bytes: `2GiB`, `500MB`, `1073741824`.
struct ByteCount: OptionValue, Equatable {
  let bytes: Int

  static var expectation: String { "a size such as 2GiB or 500MB" }

  init?(word: String) {
    let digits = word.prefix { $0.isNumber || $0 == "." }
    let units = [
      "": 1.0, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KIB": 0x1p10, "MIB": 0x1p20, "GIB": 0x1p30,
      "TIB": 0x1p40,
    ]
    guard let value = Double(digits), let unit = units[word.dropFirst(digits.count).uppercased()], value > 0,
      value * unit < 0x1p62
    else { return nil }
    bytes = Int(value * unit)
  }

  var word: String { String(bytes) }
}

/// A part of the work: `2/8`, or `auto` with what a scheduler says.
struct ShardChoice: OptionValue {
  let word: String
  private let explicit: KernelShard?
  private let count: Int?

  static var expectation: String { "a part and the number of parts such as 0/4, or auto or auto/4" }

  init?(word: String) {
    let parts = word.split(separator: "/", omittingEmptySubsequences: false)
    self.word = word
    if parts[0] == "auto" {
      explicit = nil
      count = parts.count == 2 ? Int(parts[1]) : nil
      if parts.count > 2 || parts.count == 2 && (count ?? 0) < 1 { return nil }
    } else {
      guard parts.count == 2, let index = Int(parts[0]), let count = Int(parts[1]), count > 0,
        (0..<count).contains(index)
      else { return nil }
      (explicit, self.count) = (KernelShard(index, of: count), count)
    }
  }

  func shard() throws(UsageError) -> KernelShard {
    if let shard = explicit ?? KernelShard(count: count) { return shard }
    throw UsageError(
      "--shard \(word) takes the part from SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT, or from JOB_COMPLETION_INDEX "
        + "with the number of parts given as auto/N, but the environment does not say it.")
  }
}
