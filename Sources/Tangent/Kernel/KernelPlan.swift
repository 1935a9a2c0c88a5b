import AutoDiff
import Foundation

/// How a tangent kernel will be computed within a budget of memory: which tiles, how many outputs at a time, and by which
/// method for every parameter. Print it before the work.
///
/// What one example takes is counted from a run on a single one: the values that the backward pass needs, and the sides of
/// the outer products. A band of rows keeps its Jacobian while the tiles beside it come and go.
public struct KernelPlan: Sendable, CustomStringConvertible {
  /// The numbers of examples of both arguments.
  public let rowCount: Int, columnCount: Int
  /// The outputs of one example.
  public let outputCount: Int
  /// Which part of the kernel is computed.
  public let outputs: KernelOutputs
  /// The scalar type of the kernel.
  public let scalarType: ScalarType
  /// Whether both arguments are the same examples, so that only tiles on and above the diagonal are computed.
  public let isSymmetric: Bool
  /// The examples of a tile.
  public internal(set) var rowTile: Int, columnTile: Int
  /// How many outputs are traced back at a time.
  public internal(set) var outputChunk: Int
  /// The bytes that may be in use.
  public let budget: Int
  /// About the most bytes that will be in use beside the kernel itself, if that is kept in memory.
  public let estimatedPeak: Int
  /// The bytes of the whole kernel.
  public var kernelBytes: Int { shape.reduce(scalarType.byteCount, saturating) }
  /// What is planned for every parameter.
  public let parameters: [ParameterPlan]
  /// The bytes per example, and per example and output.
  public let exampleBytes: Int, outputBytes: Int

  /// What is planned for one parameter.
  public struct ParameterPlan: Sendable {
    /// Its path, or its number among the leaves.
    public let name: String
    /// Its shape.
    public let shape: [Int]
    /// How many outer products its gradient is a sum of, for each form that they have; empty where it has none.
    public let positions: [Int]
    /// The method of each form; the sums of several forms may also be joined in memory.
    public let methods: [KernelMethod]
    /// About how many multiplications the inner products of all tiles take.
    public let multiplications: Double
    /// The same for each form by every method, which is what the choice is made by.
    public let costs: [[KernelMethod: Double]]
  }

  /// The shape of the kernel.
  public var shape: [Int] { outputs.shape(rowCount, columnCount, outputCount, outputCount) }

  /// The tiles in the order of their computation, band by band.
  public var tiles: [KernelTile] {
    func ranges(_ bounds: Range<Int>, _ step: Int) -> [Range<Int>] {
      stride(from: bounds.lowerBound, to: bounds.upperBound, by: step).map { $0..<min($0 + step, bounds.upperBound) }
    }
    return ranges(0..<rowCount, rowTile).flatMap { rows in
      if outputs == .exampleDiagonal { return [KernelTile(rows: rows, columns: rows)] }
      guard isSymmetric else {
        return ranges(0..<columnCount, columnTile).map { KernelTile(rows: rows, columns: $0) }
      }
      return [KernelTile(rows: rows, columns: rows)]
        + ranges(rows.upperBound..<columnCount, columnTile).map { KernelTile(rows: rows, columns: $0) }
    }
  }

  /// The ranges of outputs that are traced back together.
  var chunks: [Range<Int>] {
    stride(from: 0, to: outputCount, by: outputChunk).map { $0..<min($0 + outputChunk, outputCount) }
  }

  /// What is asked of the inner products of a tile.
  func request(_ method: KernelMethod) -> GramRequest {
    GramRequest(outputs: outputs, method: method, temporaryBytes: Self.temporaryBytes(budget))
  }

  /// A share of the budget for intermediate results, of which a few are alive at a time.
  static func temporaryBytes(_ budget: Int) -> Int { min(1 << 26, max(1 << 16, budget / 32)) }

  /// The same plan with other tiles, as a journal may demand.
  func with(rowTile: Int, columnTile: Int) -> KernelPlan {
    var plan = self
    (plan.rowTile, plan.columnTile) = (max(1, rowTile), max(1, columnTile))
    return plan
  }

  /// The same plan with so many outputs traced back at a time.
  func with(outputChunk: Int) -> KernelPlan {
    var plan = self
    plan.outputChunk = max(1, min(outputChunk, outputCount))
    return plan
  }

  /// A table of the plan.
  public var description: String {
    let tiles = tiles
    let layout = shape.map(String.init).joined(separator: ", ")
    var lines = [
      "kernel [\(layout)] (\(outputs.rawValue)), \(scalarType.rawValue), \(Self.text(kernelBytes))"
        + (isSymmetric ? ", symmetric" : ""),
      "budget \(Self.text(budget)), about \(Self.text(estimatedPeak)) needed beside the kernel: "
        + "\(Self.text(exampleBytes)) per example and \(Self.text(outputBytes)) per example and output",
      "\(tiles.count) tile\(tiles.count == 1 ? "" : "s") of \(min(rowTile, rowCount)) × "
        + "\(min(columnTile, columnCount)) examples, "
        + (outputChunk >= outputCount
          ? "all \(outputCount) outputs at a time" : "\(outputChunk) of \(outputCount) outputs at a time"),
    ]
    let names = parameters.map(\.name.count).max() ?? 0
    for parameter in parameters {
      let how =
        parameter.methods.isEmpty
        ? "in memory"
        : zip(parameter.methods, parameter.positions).map { "\($0.rawValue), \($1) position\($1 == 1 ? "" : "s")" }
          .joined(separator: " and ")
      lines.append(
        "  " + parameter.name.padding(toLength: names + 2, withPad: " ", startingAt: 0) + "\(parameter.shape)  \(how), "
          + String(format: "%.2g", parameter.multiplications) + " multiplications")
    }
    return lines.joined(separator: "\n")
  }

  /// Why the methods were chosen: for every parameter what each method would take, in multiplications, work at the speed
  /// of memory counted ten times.
  public var explanation: String {
    let methods: [KernelMethod] = [.factored, .dense, .vectorProducts]
    var lines: [String] = []
    for parameter in parameters {
      if parameter.costs.isEmpty { lines.append("\(parameter.name): no structure, its gradients are kept in memory") }
      for (form, costs) in parameter.costs.enumerated() {
        let list = methods.map { "\($0.rawValue) " + String(format: "%.3g", costs[$0] ?? .nan) }
        lines.append(
          "\(parameter.name): \(parameter.methods[form].rawValue), because of " + list.joined(separator: ", "))
      }
    }
    return lines.joined(separator: "\n")
  }

  private static func text(_ bytes: Int) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    var (value, unit) = (Double(bytes), 0)
    while value >= 1024, unit < units.count - 1 { (value, unit) = (value / 1024, unit + 1) }
    return String(format: unit == 0 || value >= 100 ? "%.0f " : "%.1f ", value) + units[unit]
  }
}

/// A rectangle of pairs of examples.
public struct KernelTile: Sendable, Equatable {
  /// The examples of the first argument.
  public let rows: Range<Int>
  /// The examples of the second argument.
  public let columns: Range<Int>

  /// How much of the kernel it is, in pairs of examples; half on the diagonal.
  var work: Double { Double(rows.count * columns.count) * (rows == columns ? 0.5 : 1) }
}

/// a · b, or the largest number where that is too large.
func saturating(_ a: Int, _ b: Int) -> Int {
  let (product, overflows) = a.multipliedReportingOverflow(by: b)
  return overflows ? .max : product
}
