import AutoDiff
import TestSupport
import Testing

@testable import ad_demo

/// `ad-demo check` checks every primitive: what its functions and their derivatives are made of is all that there is.
@Suite struct CheckedFunctionListTests {
  /// Primitives that no function of the list comes to, and why.
  private static let exceptions = [
    "Convert": "rounds to the other type, so that differences do not resolve it",
    "StopGradient": "its derivative is meant not to be that of its value",
    "CustomFunction": "its rules are the user's",
    "RandomDraw": "its inputs are whole numbers, on which its output does not depend smoothly",
    "ExtractPatches": "made by the structure of convolutions, inside kernels only",
    "AddPatches": "the adjoint of ExtractPatches",
  ]

  /// The primitives that a function, its derivatives of both orders and its batched form consist of.
  private static func primitives(of call: CheckedFunction.Call) -> Set<String> {
    let tape = Tape()
    defer { tape.clear() }
    var random = RandomGenerator(seed: 5)
    let direction = call.inputs.map { Tensor.normal($0.shape, using: &random).as($0.scalarType) }
    let value = call.apply(call.inputs)
    // Followed, because adjoints of linear functions see nothing else.
    let cotangent = tape.watch(.normal(value.shape, using: &random).as(value.scalarType))
    let inputs = call.inputs.map { tape.watch($0) }
    _ = hvp(of: { dot(call.apply($0), cotangent) }, at: inputs, along: direction)
    _ = jvp(of: call.apply, at: inputs, along: direction)
    _ = vmap { call.apply($0) }(inputs.map { stack([$0, $0]) })
    return Set(tape.entries.compactMap { entry in entry.operation.map { "\(type(of: $0))" } })
  }

  @Test func everyPrimitiveIsChecked() throws {
    var seen: Set<String> = []
    for function in CheckedFunction.all {
      try forAll(InputGenerator(function.draw), trials: 12, seed: 1) { seen.formUnion(Self.primitives(of: $0)) }
    }
    let declared = try PrimitiveDeclarations(of: PrimitiveDeclarations.sources).names
    #expect(declared.subtracting(seen) == Set(Self.exceptions.keys), "primitives that are not checked, or exceptions")
  }
}
