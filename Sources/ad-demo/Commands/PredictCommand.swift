import AutoDiff
import Foundation
import Layers
import Tangent

/// Predictions by kernels, finite and infinite, beside those of a trained network.
enum PredictCommand: Command {
  static let name = "predict"
  static let summary = "Recognize digits by kernels of finite and infinite networks"
  static let discussion = """
    Trains a network on the first digits. Beside it kernel regression with its
    tangent kernel before and after, and with the two kernels of infinite width,
    all on the same digits; then compares them on the digits that were held out.
    Kernels give scores; the factor that makes probabilities of them is chosen
    by leaving out one training digit at a time.
    """

  static let data = Option<String?>(optional: "data", "FILE", "Digits to use instead of the bundled ones, as .csv")
  static let training = Option(
    "train", "N", default: 1000, range: 20...1_000_000, "How many digits to train on; all others are held out")
  static let width = Option("width", "N", default: 256, range: 1...100_000, "Units in each hidden layer")
  static let depth = Option("depth", "N", default: 2, range: 1...100, "Hidden layers")
  static let activation = Option(
    "activation", "NAME", default: ChosenNetwork.Activation.erf, "What stands between the layers")
  static let ridge = Option(
    "ridge", "X", default: 1e-3, range: 0...1e6, "What is added to the kernel's diagonal, relative to its mean")
  static let epochs = Option("epochs", "N", default: 150, range: 0...100_000, "How often the network sees every digit")
  static let seed = Option<UInt64>("seed", "N", default: 0, "Decides all that is random")
  static let output = Option("output", "DIR", default: "ad-demo-output", "The folder for the results")
  static let options: [any CommandOption] = [
    data, training, width, depth, activation, ridge, epochs, seed, output,
  ]

  private static let classCount = 10
  /// Hidden layers keep the size of what they see about as it is.
  private static let (weightScale, biasScale) = (1.5, 0.1)

  static func run(_ arguments: Arguments) throws {
    let digits = try arguments[data].map(Digits.init(contentsOf:)) ?? Digits.bundled()
    let all = LabelledImages(digits)
    let count = arguments[training]
    guard count < all.count else {
      throw UsageError(
        "--train \(count) leaves none to hold out: there are \(all.count) digits.")
    }
    let (known, heldOut) = (all[0..<count], all[count..<all.count])
    let folder = try OutputFolder(arguments[output])
    let scaling = Parameterization.neuralTangent(weightScale: weightScale, biasScale: biasScale)
    let network = Sequential {
      for _ in 0..<arguments[depth] {
        Dense(arguments[width], parameterization: scaling)
        arguments[activation].layer
      }
      Dense(classCount, parameterization: scaling)
    }
    let first = network.initialized(like: all.images[0], seed: arguments[seed])
    print("Data     \(grouped(count)) digits to train on, \(grouped(heldOut.count)) held out")
    print(
      "Network  \(arguments[depth]) hidden layers of \(arguments[width]) with \(arguments[activation].rawValue), "
        + "\(grouped(first.entryCount)) parameters in tangent scaling\n")

    var rows: [(name: String, training: Double, calibration: Calibration)] = []
    func measure(_ name: String, _ scores: () throws -> (known: Tensor, heldOut: Tensor)) rethrows {
      let scores = try scores()
      rows.append(
        (
          name, accuracy(scores.known, known.labels),
          Calibration(logits: scores.heldOut, labels: heldOut.labels)
        ))
    }
    let trained = train(network, from: first, on: known, arguments)
    measure("trained network") {
      (network.batched(known.images, trained), network.batched(heldOut.images, trained))
    }
    let share = arguments[ridge]
    for (name, p) in [("tangent kernel at the start", first), ("tangent kernel after training", trained)] {
      try measure(name) {
        try scores(
          tangentKernel(of: network, at: p, on: known.images, outputs: .traceMean),
          tangentKernel(of: network, at: p, on: heldOut.images, and: known.images, outputs: .traceMean),
          known.labels, ridge: share)
      }
    }
    let limit = InfiniteNetwork(
      depth: arguments[depth], arguments[activation].dual,
      parameterization: .neuralTangent(weightScale: weightScale, biasScale: biasScale),
      tolerance: 1e-10)
    let (here, across) = (try limit.kernels(known.images), try limit.kernels(heldOut.images, known.images))
    try measure("tangent kernel, infinite width") { try scores(here.ntk, across.ntk, known.labels, ridge: share) }
    try measure("Gaussian process, infinite width") {
      try scores(here.nngp, across.nngp, known.labels, ridge: share)
    }

    var table = Table([
      ("predictor", .left), ("known", .right), ("held out", .right), ("log loss", .right),
      ("calibration error", .right),
    ])
    for row in rows {
      table.append([
        row.name, percentage(row.training), percentage(row.calibration.accuracy), numeral(row.calibration.logLoss),
        percentage(row.calibration.error),
      ])
    }
    print(table, terminator: "")
    try folder.write(
      reliabilityChart(
        title: "Confidence and accuracy on \(heldOut.count) held-out digits",
        rows.map { ($0.name, $0.calibration) }
      ).svg, to: "reliability.svg")
    print("\nResults  reliability.svg in \(folder.path)")
  }

  private static func train(
    _ network: Sequential, from first: Parameters, on known: LabelledImages, _ arguments: Arguments
  ) -> Parameters {
    var generator = RandomGenerator(seed: arguments[seed])
    let batchSize = min(64, known.count)
    let steps = arguments[epochs] * ((known.count + batchSize - 1) / batchSize)
    let bar = ProgressBar("Training", total: steps, unit: "steps")
    defer { bar.finish() }
    return GradientDescent(learningRate: 0.5, momentum: 0.9).train(
      network, from: first, on: known, epochs: arguments[epochs], batchSize: batchSize, using: &generator
    ) { bar.advance() }
  }

  /// Kernel ridge regression of the classes, and the scores times the factor that suits the training digits best, each
  /// predicted without itself: f₋ᵢ(xᵢ) = yᵢ − αᵢ / ((K + λ)⁻¹)ᵢᵢ.
  private static func scores(
    _ kernel: Tensor, _ cross: Tensor, _ labels: Tensor, ridge share: Double
  ) throws -> (known: Tensor, heldOut: Tensor) {
    let n = kernel.shape[0]
    let ridge = share * (0..<n).reduce(0) { $0 + kernel[$1, $1].scalar } / Double(n)
    let targets =
      (labels.expanded(at: 1) .== Tensor.range(to: Double(classCount))).as(kernel.scalarType) - 1 / Double(classCount)
    let factors = try KernelFactorization(
      kernel, ridge: Tensor(ridge), solver: ridge > 0 ? .cholesky : .pseudoInverse())
    let coefficients = factors.solve(targets)
    let inverse = factors.solve(.eye(n))
    let diagonal = (inverse * .eye(n)).sum(axes: [1], keepingAxes: true)
    let factor = Calibration.sharpness(logits: targets - coefficients / diagonal, labels: labels)
    return (matmul(kernel, coefficients) * factor, matmul(cross, coefficients) * factor)
  }
}
