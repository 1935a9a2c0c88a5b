import AutoDiff

/// A public function of tensors, with random inputs around which it is smooth.
struct CheckedFunction {
  /// The inputs of one trial, and the function with its other arguments chosen.
  struct Call: CustomStringConvertible {
    let inputs: [Tensor]
    let apply: ([Tensor]) -> Tensor

    var description: String { inputs.map { "\($0) of shape \($0.shape)" }.joined(separator: ", ") }
  }

  let name: String
  let draw: (inout Choices) -> Call

  init(_ name: String, _ draw: @escaping (inout Choices) -> Call) {
    self.name = name
    self.draw = draw
  }

  /// What the trials of a function have shown.
  struct Result {
    /// The largest relative deviation of forward derivatives from central differences.
    var difference = 0.0
    /// The largest |⟨ȳ, Jẋ⟩ − ⟨Jᵀȳ, ẋ⟩|, relative to the larger of ‖ȳ‖ ‖Jẋ‖ and ‖Jᵀȳ‖ ‖ẋ‖.
    var adjoint = 0.0
    /// The largest relative deviation of vmap from a loop.
    var batching = 0.0
    /// The lowest orders seen with which Taylor remainders shrink after the first and the second derivative.
    var (firstOrder, secondOrder): (Double?, Double?)
    var failure: PropertyFailure?
  }

  /// Tries the function on random inputs.
  ///
  /// - Parameters:
  ///   - trials: How many inputs.
  ///   - seed: Of the first one; the next ones have the next seeds.
  func check(trials: Int, seed: UInt64) -> Result {
    var result = Result()
    // After a failure come the attempts to make it smaller, which should not count.
    var isDone = false
    do throws(PropertyFailure) {
      try forAll(InputGenerator(draw), trials: trials, seed: seed) { call in
        do {
          try run(call, seed, &result, isCounted: !isDone)
        } catch {
          isDone = true
          throw error
        }
      }
    } catch {
      result.failure = error
    }
    return result
  }

  private func run(_ call: Call, _ seed: UInt64, _ result: inout Result, isCounted: Bool) throws {
    let report = checkDerivatives(of: call.apply, at: call.inputs, orders: 1...2, seed: seed)
    let measured = measure(call, seed)
    if isCounted {
      result.difference = max(result.difference, measured.difference)
      result.adjoint = max(result.adjoint, measured.adjoint)
      result.batching = max(result.batching, measured.batching)
      func lower(_ a: Double?, _ b: Double?) -> Double? { a.map { a in b.map { min(a, $0) } ?? a } ?? b }
      result.firstOrder = lower(result.firstOrder, report.firstRemainderOrder)
      result.secondOrder = lower(result.secondOrder, report.secondRemainderOrder)
    }
    try report.requirePassed()
    for (name, value, limit) in [
      ("the forward derivative and central differences", measured.difference, 1e-6),
      ("both sides of the adjoint identity", measured.adjoint, 1e-12),
      ("vmap and a loop", measured.batching, 1e-12),
    ] where !(value <= limit) {
      throw Mismatch("The relative difference of \(name) is \(numeral(value)).")
    }
  }

  private func measure(_ call: Call, _ seed: UInt64) -> (difference: Double, adjoint: Double, batching: Double) {
    var random = RandomGenerator(seed: seed)
    let x = call.inputs
    let direction = x.mapTensors { Tensor.rademacher($0.shape, using: &random) }
    let (value, tangent) = jvp(of: call.apply, at: x, along: direction)
    let quotient = differenceQuotient(of: call.apply, at: x, along: direction)
    let cotangent = Tensor.normal(value.shape, using: &random)
    let pulled = vjp(of: call.apply, at: x).pullback(cotangent)
    let scales = [cotangent.norm() * tangent.norm(), pulled.euclideanNorm * direction.euclideanNorm].map(\.scalar)
    let scale = max(scales[0], scales[1])
    let gap = (pulled.innerProduct(direction) - dot(cotangent, tangent)).scalar.magnitude
    // Small changes of scale keep inputs where the function is smooth.
    let copies = [1, 0.99, 1.01].map { factor in x.mapTensors { $0 * factor } }
    let stacked = x.indices.map { argument in stack(copies.map { $0[argument] }) }
    let loop = stack(copies.map(call.apply))
    // Differences of a function that is locally constant, or of no entries, are nothing but rounding.
    let isFlat = tangent.scalars.allSatisfy { $0 == 0 }
    return (
      isFlat ? quotient.norm().scalar : tangent.difference(from: quotient).relative, scale > 0 ? gap / scale : gap,
      vmap(call.apply)(stacked).difference(from: loop).relative
    )
  }
}
