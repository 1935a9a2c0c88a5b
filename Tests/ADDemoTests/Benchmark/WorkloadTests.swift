import AutoDiff
import Foundation
import Testing

@testable import ad_demo

/// Every workload at a small size against the same work written out in plain Swift.
@Suite struct WorkloadTests {
  private func workload(_ id: String, in list: [Workload]) throws -> Workload {
    try #require(list.first { $0.id == id }, "no workload \(id) among \(list.map(\.id))")
  }

  private func result(_ id: String, in list: [Workload], as type: ScalarType = .float64) throws -> [Tensor] {
    try workload(id, in: list).prepare(type).work()
  }

  /// The check value in both precisions.
  private func expectCheck(
    _ id: String, in list: [Workload], _ expected: Double, tolerance: Double = 1e-12,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    for chosen in list.filter({ $0.id == id }) {
      for (type, tolerance) in [(ScalarType.float64, tolerance), (.float32, 1e-3)] {
        let (work, check) = try chosen.prepare(type)
        let value = try #require(check(try work()))
        #expect(
          abs(value - expected) <= tolerance * abs(expected), "\(id) \(type): \(value), but expected \(expected)",
          sourceLocation: sourceLocation)
      }
    }
    _ = try workload(id, in: list)
  }

  // MARK: Loops

  @Test func products() throws {
    let (a, b) = (specifiedFill(1, 49), specifiedFill(2, 49))
    let c = (0..<7).flatMap { (row: Int) -> [Double] in
      let start = 7 * row
      return rowTimes(Array(a[start..<start + 7]), b, columns: 7)
    }
    try expectCheck("W1.gemm.7", in: Workloads.products([7]), length(c) / 7)
  }

  @Test func elementwise() throws {
    let x = specifiedFill(3, 1000, scale: 2)
    let functions: [(String, (Double) -> Double)] = [("tanh", tanh), ("exp", exp), ("erf", erf)]
    let workloads = Workloads.elementwise(exponents: [3])
    #expect(workloads.map(\.id) == functions.flatMap { Array(repeating: "W2.\($0.0).1e3", count: 3) })
    #expect(workloads.allSatisfy { $0.elements == 1000 })
    for (name, function) in functions {
      try expectCheck("W2.\(name).1e3", in: workloads, x.map(function).reduce(0, +) / 1000)
    }
  }

  @Test func smallOperations() throws {
    // d/dx (1.01 sin x + 0.1) = 1.01 cos x, multiplied up.
    func iterated(_ start: Double) -> Double {
      var (x, derivative) = (start, 1.0)
      for _ in 0..<20 { (x, derivative) = (sin(x) * 1.01 + 0.1, derivative * cos(x) * 1.01) }
      return x + derivative
    }
    let workloads = Workloads.smallOperations(repeats: 20, extent: 5)
    try expectCheck("W8.scalar", in: workloads, iterated(0.5))
    try expectCheck("W8.vec5", in: workloads, specifiedFill(70, 5).map(iterated).reduce(0, +))
    #expect(workloads[0].operations == 60)
  }

  @Test func convolutions() throws {
    let (batch, side, inputs, outputs) = (2, 4, 3, 2)
    let (x, w) = (specifiedFill(80, batch * side * side * inputs), specifiedFill(81, 54, scale: 1 / 27.0.squareRoot()))
    let u = specifiedFill(82, batch * side * side * outputs)
    func network(_ p: Blocks) -> [Double] {
      (0..<batch).flatMap { n in
        let image = Array(p[0][n * side * side * inputs..<(n + 1) * side * side * inputs])
        return convolved(image, p[1], side: side, inputs: inputs, outputs: outputs)
      }
    }
    let workloads = Workloads.convolutions(batch: batch, side: side, channels: (inputs, outputs))
    try expectCheck("W9.forward", in: workloads, length(network([x, w])))
    // The function is linear in each argument, so differences are exact but for rounding.
    let gradient = differenceJacobian(of: { [inner(network($0), u)] }, at: [x, w], step: 1)[0]
    try expectCheck(
      "W9.grad", in: workloads,
      inner(network([x, w]), u) + length(Array(gradient[..<x.count])) + length(Array(gradient[x.count...])))
    #expect(workloads.map(\.flops) == [3456, 10368])
  }

  @Test func cholesky() throws {
    let n = 6
    let g = specifiedFill(90, n * n)
    var l = [Double](repeating: 0, count: n * n)
    for i in 0..<n {
      for j in 0...i {
        var a = (0..<n).reduce(i == j ? 1.0 : 0) { $0 + g[i * n + $1] * g[j * n + $1] / Double(n) }
        for k in 0..<j { a -= l[i * n + k] * l[j * n + k] }
        l[i * n + j] = i == j ? a.squareRoot() : a / l[j * n + j]
      }
    }
    try expectCheck(
      "W10.chol.6", in: Workloads.factorizations([n]), (0..<n).map { log(l[$0 * n + $0]) }.reduce(0, +))
  }

  @Test func largestEigenvalue() throws {
    let n = 6
    let g = specifiedFill(90, n * n)
    // Power iteration with the matrix shifted by 3, more than its norm, so that the largest eigenvalue dominates.
    let a = (0..<n * n).map { k in
      (g[k] + g[k % n * n + k / n]) / (2 * Double(n).squareRoot()) + (k / n == k % n ? 3 : 0)
    }
    var v = [Double](repeating: 1, count: n)
    for _ in 0..<3000 {
      let w = matrixTimes(a, v)
      v = w.map { $0 / length(w) }
    }
    try expectCheck("W10.eigh.6", in: Workloads.factorizations([n]), inner(v, matrixTimes(a, v)) - 3)
  }

  // MARK: Perceptron

  @Test func perceptron() throws {
    let (batch, plain) = (3, PlainPerceptron(sizes: [5, 4, 3, 4, 2]))
    let p = plain.parameters
    let workloads = Workloads.perceptron(sizes: plain.sizes, batch: batch)
    try expectCheck("W3.forward", in: workloads, length(plain.examples(batch).map { plain.layers($0.x, p)[4] }))
    let (value, gradient) = plain.loss(batch, p)
    try expectCheck("W3.valuegrad", in: workloads, value + length(gradient))
    let moved = plain.hessianTimes(plain.direction(scale: 0.01), batch, at: p)
    try expectCheck("W3.hvp", in: workloads, length(moved), tolerance: 1e-9)
    let step = try result("W3.sgd", in: workloads).map(\.scalars)
    #expect(length(sum(step, -1, times: sum(p, -0.01, times: gradient))) < 1e-14)

    let own = plain.examples(batch).map { plain.squaredError($0.x, $0.y, p).gradient.flatMap(\.self) }
    let each = Workloads.perExampleGradients(sizes: plain.sizes, batch: batch)
    try expectCheck("W4.tree", in: each, length(own))
    try expectCheck("W4.flat", in: each, length(own))
    #expect(
      try result("W4.tree", in: each).map { Array($0.shape.dropFirst()) } == [
        [5, 4], [4], [4, 3], [3], [3, 4], [4], [4, 2], [2],
      ])
    let flat = try result("W4.flat", in: each)[0]
    #expect(flat.isApproximatelyEqual(to: Tensor(own), tolerance: 1e-12))
  }

  @Test func powerIteration() throws {
    let (batch, plain) = (3, PlainPerceptron(sizes: [3, 2, 3, 2, 2]))
    let p = plain.parameters
    var v = plain.direction(scale: 1)
    v = scaled(v, by: 1 / length(v))
    var eigenvalue = 0.0
    for _ in 0..<20 {
      let w = plain.hessianTimes(v, batch, at: p)
      eigenvalue = inner(v, w)
      v = scaled(w, by: 1 / length(w))
    }
    try expectCheck(
      "W7.power20", in: Workloads.powerIteration(sizes: plain.sizes, batch: batch), eigenvalue, tolerance: 1e-8)
  }

  // MARK: Kernels

  /// Σ K[i, i, a, a] + ‖K‖ from the Jacobians of every example.
  private func kernelCheck(_ jacobians: [Blocks]) -> Double {
    let rows = jacobians.flatMap(\.self)
    return length(rows) * length(rows) + length(rows.map { row in rows.map { inner(row, $0) } })
  }

  private func examples(_ count: Int, _ extent: Int) -> Blocks {
    let x = specifiedFill(50, count * extent)
    return (0..<count).map { Array(x[$0 * extent..<($0 + 1) * extent]) }
  }

  @Test(arguments: [1, 3]) func denseKernels(outputs: Int) throws {
    let sizes = [4, 5, 3, 5, outputs]
    let p = (0..<4).map { specifiedFill(10 + UInt64($0), sizes[$0] * sizes[$0 + 1]) }
    func network(_ x: [Double], _ p: Blocks) -> [Double] {
      var h = x
      for l in 0..<4 {
        let z = rowTimes(h, p[l], columns: sizes[l + 1]).map { $0 / Double(sizes[l]).squareRoot() }
        h = l < 3 ? z.map(erf) : z
      }
      return h
    }
    let x = examples(3, 4)
    let workloads = Workloads.denseKernels("case", examples: 3, sizes: sizes)
    try expectCheck("W5.case.forward", in: workloads, length(x.map { network($0, p) }))
    let jacobians = x.map { x in differenceJacobian(of: { network(x, $0) }, at: p, step: 1e-3) }
    try expectCheck("W5.case.ntk", in: workloads, kernelCheck(jacobians), tolerance: 1e-9)
  }

  @Test(arguments: ["cnn_flat", "cnn_gap"]) func imageKernels(name: String) throws {
    let (side, channels) = (3, [2, 3, 2])
    let features = name == "cnn_flat" ? side * side * 2 : 2
    let p = [specifiedFill(10, 9 * 2 * 3), specifiedFill(11, 9 * 3 * 2), specifiedFill(12, features)]
    func network(_ x: [Double], _ p: Blocks) -> [Double] {
      var h = x
      for l in 0..<2 {
        let y = convolved(h, p[l], side: side, inputs: channels[l], outputs: channels[l + 1])
        h = y.map { erf($0 / Double(9 * channels[l]).squareRoot()) }
      }
      if name == "cnn_gap" {
        let area = side * side
        h = (0..<2).map { (c: Int) -> Double in
          let sum: Double = (0..<area).reduce(0) { $0 + h[$1 * 2 + c] }
          return sum / Double(area)
        }
      }
      return [inner(h, p[2]) / Double(features).squareRoot()]
    }
    let x = examples(3, side * side * 2)
    let workloads = Workloads.imageKernels(examples: 3, side: side, channels: channels)
    try expectCheck("W5.\(name).forward", in: workloads, length(x.map { network($0, p) }))
    let jacobians = x.map { x in differenceJacobian(of: { network(x, $0) }, at: p, step: 1e-3) }
    try expectCheck("W5.\(name).ntk", in: workloads, kernelCheck(jacobians), tolerance: 1e-9)
  }

  /// By the identities of the specification, which expand what the workload does recursively.
  @Test func higherKernels() throws {
    let (n, d, m) = (3, 3, 5)
    let x = specifiedFill(63, n * d, scale: 1 / Double(d).squareRoot())
    let p = [specifiedFill(60, m * d), specifiedFill(61, m * m), specifiedFill(62, m)]
    let plain = PlainTwoLayers(width: m)
    let all = 0..<n
    func gradient(_ i: Int, _ p: Blocks) -> Blocks { plain.gradient(Array(x[i * d..<(i + 1) * d]), p) }
    let g = all.map { gradient($0, p) }
    /// H_i v
    func hessian(_ i: Int, _ v: Blocks, at p: Blocks) -> Blocks {
      differenceDerivative(of: { gradient(i, $0) }, at: p, along: v)
    }
    let u = all.map { i in all.map { hessian(i, g[$0], at: p) } }
    /// M[i; j, k]
    func second(_ i: Int, _ j: Int, _ k: Int) -> Double { inner(g[j], u[i][k]) }
    /// T[i; j, k, l]
    let third = all.map { i in
      all.map { k in
        all.map { l in
          let moved = differenceDerivative(of: { hessian(i, g[k], at: $0) }, at: p, along: g[l], step: 4e-3)
          return all.map { inner(g[$0], moved) }
        }
      }
    }
    var (three, four): ([Double], [Double]) = ([], [])
    for i in all {
      for j in all {
        for k in all {
          three.append(second(i, j, k) + second(j, i, k))
          for l in all {
            let products =
              inner(u[i][k], u[j][l]) + inner(u[i][j], u[k][l]) + inner(u[j][k], u[i][l]) + inner(u[j][i], u[k][l])
            four.append(third[i][k][l][j] + third[j][k][l][i] + products)
          }
        }
      }
    }
    let workloads = Workloads.higherKernels([(3, n), (4, n)], inputs: d, width: m)
    try expectCheck("W6.K3n3", in: workloads, length(three), tolerance: 1e-9)
    try expectCheck("W6.K4n3", in: workloads, length(four), tolerance: 1e-7)
    let kernel = try result("W6.K3n3", in: workloads)[0]
    #expect(kernel.isApproximatelyEqual(to: Tensor(three, shape: [n, n, n]), tolerance: 1e-8))
  }

  // MARK: Small steps

  /// The work of W11.gd by hand: gradient descent with the derivatives written out.
  @Test func descent() throws {
    let (m, batch, steps, rate) = (3, 4, 7, 0.05)
    var p = [
      specifiedFill(100, 10 * m, scale: 1 / 10.0.squareRoot()), specifiedFill(101, m, scale: 0.1),
      specifiedFill(102, m, scale: 1 / Double(m).squareRoot()), specifiedFill(103, 1, scale: 0.1),
    ]
    let (x, y) = (specifiedFill(104, batch * 10), specifiedFill(105, batch))
    func loss(_ p: Blocks) -> (value: Double, gradient: Blocks) {
      var (value, gradient) = (0.0, p.map { $0.map { _ in 0.0 } })
      for n in 0..<batch {
        let example = Array(x[n * 10..<(n + 1) * 10])
        let h = zip(rowTimes(example, p[0], columns: m), p[1]).map { tanh($0 + $1) }
        let residual = inner(h, p[2]) + p[3][0] - y[n]
        let inside = zip(h, p[2]).map { residual * $1 * (1 - $0 * $0) }
        value += residual * residual / 2
        gradient = sum(gradient, times: [outer(example, inside), inside, h.map { $0 * residual }, [residual]])
      }
      return (value / Double(batch), scaled(gradient, by: 1 / Double(batch)))
    }
    for _ in 0..<steps { p = sum(p, -rate, times: loss(p).gradient) }
    try expectCheck(
      "W11.gd.m3b4", in: Workloads.descent([(m, batch)], steps: steps, rate: rate), loss(p).value + length(p))
  }

  /// The distance from the law sees a law that is off by one in a hundred.
  @Test func randomNumbers() throws {
    for workload in Workloads.randomNumbers(exponent: 5) {
      for type in ScalarType.allCases {
        let (work, check) = try workload.prepare(type)
        let value = try #require(check(try work()))
        #expect(value > 0 && value < 4, "\(workload.label): \(value)")
      }
    }
    var random = RandomGenerator(seed: 1)
    let x = Tensor.uniform([100_000], using: &random)
    #expect(Workloads.kolmogorovDistance(x) { $0 } < 1.95)
    #expect(Workloads.kolmogorovDistance(x * 0.99) { $0 } > 2)
  }

  // MARK: Published figures

  /// At the specification's sizes the check values are those that other programs have published.
  @Test(arguments: [
    ("W1.gemm.256", 15.9392403273), ("W5.mlp128.forward", 5.78277014336), ("W5.mlp128.ntk", 164.997223715),
    ("W5.cnn_flat.forward", 4.21918928166), ("W5.cnn_flat.ntk", 71.7384764907),
    ("W5.cnn_gap.forward", 0.266299309246), ("W5.cnn_gap.ntk", 0.379157528901), ("W6.K3n8", 0.0621977064601),
    ("W8.scalar", 0.875620511134), ("W8.vec32", 28.0198563563), ("W2.chain.1e6", -2321.19182729),
    ("W11.gd.m64b32", 8.44304342939), ("W11.hvp.m64b32", 7.30705587823), ("W11.rnn", 14.7556531572),
    ("W11.noisy.N1000", 0.341801524549), ("W12.transformer", 3.47752606828), ("W12.cnn", 6.90831019562),
  ])
  func publishedCheckValues(id: String, expected: Double) throws {
    try expectCheck(id, in: Workloads.all, expected, tolerance: 1e-11)
  }

  @Test func allWorkloadsOfTheSpecification() {
    var ids: [String] = []
    for id in Workloads.all.map(\.id) where id != ids.last { ids.append(id) }
    #expect(
      ids == [
        "W1.gemm.256", "W1.gemm.512", "W1.gemm.1024", "W1.gemm.2048", "W2.tanh.1e6", "W2.exp.1e6", "W2.erf.1e6",
        "W2.tanh.1e7", "W2.exp.1e7", "W2.erf.1e7", "W2.chain.1e6", "W2.chain.1e7", "W3.forward", "W3.valuegrad",
        "W3.hvp", "W3.sgd", "W4.tree",
        "W4.flat", "W5.mlp128.forward", "W5.mlp128.ntk", "W5.mlp256.forward", "W5.mlp256.ntk", "W5.mlp64o10.forward",
        "W5.mlp64o10.ntk", "W5.cnn_flat.forward", "W5.cnn_flat.ntk", "W5.cnn_gap.forward", "W5.cnn_gap.ntk",
        "W6.K3n8", "W6.K3n16", "W6.K4n8", "W6.K3w2048", "W7.power20", "W8.scalar", "W8.vec32", "W9.forward", "W9.grad",
        "W10.eigh.500", "W10.chol.500", "W10.eigh.1000", "W10.chol.1000", "W10.eigh.2000", "W10.chol.2000",
        "W11.gd.m64b32", "W11.gd.m256b32", "W11.gd.m1024b256", "W11.hvp.m64b32", "W11.rnn", "W11.noisy.N1000",
        "W11.noisy.N10000", "W12.transformer", "W12.cnn", "W13.rnn128.ntk", "W13.ode32.ntk", "W13.embedding.ntk",
        "W13.wide.ntk", "W15.random.normal.1e8", "W15.random.uniform.1e8", "W15.random.correlation.1e8",
        "W14.transformer.ntk", "W14.residual50.ntk", "W14.unet.ntk",
      ])
  }

  /// Factored kernels, eager and recorded, and explicit ones.
  private func expectSameKernels(_ workloads: [Workload]) throws {
    #expect(workloads.map(\.variant) == ["factored, eager", "factored, recorded", "explicit"])
    let kernels = try workloads.map { try $0.prepare(.float64).work()[0] }
    for kernel in kernels[..<2] { #expect(kernel.isApproximatelyEqual(to: kernels[2], tolerance: 1e-12)) }
  }

  /// A transformer block, a deep residual network and a U-Net.
  @Test func architectureKernels() throws {
    let workloads = Workloads.architectureKernels(examples: 8, tokens: 5, width: 4, layers: 6, side: 4)
    for start in stride(from: 0, to: workloads.count, by: 3) {
      try expectSameKernels(Array(workloads[start..<start + 3]))
    }
  }

  /// Models that use their weights many times.
  @Test(arguments: [1, 3, 8]) func structuredKernels(steps: Int) throws {
    try expectSameKernels(Workloads.recurrentKernel(steps: steps, width: 3, examples: 4))
    try expectSameKernels(Workloads.differentialEquationKernel(steps: steps, width: 3, examples: 4))
  }
}
