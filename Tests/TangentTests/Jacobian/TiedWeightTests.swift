import AutoDiff
import Testing

@testable import Tangent

/// Weights whose gradients have several forms at once: used with their transpose, as a table and for the output, in a
/// product and elementwise.
@Suite struct TiedWeightTests {
  private static let models: [Model] = [
    // A weight and its transpose, as in a tied autoencoder.
    Model("transpose", parameters: [[5, 3]], example: [5]) { x, p in
      matmul(tanh(matmul(x, p[0])), p[0].transposed)[1..<3]
    },
    Model("transpose over positions", parameters: [[4, 6]], example: [5, 4]) { x, p in
      matmul(tanh(matmul(x, p[0])), p[0].transposed).sum(axes: [0])
    },
    // In a product and in a sum that has no structure.
    Model("product and norm", parameters: [[5, 3], [3]], example: [5]) { x, p in
      matmul(tanh(matmul(x, p[0])), p[1]) + square(p[0] * x.expanded(at: 1)).sum().expanded(at: 0)
    },
    Model("transpose and norm", parameters: [[4, 4]], example: [4]) { x, p in
      matmul(sin(matmul(x, p[0])), p[0].transposed)[0..<2] + sin(p[0] * x).sum()
    },
    // The same numbers as a stack of matrices and as one matrix.
    Model("two shapes", parameters: [[3, 4]], example: [4]) { x, p in
      let wide = p[0].reshaped(to: [4, 3])
      return matmul(tanh(matmul(x, wide)), p[0])[0..<2]
    },
    // Two halves of one weight, and all of it.
    Model("parts and whole", parameters: [[4, 4]], example: [4]) { x, p in
      let h = tanh(matmul(x, p[0]))
      return matmul(h[0..<2], p[0][0..<2, 0...]) + matmul(h[2..<4], p[0][0..<2, 0...]) + matmul(x, p[0])
    },
  ]

  /// A table for look-up and, transposed, for the output.
  private static func language(_ x: Tensor, _ p: [Tensor]) -> Tensor {
    let h = tanh(p[0].gathered(at: x) + p[1]).mean(axes: [0])
    return matmul(h, p[0].transposed)[0..<4]
  }

  @Test(arguments: models) func kernelsAreThoseOfTheGradients(_ model: Model) {
    for others in [nil, model.others] {
      expectClose(
        tangentKernel(of: model.f, at: model.parameters, on: model.examples, and: others),
        naiveKernel(of: model.f, at: model.parameters, on: model.examples, and: others))
    }
    let jacobian = FactoredJacobian(of: model.f, at: model.parameters, on: model.examples)
    let other = FactoredJacobian(of: model.f, at: model.parameters, on: model.others)
    for outputs in [KernelOutputs.full, .traceSum, .outputDiagonal] {
      let whole = jacobian.gram(with: other, outputs: outputs, method: .dense)
      for method in KernelMethod.allCases {
        expectClose(jacobian.gram(with: other, outputs: outputs, method: method), whole)
      }
    }
    let naive = naiveGradients(of: model.f, at: model.parameters, on: model.examples)
    expectClose(
      jacobian.squaredNorms.reshaped(to: [4, -1]),
      Tensor(naive.map { $0.map { $0.map { dot($0, $0).scalar }.reduce(0, +) } }))
  }

  @Test func aTableMayBeTiedToTheOutput() {
    var random = RandomGenerator(seed: 51)
    let p = [Tensor.normal([7, 3], using: &random), Tensor.normal([3], using: &random)]
    let x = Tensor([[0, 3, 3], [6, 1, 0], [2, 2, 2], [5, 6, 1]])
    expectClose(tangentKernel(of: Self.language, at: p, on: x), naiveKernel(of: Self.language, at: p, on: x))
    expectClose(
      tangentKernel(of: Self.language, at: p, on: x, outputs: .exampleDiagonal),
      stack((0..<4).map { naiveKernel(of: Self.language, at: p, on: x)[$0, $0] }))
  }

  /// All ways through pairs of parts give the same, whichever would be chosen, in pieces of any size.
  @Test(arguments: models) func pairsOfFormsGiveTheSameByEveryWay(_ model: Model) {
    let jacobian = FactoredJacobian(of: model.f, at: model.parameters, on: model.examples)
    for block in jacobian.blocks {
      for a in block.factors {
        for b in block.factors {
          for outputs in [KernelOutputs.full, .traceSum, .outputDiagonal] {
            for bytes in [1 << 26, 500, 1] {
              let request = GramRequest(outputs: outputs, temporaryBytes: bytes)
              let expected = request.gram(a.dense, b.dense)
              expectClose(a.productsGram(b, request), expected)
              expectClose(a.gram(dense: b.dense, request), expected)
              if a.isTransposed(of: b) { expectClose(a.transposedGram(b, request), expected) }
            }
          }
        }
      }
    }
  }

  @Test func aTransposedWeightIsNotMaterialized() {
    // n · 900 · 700 numbers would take 400 MB.
    var random = RandomGenerator(seed: 52)
    let p = [Tensor.normal([900, 700], using: &random) / 30]
    let x = Tensor.normal([80, 900], using: &random)
    let f = { (x: Tensor, p: [Tensor]) in matmul(tanh(matmul(x, p[0])), p[0].transposed).sum() }
    let jacobian = FactoredJacobian(of: f, at: p, on: x)
    #expect(jacobian.storage[0].positions == [1, 1] && !jacobian.storage[0].isDense)
    #expect(jacobian.byteCount == 2 * 80 * (900 + 700) * 8)
    let block = jacobian.blocks[0]
    #expect(block.factors[0].isTransposed(of: block.factors[1]))
    let kernel = jacobian.gram(outputs: .traceSum)
    let g = [3, 41].map { k in gradient(of: { f(x[k], $0) }, at: p)[0] }
    expectClose(kernel[3, 41], (g[0] * g[1]).sum())
  }
}
