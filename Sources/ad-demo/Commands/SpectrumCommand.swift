import AutoDiff
import Foundation
import Layers
import Tangent

/// The spectra of a network on the digits: of the loss's Hessian, and of the tangent kernel.
enum SpectrumCommand: Command {
  static let name = "spectrum"
  static let summary = "Plot the spectra of the Hessian and of the tangent kernel of a network"
  static let discussion = """
    Trains a network on the first digits. Before and after, computes the density of
    the eigenvalues of the loss's Hessian (Lanczos quadrature from random vectors),
    its extreme eigenvalues with residuals, and all eigenvalues of the tangent
    kernel.
    """

  static let training = Option("train", "N", default: 500, range: 2...1797, "How many digits to train on")
  static let width = Option("width", "N", default: 128, range: 1...100_000, "Units in each hidden layer")
  static let depth = Option("depth", "N", default: 1, range: 1...100, "Hidden layers")
  static let activation = Option(
    "activation", "NAME", default: ChosenNetwork.Activation.tanh, "What stands between the layers")
  static let epochs = Option("epochs", "N", default: 30, range: 0...100_000, "How often the network sees every digit")
  static let eigenvalues = Option(
    "eigenvalues", "N", default: 5, range: 1...100, "How many eigenvalues are computed at each end")
  static let probes = Option("probes", "N", default: 4, range: 1...1000, "Random vectors for the density")
  static let steps = Option("steps", "N", default: 80, range: 1...2000, "Lanczos steps from each of them")
  static let examples = Option("examples", "N", default: 256, range: 1...1797, "Digits of the kernel, from the first")
  static let seed = Option<UInt64>("seed", "N", default: 0, "Decides all that is random")
  static let output = Option("output", "DIR", default: "ad-demo-output", "The folder for the results")
  static let options: [any CommandOption] = [
    training, width, depth, activation, epochs, eigenvalues, probes, steps, examples, seed, output,
  ]

  static func run(_ arguments: Arguments) throws {
    let all = LabelledImages(try Digits.bundled())
    let known = all[0..<arguments[training]]
    let scaling = Parameterization.neuralTangent(weightScale: 1.5, biasScale: 0.1)
    let network = Sequential {
      for _ in 0..<arguments[depth] {
        Dense(arguments[width], parameterization: scaling)
        arguments[activation].layer
      }
      Dense(10, parameterization: scaling)
    }
    let first = network.initialized(like: all.images[0], seed: arguments[seed])
    let folder = try OutputFolder(arguments[output])
    var generator = RandomGenerator(seed: arguments[seed])
    print(
      "Network  \(arguments[depth]) hidden layers of \(arguments[width]) with \(arguments[activation].rawValue), "
        + "\(grouped(first.entryCount)) parameters; cross entropy of \(grouped(known.count)) digits\n")
    let bar = ProgressBar("Training", total: arguments[epochs] * ((known.count + 63) / 64), unit: "steps", patience: 1)
    let trained = GradientDescent(learningRate: 0.5, momentum: 0.9).train(
      network, from: first, on: known, epochs: arguments[epochs], batchSize: 64, using: &generator
    ) { bar.advance() }
    bar.finish()

    var densities: [(name: String, density: SpectralDensity)] = []
    var kernels: [(name: String, summary: KernelSummary)] = []
    for (name, p) in [("before training", first), ("after training", trained)] {
      let loss = numeral(known.loss(of: network, at: p).scalar)
      print("\(name.prefix(1).uppercased() + name.dropFirst()): loss \(loss)")
      let hessian = HessianOperator(of: { known.loss(of: network, at: $0) }, at: p)
      try report(
        lanczos(
          hessian, count: arguments[eigenvalues], using: &generator,
          options: LanczosOptions(tolerance: 1e-6)))
      let density = try LanczosQuadrature(
        of: hessian, probes: arguments[probes], steps: arguments[steps], using: &generator
      ).density()
      print(
        "  density: \(density.products) products, width \(numeral(density.width, digits: 2)), largest standard error "
          + "\(numeral(density.standardErrors.max() ?? 0, digits: 2)), quadrature within "
          + numeral(density.quadratureBound, digits: 2))
      densities.append((name, density))
      let images = all[0..<arguments[examples]].images
      let summary = try KernelSummary(
        layerwiseTangentKernels(of: network, at: p, on: images, outputs: .traceMean),
        of: p.named.map { ($0.path, $0.tensor.shape) })
      print("  tangent kernel of \(summary.count) digits: " + summary.lines[0])
      kernels.append((name, summary))
    }
    try folder.write(
      densityChart(title: "Density of the eigenvalues of the Hessian", densities).svg, to: "hessian.svg")
    try folder.write(
      spectrumChart(title: "Eigenvalues of the tangent kernel of \(arguments[examples]) digits", kernels).svg,
      to: "spectrum.svg")
    print("\nResults  hessian.svg and spectrum.svg in \(folder.path)")
  }

  private static func report(_ found: LanczosResult) {
    var table = Table([
      ("", .right), ("largest", .right), ("residual", .right), ("smallest", .right), ("residual", .right),
    ])
    for k in 0..<max(found.largest.values.count, found.smallest.values.count) {
      func cells(_ pairs: LanczosEigenpairs) -> [String] {
        k < pairs.values.count
          ? [numeral(pairs.values[k], digits: 7), numeral(pairs.residuals[k], digits: 2)] : ["", ""]
      }
      table.append(["\(k + 1)"] + cells(found.largest) + cells(found.smallest))
    }
    print(table, terminator: "")
    let reason =
      switch found.stoppingReason {
      case .converged: "the residuals fell below 1e-06 of the largest"
      case .wholeSpace: "the vectors span the whole space"
      case .productLimit: "no more products were allowed"
      }
    print("  after \(found.products) products, when \(reason)")
  }
}

/// Densities of eigenvalues on a logarithmic scale; what lies below their errors is left out.
func densityChart(title: String, _ densities: [(name: String, density: SpectralDensity)]) -> LineChart {
  LineChart(
    title: title, x: Axis("eigenvalue"), y: Axis("density", .logarithmic),
    series: densities.map { name, density in
      let floor = max(density.quadratureBound, 1e-6 * (density.density.max() ?? 0))
      let shown = zip(density.grid, density.density).map { Point($0, $1 > floor ? $1 : .nan) }
      return LineChart.Series(name, shown)
    })
}
