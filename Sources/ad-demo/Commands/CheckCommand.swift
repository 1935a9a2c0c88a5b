import AutoDiff

/// Property tests of the primitives, as a table.
enum Check: Command {
  static let name = "check"
  static let summary = "Test the derivatives of every primitive against finite differences"
  static let discussion = """
    Draws shapes and values at random. Compares forward derivatives with central
    differences and pullbacks with forward derivatives, both also for the second
    derivative, and vmap with a loop. Taylor remainders shrink with the orders 2
    and 3 where the first and the second derivative are right.
    """

  static let primitive = Option<[String]>(
    repeated: "primitive", "NAME", "Only the functions whose names contain this")
  static let seed = Option<UInt64>("seed", "N", default: 0, "Decides all shapes and values")
  static let trials = Option("trials", "N", default: 20, range: 1...1_000_000, "How many inputs each function gets")
  static let options: [any CommandOption] = [primitive, seed, trials]

  /// Functions whose derivatives are wrong.
  struct Failure: Error, CustomStringConvertible {
    let names: [String]
    let total: Int
    var description: String { "\(names.count) of \(total) functions failed: \(names.joined(separator: ", "))." }
  }

  static func run(_ arguments: Arguments) throws {
    let wanted = arguments[primitive]
    let functions = CheckedFunction.all.filter { function in
      wanted.isEmpty || wanted.contains { function.name.lowercased().contains($0.lowercased()) }
    }
    guard !functions.isEmpty else {
      throw UsageError("no function's name contains \(wanted.map { "\"\($0)\"" }.joined(separator: " or ")).")
    }
    let bar = ProgressBar("Checking", total: functions.count, unit: "functions")
    var table = Table([
      ("function", .left), ("trials", .right), ("jvp − differences", .right), ("adjoint", .right), ("vmap", .right),
      ("remainders", .right), ("", .left),
    ])
    var failures: [(name: String, failure: PropertyFailure)] = []
    for function in functions {
      let result = function.check(trials: arguments[trials], seed: arguments[seed])
      bar.advance()
      table.append([
        function.name, "\(result.failure.map { $0.trial + 1 } ?? arguments[trials])",
        numeral(result.difference, digits: 2), numeral(result.adjoint, digits: 2), numeral(result.batching, digits: 2),
        [result.firstOrder, result.secondOrder].map { $0.map { numeral($0, digits: 3) } ?? "–" }
          .joined(separator: ", "),
        result.failure == nil ? "passed" : "FAILED",
      ])
      if let failure = result.failure { failures.append((function.name, failure)) }
    }
    bar.finish()
    print(table, terminator: "")
    for (name, failure) in failures {
      print("\n\(name): \(failure)")
      print("Again: ad-demo check --primitive \"\(name)\" --trials 1 --seed \(failure.seed)")
    }
    if !failures.isEmpty { throw Failure(names: failures.map(\.name), total: functions.count) }
    print("\nAll \(functions.count) functions passed, seed \(arguments[seed]).")
  }
}
