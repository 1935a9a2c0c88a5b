import AutoDiff
import Foundation
import Tangent
import Testing

/// Small models, with at most 50 parameters, whose Hessians can be looked at everywhere.
extension Model {
  static let small: [Model] = [
    Model("two layers", parameters: [[3, 5], [5], [5]], example: [3]) { x, p in
      dot(tanh(matmul(x, p[0]) + p[1]), p[2])
    },
    Model("three layers", parameters: [[2, 4], [4, 4], [4]], example: [2]) { x, p in
      dot(gelu(matmul(sigmoid(matmul(x, p[0])), p[1])), p[2])
    },
    Model("tied weights", parameters: [[3, 3], [3]], example: [3]) { x, p in
      dot(tanh(matmul(tanh(matmul(x, p[0]) + p[1]), p[0])), p[1])
    },
    Model("tied to its transpose", parameters: [[3, 4]], example: [3]) { x, p in
      matmul(tanh(matmul(x, p[0])), p[0].transposed).sum()
    },
    Model("convolutions", parameters: [[2, 2, 1, 2], [2, 2, 2, 2], [2]], example: [4, 4, 1]) { x, p in
      dot(silu(convolution(tanh(convolution(x, p[0])), p[1])).mean(axes: [0, 1]), p[2])
    },
    Model("attention", parameters: [[2, 2], [2, 2], [2, 3], [3]], example: [3, 2]) { x, p in
      let weights = softmax(matmul(matmul(x, p[0]), matmul(x, p[1]).transposed) / 1.5)
      return dot(matmul(weights, matmul(x, p[2]))[0], p[3])
    },
    Model("normalized", parameters: [[3, 4], [4], [4]], example: [3]) { x, p in
      dot(tanh(layerNorm(matmul(x, p[0]), epsilon: 0.5) * p[1]), p[2])
    },
    Model("products and roots", parameters: [[3], [3]], example: [3]) { x, p in
      sqrt(square(dot(x, p[0])) + 1) * exp(dot(p[0], p[1]) * 0.3) + sin(dot(x, p[1]))
    },
  ]

  func hessianNorm(_ x: Tensor, _ p: [Tensor]) throws -> Double {
    let matrix = hessian(of: { f(x, p.replacingEntries(with: $0)) }, at: p.flattenedEntries)
    return try abs(symmetricEigenvalues((matrix + matrix.transposed) / 2)).max().scalar
  }

  /// A point at a distance from the parameters, in a random direction.
  func neighbor(at distance: Double, using random: inout RandomGenerator) -> [Tensor] {
    let direction = Tensor.normal([parameters.entryCount], using: &random)
    return parameters.adding(
      parameters.replacingEntries(with: direction), scaledBy: distance / direction.norm().scalar)
  }
}

@Suite struct LipschitzEstimateTests {
  /// A random search through the ball never leaves the brackets, and the ascent does at least about as well.
  @Test(arguments: Model.small, [0.05, 0.5]) func bracketsHoldBruteForce(_ model: Model, radius: Double) throws {
    #expect(model.parameters.entryCount <= 50)
    let found = try lipschitzEstimates(
      of: model.f, at: model.parameters, on: model.examples[0..<1], radius: radius, options: .init(starts: 2))
    #expect(found.obstacle == nil)
    let (constant, norm) = (found.lipschitz[0], found.gradientNorms[0])
    var random = RandomGenerator(seed: 7)
    let x = model.examples[0]
    var (sharpest, steepest) = (0.0, 0.0)
    for sample in 0..<40 {
      let point = model.neighbor(at: radius * (sample % 2 == 0 ? 1 : random.uniform()), using: &random)
      sharpest = max(sharpest, try model.hessianNorm(x, point))
      steepest = max(steepest, gradient(of: { model.f(x, $0) }, at: point).euclideanNorm.scalar)
    }
    #expect(sharpest <= constant.bracket.upper.value && sharpest <= constant.bracket.lower.value * 1.25)
    #expect(steepest <= norm.bracket.upper.value && steepest <= norm.bracket.lower.value * 1.05)
    for estimate in [constant, norm] {
      #expect(estimate.bracket.lower.value <= estimate.bracket.upper.value && estimate.bracket.isProved)
      #expect(estimate.bracket.lower.basis == .attained && estimate.bracket.upper.basis == .propagation)
      #expect(estimate.tightness >= 1 && estimate.iterations >= 0)
    }
    #expect(constant.residual <= 1e-2 * constant.attainedNorm)
  }

  /// The aim for two layers.
  @Test(arguments: [0.0, 0.1, 1]) func isTightForTwoLayers(radius: Double) throws {
    let (n, m) = (2, 48)
    var random = RandomGenerator(seed: 3)
    let p = [Tensor.normal([8, m], using: &random), Tensor.normal([m], using: &random)]
    let x = Tensor.normal([n, 8], using: &random) / 8.0.squareRoot()
    let scale = 1 / Double(m).squareRoot()
    let found = try lipschitzEstimates(
      of: { x, p in dot(tanh(matmul(x, p[0])), p[1]) * scale }, at: p, on: x, radius: radius,
      options: .init(starts: 2, stepLimit: 4, productLimit: 60))
    for estimate in found.lipschitz + found.gradientNorms { #expect(estimate.tightness < 3) }
  }

  /// At a radius of 0 there is nothing to search, and both ends nearly meet where the Hessian is one block.
  @Test func aPointHasNearlyNoGap() throws {
    let x = Tensor([[1.0, 2, -1]])
    let found = try lipschitzEstimates(
      of: { x, p in sin(dot(x, p)) }, at: Tensor([0.3, 0.1, 0.7]), on: x, radius: 0,
      options: .init(eigenTolerance: 1e-10))
    let exact = 6 * 0.19866933079506122  // ‖x‖² sin 0.2
    #expect(found.lipschitz[0].bracket.contains(exact) && found.lipschitz[0].tightness < 1 + 1e-6)
    #expect(found.lipschitz[0].stoppingReason == .point && found.lipschitz[0].iterations == 0)
  }

  /// Of a quadratic form the bracket holds the largest eigenvalue, and the ascent finds nothing to climb.
  @Test func aQuadraticFormIsTheSameEverywhere() throws {
    let found = try lipschitzEstimates(
      of: { x, p in dot(x, square(p)) }, at: Tensor([1.0, 2, 3]), on: Tensor([[1.0, -4, 2]]), radius: 10)
    let estimate = found.lipschitz[0]
    #expect(estimate.bracket.contains(8) && estimate.tightness < 1 + 1e-3)
    #expect(abs(estimate.differenceQuotient - 8) < 4)
    #expect(estimate.stoppingReason == .stationary)
  }

  /// Across relu's kink difference quotients grow as points come nearer: there is no upper end, and it is said why.
  @Test func reluHasNoUpperEnd() throws {
    let x = Tensor([[1.0, -1]])
    let model = { (x: Tensor, p: [Tensor]) in dot(relu(matmul(x, p[0])), p[1]) }
    let p = [Tensor([[1.0, 0.2], [0.95, 0.1]]), Tensor([1.0, 1])]
    let wide = try lipschitzEstimates(of: model, at: p, on: x, radius: 0.5)
    #expect(wide.lipschitz[0].bracket.upper.value == .infinity)
    #expect(wide.obstacle?.primitive == "relu")
    // Its gradient is bounded all the same.
    #expect(wide.gradientNorms[0].bracket.upper.value < 10 && wide.gradientNorms[0].obstacle == nil)
    let narrow = try lipschitzEstimates(of: model, at: p, on: x, radius: 0.01)
    #expect(narrow.obstacle == nil && narrow.lipschitz[0].tightness < 3)
  }

  @Test func outputsAndExamplesAreApart() throws {
    let model = { (x: Tensor, p: Tensor) in stack([dot(x, square(p)), 3 * dot(x, square(p))]) }
    let x = Tensor([[1.0, 2], [4, 3]])
    let found = try lipschitzEstimates(of: model, at: Tensor([1.0, 1]), on: x, radius: 0.1)
    #expect(found.outputCount == 2)
    for (estimate, exact) in zip(found.lipschitz, [4.0, 12, 8, 24]) {
      #expect(estimate.bracket.contains(exact) && estimate.tightness < 1.01)
    }
    #expect(found.largestLipschitz.contains(24))
    // Both outputs together: the root of the sum of squares here.
    let both = found.jacobianLipschitz(example: 1)
    #expect(both.contains((64.0 + 576).squareRoot()))
  }

  @Test func isAFunctionOfTheSeed() throws {
    let model = Model.small[0]
    func run(_ seed: UInt64) throws -> [Double] {
      try lipschitzEstimates(
        of: model.f, at: model.parameters, on: model.examples[0..<2], radius: 0.3,
        options: .init(starts: 2, stepLimit: 2, seed: seed)
      ).lipschitz.map(\.attainedNorm)
    }
    #expect(try run(1) == run(1))
  }

  @Test func singlePrecisionHasTheSameUpperEnds() throws {
    let model = Model.small[0]
    let options = LipschitzOptions(starts: 1, stepLimit: 1)
    let double = try lipschitzEstimates(
      of: model.f, at: model.parameters, on: model.examples[0..<1], radius: 0.3, options: options)
    let p = model.parameters(as: .float32)
    let single = try lipschitzEstimates(
      of: model.f, at: p, on: model.examples[0..<1].as(.float32), radius: 0.3, options: options)
    let (a, b) = (double.lipschitz[0].bracket, single.lipschitz[0].bracket)
    #expect(abs(a.upper.value / b.upper.value - 1) < 1e-5)
    #expect(b.lower.value <= b.upper.value && b.lower.value > 0.5 * a.lower.value)
  }
}

/// The unit of a model's outputs, and that of its parameters, change nothing but the size of bounds: where squares are no
/// numbers, upper ends still lie above what is attained.
@Suite struct LipschitzScaleTests {
  private static let options = LipschitzOptions(starts: 1, stepLimit: 1, productLimit: 30)

  @Test(arguments: Model.small, [-900, -560, 400]) func outputsHaveNoUnit(_ model: Model, exponent: Int) throws {
    func found(_ unit: Double) throws -> [BallEstimate] {
      let all = try lipschitzEstimates(
        of: { x, p in model.f(x, p) * unit }, at: model.parameters, on: model.examples[0..<1], radius: 0.05,
        options: Self.options)
      return all.gradientNorms + all.lipschitz
    }
    let unit = scalbn(1.0, exponent)
    for (plain, scaled) in zip(try found(1), try found(unit)) {
      #expect(scaled.bracket.lower.value <= scaled.bracket.upper.value)
      #expect(abs(scaled.bracket.upper.value / unit / plain.bracket.upper.value - 1) < 1e-6)
    }
  }

  @Test(arguments: Model.small, [1e-100, 1e-170, 1e-250]) func smallParametersAreBoundedFromAbove(
    _ model: Model, size: Double
  ) throws {
    let p = model.parameters.map { $0 * size }
    for radius in [0, 1e-300, 1e-160] {
      let found = try lipschitzEstimates(
        of: model.f, at: p, on: model.examples[0..<1], radius: radius, options: Self.options)
      for estimate in found.gradientNorms + found.lipschitz {
        #expect(estimate.bracket.lower.value <= estimate.bracket.upper.value, "\(estimate.bracket), \(radius)")
      }
    }
  }
}

@Suite struct LipschitzLawTests {
  private static func twoLayers(width: Int, seed: UInt64) -> (p: Tensor, signs: Tensor) {
    var random = RandomGenerator(seed: seed)
    let signs = Tensor.rademacher([width], using: &random)
    return (Tensor.normal([6, width], using: &random), signs)
  }

  /// (8.102): with ±1 outputs β falls like m^(−1/2). Both ends of the bracket do.
  @Test func fallsWithTheRootOfTheWidth() throws {
    var random = RandomGenerator(seed: 11)
    let x = Tensor.normal([1, 6], using: &random) / 6.0.squareRoot()
    let widths = [16, 64, 256]
    var ends: [[Double]] = []
    for width in widths {
      let (p, signs) = Self.twoLayers(width: width, seed: 5)
      let scale = 1 / Double(width).squareRoot()
      let found = try lipschitzEstimates(
        of: { x, p in dot(tanh(matmul(x, p)), signs) * scale }, at: p, on: x, radius: 1,
        options: .init(starts: 1, stepLimit: 2, productLimit: 40)
      ).lipschitz[0].bracket
      ends.append([found.lower.value, found.upper.value])
      // The text's own bound: sup|σ″| ‖x‖²/√m, which the propagation finds.
      let bound = 0.7698003589195010 * square(x).sum().scalar * scale
      #expect(abs(found.upper.value / bound - 1) < 1e-3)
    }
    for k in 0..<2 {
      for (a, b) in zip(ends, ends.dropFirst()) { #expect(abs(b[k] / a[k] - 0.5) < 0.08, "end \(k)") }
    }
  }
}
