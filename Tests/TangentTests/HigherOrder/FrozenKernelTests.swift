import AutoDiff
import Foundation
import Layers
import Tangent
import Testing

/// The kernels of discrete time.
@Suite struct FrozenKernelTests {
  @Test(arguments: Model.ofHigherOrder) func areDerivativesAlongGradientsThatStay(model: Model) {
    let (x, p) = (model.examples[0..<3], model.parameters)
    let slopes = (0..<3).map { model.slope(x[$0], p) }
    func kernel(_ order: Int, newPoints: Tensor?) -> Tensor {
      frozenHigherKernel(order: order, of: model.single, at: p, on: x, newPoints: newPoints)
    }
    for newPoints in [nil, model.others] {
      for order in 2...3 {
        // Up to the third no gradient has moved.
        expectClose(
          kernel(order, newPoints: newPoints),
          higherKernel(order: order, of: model.single, at: p, on: x, newPoints: newPoints))
      }
      let fourth = (0..<3).map { a in
        (0..<3).map { b in
          differenceQuotient(
            of: { q in
              directionalDerivative(
                of: { higherKernel(order: 2, of: model.single, at: $0, on: x, newPoints: newPoints) }, at: q,
                along: slopes[a])
            }, at: p, along: slopes[b])
        }
      }
      let expected = stack(fourth.map { stack($0, axis: -1) }, axis: -2)
      let actual = kernel(4, newPoints: newPoints)
      expectClose(actual, expected, tolerance: 1e-6)
      expectClose(actual, actual.permuted([0, 1, 3, 2]))
    }
    let fourth = kernel(4, newPoints: nil)
    expectClose(fourth, fourth.permuted([1, 0, 2, 3]))
    #expect(distance(fourth, higherKernel(order: 4, of: model.single, at: p, on: x)) > 1e-3)
  }

  private static let y = Tensor([0.5, -1, 2, 0])

  /// The kernel after a step, computed at the new parameters.
  private static func steppedKernel(_ model: Model, _ h: Double, _ loss: SquaredLoss, newPoints: Tensor?) -> Tensor {
    let slope = gradient(
      of: { p in dot(square(vmap { (x: Tensor) in model.single(x, p) }(model.examples) - y), .ones([4])) },
      at: model.parameters)
    let p = model.parameters.adding(slope, scaledBy: -h * loss.rate(examples: 4) / 2)
    return higherKernel(order: 2, of: model.single, at: p, on: model.examples, newPoints: newPoints)
  }

  @Test(arguments: Model.ofHigherOrder, [SquaredLoss.halfMean, .sum]) func aStepIsExpandedToEveryDegree(
    model: Model, loss: SquaredLoss
  ) {
    // Equation (29): halving the step divides the error by 2^(degree + 1).
    for newPoints in [nil, model.others] {
      for degree in 0...3 {
        func error(_ h: Double) -> Double {
          let expansion = tangentKernel(
            afterStepOf: h, degree: degree, of: model.single, at: model.parameters, on: model.examples,
            newPoints: newPoints, targets: Self.y, loss: loss)
          return distance(expansion, Self.steppedKernel(model, h, loss, newPoints: newPoints))
        }
        let h = 2e-3 / loss.rate(examples: 4)
        let order = log2(error(h) / error(h / 2))
        #expect((order - Double(degree + 1)).magnitude < 0.35, "degree \(degree): order \(order)")
      }
    }
  }

  @Test func theSumOfEquation29IsThatOfItsKernels() {
    // Σ_q (−h c)^q / q! Σ_b 𝒦^(q+2) r ⋯ r, with all 𝒦 formed.
    let model = Model.ofHigherOrder[0]
    let (x, p, h) = (model.examples, model.parameters, 0.3)
    let scaled = (vmap { (x: Tensor) in model.single(x, p) }(x) - Self.y) * (-h / 4)
    let second = higherKernel(order: 2, of: model.single, at: p, on: x)
    let third = matmul(frozenHigherKernel(order: 3, of: model.single, at: p, on: x), scaled)
    let fourth = matmul(matmul(frozenHigherKernel(order: 4, of: model.single, at: p, on: x), scaled), scaled)
    expectClose(
      tangentKernel(afterStepOf: h, degree: 2, of: model.single, at: p, on: x, targets: Self.y),
      second + third + fourth * 0.5)
  }

  @Test func isExactForAQuadraticModel() {
    // K(A, B) = pᵀ A B p is a polynomial of degree 2 in p.
    var random = RandomGenerator(seed: 53)
    let root = Tensor.normal([4, 3, 3], using: &random)
    let model = Model("quadratic", parameters: [[3]], example: [3, 3]) { x, p in
      dot(p[0], matmul(x + x.transposed, p[0])) / 2
    }
    let y = Self.y
    let loss = { (p: [Tensor]) in squaredLoss(vmap { (x: Tensor) in model.single(x, p) }(root), y) }
    let after = model.parameters.adding(gradient(of: loss, at: model.parameters), scaledBy: -0.1)
    let expected = higherKernel(order: 2, of: model.single, at: after, on: root)
    func expansion(_ degree: Int) -> Tensor {
      tangentKernel(afterStepOf: 0.1, degree: degree, of: model.single, at: model.parameters, on: root, targets: y)
    }
    expectClose(expansion(2), expected)
    #expect(distance(expansion(1), expected) > 1e-3)
  }
}
