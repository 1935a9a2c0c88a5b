import AutoDiff
import Layers
import Tangent

/// The fully connected network and the data that the options of a command ask for.
struct ChosenNetwork {
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
  static let options: [any CommandOption] = [
    data, labelColumn, inputs, examples, width, depth, outputs, activation, parameterization, scalarType, seed,
  ]

  let network: Sequential
  let parameters: Parameters
  let table: ExampleTable
  /// [n, inputs].
  let examples: Tensor
  /// What was chosen, line by line.
  let lines: [String]

  /// Reads the data and creates the parameters.
  init(_ arguments: Arguments) throws {
    if arguments.contains(Self.labelColumn), arguments[Self.data] == nil {
      throw UsageError("--label-column means a column of the file that --data names, but there is no --data.")
    }
    var table =
      try arguments[Self.data].map { try ExampleTable(contentsOf: $0, labelColumn: arguments[Self.labelColumn]) }
      ?? ExampleTable(Digits.bundled())
    table.take(first: arguments[Self.examples])
    try table.prepare(arguments[Self.inputs])
    let (width, depth, outputs) = (arguments[Self.width], arguments[Self.depth], arguments[Self.outputs])
    let type = arguments[Self.scalarType]
    try MemoryNeed(inputs: table.inputCount, width: width, depth: depth, outputs: outputs, scalarType: type).check()
    let dense = { Dense($0, parameterization: arguments[Self.parameterization].parameterization) }
    network = Sequential {
      for _ in 0..<depth {
        dense(width)
        arguments[Self.activation].layer
      }
      dense(outputs)
    }
    examples = table.inputs.as(type)
    parameters = network.initialized(like: examples[0], seed: arguments[Self.seed])
    self.table = table
    let widths = [table.inputCount] + Array(repeating: width, count: min(depth, 4)) + [outputs]
    lines = [
      "Data     \(table.description)",
      "Network  " + widths.map(String.init).joined(separator: depth > 4 ? " → … " : " → ")
        + "\(depth > 0 ? " with \(arguments[Self.activation].rawValue)" : ""), "
        + "\(grouped(parameters.entryCount)) parameters in "
        + "\(arguments[Self.parameterization].rawValue) scaling, \(type.rawValue), seed \(arguments[Self.seed])",
    ]
  }
}

extension ChosenNetwork.Activation {
  /// The same activation of layers of infinite width.
  var dual: DualActivation {
    switch self {
    case .tanh: .tanh
    case .erf: .erf
    case .relu: .relu
    case .gelu: .gelu
    case .silu: .silu
    case .sigmoid: .sigmoid
    case .softplus: .softplus()
    }
  }
}
