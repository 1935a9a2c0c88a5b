import AutoDiff
import Testing

@testable import Tangent

/// Models that nobody has thought of: whatever is computed of one is what its explicit Jacobian and Hessian say.
struct RandomModelTests {
  static let types: [ScalarType] = [.float64, .float32]

  @Test(arguments: types) func kernels(type: ScalarType) throws {
    for seed in UInt64(0)..<15 { try expectKernels(of: RandomModel(seed: seed, type: type)) }
  }

  @Test func higherKernels() {
    for seed in UInt64(0)..<30 { expectHigherKernels(of: RandomModel(seed: seed)) }
  }

  @Test func curvature() throws {
    for seed in UInt64(0)..<20 { try expectCurvature(of: RandomModel(seed: seed)) }
  }

  @Test func lipschitz() throws {
    for seed in UInt64(0)..<8 { try expectBrackets(of: RandomModel(seed: seed, isSmooth: true)) }
  }
}

/// What a model's explicit derivatives are, one example after the other.
struct ExplicitDerivatives {
  let model: RandomModel

  /// [n, outputs, entries of the parameters], or of one leaf.
  func jacobian(_ examples: [Tensor], mode: DifferentiationMode = .reverse, leaf: Int? = nil) -> Tensor {
    stack(
      (0..<examples[0].shape[0]).map { example in
        let x = examples.map { $0[example] }
        let rows = AutoDiff.jacobian(of: { model(x, $0).flattenedEntries }, at: model.parameters, mode: mode)
        let chosen = leaf.map { [rows[$0]] } ?? rows
        return concatenate(chosen.map { $0.reshaped(to: [$0.shape[0], $0.count / $0.shape[0]]) }, axis: 1)
      })
  }

  /// The gradient and the Hessian of the single number, for every example: [n, entries] and [n, entries, entries].
  func ofSingle(_ examples: [Tensor]) -> (gradients: Tensor, hessians: Tensor) {
    let each = (0..<examples[0].shape[0]).map { example -> (Tensor, Tensor) in
      let x = examples.map { $0[example] }
      let f = { model.single(x, $0) }
      return (gradient(of: f, at: model.parameters).flattenedEntries, hessian(of: f, at: model.parameters))
    }
    return (stack(each.map(\.0)), stack(each.map(\.1)))
  }

  static func gram(_ a: Tensor, _ b: Tensor, _ outputs: KernelOutputs) -> Tensor {
    let full = tensordot(a, b, axes: ([2], [2])).permuted([0, 2, 1, 3])
    let count = a.shape[1]
    let diagonal = (full * .eye(count, as: a.scalarType)).sum(axes: [3])
    return switch outputs {
    case .full: full
    case .flattened: full.permuted([0, 2, 1, 3]).reshaped(to: [full.shape[0] * count, full.shape[1] * count])
    case .outputDiagonal: diagonal
    case .exampleDiagonal: stack((0..<min(full.shape[0], full.shape[1])).map { full[$0, $0] })
    case .traceSum: diagonal.sum(axes: [2])
    case .traceMean: diagonal.mean(axes: [2])
    }
  }
}

private let tolerance = Tolerance(name: "kernel", float64: 1e-11, float32: 1e-3)

private func expectSame(
  _ actual: Tensor, _ expected: Tensor, _ model: RandomModel, _ what: String,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(actual.scalarType == expected.scalarType, "\(what), seed \(model.seed)", sourceLocation: sourceLocation)
  // What vanishes by cancellation is compared with the size of what cancels, which is about one.
  expectClose(
    actual, expected, tolerance, atLeast: 0.1, seed: model.seed, "\(model.type) \(what)", sourceLocation: sourceLocation
  )
}

/// Every form of the kernel, by every method and in tiles, and everything else that a factored Jacobian offers.
func expectKernels(of model: RandomModel) throws {
  let (x, z, p, f) = (model.examples, model.others, model.parameters, model.callAsFunction)
  let explicit = ExplicitDerivatives(model: model)
  let (a, b) = (explicit.jacobian(x), explicit.jacobian(z))
  let gram = ExplicitDerivatives.gram
  let count = a.shape[1]
  expectSame(explicit.jacobian(x, mode: .forward), a, model, "forward Jacobian")

  let (here, there) = (FactoredJacobian(of: f, at: p, on: x), FactoredJacobian(of: f, at: p, on: z))
  for outputs in KernelOutputs.allCases {
    expectSame(tangentKernel(of: f, at: p, on: x, outputs: outputs), gram(a, a, outputs), model, "\(outputs)")
  }
  // Another part of the kernel by another method for every seed; all of them take too long.
  var random = RandomGenerator(seed: model.seed)
  for _ in 0..<2 {
    let outputs = KernelOutputs.allCases.randomElement(using: &random)!
    let method = KernelMethod.allCases.randomElement(using: &random)!
    let isOne = outputs == .exampleDiagonal || Bool.random(using: &random)
    let others = isOne ? nil : z
    let what = "\(outputs), \(method)\(isOne ? "" : " of two sets")"
    let expected = gram(a, isOne ? a : b, outputs)
    expectSame(tangentKernel(of: f, at: p, on: x, and: others, outputs: outputs), expected, model, what)
    expectSame(here.gram(with: isOne ? nil : there, outputs: outputs, method: method), expected, model, what)
    // Pieces of a few entries.
    let pieces = GramRequest(outputs: outputs, method: method, temporaryBytes: 100)
    let parts = here.grams(isOne ? nil : there, pieces).compactMap { $0 }
    if let first = parts.first {
      let sum = outputs.finished(parts.dropFirst().reduce(first, +), outputCount: count)
      expectSame(sum, expected, model, "\(what), in pieces")
    }
    let tiled = try KernelComputation(of: f, at: p, on: x, and: others, outputs: outputs, method: method)
      .withTiles(rows: .random(in: 1...3, using: &random), columns: .random(in: 1...3, using: &random))
      .withOutputChunk(.random(in: 1...3, using: &random))
    expectSame(try tiled.compute(), expected, model, "\(what), in tiles")
  }
  for (leaf, kernel) in layerwiseTangentKernels(of: f, at: p, on: x, and: z).enumerated() {
    expectSame(
      kernel, gram(explicit.jacobian(x, leaf: leaf), explicit.jacobian(z, leaf: leaf), .full), model, "leaf \(leaf)")
  }

  // Products with directions, lengths of rows, and parts.
  let v = p.map { Tensor.normal($0.shape, as: model.type, using: &random) }
  let u = Tensor.normal(here.outputs.shape, as: model.type, using: &random)
  let flat = u.reshaped(to: [x[0].shape[0], count])
  let parts = [here[examples: 0..<1], here[examples: 1..<4]]
  for (jacobian, name) in [(here, "whole"), (FactoredJacobian(concatenating: parts), "joined")] {
    expectSame(jacobian.jvp(v).reshaped(to: flat.shape), matmul(a, v.flattenedEntries), model, "J v, \(name)")
    expectSame(
      jacobian.vjp(u).flattenedEntries, tensordot(flat, a, axes: ([0, 1], [0, 1])), model, "Jᵀ u, \(name)")
    expectSame(jacobian.squaredNorms.reshaped(to: flat.shape), square(a).sum(axes: [2]), model, "norms, \(name)")
    expectSame(jacobian.gram(with: there), gram(a, b, .full), model, "gram, \(name)")
  }
  let rows = here.dense.map { $0.reshaped(to: [x[0].shape[0], count, $0.count / (x[0].shape[0] * count)]) }
  expectSame(concatenate(rows, axis: 2), a, model, "dense")
  for outputs in [[KernelOutputs.flattened, .traceSum, .traceMean][Int(model.seed % 3)]] {
    let kernel = gram(a, a, outputs)
    let vectors = Tensor.normal([kernel.shape[0], 2], as: model.type, using: &random)
    let product = try TangentKernelOperator(of: f, at: p, on: x, outputs: outputs).product(with: vectors)
    expectSame(product, matmul(kernel, vectors), model, "\(outputs) times vectors")
  }
}

/// K^(3)(a, b, c) = g_aᵀ H_b g_c + g_bᵀ H_a g_c, whole, in entries and in products, and of new points.
func expectHigherKernels(of model: RandomModel) {
  let (p, f) = (model.parameters, model.single)
  let x = model.examples.map { $0[..<3] }
  let z = model.others.map { $0[..<2] }
  let explicit = ExplicitDerivatives(model: model)
  let ((g, h), (new, newH)) = (explicit.ofSingle(x), explicit.ofSingle(z))
  /// [m, n, n]
  func third(_ ga: Tensor, _ ha: Tensor) -> Tensor {
    // [b, c, entries] and [a, c, entries].
    let (hg, hag) = (matmul(h, g.transposed), matmul(ha, g.transposed))
    return tensordot(ga, hg, axes: ([1], [1])) + tensordot(hag, g, axes: ([1], [1])).permuted([0, 2, 1])
  }
  let (own, mixed) = (third(g, h), third(new, newH))
  expectSame(higherKernel(order: 2, of: f, at: p, on: x), matmul(g, g.transposed), model, "K2")
  expectSame(higherKernel(order: 3, of: f, at: p, on: x), own, model, "K3")
  expectSame(higherKernel(order: 3, of: f, at: p, on: x, newPoints: z), mixed, model, "K3 of new points")
  let tuples = [[0, 1, 2], [1, 1, 0], [0, 2, 2]]
  let entries = Tensor(tuples.map { tuple in mixed[tuple[0], tuple[1], tuple[2]].scalar }, as: model.type)
  expectSame(
    higherKernelEntries(tuples, of: f, at: p, on: x, newPoints: z), entries, model, "entries of K3")
  let u = sin(Tensor.range(to: 3, as: model.type) + 1)
  expectSame(higherKernelProduct(order: 3, of: f, at: p, on: x, with: [u]), matmul(own, u), model, "K3 times a vector")
  expectSame(
    higherKernelProduct(order: 3, of: f, at: p, on: x, newPoints: z, with: [u, u * u]),
    matmul(matmul(mixed, u * u), u), model, "K3 times two vectors")
}

/// Gauss–Newton products and Hessian products.
func expectCurvature(of model: RandomModel) throws {
  let (x, p, f) = (model.examples, model.parameters, model.callAsFunction)
  let a = ExplicitDerivatives(model: model).jacobian(x)
  let rows = a.reshaped(to: [a.shape[0] * a.shape[1], a.shape[2]])
  // A loss that couples all outputs of all examples.
  let loss = { (y: [Tensor]) in sin(y.flattenedEntries * 0.7).sum() + square(y.flattenedEntries.sum()) * 0.1 }
  let outputs = vmap { (x: [Tensor]) in f(x, p) }(x)
  // In the order of the Jacobian's rows: example, then leaf.
  let ordered = { (y: Tensor) -> Tensor in
    let flat = y.reshaped(to: [a.shape[0], a.shape[1]])
    return sin(flat * 0.7).sum() + square(flat.sum()) * 0.1
  }
  let n = a.shape[0]
  let flat = concatenate(outputs.map { $0.reshaped(to: [n, $0.count / n]) }, axis: 1).flattened
  let metric = hessian(of: ordered, at: flat)
  let vectors = cos(Tensor.range(to: Double(2 * rows.shape[1]), as: model.type)).reshaped(to: [rows.shape[1], 2])
  let gaussNewton = try GaussNewtonOperator(of: f, at: p, on: x, loss: loss)
  expectSame(
    gaussNewton.product(with: vectors), matmul(rows.transposed, matmul(metric, matmul(rows, vectors))), model,
    "Gauss–Newton")
  let mean = { (p: [Tensor]) in vmap { (x: [Tensor]) in model.single(x, p) }(x).mean() }
  let hessians = ExplicitDerivatives(model: model).ofSingle(x).hessians
  expectSame(
    HessianOperator(of: mean, at: p).product(with: vectors), matmul(hessians.mean(axes: [0]), vectors), model, "Hessian"
  )
}

/// Brackets of gradients and of their Lipschitz constants enclose what is seen in the ball.
func expectBrackets(of model: RandomModel) throws {
  let x = model.examples.map { $0[..<1] }
  let p = model.parameters
  let radius = 0.2
  let options = LipschitzOptions(starts: 1, stepLimit: 2)
  let estimates = try lipschitzEstimates(of: model.single, at: p, on: x, radius: radius, options: options)
  var random = RandomGenerator(seed: model.seed)
  for (bracket, what) in [
    (estimates.gradientNorms[0].bracket, "gradient"), (estimates.lipschitz[0].bracket, "Lipschitz constant"),
  ] {
    #expect(bracket.lower.value <= bracket.upper.value, "\(what), seed \(model.seed)")
  }
  for share in [0, 0.5, 1] {
    let step = p.map { Tensor.normal($0.shape, as: model.type, using: &random) }
    let q = p.adding(step, scaledBy: share * radius * 0.999999 / step.flattenedEntries.norm().scalar)
    let f = { (q: [Tensor]) in model.single(x.map { $0[0] }, q) }
    let slope = gradient(of: f, at: q).flattenedEntries.norm().scalar
    let curvature = try symmetricEigenvalues(hessian(of: f, at: q))
    let sharpest = abs(curvature).max().scalar
    #expect(slope <= estimates.gradientNorms[0].bracket.upper.value, "gradient, seed \(model.seed)")
    #expect(sharpest <= estimates.lipschitz[0].bracket.upper.value * (1 + 1e-12) + 1e-14, "Hessian, seed \(model.seed)")
    if share == 0 {
      #expect(slope <= estimates.gradientNorms[0].bracket.lower.value * (1 + 1e-9), "gradient, seed \(model.seed)")
      #expect(
        sharpest * (1 - 1e-3) <= estimates.lipschitz[0].bracket.lower.value + 1e-9, "Hessian, seed \(model.seed)")
    }
  }
}
