import AutoDiff
import Tangent

/// A tangent kernel with its spectrum, the shares of the parameters, and the files that show them.
struct KernelSummary {
  /// [n, n].
  let kernel: Tensor
  /// All eigenvalues, with proved bounds of their errors.
  let spectrum: KernelSpectrum
  /// What every parameter contributes to the trace, from 0 to 1.
  let shares: [(name: String, shape: [Int], share: Double)]

  /// Adds the contributions of the parameters, and computes the spectrum of the sum.
  ///
  /// - Parameters:
  ///   - parts: One kernel [n, n] for each parameter.
  ///   - parameters: Their names and shapes, in the same order.
  init(_ parts: [Tensor], of parameters: [(name: String, shape: [Int])]) throws {
    var kernel = parts[0]
    for part in parts.dropFirst() { kernel += part }
    let traces = parts.map { part in
      let entries = part.scalars
      return stride(from: 0, to: entries.count, by: part.shape[0] + 1).map { entries[$0] }.reduce(0, +)
    }
    let whole = traces.reduce(0, +)
    try self.init(
      kernel, shares: zip(parameters, traces).map { ($0.name, $0.shape, whole == 0 ? 0 : $1 / whole) })
  }

  /// Computes the spectrum of a kernel.
  ///
  /// - Parameter shares: What every parameter contributes to the trace, from 0 to 1.
  init(_ kernel: Tensor, shares: [(name: String, shape: [Int], share: Double)]) throws {
    (self.kernel, self.shares) = (kernel, shares)
    spectrum = try KernelSpectrum(of: kernel)
  }

  /// The number of examples.
  var count: Int { kernel.shape[0] }

  /// Eigenvalues below this are as good as zero: n ε λ_max.
  var rounding: Double { Double(count) * kernel.scalarType.epsilon * spectrum.largest.estimate.magnitude }

  /// The ends of the spectrum and the shares, line by line.
  var lines: [String] {
    let (smallest, largest) = (spectrum.smallest.estimate, spectrum.largest.estimate)
    let isSingular = smallest <= rounding
    let condition = isSingular ? "above \(numeral(largest / rounding, digits: 2))" : numeral(largest / smallest)
    let error = numeral(spectrum.eigenvalueError, digits: 2)
    return [
      "λ_max \(numeral(largest))   λ_min \(numeral(smallest))   condition \(condition)   "
        + "trace/n \(numeral(spectrum.trace.estimate / Double(max(count, 1))))",
      "Eigenvalues are proved to within \(error); effective rank \(numeral(spectrum.effectiveRank, digits: 3)) "
        + "by the trace, \(numeral(spectrum.entropyRank, digits: 3)) by entropy",
    ] + (isSingular ? ["λ_min is zero up to rounding, which is n ε λ_max = \(numeral(rounding, digits: 2))"] : [])
      + ["Shares of the trace by parameter:"] + shareLines
  }

  private var shareLines: [String] {
    // A deep network has more parameters than anybody reads.
    let shown = shares.count <= 14 ? shares : Array(shares.sorted { $0.share > $1.share }.prefix(13))
    let largest = shown.map(\.share).max() ?? 0
    let names = shown.map(\.name.count).max() ?? 0
    let shapes = shown.map { "\($0.shape)".count }.max() ?? 0
    var lines = shown.map { name, shape, share in
      let bar = String(repeating: "█", count: largest > 0 ? Int((24 * share / largest).rounded()) : 0)
      let columns = name + String(repeating: " ", count: names - name.count + 2) + "\(shape)"
      let gap = String(repeating: " ", count: shapes - "\(shape)".count)
      return "  " + columns + gap + percentage(share).leftPadded(to: 9) + (bar.isEmpty ? "" : "  " + bar)
    }
    let rest = shares.count - shown.count
    if rest > 0 {
      lines.append("  and \(rest) more: \(percentage(1 - shown.map(\.share).reduce(0, +))) together")
    }
    return lines
  }

  /// Writes the kernel as `kernel.npy`, and reads it back to be sure.
  func write(to folder: OutputFolder) throws {
    let path = folder.path(of: "kernel.npy")
    try kernel.write(to: path)
    guard try Tensor(contentsOf: path) == kernel else {
      throw FileError(.malformed, file: path, "does not read back as it was written.")
    }
  }

  /// The kernel as a picture. With labels, examples of one label stand together.
  func heatMap(title: String, labels: [Int]? = nil) -> HeatMap {
    let entries = kernel.scalars
    // A few slightly negative entries are not worth half of the colors.
    let isSigned = (entries.min() ?? 0) < -0.1 * (entries.max() ?? 0)
    var map = HeatMap(
      title: title, quantity: Axis("kernel"), axis: "example", values: entries, columnCount: count,
      colors: isSigned ? .diverging : .sequential)
    guard let labels else { return map }
    let order = labels.indices.sorted { (labels[$0], $0) < (labels[$1], $1) }
    map.values = kernel.gathered(at: order).gathered(at: order, axis: 1).scalars
    map.groups = Set(labels).sorted().map { label in
      HeatMap.Group(name: "\(label)", count: labels.count { $0 == label })
    }
    map.axis = "examples by label"
    return map
  }
}

/// The eigenvalues of some kernels, the largest first, on a logarithmic scale.
func spectrumChart(title: String, _ kernels: [(name: String, summary: KernelSummary)]) -> LineChart {
  LineChart(
    title: title, x: Axis("index", .logarithmic), y: Axis("eigenvalue", .logarithmic),
    series: kernels.map { kernel in
      // What lies below rounding says nothing about the kernel.
      let reliable = kernel.summary.spectrum.eigenvalues.filter { $0 > kernel.summary.rounding }
      return LineChart.Series(kernel.name, values: reliable, style: .linePoints)
    })
}
