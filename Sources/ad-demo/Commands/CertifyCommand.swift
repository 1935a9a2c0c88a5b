import AutoDiff
import Foundation
import Layers
import Tangent

/// Whether training a network is certain to converge, and then the training.
enum CertifyCommand: Command {
  static let name = "certify"
  static let summary = "Prove that training converges, then train and look"
  static let discussion = """
    Takes a network on some digits, odd or even, and examines whether a theorem
    guarantees that gradient descent converges: descent is Assumption 11.12 with
    Theorem 11.13, linearization is Theorem 8.33. A condition is proved, refuted,
    or undecided. As it is, hardly any network is certified; multiplied by a large
    alpha, and with its first outputs subtracted, every one with smooth activations
    is. Then the network is trained, and every step is held against the promise.
    """

  enum Theorem: String, OptionChoice {
    case descent, linearization

    var theorem: TrainingTheorem { self == .descent ? .descent : .linearization }
  }

  static let theorem = Option("theorem", "NAME", default: Theorem.descent, "Which theorem is to apply")
  static let examples = Option("examples", "N", default: 20, range: 1...1797, "How many digits, from the first")
  static let width = Option("width", "N", default: 64, range: 1...100_000, "Units of each hidden layer")
  static let depth = Option("depth", "N", default: 1, range: 1...100, "Hidden layers")
  static let activation = Option(
    "activation", "NAME", default: ChosenNetwork.Activation.tanh, "What stands between the layers")
  static let plain = Option(switch: "plain", "Examine the network as it is, without alpha")
  static let scale = Option(
    "alpha", "X", default: 0.0, range: 0...1e300, "Alpha; 0 stands for the smallest that is certified")
  static let steps = Option("steps", "N", default: 50, range: 1...1_000_000, "Steps of the training at most")
  static let seed = Option<UInt64>("seed", "N", default: 0, "Decides all that is random")
  static let output = Option("output", "DIR", default: "ad-demo-output", "The folder for the results")
  static let options: [any CommandOption] = [
    theorem, examples, width, depth, activation, plain, scale, steps, seed, output,
  ]

  static func run(_ arguments: Arguments) throws {
    if arguments[plain], arguments.contains(scale) {
      throw UsageError("--plain means no alpha, but --alpha is given.")
    }
    let digits = LabelledImages(try Digits.bundled())[0..<arguments[examples]]
    let inputs = digits.images / digits.images.norm(axes: [1], keepingAxes: true)
    let targets = digits.labels.mapped { $0.truncatingRemainder(dividingBy: 2) == 0 ? 1 : -1 }
    let layer = arguments[activation].layer
    let network = HierarchyNetwork(depth: arguments[depth], width: arguments[width]) { layer($0, Parameters()) }
    let p = network.initialized(like: inputs[0], seed: arguments[seed])
    let model = { (x: Tensor, p: Parameters) in network(x, p) }
    let options = LipschitzOptions(starts: 1, stepLimit: 2, seed: arguments[seed])
    let itself = try TrainingStart(of: model, from: p, on: inputs, targets: targets)
    print(
      "\(arguments[examples]) digits, \(arguments[depth]) hidden layers of \(arguments[width]) units with "
        + "\(arguments[activation].rawValue), \(grouped(p.entryCount)) parameters")
    let (start, alpha) = try rescaled(itself, model, p, inputs, targets, options, arguments)
    if let alpha { print("Rescaled by alpha = \(numeral(alpha)), first outputs subtracted") }
    let certificate = try Examined(start, arguments[theorem].theorem, options)
    print("")
    print(certificate.table, terminator: "")
    print(conditionTable(certificate.conditions), terminator: "")
    let needed = WidthCondition(
      width: arguments[width], count: arguments[examples], smallestEigenvalue: itself.smallestEigenvalue, accuracy: 0.01
    )
    print("\nCorollary 2.5, of the network itself: \(needed.verdict.rawValue). \(needed.condition.reason)")
    print("\nTogether: \(certificate.verdict.rawValue)")
    guard certificate.radius.isFinite else {
      print("Without a radius there is no promise to keep, and no training.")
      return
    }
    let run = try certificate.train(start, steps: arguments[steps])
    report(run, isPromised: certificate.verdict == .proved)
    let folder = try OutputFolder(arguments[output])
    try folder.write(chart(run), to: "certify.svg")
    print("Results  certify.svg in \(folder.path)")
  }

  /// The start of the model that is asked for, and its alpha.
  private static func rescaled(
    _ itself: TrainingStart<Tensor, Parameters>, _ model: @escaping (Tensor, Parameters) -> Tensor, _ p: Parameters,
    _ inputs: Tensor, _ targets: Tensor, _ options: LipschitzOptions, _ arguments: Arguments
  ) throws -> (start: TrainingStart<Tensor, Parameters>, alpha: Double?) {
    if arguments[plain] { return (itself, nil) }
    var alpha = arguments[scale]
    if alpha == 0 {
      let bracket = try smallestLazyScale(itself, for: arguments[theorem].theorem, options: options)
      print(
        "The smallest alpha that is certified lies between \(numeral(bracket.lower.value)) and "
          + numeral(bracket.upper.value))
      // Where none is found, that for which it is not refuted.
      alpha = bracket.upper.value.isFinite ? bracket.upper.value : max(1, bracket.lower.value)
    }
    let lazy = lazyModel(model, around: p, scale: alpha)
    return (try TrainingStart(of: lazy, from: p, on: inputs, targets: targets), alpha)
  }

  /// Either certificate.
  private struct Examined {
    let conditions: [CertificateCondition]
    let verdict: Verdict
    let radius: Double
    let table: Table
    let train: (TrainingStart<Tensor, Parameters>, Int) throws -> PromisedRun

    init(
      _ start: TrainingStart<Tensor, Parameters>, _ theorem: TrainingTheorem, _ options: LipschitzOptions
    ) throws {
      var table = Table([("quantity", .left), ("at least", .right), ("at most", .right)])
      func add(_ name: String, _ bracket: Bracket) {
        table.append([name, numeral(bracket.lower.value), numeral(bracket.upper.value)])
      }
      add("smallest eigenvalue", start.smallestEigenvalue)
      add("largest eigenvalue", start.largestEigenvalue)
      add("norm of the residual", start.residualNorm)
      switch theorem {
      case .descent:
        let found = try DescentCertificate(start, options: options)
        add("gradient's norm U", found.gradientNorm)
        add("gradient's Lipschitz constant L", found.lipschitz)
        table.append(["radius r", "", numeral(found.radius)])
        table.append(["admissible step h", "", numeral(found.admissibleStep)])
        (conditions, verdict, radius) = (found.conditions, found.verdict, found.radius)
        train = { try found.run($0, steps: $1) }
      case .linearization:
        let found = try LinearizationCertificate(start, options: options)
        add("gradient's Lipschitz constant beta", found.lipschitz)
        add("beta / sigma^2", found.ratio)
        table.append(["radius R", "", numeral(found.radius)])
        table.append(["admissible step eta", "", numeral(found.admissibleStep)])
        (conditions, verdict, radius) = (found.conditions, found.verdict, found.radius)
        train = { try found.run($0, steps: $1) }
      }
      self.table = table
    }

    func train(_ start: TrainingStart<Tensor, Parameters>, steps: Int) throws -> PromisedRun { try train(start, steps) }
  }

  private static func conditionTable(_ conditions: [CertificateCondition]) -> String {
    var table = Table([("condition", .left), ("", .left), ("verdict", .left), ("because", .left)])
    for condition in conditions {
      table.append([condition.name, condition.statement, condition.verdict.rawValue, condition.reason])
    }
    return "\n\(table)"
  }

  private static func report(_ run: PromisedRun, isPromised: Bool) {
    var table = Table([
      ("step", .right), ("distance", .right), ("at most", .right), ("residual", .right), ("at most", .right),
      ("f - linearized", .right),
    ])
    let last = run.steps.count - 1
    let shown = Set([0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].filter { $0 < last } + [last])
    for k in shown.sorted() {
      let step = run.steps[k]
      table.append([
        "\(k)", numeral(step.distance), numeral(run.radius), numeral(step.residualNorm, digits: 6),
        numeral(step.promisedResidualNorm, digits: 6), numeral(step.linearizationError),
      ])
    }
    print("\n\(table)", terminator: "")
    let promise = isPromised ? "The promise" : "What would be promised"
    if let broken = run.firstBroken {
      print("\n\(promise) is broken at step \(broken).")
    } else {
      print("\n\(promise) is kept at all \(run.steps.count) points.")
    }
  }

  private static func chart(_ run: PromisedRun) -> String {
    func points(_ value: (PromisedRun.Step) -> Double) -> [Point] {
      run.steps.enumerated().map { Point(Double($0), value($1)) }
    }
    return LineChart(
      title: "Training beside its promise", x: Axis("step"), y: Axis("norm of the residual", .logarithmic),
      series: [
        LineChart.Series("promised", points(\.promisedResidualNorm)), LineChart.Series("seen", points(\.residualNorm)),
      ]
    ).svg
  }
}
