import AutoDiff
import Layers
import Tangent

/// The tangent kernel of a network of the user's choice on the user's data.
enum KernelCommand: Command {
  static let name = "kernel"
  static let summary = "Compute the tangent kernel of a network on your data"
  static let discussion = """
    Reads one example per row (of a .npy file: per entry of the first axis), builds
    a fully connected network, and writes the kernel, its spectrum and its heat map.
    """

  enum Activation: String, OptionChoice {
    case tanh, erf, relu, gelu, silu, sigmoid, softplus

    var layer: any Layer<Tensor, Tensor> {
      switch self {
      case .tanh: Tanh()
      case .erf: Erf()
      case .relu: Relu()
      case .gelu: Gelu()
      case .silu: Silu()
      case .sigmoid: Sigmoid()
      case .softplus: Softplus()
      }
    }
  }

  enum Scaling: String, OptionChoice {
    case tangent, standard

    var parameterization: Parameterization { self == .tangent ? .neuralTangent() : .leCun }
  }

  static let data = Option<String?>(optional: "data", "FILE", "Examples as .csv or .npy instead of the bundled digits")
  static let labelColumn = Option(
    "label-column", "WHICH", default: ExampleTable.LabelColumn.none,
    "A column of the file that is no input; its whole numbers order the heat map")
  static let inputs = Option(
    "inputs", "HOW", default: ExampleTable.Preparation.raw,
    "What is done to the inputs: nothing, mean 0 and variance 1 in each column, or length 1 for each example")
  static let examples = Option(
    "examples", "N", default: 256, range: 1...1_000_000, "How many of them to take, from the first")
  static let width = Option("width", "N", default: 256, range: 1...1_000_000, "Units in each hidden layer")
  static let depth = Option("depth", "N", default: 2, range: 0...1000, "Hidden layers")
  static let outputs = Option("outputs", "N", default: 1, range: 1...100_000, "Outputs of the network")
  static let activation = Option("activation", "NAME", default: Activation.tanh, "What stands between the layers")
  static let parameterization = Option(
    "parameterization", "NAME", default: Scaling.tangent, "Where the factor 1/sqrt(width) stands")
  static let scalarType = Option("dtype", "TYPE", default: ScalarType.float64, "The precision")
  static let seed = Option<UInt64>("seed", "N", default: 0, "Decides the parameters")
  static let output = Option("output", "DIR", default: "ad-demo-output", "The folder for the results")
  static let options: [any CommandOption] = [
    data, labelColumn, inputs, examples, width, depth, outputs, activation, parameterization, scalarType, seed, output,
  ]

  static func run(_ arguments: Arguments) throws {
    if arguments.contains(labelColumn), arguments[data] == nil {
      throw UsageError("--label-column means a column of the file that --data names, but there is no --data.")
    }
    var table =
      try arguments[data].map { try ExampleTable(contentsOf: $0, labelColumn: arguments[labelColumn]) }
      ?? ExampleTable(Digits.bundled())
    table.take(first: arguments[examples])
    try table.prepare(arguments[inputs])

    let (width, depth, outputs) = (arguments[width], arguments[depth], arguments[outputs])
    let type = arguments[scalarType]
    try MemoryNeed(
      inputs: table.inputCount, width: width, depth: depth, outputs: outputs, examples: table.count, scalarType: type
    ).check()
    let dense = { Dense($0, parameterization: arguments[parameterization].parameterization) }
    let network = Sequential {
      for _ in 0..<depth {
        dense(width)
        arguments[activation].layer
      }
      dense(outputs)
    }
    let x = table.inputs.as(type)
    let p = network.initialized(like: x[0], seed: arguments[seed])
    print("Data     \(table.description)")
    let widths = [table.inputCount] + Array(repeating: width, count: min(depth, 4)) + [outputs]
    print(
      "Network  " + widths.map(String.init).joined(separator: depth > 4 ? " → … " : " → ")
        + "\(depth > 0 ? " with \(arguments[activation].rawValue)" : ""), \(grouped(p.entryCount)) parameters in "
        + "\(arguments[parameterization].rawValue) scaling, \(type.rawValue), seed \(arguments[seed])")
    let folder = try OutputFolder(arguments[output])
    let summary = try KernelSummary(
      layerwiseTangentKernels(of: network, at: p, on: x, outputs: .traceMean),
      of: p.named.map { ($0.path, $0.tensor.shape) })
    print("Kernel   [\(table.count), \(table.count)]\(outputs == 1 ? "" : ", mean over the \(outputs) outputs")")
    for line in summary.lines { print("  " + line) }
    try summary.write(to: folder)
    try folder.write(
      summary.heatMap(title: "Tangent kernel of \(table.count) examples", labels: table.labels).svg, to: "kernel.svg")
    try folder.write(
      spectrumChart(title: "Eigenvalues of the tangent kernel", [("", summary)]).svg, to: "spectrum.svg")
    print("Results  kernel.npy, kernel.svg and spectrum.svg in \(folder.path)")
  }
}
