import AutoDiff
import Testing

@testable import Tangent

/// The change of gradients along each other, which the fourth kernels are made of, against derivatives one by one.
@Suite struct ThirdDerivativesTests {
  /// Models that meet rules reading inputs, outputs, both or neither, in values of examples.
  static let models: [Model] = [
    Model("functions that read their output", parameters: [[3, 4], [4]], example: [3]) { x, p in
      let h = matmul(x, p[0])
      return dot(exp(h / 3) + sigmoid(h) * sqrt(square(h) + 1), p[1])
    },
    Model("products and quotients of values", parameters: [[3, 4], [3, 4], [4]], example: [3]) { x, p in
      let (a, b) = (matmul(x, p[0]), sin(matmul(x, p[1])))
      return dot(a * b / (square(b) + 2) + pow(square(a) + 1, b), p[2])
    },
    Model("a product of a value with itself", parameters: [[3, 4]], example: [3]) { x, p in
      let h = tanh(matmul(x, p[0]))
      return dot(h, h) + matmul(h.expanded(at: 1), h.expanded(at: 0)).sum()
    },
    Model("rows", parameters: [[3, 4], [4], [4], [4, 4]], example: [5, 3]) { x, p in
      let h = layerNorm(matmul(x, p[0])) * p[1] + p[2]
      let weights = softmax(matmul(h, p[3]))
      return logsumexp(weights, axes: [1]).sum() + h.norm()
    },
    Model("parts and repetitions", parameters: [[3, 4], [4, 4]], example: [3]) { x, p in
      var h = tanh(matmul(x, p[0]))
      h[1..<3] = square(h[0..<2])
      let joined = concatenate([h[0..<2], h[2..<4] * p[1][0][0..<2]])
      return dot(joined, matmul(p[1].transposed, h))
    },
    Model("a custom rule", parameters: [[3, 4], [4]], example: [3]) { x, p in dot(cubed(matmul(x, p[0])), p[1]) },
    Model("a loop", parameters: [[3, 3], [3]], example: [3]) { x, p in
      dot(repeated(3, x) { h in tanh(matmul(h, p[0]) + p[1]) }, p[1])
    },
  ]

  /// x³ with a derivative by hand.
  static let cubed = withDerivative(
    of: { (x: Tensor) in x * x * x }, vjp: { (x: Tensor, _: Tensor, v: Tensor) in 3 * square(x) * v })

  /// Whether a model has to be taken by the changes of its gradients.
  private static func isTaken(_ model: Model) -> Bool {
    !["a parameter's nonlinear function", "no example", "one parameter unused"].contains(
      model.name)
  }

  @Test(arguments: models + Model.catalogue + [.convolutions], [ScalarType.float64, .float32])
  func equalDerivativesOneByOne(model: Model, type: ScalarType) throws {
    let n = 3
    // (The model of an embedding makes indices of its own in double precision.)
    if model.name == "an embedding", type == .float32 { return }
    let (x, p) = (model.examples[0..<n].as(type), model.parameters.map { $0.as(type) })
    let fields = GradientFields("test", model.single, on: x, newPoints: nil)
    let jacobian = FactoredJacobian(of: fields.f, at: p, on: x)
    let change = fields.gradientChange(on: x, at: p, along: jacobian)
    guard Self.isTaken(model) else {
      #expect(change == nil)
      return
    }
    let known = try #require(change)
    let slopes = (0..<n).map { model.slope(x[$0], p) }
    func gradient(_ i: Int) -> ([Tensor]) -> [Tensor] { { q in model.slope(x[i], q) } }
    func along(_ f: @escaping ([Tensor]) -> [Tensor], _ k: Int) -> ([Tensor]) -> [Tensor] {
      { q in directionalDerivative(of: f, at: q, along: slopes[k]) }
    }
    let products = (0..<n).map { k in (0..<n).map { i in along(gradient(i), k)(p) } }
    let grams = (0..<n * n).map { a in
      (0..<n * n).map { b in products[a / n][a % n].innerProduct(products[b / n][b % n]).scalar }
    }
    var thirds: [Double] = []
    for i in 0..<n {
      for j in 0..<n {
        for k in 0..<n { thirds += along(along(gradient(i), k), j)(p).innerProducts(with: slopes) }
      }
    }
    let tolerance = type == .float64 ? 1e-11 : 2e-4
    let shape = [n, n, n, n]
    expectClose(known.products, Tensor(grams).reshaped(to: shape).as(type), tolerance: tolerance)
    expectClose(known.thirdDerivatives, Tensor(thirds, shape: shape, as: type), tolerance: tolerance)
    expectClose(
      known.thirdDerivatives, known.thirdDerivatives.permuted([0, 3, 1, 2]), tolerance: type == .float64 ? 1e-13 : 1e-5)
  }

  @Test func theFourthKernelOfPartsIsThatOfTheWhole() throws {
    // The whole comes from changes of gradients, its parts from derivatives of the third.
    let model = Model.convolutions
    let (x, p) = (model.examples, model.parameters)
    let whole = higherKernel(order: 4, of: model.single, at: p, on: x)
    expectClose(
      higherKernel(order: 4, of: model.single, at: p, on: x[1..<4], newPoints: x[0..<2]),
      whole[0..<2, 1..<4, 1..<4, 1..<4],
      tolerance: 1e-11)
    let frozen = frozenHigherKernel(order: 4, of: model.single, at: p, on: x)
    expectClose(
      frozenHigherKernel(order: 4, of: model.single, at: p, on: x[1..<4], newPoints: x[0..<2]),
      frozen[0..<2, 1..<4, 1..<4, 1..<4], tolerance: 1e-11)
  }
}

extension [Tensor] {
  fileprivate func innerProducts(with others: [[Tensor]]) -> [Double] { others.map { innerProduct($0).scalar } }
}
