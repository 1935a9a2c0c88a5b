/// Property tests of the primitives, as a table.
enum Check: Command {
  static let name = "check"
  static let summary = "Test the derivatives of every primitive against finite differences"
  static let discussion = """
    Draws shapes and values at random, and compares derivatives in both modes and
    of several orders with differences and with each other.
    """

  static let primitive = Option<[String]>(
    repeated: "primitive", "NAME", "Only the primitives whose names contain this")
  static let seed = Option<UInt64>("seed", "N", default: 0, "Decides all shapes and values")
  static let trials = Option("trials", "N", default: 20, range: 1...1_000_000, "How many inputs each primitive gets")
  static let options: [any CommandOption] = [primitive, seed, trials]

  static func run(_ arguments: Arguments) throws {
  }
}
