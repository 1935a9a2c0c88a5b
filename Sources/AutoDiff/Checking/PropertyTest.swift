/// Tries a property on random inputs, and throws the smallest counterexample that it can find.
///
///     @Test func exponentialTurnsSumsIntoProducts() throws {
///       try forAll(.broadcastable(2), .number(in: -1...1)) { x, c in
///         try requireClose(exp(x[0] + x[1] * c), exp(x[0]) * exp(x[1] * c))
///       }
///     }
///
/// A failing input is shrunk: ranks, extents and other integers first, then entries become 0 or round numbers, as long
/// as the property still fails with an error of the same type. The property signals failure by throwing, for instance
/// through ``requireClose(_:_:tolerance:)`` or ``DerivativeReport/requirePassed()``, not by recording an issue,
/// which would count the attempts of shrinking too. A programmer's error that stops the process cannot be shrunk.
///
/// - Parameters:
///   - inputs: a generator for every argument; make your own with ``InputGenerator``.
///   - trials: how many inputs are tried.
///   - seed: of the first trial; the others count on from it. A failure names the seed of its own trial, and
///     `forAll(…, trials: 1, seed: thatSeed)` gives the same failure.
///   - attempts: how often at most the property is run in order to shrink a failure.
///   - property: throws if it does not hold.
/// - Throws: ``PropertyFailure``.
/// - Complexity: `trials` runs of the property, and at most `attempts` more after a failure.
public func forAll<each Value>(
  _ inputs: repeat InputGenerator<each Value>, trials: Int = 100, seed: UInt64 = 0, attempts: Int = 2000,
  _ property: (repeat each Value) throws -> Void
) throws(PropertyFailure) {
  /// Builds the input and returns its choices, what it looks like, and why the property fails for it.
  func run(_ start: Choices) -> (record: [Choices.Choice], arguments: () -> [String], reason: (any Error)?) {
    var choices = start
    let values = (repeat (each inputs).build(&choices))
    let arguments = { () -> [String] in
      var texts: [String] = []
      repeat texts.append(describe(each values))
      return texts
    }
    do {
      try property(repeat each values)
      return (choices.record, arguments, nil)
    } catch {
      return (choices.record, arguments, error)
    }
  }

  for trial in 0..<max(trials, 0) {
    let seed = seed &+ UInt64(trial)
    let first = run(Choices(seed: seed))
    guard let reason = first.reason else { continue }
    var smallest = (record: first.record, arguments: first.arguments, reason: reason)
    var steps = 0
    var remaining = attempts
    search: while true {
      for candidate in smallest.record.simplifications where candidate.isSimpler(than: smallest.record) {
        guard remaining > 0 else { break search }
        remaining -= 1
        let result = run(Choices(repeating: candidate))
        guard let reason = result.reason, type(of: reason) == type(of: smallest.reason),
          result.record.isSimpler(than: smallest.record)
        else { continue }
        smallest = (result.record, result.arguments, reason)
        steps += 1
        continue search
      }
      break
    }
    throw PropertyFailure(
      seed: seed, trial: trial, arguments: smallest.arguments(), reason: smallest.reason, steps: steps,
      firstArguments: first.arguments(), firstReason: reason)
  }
}

/// A counterexample; what ``forAll(_:trials:seed:attempts:_:)`` throws.
public struct PropertyFailure: Error, Sendable, CustomStringConvertible {
  /// With one trial and this seed the same failure is found again.
  public let seed: UInt64
  /// The trial in which it was found, from 0.
  public let trial: Int
  /// The smallest arguments for which the property fails, as text.
  public let arguments: [String]
  /// Why it fails for them; a ``Mismatch`` names the leaf, the index and both values.
  public let reason: any Error
  /// How many times the input could be made smaller.
  public let steps: Int
  /// The arguments that were found first.
  public let firstArguments: [String]
  /// Why the property failed for those.
  public let firstReason: any Error

  /// The reason, the arguments and the seed.
  public var description: String {
    let list = arguments.enumerated().map { "argument \($0) = \($1)" }.joined(separator: ", ")
    var text = "Property fails in trial \(trial) for \(list): \(reason) Replay with trials: 1, seed: \(seed)."
    if steps > 0 { text += " (Shrunk \(steps) times from \(firstArguments.joined(separator: ", ")).)" }
    return text
  }
}

/// Tensors with their shape where the entries do not show it; anything else as it prints itself. Long texts are cut.
private func describe<T>(_ value: T) -> String {
  var text = "\(value)"
  if let tree = value as? any TensorTree, !(value is Tensor) {
    text = "[" + tree.leaves.map { describe($0) }.joined(separator: ", ") + "]"
  } else if let tensor = value as? Tensor, tensor.count > 64 {
    text = "\(tensor.scalarType) of shape \(tensor.shape), " + text
  }
  return text.count > 600 ? text.prefix(600) + "…" : text
}
