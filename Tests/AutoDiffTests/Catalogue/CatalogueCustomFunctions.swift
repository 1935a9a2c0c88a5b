import Foundation

@testable import AutoDiff

extension PrimitiveCatalogue {
  /// Functions that carry derivatives given by hand; the primitive behind them is private.
  static let customFunctions: [PrimitiveRow] = [
    PrimitiveRow(
      typeName: "CustomFunction",
      [
        Variant(
          recordedPrimitive(of: weightedSquares, at: [.ones([3]), .ones([3])]), note: "of two inputs",
          [Argument([3], .interval(-2...2)), Argument([3], .interval(-2...2))], oracle: naiveWeightedSquares),
        Variant(
          recordedPrimitive(of: customExponential, at: [.ones([2, 2])]), note: "of one input",
          [Argument([2, 2], .interval(-2...2))], oracle: Oracles.unary { Foundation.exp($0) }),
      ],
      illShaped: [
        IllShapedCall("forgetful: a rule must return a cotangent for every input, but got 1 for 2.") {
          let forgetful = withDerivative(
            of: { (x: [Tensor]) -> Tensor in (x[0] * x[1]).sum() }, name: "forgetful",
            jvp: { (_, tangents: [Tensor], output: Tensor) -> Tensor in
              tangents[0].sum() + tangents[1].sum() + output
            },
            vjp: { (inputs: [Tensor], _, cotangent: Tensor) -> [Tensor] in [cotangent * inputs[1]] })
          return gradient(of: { forgetful([$0, $0]) }, at: .ones([2]))
        },
        IllShapedCall("crooked: a cotangent must have the shape of its input, but got [] for number 0 of shape [2].") {
          let crooked = withDerivative(
            of: { (x: [Tensor]) in x[0].sum() }, name: "crooked", jvp: { $1[0].sum() + $2 },
            vjp: { _, _, cotangent in [cotangent] })
          return gradient(of: { crooked([$0]) }, at: .ones([2]))
        },
      ])
  ]

  private static func naiveWeightedSquares(_ inputs: [Naive]) -> Naive {
    let (a, b) = (inputs[0].entries, inputs[1].entries)
    return Naive([]) { _ in a.indices.reduce(0.0) { sum, i in sum + a[i] * b[i] * b[i] } }
  }

  /// Σ a b².
  private static let weightedSquares = withDerivative(
    of: { (inputs: [Tensor]) in (inputs[0] * square(inputs[1])).sum() }, name: "weightedSquares",
    jvp: { inputs, tangents, _ in
      (tangents[0] * square(inputs[1])).sum() + (tangents[1] * inputs[0] * inputs[1] * 2).sum()
    },
    vjp: { inputs, _, cotangent in [cotangent * square(inputs[1]), cotangent * inputs[0] * inputs[1] * 2] })

  private static let customExponential = withDerivative(
    of: { (x: [Tensor]) in exp(x[0]) }, name: "exponential", jvp: { _, tangents, output in tangents[0] * output },
    vjp: { _, output, cotangent in [cotangent * output] })

  /// What a function puts on the tape.
  private static func recordedPrimitive(of f: ([Tensor]) -> Tensor, at inputs: [Tensor]) -> any Primitive {
    let tape = Tape()
    _ = f(inputs.map { tape.watch($0) })
    return tape.entries.last!.operation!
  }
}
