import AutoDiff
import Layers
import Testing

@testable import Tangent

/// Laws of higher-order kernels over many models.
@Suite struct HigherKernelLawTests {
  private var random = RandomGenerator(seed: 47)

  @Test(arguments: Model.catalogue + [.convolutions]) func theThirdIsMadeOfHessianVectorProducts(model: Model) {
    // K(a, b, c) = g_aᵀ H_b g_c + g_bᵀ H_a g_c.
    let (x, p) = (model.examples, model.parameters)
    let slopes = (0..<4).map { model.slope(x[$0], p) }
    let terms = Tensor(
      (0..<4).map { a in
        (0..<4).map { b in
          (0..<4).map { c in
            hvp(of: { model.single(x[b], $0) }, at: p, along: slopes[c]).innerProduct(slopes[a]).scalar
          }
        }
      })
    expectClose(
      higherKernel(order: 3, of: model.single, at: p, on: x), terms + terms.permuted([1, 0, 2]), tolerance: 1e-11)
  }

  @Test(arguments: Model.ofHigherOrder, 2...5) func areSumsOverIncreasingTrees(model: Model, order: Int) {
    // The whole of the fifth takes long on more than two examples.
    let count = order == 5 ? 2 : 4
    let (x, p) = (model.examples[0..<count], model.parameters)
    var random = RandomGenerator(seed: UInt64(order))
    let tuples = (0..<(order == 5 ? 3 : 5)).map { _ in
      (0..<order).map { _ in Int(Tensor.uniform([], in: 0..<Double(count), using: &random).scalar) }
    }
    let sums = Tensor(
      tuples.map { tuple in sumOverIncreasingTrees(of: model.single, at: p, tuple.map { x[$0] }) })
    expectClose(higherKernelEntries(tuples, of: model.single, at: p, on: x), sums, tolerance: 1e-11)
    let whole = higherKernel(order: order, of: model.single, at: p, on: x)
    let picked = Tensor(tuples.map { tuple in tuple.reduce(whole) { $0[$1] }.scalar })
    expectClose(picked, sums, tolerance: 1e-11)
  }

  @Test(arguments: Model.ofHigherOrder, 3...5) func areDerivativesOfTheOneBefore(model: Model, order: Int) {
    let count = order == 5 ? 2 : 3
    let (x, p) = (model.examples[0..<count], model.parameters)
    let kernel = higherKernel(order: order, of: model.single, at: p, on: x)
    let quotients = (0..<count).map { example in
      differenceQuotient(
        of: { higherKernel(order: order - 1, of: model.single, at: $0, on: x) }, at: p,
        along: model.slope(x[example], p))
    }
    expectClose(kernel, stack(quotients, axis: -1), tolerance: 1e-6)
    expectClose(kernel, kernel.permuted([1, 0] + Array(2..<order)))
  }

  @Test(arguments: Model.ofHigherOrder) func moveByTheHierarchyAlongGradientFlow(model: Model) throws {
    // (9) and (10): d/dt of f, K^(2), K^(3) and K^(4) along an accurately integrated flow of (1/2n) Σ r².
    let (x, p) = (model.examples[0..<2], model.parameters)
    func outputs(_ p: [Tensor]) -> Tensor { vmap { (x: Tensor) in model.single(x, p) }(x) }
    let y = outputs(p) + Tensor([0.6, -0.4])
    func flow(from p: [Tensor], _ time: Double) throws -> [Tensor] {
      try gradientFlow(
        of: { squaredLoss(outputs($0), y) }, from: p, at: [time],
        solver: ODESolver(relativeTolerance: 1e-14, absoluteTolerance: 1e-15)
      ).finalState
    }
    func kernel(_ order: Int, _ p: [Tensor]) -> Tensor {
      order == 1 ? outputs(p) : higherKernel(order: order, of: model.single, at: p, on: x)
    }
    // In units of the time in which the fastest output falls by a part of e.
    let unit = 2 / kernel(2, p).norm().scalar
    let middle = try flow(from: p, 0.5 * unit)
    let h = 2e-3 * unit
    let around = try [-2, -1, 1, 2].map { try flow(from: middle, $0 * h) }
    let residual = outputs(middle) - y
    for order in 1...4 {
      let values = around.map { kernel(order, $0) }
      let quotient = ((values[2] - values[1]) * 8 - (values[3] - values[0])) / (12 * h)
      expectClose(quotient, matmul(kernel(order + 1, middle), residual) / -2, tolerance: 1e-8)
      expectClose(
        quotient, higherKernelRate(order: order, of: model.single, at: middle, on: x, targets: y), tolerance: 1e-8)
    }
  }

  @Test(arguments: Model.ofHigherOrder, 2...4) func newPointsAreFirstArguments(model: Model, order: Int) {
    // The rows of new points in the kernel of all points together.
    let p = model.parameters
    let all = higherKernel(order: order, of: model.single, at: p, on: concatenate([model.examples, model.others]))
    var rows = all[4...]
    for axis in 1..<order { rows = rows.movingAxis(axis, to: 0)[0..<4].movingAxis(0, to: axis) }
    let kernel = higherKernel(order: order, of: model.single, at: p, on: model.examples, newPoints: model.others)
    expectClose(kernel, rows)
    let tuples = [[2, 3, 0, 1], [0, 0, 1, 3]].map { Array($0.prefix(order)) }
    expectClose(
      higherKernelEntries(tuples, of: model.single, at: p, on: model.examples, newPoints: model.others),
      Tensor(tuples.map { tuple in tuple.reduce(rows) { $0[$1] }.scalar }), tolerance: 1e-11)
  }

  @Test(arguments: Model.ofHigherOrder, 2...4) mutating func productsAreThoseOfTheTensor(model: Model, order: Int) {
    let (x, p) = (model.examples, model.parameters)
    let vectors = (0..<order - 1).map { _ in Tensor.normal([4], using: &random) }
    for newPoints in [nil, model.others] {
      let kernel = higherKernel(order: order, of: model.single, at: p, on: x, newPoints: newPoints)
      for count in 0..<order {
        let product = higherKernelProduct(
          order: order, of: model.single, at: p, on: x, newPoints: newPoints, with: Array(vectors.prefix(count)))
        // The last vector belongs to the last argument.
        expectClose(product, vectors.prefix(count).reversed().reduce(kernel) { matmul($0, $1) }, tolerance: 1e-11)
      }
    }
  }

  @Test(arguments: SquaredLoss.allCases) mutating func ratesAreProductsWithResiduals(loss: SquaredLoss) {
    let model = Model.ofHigherOrder[0]
    let (x, p) = (model.examples, model.parameters)
    let y = Tensor.normal([4, 1], using: &random)
    let residual = vmap { (x: Tensor) in model.single(x, p) }(x) - y.flattened
    for order in 1...3 {
      let rate = higherKernelRate(
        order: order, of: model.single, at: p, on: x, newPoints: model.others, targets: y, loss: loss)
      let next = higherKernel(order: order + 1, of: model.single, at: p, on: x, newPoints: model.others)
      expectClose(rate, matmul(next, residual) * -loss.rate(examples: 4), tolerance: 1e-11)
    }
  }

  @Test func areDifferentiatedAndBatched() {
    let model = Model.ofHigherOrder[0]
    let (x, p) = (model.examples, model.parameters)
    let weights = cos(Tensor.range(to: 64)).reshaped(to: [4, 4, 4])
    let sum = { (p: [Tensor]) in dot(weights, higherKernel(order: 3, of: model.single, at: p, on: x)) }
    let direction = p.map { sin(Tensor.range(to: Double($0.count))).reshaped(to: $0.shape) }
    expectClose(
      gradient(of: sum, at: p).innerProduct(direction), differenceQuotient(of: sum, at: p, along: direction),
      tolerance: 1e-6)
    let many = p.map { stack([$0, $0 * 0.5]) }
    let kernels = vmap { (p: [Tensor]) in higherKernel(order: 3, of: model.single, at: p, on: x) }(many)
    expectClose(kernels[0], higherKernel(order: 3, of: model.single, at: p, on: x))
    expectClose(kernels[1], higherKernel(order: 3, of: model.single, at: p.map { $0 * 0.5 }, on: x))
  }

  @Test func ofReluAreThoseAlmostEverywhere() {
    // Piecewise linear in each layer: the pattern of the active units is fixed around almost all parameters.
    let model = Model("relu", parameters: [[3, 6], [6, 5], [5]], example: [3]) { x, p in
      dot(relu(matmul(relu(matmul(x, p[0])), p[1])), p[2])
    }
    let (x, p) = (model.examples, model.parameters)
    var masks: [[Tensor]] = []
    for example in 0..<4 {
      let first = matmul(x[example], p[0])
      masks.append([first .> 0, matmul(relu(first), p[1]) .> 0])
    }
    let fixed = { (input: Pair<Tensor, [Tensor]>, p: [Tensor]) in
      dot(matmul(matmul(input.first, p[0]) * input.second[0], p[1]) * input.second[1], p[2])
    }
    let patterns = Pair(x, (0..<2).map { layer in stack(masks.map { $0[layer] }) })
    for order in 2...4 {
      expectClose(
        higherKernel(order: order, of: model.single, at: p, on: x),
        higherKernel(order: order, of: fixed, at: p, on: patterns))
    }
  }

  @Test(arguments: Model.ofHigherOrder) func keepSingleNumbersSingle(model: Model) {
    let (x, p) = (model.examples.as(.float32), model.parameters.map { $0.as(.float32) })
    let third = higherKernel(order: 3, of: model.single, at: p, on: x)
    let product = higherKernelProduct(order: 3, of: model.single, at: p, on: x, with: [.ones([4], as: .float32)])
    let entries = higherKernelEntries([[0, 1, 2]], of: model.single, at: p, on: x)
    #expect([third, product, entries].allSatisfy { $0.scalarType == .float32 })
    let exact = higherKernel(order: 3, of: model.single, at: model.parameters, on: model.examples)
    expectClose(third.as(.float64), exact, tolerance: 1e-4)
    expectClose(product.as(.float64), exact.sum(axes: [2]), tolerance: 1e-4)
    expectClose(entries.as(.float64), exact[0][1][2].expanded(at: 0), tolerance: 1e-3)
  }

  @Test(arguments: Model.ofHigherOrder) func directionsMayBeTakenInParts(model: Model) {
    let fields = GradientFields("test", model.single, on: model.examples, newPoints: nil)
    let p = model.parameters
    let jacobian = FactoredJacobian(of: model.single, at: p, on: model.examples)
    let whole = fields.derivatives(of: fields.kernel(2), at: p, along: jacobian)
    // One at a time, and two or three.
    for bytes in [1, 2 * p.entryCount * 8] {
      expectClose(fields.derivatives(of: fields.kernel(2), at: p, along: jacobian, formedBytes: bytes), whole)
    }
    expectClose(whole, higherKernel(order: 3, of: model.single, at: p, on: model.examples))
  }

  @Test mutating func layersAreModels() {
    let net = Sequential([Dense(4), Tanh(), Dense(1)])
    let (x, z) = (Tensor.normal([3, 2], using: &random), Tensor.normal([2, 2], using: &random))
    let (p, y) = (net.initialized(like: x[0], seed: 1), Tensor([1, 0, -1]))
    let f = { (x: Tensor, p: Parameters) in net(x, p) }
    for newPoints in [nil, z] {
      expectClose(
        higherKernel(order: 3, of: net, at: p, on: x, newPoints: newPoints),
        higherKernel(order: 3, of: f, at: p, on: x, newPoints: newPoints))
      expectClose(
        higherKernelEntries([[1, 2, 0]], of: net, at: p, on: x, newPoints: newPoints),
        higherKernelEntries([[1, 2, 0]], of: f, at: p, on: x, newPoints: newPoints))
      expectClose(
        higherKernelProduct(order: 3, of: net, at: p, on: x, newPoints: newPoints, with: [y]),
        higherKernelProduct(order: 3, of: f, at: p, on: x, newPoints: newPoints, with: [y]))
      expectClose(
        frozenHigherKernel(order: 4, of: net, at: p, on: x, newPoints: newPoints),
        frozenHigherKernel(order: 4, of: f, at: p, on: x, newPoints: newPoints))
      expectClose(
        tangentKernel(afterStepOf: 0.1, degree: 2, of: net, at: p, on: x, newPoints: newPoints, targets: y),
        tangentKernel(afterStepOf: 0.1, degree: 2, of: f, at: p, on: x, newPoints: newPoints, targets: y))
    }
  }

  @Test func ofNoneAreEmpty() {
    let model = Model.ofHigherOrder[0]
    let none = model.examples[0..<0]
    #expect(higherKernel(order: 3, of: model.single, at: model.parameters, on: none).shape == [0, 0, 0])
    #expect(higherKernelEntries([], of: model.single, at: model.parameters, on: none).shape == [0])
  }

  @Test func whatDoesNotFitStops() async {
    let entry = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let model = Model.ofHigherOrder[0]
      _ = higherKernelEntries([[0, 4]], of: model.single, at: model.parameters, on: model.examples)
    }
    #expect(entry.message.contains("numbers must lie below 4 for the first argument and 4 for others, but got [0, 4]."))
    let vectors = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let model = Model.ofHigherOrder[0]
      let v = Tensor.ones([4])
      _ = higherKernelProduct(order: 2, of: model.single, at: model.parameters, on: model.examples, with: [v, v])
    }
    #expect(vectors.message.contains("needs an order of at least 2 and fewer vectors than that, but got 2 and 2."))
    let vector = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let model = Model.ofHigherOrder[0]
      _ = higherKernelRate(
        order: 2, of: model.single, at: model.parameters, on: model.examples, targets: Tensor.ones([3]))
    }
    #expect(vector.message.contains("higherKernelRate: a vector needs an entry per example, 4, but got shape [3]."))
  }
}
