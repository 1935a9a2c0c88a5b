import AutoDiff

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
  }

  enum Parameterisation: String, OptionChoice {
    case tangent, standard
  }

  static let data = Option<String?>(optional: "data", "FILE", "Examples as .csv or .npy instead of the bundled digits")
  static let examples = Option(
    "examples", "N", default: 256, range: 1...1_000_000, "How many of them to take, from the first")
  static let width = Option("width", "N", default: 256, range: 1...1_000_000, "Units in each hidden layer")
  static let depth = Option("depth", "N", default: 2, range: 0...1000, "Hidden layers")
  static let outputs = Option("outputs", "N", default: 1, range: 1...100_000, "Outputs of the network")
  static let activation = Option("activation", "NAME", default: Activation.tanh, "What stands between the layers")
  static let parameterisation = Option(
    "parameterisation", "NAME", default: Parameterisation.tangent, "Where the factor 1/sqrt(width) stands")
  static let scalarType = Option("dtype", "TYPE", default: ScalarType.float64, "The precision")
  static let seed = Option<UInt64>("seed", "N", default: 0, "Decides the parameters")
  static let output = Option("output", "DIR", default: "ad-demo-output", "The folder for the results")
  static let options: [any CommandOption] = [
    data, examples, width, depth, outputs, activation, parameterisation, scalarType, seed, output,
  ]

  static func run(_ arguments: Arguments) throws {
  }
}
