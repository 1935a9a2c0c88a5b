import AutoDiff
import Layers
import Tangent
// For all files of this target.
@_exported import TestSupport
import Testing

/// A model with its parameters and examples, for tests that hold for every model.
struct Model: Sendable, CustomTestStringConvertible {
  let name: String
  let f: @Sendable (Tensor, [Tensor]) -> Tensor
  let parameters: [Tensor]
  /// [n, example shape...]
  let examples: Tensor
  /// Other examples, as many or not.
  let others: Tensor

  var testDescription: String { name }

  init(
    _ name: String, parameters: [[Int]], example: [Int], seed: UInt64 = 1,
    _ f: @escaping @Sendable (Tensor, [Tensor]) -> Tensor
  ) {
    var random = RandomGenerator(seed: seed)
    self.name = name
    self.f = f
    self.parameters = parameters.map { .normal($0, using: &random) * 0.7 }
    examples = .normal([4] + example, using: &random)
    others = .normal([3] + example, using: &random)
  }
}
