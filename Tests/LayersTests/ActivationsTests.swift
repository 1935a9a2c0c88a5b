import AutoDiff
import Testing

@testable import Layers

@Suite struct ActivationsTests {
  private static let functions:
    [(name: String, layer: any Layer<Tensor, Tensor>, function: @Sendable (Tensor) -> Tensor)] = [
      ("Tanh", Tanh(), { tanh($0) }), ("Relu", Relu(), { relu($0) }), ("Sigmoid", Sigmoid(), { sigmoid($0) }),
      ("Erf", Erf(), { erf($0) }), ("Gelu", Gelu(), { gelu($0) }), ("Silu", Silu(), { silu($0) }),
      ("Softplus", Softplus(), { softplus($0) }),
      ("Softplus 3", Softplus(sharpness: 3), { softplus($0, sharpness: 3) }),
      ("Flatten", Flatten(), { $0.flattened }), ("Activation", Activation { sin($0) }, { sin($0) }),
    ]

  @Test(arguments: functions.indices) func areTheirFunctionsWithoutParameters(index: Int) {
    let (name, layer, function) = Self.functions[index]
    let x = Tensor([[-2, -0.5, 0], [0.5, 1, 3]])
    #expect(layer(x, Parameters()) == function(x), "\(name)")
    #expect(layer.initialized(like: x, seed: 0).leaves.isEmpty, "\(name)")
  }
}
