import AutoDiff
import Foundation
import Layers
import Tangent

/// How large gradients are, and how fast they change, on balls around the start of a network.
enum LipschitzCommand: Command {
  static let name = "lipschitz"
  static let summary = "Bracket the gradients' Lipschitz constants over radius and width"
  static let discussion = """
    Takes networks of one hidden layer, f(x) = sum of a_r s(w_r x) / sqrt(width), on
    digits of length 1, and brackets the Lipschitz constant beta of the gradient on
    balls around the start: the lower end was attained by an ascent over the ball,
    the upper end is proved. With a_r = 1 or -1 fixed, beta should fall like
    width^(-1/2). A slope's error comes from the standard errors over the draws, or
    from how far the points lie off the line where the draws do not differ.
    """

  static let from = Option("from", "N", default: 16, range: 1...100_000, "The smallest width")
  static let to = Option("to", "N", default: 128, range: 1...100_000, "The largest width; each is twice the one before")
  static let radius = Option(
    "radius", "X", default: 1.0, range: 0...1e6, "The largest radius; beside it a tenth of it, and 0")
  static let activation = Option("activation", "NAME", default: ChosenNetwork.Activation.tanh, "s, the activation")
  static let trained = Option(switch: "train-outputs", "Let the ball move the a_r too, which are then normal numbers")
  static let draws = Option("draws", "N", default: 3, range: 2...1000, "Networks of each width")
  static let examples = Option("examples", "N", default: 2, range: 1...1797, "How many digits, from the first")
  static let starts = Option("starts", "N", default: 2, range: 1...1000, "Points from which an ascent climbs")
  static let seed = Option<UInt64>("seed", "N", default: 0, "Decides all that is random")
  static let output = Option("output", "DIR", default: "ad-demo-output", "The folder for the results")
  static let options: [any CommandOption] = [
    from, to, radius, activation, trained, draws, examples, starts, seed, output,
  ]

  static func run(_ arguments: Arguments) throws {
    guard arguments[from] <= arguments[to] else {
      throw UsageError("--from \(arguments[from]) must not be larger than --to \(arguments[to]).")
    }
    let images = LabelledImages(try Digits.bundled())[0..<arguments[examples]].images
    let inputs = images / images.norm(axes: [1], keepingAxes: true)
    let widths = Array(sequence(first: arguments[from]) { $0 * 2 }.prefix { $0 <= arguments[to] })
    let radii = arguments[radius] > 0 ? [0, arguments[radius] / 10, arguments[radius]] : [0]
    print(
      "One hidden layer with \(arguments[activation].rawValue), \(images.shape[0]) digits, "
        + "\(arguments[draws]) draws of each width; the largest of all digits, the mean over the draws\n")
    var table = Table([
      ("width", .right), ("radius", .right), ("beta at least", .right), ("beta at most", .right), ("tightness", .right),
      ("gradient at least", .right), ("gradient at most", .right),
    ])
    let bar = ProgressBar("Brackets", total: widths.count * radii.count * arguments[draws], unit: "networks")
    var curves = radii.map { radius in (radius: radius, lower: [WidthAverage](), upper: [WidthAverage]()) }
    var obstacle: BoundError?
    for width in widths {
      for (place, radius) in radii.enumerated() {
        let found = try (0..<arguments[draws]).map { draw in
          defer { bar.advance() }
          return try estimates(width: width, radius: radius, draw: draw, inputs, arguments)
        }
        obstacle = obstacle ?? found.lazy.compactMap(\.obstacle).first
        func summary(_ value: (LipschitzEstimates) -> Double) -> WidthAverage {
          WidthAverage(width: width, found.map(value))
        }
        let (lower, upper) = (summary { $0.largestLipschitz.lower.value }, summary { $0.largestLipschitz.upper.value })
        let slopes = (
          summary { $0.largestGradientNorm.lower.value }, summary { $0.largestGradientNorm.upper.value }
        )
        curves[place].lower.append(lower)
        curves[place].upper.append(upper)
        table.append([
          "\(width)", numeral(radius), numeral(lower.mean), numeral(upper.mean),
          numeral(upper.mean / lower.mean, digits: 3), numeral(slopes.0.mean), numeral(slopes.1.mean),
        ])
      }
    }
    bar.finish()
    print(table, terminator: "")
    if let obstacle { print("\nNo upper end: \(obstacle)") }
    for curve in curves {
      for (end, points) in [("lower", curve.lower), ("upper", curve.upper)] {
        guard let slope = WidthAverage.slope(points) else { continue }
        print(
          "slope of log \(end) end over log width at radius \(numeral(curve.radius)): "
            + "\(numeral(slope.value, digits: 4)) ± \(numeral(slope.error, digits: 2))")
      }
    }
    let folder = try OutputFolder(arguments[output])
    try folder.write(chart(curves.map { ($0.radius, $0.lower, $0.upper) }), to: "lipschitz.svg")
    print("Results  lipschitz.svg in \(folder.path)")
  }

  /// The brackets for one network.
  private static func estimates(
    width: Int, radius: Double, draw: Int, _ inputs: Tensor, _ arguments: Arguments
  ) throws -> LipschitzEstimates {
    var random = RandomGenerator(seed: arguments[seed] &+ UInt64(draw) << 32 &+ UInt64(width))
    let weights = Tensor.normal([inputs.shape[1], width], using: &random)
    let (layer, scale) = (arguments[activation].layer, 1 / Double(width).squareRoot())
    func network(_ x: Tensor, _ w: Tensor, _ a: Tensor) -> Tensor {
      dot(layer(matmul(x, w), Parameters()), a) * scale
    }
    let options = LipschitzOptions(
      starts: arguments[starts], productLimit: 60, seed: arguments[seed] &+ UInt64(draw))
    if arguments[trained] {
      let outputs = Tensor.normal([width], using: &random)
      return try lipschitzEstimates(
        of: { x, p in network(x, p[0], p[1]) }, at: [weights, outputs], on: inputs, radius: radius, options: options)
    }
    let signs = Tensor.rademacher([width], using: &random)
    return try lipschitzEstimates(
      of: { x, p in network(x, p, signs) }, at: weights, on: inputs, radius: radius, options: options)
  }

  private static func chart(_ curves: [(radius: Double, lower: [WidthAverage], upper: [WidthAverage])]) -> String {
    func points(_ summaries: [WidthAverage]) -> [Point] { summaries.map { Point(Double($0.width), $0.mean) } }
    return LineChart(
      title: "Lipschitz constant of the gradient", x: Axis("width", .logarithmic), y: Axis("beta", .logarithmic),
      series: curves.flatMap { curve in
        [
          LineChart.Series("proved, radius \(numeral(curve.radius))", points(curve.upper), style: .line),
          LineChart.Series("attained, radius \(numeral(curve.radius))", points(curve.lower), style: .linePoints),
        ]
      }
    ).svg
  }
}
