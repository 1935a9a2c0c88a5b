import AutoDiff
import Foundation
import Layers
import Tangent

/// How fast the tangent kernel of a finite network tends to its limit as the network grows wide.
enum WidthCommand: Command {
  static let name = "width"
  static let summary = "Measure how the tangent kernel tends to its limit of infinite width"
  static let discussion = """
    Draws networks of growing width, and compares their tangent kernels on some
    digits with the kernel of infinite width. The relative deviation of one kernel
    should fall like width^(-1/2); that of the mean over draws falls faster, and
    shows what is left of a bias. Errors are standard errors over the draws.
    """

  static let from = Option("from", "N", default: 64, range: 1...1_000_000, "The smallest width")
  static let to = Option(
    "to", "N", default: 8192, range: 1...1_000_000, "The largest width; each is twice the one before")
  static let depth = Option("depth", "N", default: 2, range: 1...100, "Hidden layers")
  static let activation = Option(
    "activation", "NAME", default: ChosenNetwork.Activation.erf, "What stands between the layers")
  static let draws = Option("draws", "N", default: 16, range: 2...100_000, "Networks of each width")
  static let examples = Option("examples", "N", default: 16, range: 1...1797, "How many digits, from the first")
  static let seed = Option<UInt64>("seed", "N", default: 0, "Decides all that is random")
  static let output = Option("output", "DIR", default: "ad-demo-output", "The folder for the results")
  static let options: [any CommandOption] = [from, to, depth, activation, draws, examples, seed, output]

  private static let (weightScale, biasScale) = (1.5, 0.1)

  static func run(_ arguments: Arguments) throws {
    guard arguments[from] <= arguments[to] else {
      throw UsageError("--from \(arguments[from]) must not be larger than --to \(arguments[to]).")
    }
    let images = LabelledImages(try Digits.bundled())[0..<arguments[examples]].images
    let limit = try InfiniteNetwork(
      depth: arguments[depth], arguments[activation].dual,
      parameterization: .neuralTangent(weightScale: weightScale, biasScale: biasScale)
    ).ntk(images)
    let size = limit.norm().scalar
    let widths = Array(sequence(first: arguments[from]) { $0 * 2 }.prefix { $0 <= arguments[to] })
    print(
      "\(arguments[depth]) hidden layers with \(arguments[activation].rawValue), \(images.shape[0]) digits, "
        + "\(arguments[draws]) draws of each width; ‖K_∞‖ = \(numeral(size))\n")
    var table = Table([
      ("width", .right), ("deviation of K", .right), ("± error", .right), ("deviation of the mean", .right),
    ])
    let bar = ProgressBar("Kernels", total: widths.count * arguments[draws], unit: "kernels")
    var points: [WidthAverage] = []
    for width in widths {
      let network = network(width: width, arguments)
      var deviations: [Double] = []
      var mean = Tensor.zeros(like: limit)
      for draw in 0..<arguments[draws] {
        var seeds = RandomGenerator(seed: arguments[seed] &+ UInt64(draw) << 32 &+ UInt64(width))
        let p = network.initialized(like: images[0], seed: seeds.next())
        let kernel = tangentKernel(of: network, at: p, on: images, outputs: .traceSum)
        deviations.append((kernel - limit).norm().scalar / size)
        mean += kernel / Double(arguments[draws])
        bar.advance()
      }
      let point = WidthAverage(width: width, deviations)
      points.append(point)
      table.append([
        "\(width)", numeral(point.mean), numeral(point.error, digits: 2), numeral((mean - limit).norm().scalar / size),
      ])
    }
    bar.finish()
    print(table, terminator: "")
    if let slope = WidthAverage.slope(points) {
      print(
        "\nslope of log deviation over log width: \(numeral(slope.value, digits: 4)) ± \(numeral(slope.error, digits: 2))"
      )
    }
    let folder = try OutputFolder(arguments[output])
    let scale = points[0].mean * Double(points[0].width).squareRoot()
    try folder.write(
      LineChart(
        title: "Distance of the tangent kernel from its limit", x: Axis("width", .logarithmic),
        y: Axis("relative deviation", .logarithmic),
        series: [
          LineChart.Series(
            "one network", points.map { Point(Double($0.width), $0.mean) }, style: .linePoints),
          LineChart.Series(
            "width^(-1/2)", points.map { Point(Double($0.width), scale / Double($0.width).squareRoot()) }),
        ]
      ).svg, to: "width.svg")
    print("Results  width.svg in \(folder.path)")
  }

  private static func network(width: Int, _ arguments: Arguments) -> Sequential {
    let scaling = Parameterization.neuralTangent(weightScale: weightScale, biasScale: biasScale)
    return Sequential {
      for _ in 0..<arguments[depth] {
        Dense(width, parameterization: scaling)
        arguments[activation].layer
      }
      Dense(1, parameterization: scaling)
    }
  }
}
