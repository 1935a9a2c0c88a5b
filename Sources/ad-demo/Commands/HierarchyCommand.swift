import AutoDiff
import Foundation
import Layers
import Tangent

/// The neural tangent hierarchy and its truncations beside the training of the network itself.
enum HierarchyCommand: Command {
  static let name = "hierarchy"
  static let summary = "Follow training by truncations of the neural tangent hierarchy"
  static let discussion = """
    Trains networks x -> a.s(W s(W x)/sqrt(m))/sqrt(m) of width m by gradient flow
    to tell threes from eights, and beside them follows the equations of the tangent
    hierarchy cut off at p: K^(2) alone, which then is constant, to K^(4).

    First one width over time, and what the truncations predict for digits held out;
    then widths. In theory |K^(r)| falls like m^-(r/2-1) for even r and m^-((r-1)/2)
    for odd r, K^(2) moves by 1/m, and the errors of p = 2 and 4 fall like 1/m and
    1/m^2. Errors are standard errors over networks with other random weights.
    """

  static let width = Option("width", "N", default: 256, range: 1...65_536, "The width that is looked at over time")
  static let from = Option("from", "N", default: 64, range: 1...65_536, "The smallest width of the comparison")
  static let to = Option(
    "to", "N", default: 1024, range: 1...65_536, "The largest width; each is twice the one before")
  static let depth = Option("depth", "N", default: 2, range: 1...20, "Hidden layers")
  static let activation = Option(
    "activation", "NAME", default: ChosenNetwork.Activation.tanh,
    "What stands between the layers; the theory wants it smooth")
  static let draws = Option("draws", "N", default: 8, range: 2...10_000, "Networks of each width")
  static let examples = Option("examples", "N", default: 8, range: 1...64, "How many digits to train on")
  static let heldOut = Option("held-out", "N", default: 64, range: 1...350, "How many digits to predict")
  static let order = Option(
    "order", "N", default: 4, range: 4...6, "The highest order of the kernels whose sizes are compared")
  static let time = Option("time", "T", default: 4.0, range: 1e-3...1e4, "When training ends")
  static let seed = Option<UInt64>("seed", "N", default: 0, "Decides all that is random")
  static let output = Option("output", "DIR", default: "ad-demo-output", "The folder for the results")
  static let options: [any CommandOption] = [
    width, from, to, depth, activation, draws, examples, heldOut, order, time, seed, output,
  ]

  private static let stepCount = 32

  static func run(_ arguments: Arguments) throws {
    guard arguments[from] <= arguments[to] else {
      throw UsageError("--from \(arguments[from]) must not be larger than --to \(arguments[to]).")
    }
    let digits = try DigitPair(
      Digits.bundled(), 3, 8, known: arguments[examples], heldOut: arguments[heldOut])
    print(
      "Data     \(arguments[examples]) digits that show 3 or 8 to train on, \(arguments[heldOut]) held out\n"
        + "Network  \(arguments[depth]) hidden layers with \(arguments[activation].rawValue); gradient flow of (1/2n) Σ r² "
        + "to t = \(arguments[time].word)\n")
    let folder = try OutputFolder(arguments[output])
    try folder.write(followOneWidth(digits, arguments).svg, to: "hierarchy-error.svg")
    try folder.write(compareWidths(digits, arguments).svg, to: "hierarchy-width.svg")
    print("\nResults  hierarchy-error.svg and hierarchy-width.svg in \(folder.path)")
  }

  private static func network(width: Int, _ arguments: Arguments) -> HierarchyNetwork {
    HierarchyNetwork(depth: arguments[depth], width: width, activation: arguments[activation].dual.function)
  }

  private static func seed(_ draw: Int, width: Int, _ arguments: Arguments) -> UInt64 {
    var seeds = RandomGenerator(seed: arguments[seed] &+ UInt64(draw) << 32 &+ UInt64(width))
    return seeds.next()
  }

  // MARK: One width

  /// The course of training at one width, and what is predicted at its end.
  private static func followOneWidth(_ digits: DigitPair, _ arguments: Arguments) throws -> LineChart {
    let (width, last) = (arguments[width], arguments[time])
    let times = (0...stepCount).map { last * Double($0) / Double(stepCount) }
    let bar = ProgressBar("Training", total: arguments[draws], unit: "networks", patience: 1)
    var studies: [HierarchyStudy] = []
    for draw in 0..<arguments[draws] {
      studies.append(
        try HierarchyStudy(
          network(width: width, arguments), seed: seed(draw, width: width, arguments), on: digits, highestOrder: 4,
          at: draw == 0 ? times : [0, last], isPredicting: true))
      bar.advance()
    }
    bar.finish()
    let first = studies[0]
    print("One network of width \(width): |K2(t) - K2(0)|, and the distances |f~ - f| on the digits to train on")
    var table = Table([
      ("t", .right), ("loss", .right), ("K2 moved by", .right), ("p = 2", .right), ("p = 3", .right), ("p = 4", .right),
    ])
    for k in stride(from: 0, through: stepCount, by: 4) {
      table.append(
        [numeral(times[k], digits: 3), numeral(first.comparison.truth.losses[k]), numeral(first.kernelMovements[k])]
          + first.comparison.outputErrors.map { numeral($0[k], digits: 3) })
    }
    print(table)
    print(
      "Digits held out at t = \(last.word), \(studies.count) networks of width \(width): root mean square distance from "
        + "the\nprediction of the trained network itself, and the share that is recognized")
    var predictions = Table([("predictor", .left), ("distance", .right), ("± error", .right), ("recognized", .right)])
    let accuracies = studies.map { $0.heldOutAccuracies(digits.heldOutLabels) }
    func share(_ predictor: Int) -> String {
      percentage(accuracies.map { $0[predictor] }.reduce(0, +) / Double(studies.count))
    }
    predictions.append(["the network itself", "", "", share(0)])
    for (k, level) in HierarchyStudy.levels.enumerated() {
      let average = WidthAverage(width: width, studies.map { $0.heldOutErrors[k].last ?? .nan })
      predictions.append([
        level == 2 ? "p = 2, the kernel frozen" : "p = \(level)", numeral(average.mean),
        numeral(average.error, digits: 2), share(k + 1),
      ])
    }
    print(predictions)
    return LineChart(
      title: "Errors of the truncated hierarchy, width \(width)", x: Axis("time"), y: Axis("distance", .logarithmic),
      series: HierarchyStudy.levels.indices.map { k in
        LineChart.Series(
          "p = \(HierarchyStudy.levels[k])", zip(times, first.comparison.outputErrors[k]).map { Point($0, $1) })
      })
  }

  // MARK: Widths

  /// A quantity that falls like a power of the width.
  private struct Law {
    let name: String
    /// What theory says; nil where it says nothing.
    let exponent: Double?
    let quantity: (HierarchyStudy) -> Double
  }

  private static func laws(_ arguments: Arguments) -> [Law] {
    let kernels = (2...arguments[order]).map { r in
      Law(name: "|K\(r)|", exponent: r % 2 == 0 ? 1 - Double(r) / 2 : Double(1 - r) / 2) { $0.kernelSizes[r - 2] }
    }
    let errors = HierarchyStudy.levels.enumerated().map { k, level in
      Law(name: "error p = \(level)", exponent: level == 3 ? nil : -Double(level) / 2) {
        $0.comparison.outputErrors[k].last ?? .nan
      }
    }
    return kernels + [Law(name: "K2 moved by", exponent: -1) { $0.kernelMovements.last ?? .nan }] + errors
  }

  /// How kernels and errors fall with the width.
  private static func compareWidths(_ digits: DigitPair, _ arguments: Arguments) throws -> LineChart {
    let widths = Array(sequence(first: arguments[from]) { $0 * 2 }.prefix { $0 <= arguments[to] })
    let laws = laws(arguments)
    var points = [[WidthAverage]](repeating: [], count: laws.count)
    let bar = ProgressBar("Widths", total: widths.count * arguments[draws], unit: "networks", patience: 1)
    for width in widths {
      var samples = [[Double]](repeating: [], count: laws.count)
      for draw in 0..<arguments[draws] {
        let study = try HierarchyStudy(
          network(width: width, arguments), seed: seed(draw, width: width, arguments), on: digits,
          highestOrder: arguments[order], at: [0, arguments[time]], isPredicting: false)
        for (k, law) in laws.enumerated() { samples[k].append(law.quantity(study)) }
        bar.advance()
      }
      for k in laws.indices { points[k].append(WidthAverage(width: width, samples[k])) }
    }
    bar.finish()
    print(
      "Means over \(arguments[draws]) networks of each width, with standard errors; errors at t = \(arguments[time].word)"
    )
    var table = Table([("width", .right)] + laws.map { ($0.name, .right) })
    for (row, width) in widths.enumerated() {
      table.append(
        ["\(width)"] + points.map { "\(numeral($0[row].mean, digits: 3)) ± \(numeral($0[row].error, digits: 1))" })
    }
    let slopes = points.map { WidthAverage.slope($0) }
    table.append(
      ["slope"] + slopes.map { $0.map { "\(numeral($0.value, digits: 3)) ± \(numeral($0.error, digits: 1))" } ?? "" })
    table.append(["theory"] + laws.map { $0.exponent.map(\.word) ?? "" })
    print(table, terminator: "")
    return LineChart(
      title: "The hierarchy over the width", x: Axis("width", .logarithmic), y: Axis("", .logarithmic),
      series: laws.indices.map { k in
        LineChart.Series(laws[k].name, points[k].map { Point(Double($0.width), $0.mean) }, style: .linePoints)
      })
  }
}
