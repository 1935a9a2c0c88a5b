import AutoDiff
import Layers
import Tangent
import Testing

/// Expects two trees to agree, relative to the largest entry of each leaf.
func expectClose<T: TensorTree>(
  _ actual: T, _ expected: T, tolerance: Double = 1e-12, sourceLocation: SourceLocation = #_sourceLocation
) {
  do throws(Mismatch) {
    try requireClose(actual, expected, tolerance: tolerance)
  } catch {
    Issue.record("\(error)", sourceLocation: sourceLocation)
  }
}

extension ExitTest.Result? {
  /// What the process wrote to its standard error.
  var message: String { String(decoding: self?.standardErrorContent ?? [], as: UTF8.self) }
}

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

/// The gradients of all outputs, one by one in plain loops: an array per example and output, of all entries of the
/// parameters' leaves.
func naiveGradients<P: TensorTree>(of f: (Tensor, P) -> Tensor, at p: P, on examples: Tensor) -> [[[Tensor]]] {
  (0..<examples.shape[0]).map { example in
    let x = examples[example]
    return (0..<f(x, p).count).map { output in
      gradient(of: { f(x, $0).flattened[output] }, at: p).leaves.map(\.flattened)
    }
  }
}

/// K[i, j, a, b] by the definition, in plain loops; only the given leaf's share if there is one.
func naiveKernel<P: TensorTree>(
  of f: (Tensor, P) -> Tensor, at p: P, on examples: Tensor, and others: Tensor? = nil, leaf: Int? = nil
) -> Tensor {
  let rows = naiveGradients(of: f, at: p, on: examples)
  let columns = others.map { naiveGradients(of: f, at: p, on: $0) } ?? rows
  return stack(
    rows.map { a in
      stack(
        columns.map { b in
          Tensor(
            a.map { g in
              b.map { h in
                g.indices.filter { leaf == nil || $0 == leaf }.map { dot(g[$0], h[$0]).scalar }.reduce(0, +)
              }
            })
        })
    })
}

/// Central differences of fourth order along a direction of any length.
func differenceQuotient<P: TensorTree>(of f: (P) -> Tensor, at p: P, along direction: P) -> Tensor {
  let length = direction.euclideanNorm.scalar
  let h = 1e-3
  func at(_ multiple: Double) -> Tensor { f(p.adding(direction, scaledBy: multiple * h / length)) }
  return ((at(1) - at(-1)) * 8 - (at(2) - at(-2))) * (length / (12 * h))
}
