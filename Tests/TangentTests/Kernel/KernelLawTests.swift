import AutoDiff
import Layers
import Tangent
import Testing

/// What holds for the tangent kernel of every model.
@Suite struct KernelLawTests {
  private func flat(_ model: Model, _ f: ((Tensor, [Tensor]) -> Tensor)? = nil) -> Tensor {
    tangentKernel(of: f ?? model.f, at: model.parameters, on: model.examples, outputs: .flattened)
  }

  @Test(arguments: Model.catalogue) func isSymmetricAndPositiveSemidefinite(_ model: Model) throws {
    let kernel = flat(model)
    expectClose(kernel, kernel.transposed, tolerance: 1e-14)
    let spectrum = try KernelSpectrum(of: kernel)
    let rounding = 1e-13 * max(spectrum.largest.estimate, 0)
    #expect(spectrum.smallest.estimate >= -rounding, "\(spectrum.smallest)")
    // Its trace is that of the gradients' squared lengths.
    let norms = FactoredJacobian(of: model.f, at: model.parameters, on: model.examples).squaredNorms
    #expect((spectrum.trace.estimate - norms.sum().scalar).magnitude <= 1e-12 * norms.sum().scalar)
  }

  @Test(arguments: Model.catalogue) func growsWithTheSquareOfTheModel(_ model: Model) {
    expectClose(flat(model) { model.f($0, $1) * -3 }, flat(model) * 9)
    // A function of the outputs multiplies with its Jacobian on both sides.
    let jacobian = vmap { (x: Tensor) in
      let y = model.f(x, model.parameters).flattened
      return Tensor.eye(y.count) * cos(y)
    }(model.examples)
    let (n, o) = (jacobian.shape[0], jacobian.shape[1])
    let full = tangentKernel(of: model.f, at: model.parameters, on: model.examples)
    let sines = tangentKernel(of: { sin(model.f($0, $1)) }, at: model.parameters, on: model.examples)
    let slopes = (jacobian.sum(axes: [2])).reshaped(to: [n, o])
    expectClose(sines, full * slopes.reshaped(to: [n, 1, o, 1]) * slopes.reshaped(to: [1, n, 1, o]))
  }

  @Test(arguments: Model.catalogue) func scaledParametersScaleIt(_ model: Model) {
    // f(x, 2 q) with q = p / 2 has the same outputs, and gradients twice as long.
    let half = model.parameters.map { $0 / 2 }
    let kernel = tangentKernel(
      of: { model.f($0, $1.map { $0 * 2 }) }, at: half, on: model.examples, outputs: .flattened)
    expectClose(kernel, flat(model) * 4)
  }

  @Test(arguments: Model.catalogue) func doesNotDependOnTheOrderOfExamples(_ model: Model) {
    let order = [2, 0, 3, 1]
    let kernel = tangentKernel(of: model.f, at: model.parameters, on: model.examples)
    let moved = tangentKernel(of: model.f, at: model.parameters, on: model.examples.gathered(at: order))
    expectClose(moved, kernel.gathered(at: order).gathered(at: order, axis: 1))
    // And a block of it is the kernel of fewer examples.
    expectClose(
      tangentKernel(of: model.f, at: model.parameters, on: model.examples[1..<3], and: model.examples[0..<1]),
      kernel[1..<3, 0..<1])
  }

  @Test func ofALinearModelIsTheProductOfExamples() {
    var random = RandomGenerator(seed: 81)
    let x = Tensor.normal([6, 5], using: &random)
    for w in [Tensor.zeros([5]), .normal([5], using: &random)] {
      expectClose(
        tangentKernel(of: { (x: Tensor, w: Tensor) in dot(x, w) }, at: w, on: x, outputs: .traceSum),
        matmul(x, x.transposed))
    }
  }

  /// Gradients of all that the model computes, whatever is put around it.
  @Test(arguments: Model.catalogue) func modelsThatAddHaveJoinedKernels(_ model: Model) {
    let second = model.parameters.map { $0 * 0.7 }
    let pair = [model.parameters, second]
    let sum = tangentKernel(
      of: { (x: Tensor, p: [[Tensor]]) in model.f(x, p[0]) + model.f(x, p[1]) }, at: pair, on: model.examples,
      outputs: .flattened)
    let other = tangentKernel(of: model.f, at: second, on: model.examples, outputs: .flattened)
    expectClose(sum, flat(model) + other)
    // Of a difference of two equal models the outputs vanish and the kernel doubles.
    let difference = tangentKernel(
      of: { (x: Tensor, p: [[Tensor]]) in model.f(x, p[0]) - model.f(x, p[1]) },
      at: [model.parameters, model.parameters], on: model.examples, outputs: .flattened)
    expectClose(difference, flat(model) * 2)
  }

  /// No outputs, no examples, weights and examples without entries: kernels of these extents, by every way to them.
  @Test(arguments: Model.withoutEntries, [0, 1, 3]) func ofNothingHasItsExtents(_ model: Model, n: Int) throws {
    let (f, p) = (model.f, model.parameters)
    let x = model.examples[0..<n]
    let rows = n == 0 ? nil : naiveGradients(of: f, at: p, on: x)
    let o = f(model.examples[0], p).count
    for outputs in KernelOutputs.allCases {
      let kernel = tangentKernel(of: f, at: p, on: x, outputs: outputs)
      #expect(kernel.shape == shape(outputs, n, o), "\(outputs)")
      let computation = try KernelComputation(of: f, at: p, on: x, outputs: outputs)
      expectClose(try computation.withTiles(rows: 2, columns: 1).withOutputChunk(1).compute(), kernel)
    }
    let full = tangentKernel(of: f, at: p, on: x, outputs: .flattened)
    let flat = rows?.flatMap { $0.map { $0.reduce(Tensor.zeros([0])) { concatenate([$0, $1]) } } } ?? []
    for i in flat.indices {
      for j in flat.indices { expectClose(full[i, j], dot(flat[i], flat[j])) }
    }
    for outputs in [KernelOutputs.flattened, .traceSum, .traceMean] {
      let kernel = tangentKernel(of: f, at: p, on: x, outputs: outputs)
      let a = try TangentKernelOperator(of: f, at: p, on: x, outputs: outputs)
      #expect(a.dimension == kernel.shape[0])
      for columns in [0, 2] {
        let vectors = Tensor.ones([kernel.shape[0], columns])
        expectClose(try a.product(with: vectors), matmul(kernel, vectors))
      }
    }
  }

  private func shape(_ outputs: KernelOutputs, _ n: Int, _ o: Int) -> [Int] {
    switch outputs {
    case .full: [n, n, o, o]
    case .flattened: [n * o, n * o]
    case .traceSum, .traceMean: [n, n]
    case .outputDiagonal: [n, n, o]
    case .exampleDiagonal: [n, o, o]
    }
  }

  /// There are more pairs of these examples than float32 can number.
  @Test func ofATableWithARowForEveryExampleIsTheIdentity() {
    let n = 4100
    let kernel = tangentKernel(
      of: { (x: Tensor, w: Tensor) in w.gathered(at: x) }, at: Tensor.ones([n], as: .float32),
      on: .range(to: Double(n), as: .float32))
    let diagonal = kernel.flattened[stride(from: 0, to: n * n, by: n + 1)]
    #expect(diagonal == .ones([n], as: .float32))
    #expect(kernel.sum().scalar == Double(n))
  }

  @Test func bitsAreTheSameForAnyNumberOfThreads() {
    var random = RandomGenerator(seed: 82)
    let net = Sequential {
      Convolution2D(5, window: (3, 3), padding: .same)
      Tanh()
      AveragePool2D()
      Convolution2D(6, window: (3, 3))
      Relu()
      Flatten()
      Dense(40)
      Erf()
      Dense(3)
    }
    let x = Tensor.normal([23, 10, 9, 2], using: &random)
    let p = net.initialized(like: x[0], seed: 3)
    for outputs in KernelOutputs.allCases {
      let one = withThreadLimit(1) { tangentKernel(of: net, at: p, on: x, outputs: outputs) }
      for threads in [2, 3] {
        #expect(withThreadLimit(threads) { tangentKernel(of: net, at: p, on: x, outputs: outputs) } == one)
      }
    }
  }
}
