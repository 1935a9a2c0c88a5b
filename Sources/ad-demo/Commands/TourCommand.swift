import AutoDiff
import Foundation
import Layers
import Tangent

/// What runs without a command: everything once, on a real network and the bundled digits.
enum Tour: Command {
  static let name = "tour"
  static let summary = "Train a small network on handwritten digits, and look at its kernels"
  static let discussion = """
    Trains a network a little, checks its gradient against finite differences,
    computes its tangent kernel, the largest curvature of its loss and a kernel
    of third order, and writes the kernel as kernel.npy with two charts.
    """

  static let output = Option("output", "DIR", default: "ad-demo-output", "The folder for the results")
  static let data = Option<String?>(optional: "data", "FILE", "Digits to use instead of the bundled ones, as .csv")
  static let seed = Option<UInt64>("seed", "N", default: 0, "Decides all that is random")
  static let options: [any CommandOption] = [output, data, seed]

  static let (epochs, batchSize) = (40, 64)
  static let kernelImageCount = 256
  static let tripleImageCount = 6

  static func run(_ arguments: Arguments) throws {
    let digits = try arguments[data].map(Digits.init(contentsOf:)) ?? Digits.bundled()
    guard digits.count >= 20 else {
      throw FileError(
        .unsupported, file: arguments[data] ?? "digits.csv",
        "the tour needs at least 20 images, but got \(digits.count).")
    }
    let folder = try OutputFolder(arguments[output])
    var generator = RandomGenerator(seed: arguments[seed])
    let scaling = Parameterization.neuralTangent(weightScale: 1.5, biasScale: 0.1)
    let network = Sequential {
      Dense(128, parameterization: scaling)
      Tanh()
      Dense(128, parameterization: scaling)
      Tanh()
      Dense(10, parameterization: scaling)
    }
    let all = LabelledImages(digits)
    let training = all.gathered(at: (0..<digits.count).filter { $0 % 5 != 4 })
    let heldOut = all.gathered(at: (0..<digits.count).filter { $0 % 5 == 4 })
    let first = network.initialized(like: all.images[0], seed: arguments[seed])

    heading("Handwritten digits and a network for them")
    print(
      "  \(grouped(all.count)) images of 8 × 8 pixels: \(grouped(training.count)) to train on, "
        + "every fifth held out (\(grouped(heldOut.count)))")
    print("  64 → 128 → 128 → 10 with tanh, \(grouped(first.entryCount)) parameters in neural-tangent scaling, float64")

    let trained = train(network, from: first, on: training, heldOut, using: &generator)
    let images = all[0..<min(kernelImageCount, all.count)]
    try checkGradient(of: network, at: trained, on: images)

    let before = try kernel(of: network, at: first, on: images.images)
    let after = try kernel(of: network, at: trained, on: images.images)
    heading("Tangent kernel K(x, x′) = ⟨∇f(x), ∇f(x′)⟩ of the first \(images.count) images, mean over the 10 outputs")
    for line in after.lines { print("  " + line) }
    let change = (after.kernel - before.kernel).norm().scalar / before.kernel.norm().scalar
    print("  Training has moved the kernel by \(percentage(change)) of its norm.")

    try reportCurvature(of: network, at: trained, on: training, using: &generator)
    try reportThirdOrder(of: network, at: trained, on: images.images[0..<tripleImageCount])

    try after.write(to: folder)
    let labels = Array(digits.labels.prefix(images.count))
    try folder.write(
      after.heatMap(title: "Tangent kernel of \(images.count) digits after training", labels: labels).svg,
      to: "kernel.svg")
    try folder.write(
      spectrumChart(
        title: "Eigenvalues of the tangent kernel of \(images.count) digits",
        [("before training", before), ("after training", after)]
      ).svg, to: "spectrum.svg")
    heading("Results")
    print(
      "  \(folder.path(of: "kernel.npy"))    the kernel after training, \(after.kernel.shape), read back and compared")
    print("  \(folder.path(of: "kernel.svg"))    its heat map")
    print("  \(folder.path(of: "spectrum.svg"))  its eigenvalues before and after training")
  }

  private static func heading(_ text: String) { print((text.hasPrefix("Handwritten") ? "" : "\n") + text) }

  // MARK: The parts

  private static func train(
    _ network: Sequential, from first: Parameters, on training: LabelledImages, _ heldOut: LabelledImages,
    using generator: inout RandomGenerator
  ) -> Parameters {
    let steps = epochs * ((training.count + batchSize - 1) / batchSize)
    let bar = ProgressBar("Training", total: steps, unit: "steps")
    let descent = GradientDescent(learningRate: 0.5, momentum: 0.9)
    let trained = descent.train(
      network, from: first, on: training, epochs: epochs, batchSize: batchSize, using: &generator
    ) { bar.advance() }
    bar.finish()
    heading("Training: \(epochs) epochs of gradient descent with momentum on mini-batches of \(batchSize)")
    let losses = [first, trained].map { numeral(training.loss(of: network, at: $0).scalar) }
    print("  cross entropy    \(losses[0]) → \(losses[1])")
    for (name, data) in [("training images", training), ("held-out images", heldOut)] {
      let shares = [first, trained].map { percentage(data.accuracy(of: network, at: $0)) }
      print("  \(name)  \(shares[0]) → \(shares[1]) recognized")
    }
    return trained
  }

  private static func checkGradient(of network: Sequential, at p: Parameters, on data: LabelledImages) throws {
    let report = checkDerivatives(of: { data.loss(of: network, at: $0) }, at: p)
    heading("Gradient and Hessian of the loss of \(data.count) images against finite differences")
    try report.requirePassed()
    let orders = [report.firstRemainderOrder, report.secondRemainderOrder].map {
      $0.map { numeral($0, digits: 3) } ?? "none"
    }
    print(
      "  \(report.comparisons) comparisons agree to \(numeral(report.tolerance, digits: 1)); differences resolve \(numeral(report.resolution, digits: 2))"
    )
    print("  Taylor remainders shrink with the orders \(orders[0]) and \(orders[1]), and should with 2 and 3.")
  }

  private static func kernel(of network: Sequential, at p: Parameters, on images: Tensor) throws -> KernelSummary {
    try KernelSummary(
      layerwiseTangentKernels(of: network, at: p, on: images, outputs: .traceMean),
      of: p.named.map { ($0.path, $0.tensor.shape) })
  }

  private static func reportCurvature(
    of network: Sequential, at p: Parameters, on training: LabelledImages, using generator: inout RandomGenerator
  ) throws {
    func loss(_ p: Parameters) -> Tensor { training.loss(of: network, at: p) }
    let hessian = ClosureOperator(dimension: p.entryCount) { vectors in
      vmap(
        { (v: Tensor) in hvp(of: loss, at: p, along: p.replacingEntries(with: v)).flattenedEntries }, axis: 1,
        outputAxis: 1)(
          vectors)
    }
    let found = try lanczos(
      hessian, end: .largest, using: &generator, options: LanczosOptions(tolerance: 1e-6, productLimit: 100))
    heading("Largest eigenvalue of the loss's Hessian, by Lanczos iteration on Hessian-vector products")
    print(
      "  λ \(numeral(found.largest.values[0], digits: 7)), residual ‖H v − λ v‖ "
        + numeral(found.largest.residuals[0], digits: 2))
    let reason =
      switch found.stoppingReason {
      case .converged: "the residual fell below 1e-06 of the value"
      case .wholeSpace: "the vectors span the whole space"
      case .productLimit: "no more products were allowed"
      }
    print("  after \(found.products) products, when \(reason)")
  }

  private static func reportThirdOrder(of network: Sequential, at p: Parameters, on images: Tensor) throws {
    // One number for each image: how much it looks like a 3 rather than an 8.
    func margin(_ x: Tensor, _ p: Parameters) -> Tensor {
      let scores = network(x, p)
      return scores[3] - scores[8]
    }
    let third = higherKernel(order: 3, of: margin, at: p, on: images)
    let differences = stack(
      (0..<images.shape[0]).map { image in
        let slope = gradient(of: { margin(images[image], $0) }, at: p)
        let length = slope.euclideanNorm.scalar
        let kernel = { tangentKernel(of: margin, at: $0, on: images, outputs: .traceSum) }
        return differenceQuotient(of: kernel, at: p, along: slope.scaled(by: 1 / length)) * length
      }, axis: -1)
    let largest = third.scalars.map(\.magnitude).max() ?? 0
    heading("Third-order kernel: the derivative of K along every ∇f(x″), f being the score of 3 minus that of 8")
    try requireClose(third, differences, tolerance: 1e-6)
    print("  \(third.shape) on the first \(images.shape[0]) images, largest entry \(numeral(largest))")
    let deviation = third.difference(from: differences).relative
    print("  relative deviation from finite differences of K: \(numeral(deviation, digits: 2))")
  }
}
