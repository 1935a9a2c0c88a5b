import AutoDiff
import Foundation
import Layers
import Tangent
import Testing

/// The truncated hierarchy against the equations it solves and against models for which it is exact.
@Suite struct TruncatedHierarchyTests {
  private static let exact = ODESolver(relativeTolerance: 1e-11, absoluteTolerance: 1e-12)

  /// Random kernels that keep outputs bounded: K^(2) near the identity, the others small.
  private static func start(_ m: Int, _ n: Int, level: Int, seed: UInt64) -> TruncatedHierarchy.Start {
    var random = RandomGenerator(seed: seed)
    let second = Tensor.normal([m, n], using: &random) * 0.1 + Tensor.eye(max(m, n))[0..<m, 0..<n]
    let others = (3..<max(3, level + 1)).map {
      Tensor.normal([m] + [Int](repeating: n, count: $0 - 1), using: &random) * 0.2
    }
    return .init(outputs: .normal([m], using: &random), kernels: [second] + others)
  }

  // MARK: The equations

  @Test(arguments: 2...5, [SquaredLoss.halfMean, .halfSum]) func solvesTheEquationsAsTheyStand(
    level: Int, loss: SquaredLoss
  ) throws {
    // (15) and (22) for f and all kernels, without the shortcut by ∫r.
    let (start, new) = (
      Self.start(3, 3, level: level, seed: 71), Self.start(2, 3, level: level, seed: 72)
    )
    let y = Tensor([0.5, -1, 0.25])
    let c = loss.rate(examples: 3)
    let times = [0, 0.5, 2]
    let course = try TruncatedHierarchy(start: start, newStart: new, targets: y, loss: loss)
      .flow(at: times, solver: Self.exact, keepingKernels: true)
    let naive = try Self.exact.solve(
      from: [[start.outputs] + start.kernels, [new.outputs] + new.kernels], at: times
    ) { _, state in
      let residual = state[0][0] - y
      return state.map { part in
        part.indices.map { k in
          k + 1 < part.count ? matmul(part[k + 1], residual) * -c : .zeros(like: part[k])
        }
      }
    }
    #expect(course.level == level && course.times == times)
    for (k, state) in naive.states.enumerated() {
      expectClose([course.outputs[k]] + course.kernels[k], state[0], tolerance: 1e-8)
      expectClose([course.predictions[k]] + course.newKernels[k], state[1], tolerance: 1e-8)
      expectClose(Tensor(course.losses[k]), loss(state[0][0], y), tolerance: 1e-8)
    }
    #expect(course.statistics!.acceptedSteps > 0)
    let short = try TruncatedHierarchy(start: start, targets: y, loss: loss).flow(at: times, solver: Self.exact)
    #expect(short.kernels.isEmpty && short.newKernels.isEmpty && short.predictions.isEmpty)
    expectClose(short.outputs[2], course.outputs[2], tolerance: 1e-8)
  }

  @Test func theThirdLevelHasThePrintedFormWithItsFactor() throws {
    // ∂ₜr = −(1/n) K^(2) r + (1/n²) K^(3)[R, r], ∂ₜR = r.
    let start = Self.start(3, 3, level: 3, seed: 73)
    let y = Tensor([0.5, -1, 0.25])
    let course = try TruncatedHierarchy(start: start, targets: y).flow(at: [1.5], solver: Self.exact)
    let solution = try Self.exact.solve(from: [start.outputs - y, .zeros([3])], at: [1.5]) { _, state in
      let (r, integral) = (state[0], state[1])
      return [
        matmul(start.kernels[0], r) * (-1.0 / 3) + matmul(matmul(start.kernels[1], integral), r) * (1.0 / 9), r,
      ]
    }
    expectClose(course.outputs[0], solution.states[0][0] + y, tolerance: 1e-8)
  }

  @Test func atTheSecondLevelTheKernelStays() throws {
    let net = HierarchyNetwork(depth: 2, width: 32) { tanh($0) }
    var random = RandomGenerator(seed: 74)
    let (x, z) = (Tensor.normal([4, 3], using: &random), Tensor.normal([2, 3], using: &random))
    let y = Tensor.normal([4], using: &random)
    let p = net.initialized(like: x[0], seed: 1)
    // With the kernel of infinite width, from the network's outputs.
    let wide = net.infinitelyWide(.tanh)
    let (kernel, newKernel) = (try wide.ntk(x), try wide.ntk(z, x))
    let start = TruncatedHierarchy.Start(outputs: net.batched(x, p), kernels: [kernel])
    let new = TruncatedHierarchy.Start(outputs: net.batched(z, p), kernels: [newKernel])
    let course = try TruncatedHierarchy(start: start, newStart: new, targets: y)
      .flow(at: [1, 8], solver: Self.exact)
    let training = try LinearizedTraining(kernel: kernel, outputs: start.outputs, targets: y, loss: .halfMean)
    let predictor = try training.predictor(kernel: newKernel, outputs: new.outputs)
    for (k, time) in course.times.enumerated() {
      expectClose(course.outputs[k], try training.outputs(at: .flow(time)), tolerance: 1e-8)
      expectClose(course.predictions[k], try predictor.outputs(at: .flow(time)), tolerance: 1e-8)
    }
  }

  // MARK: Models for which it is exact

  /// f(x, u) = Σ_k x_k uᵏ/k!, of a single parameter.
  private static let powers = { @Sendable (x: Tensor, u: Tensor) -> Tensor in
    dot(x, stack([u, square(u) / 2, u * square(u) / 6]))
  }

  @Test func isExactWhereTheKernelIsConstant() throws {
    // A linear model has K^(3) = 0, which any level keeps.
    var random = RandomGenerator(seed: 75)
    let (x, z) = (Tensor.normal([4, 6], using: &random), Tensor.normal([2, 6], using: &random))
    let (p, y) = (Tensor.normal([6], using: &random), Tensor.normal([4], using: &random))
    let comparison = try compareHierarchy(
      levels: [2, 3, 4], of: { (x: Tensor, p: Tensor) in dot(x, p) }, from: p, on: x, targets: y, newPoints: z,
      at: [0.5, 2], solver: Self.exact)
    for errors in comparison.outputErrors + comparison.predictionErrors {
      #expect(errors.allSatisfy { $0 < 1e-8 }, "\(errors)")
    }
    #expect(comparison.parameters.count == 2 && comparison.truncations.map(\.level) == [2, 3, 4])
  }

  @Test func isExactFromTheDegreeOfThePolynomialOn() throws {
    // Trained on f(x₁) = u, K^(r)(x, x₁, …, x₁) is the derivative of order r − 1 in u, so that K^(k+2) vanishes for a
    // new point of degree k and level k + 1 predicts it exactly, while lower levels do not.
    let x = Tensor([[1, 0, 0]])
    let z = Tensor([[0.5, 0, 0], [1, -1, 0], [0.25, 1, 2]])
    let comparison = try compareHierarchy(
      levels: [2, 3, 4, 5], of: Self.powers, from: Tensor(0.3), on: x, targets: Tensor([1.5]), newPoints: z, at: [1],
      solver: Self.exact)
    for (k, course) in comparison.truncations.enumerated() {
      let errors = abs(course.predictions[0] - comparison.truth.predictions[0]).scalars
      for degree in 1...3 {
        #expect((errors[degree - 1] < 1e-8) == (k + 2 >= degree + 1), "level \(k + 2), degree \(degree): \(errors)")
      }
    }
  }

  @Test func stepsAreExactUpToTheSecondDegree() throws {
    // At level 3 a step of descent knows u, u²/2 and how the kernel of both changes.
    let x = Tensor([[1, 0, 0]])
    let z = Tensor([[1, -1, 0], [0.25, 1, 2]])
    let (start, target) = (0.3, 1.5)
    let hierarchy = try TruncatedHierarchy(
      level: 3, of: Self.powers, at: Tensor(start), on: x, targets: Tensor([target]), newPoints: z)
    let course = try hierarchy.descent(after: [0, 1, 5], stepsOf: 0.4, keepingKernels: true)
    for (k, count) in [0, 1, 5].enumerated() {
      var u = start
      for _ in 0..<count { u -= 0.4 * (u - target) }
      expectClose(course.outputs[k], Tensor([u]))
      expectClose(course.predictions[k][0], Tensor(u - u * u / 2))
      expectClose(course.newKernels[k][0][0], Tensor([1 - u]))
      #expect((course.times[k] - 0.4 * Double(count)).magnitude < 1e-12)
      let missed = (course.predictions[k][1] - Self.powers(z[1], Tensor(u))).scalar.magnitude
      #expect((missed > 1e-3) == (count > 0))
    }
    #expect(course.statistics == nil)
  }

  // MARK: Networks

  private static func network(width: Int, seed: UInt64) -> (
    net: HierarchyNetwork, p: Parameters, x: Tensor, z: Tensor, y: Tensor
  ) {
    var random = RandomGenerator(seed: 76)
    let (x, z) = (Tensor.normal([4, 3], using: &random), Tensor.normal([3, 3], using: &random))
    let net = HierarchyNetwork(depth: 2, width: width) { tanh($0) }
    return (net, net.initialized(like: x[0], seed: seed), x, z, Tensor.normal([4], using: &random))
  }

  @Test func theFlowObeysTheWholeHierarchy() throws {
    // (9) and (10): d/dt of f and of K^(2), K^(3) along an accurately integrated flow, on examples and new points.
    let (net, p, x, z, y) = Self.network(width: 12, seed: 3)
    let solver = ODESolver(relativeTolerance: 1e-13, absoluteTolerance: 1e-14)
    let loss = { (p: Parameters) in squaredLoss(net.batched(x, p), y) }
    let middle = try gradientFlow(of: loss, from: p, at: [0.7], solver: solver).finalState
    let h = 2e-3
    let around = try [-2, -1, 1, 2].map {
      try gradientFlow(of: loss, from: middle, at: [$0 * h], solver: solver).finalState
    }
    for newPoints in [nil, z] {
      func kernel(_ order: Int, _ p: Parameters) -> Tensor {
        order == 1
          ? net.batched(newPoints ?? x, p) : higherKernel(order: order, of: net, at: p, on: x, newPoints: newPoints)
      }
      for order in 1...3 {
        let values = around.map { kernel(order, $0) }
        let quotient = ((values[2] - values[1]) * 8 - (values[3] - values[0])) / (12 * h)
        let residual = net.batched(x, middle) - y
        expectClose(quotient, matmul(kernel(order + 1, middle), residual) / -4, tolerance: 1e-8)
        expectClose(
          quotient, higherKernelRate(order: order, of: net, at: middle, on: x, newPoints: newPoints, targets: y),
          tolerance: 1e-8)
      }
    }
  }

  @Test func theErrorFallsWithLevelAndWidth() throws {
    // Like m^(−p/2) for even p (18); the same change of outputs is asked of every network.
    let (widths, seeds) = ([32, 64, 128, 256], 6)
    var errors: [[Double]] = [[], [], []]
    for width in widths {
      var squares = [0.0, 0, 0]
      for seed in 0..<seeds {
        let (net, p, x, z, change) = Self.network(width: width, seed: UInt64(seed))
        let comparison = try compareHierarchy(
          levels: [2, 3, 4], of: net, from: p, on: x, targets: net.batched(x, p) + change, newPoints: z, at: [0.5],
          solver: ODESolver(relativeTolerance: 1e-8, absoluteTolerance: 1e-10))
        for level in 0..<3 {
          let error = comparison.outputErrors[level][0]
          squares[level] += error * error + pow(comparison.predictionErrors[level][0], 2)
        }
      }
      for level in 0..<3 { errors[level].append((squares[level] / Double(seeds)).squareRoot()) }
    }
    let slopes = errors.map { logarithmicSlope(widths.map(Double.init), $0) }
    #expect((slopes[0].value + 1).magnitude < 3 * slopes[0].error + 0.1 && slopes[0].error < 0.3, "\(slopes)")
    #expect((slopes[2].value + 2).magnitude < 3 * slopes[2].error + 0.2 && slopes[2].error < 0.2, "\(slopes)")
    for k in widths.indices {
      #expect(errors[2][k] < errors[1][k] && errors[1][k] < errors[0][k], "width \(widths[k]): \(errors)")
    }
  }

  @Test func kernelsStaySymmetric() throws {
    let (net, p, x, _, y) = Self.network(width: 16, seed: 2)
    let hierarchy = try TruncatedHierarchy(level: 4, of: net, at: p, on: x, targets: y)
    let flow = try hierarchy.flow(at: [0.5, 3], keepingKernels: true)
    let steps = try hierarchy.descent(after: [3, 10], stepsOf: 0.2, keepingKernels: true)
    for kernels in flow.kernels + steps.kernels {
      for kernel in kernels { expectClose(kernel, kernel.permuted([1, 0] + Array(2..<kernel.rank))) }
    }
    #expect(distance(flow.kernels[1][0], flow.kernels[0][0]) > 1e-3)
  }

  @Test func stepsFollowDescentAndTendToTheFlow() throws {
    let (net, p, x, z, y) = Self.network(width: 64, seed: 4)
    let hierarchy = try TruncatedHierarchy(level: 3, of: net, at: p, on: x, targets: y, newPoints: z)
    var q = p
    for _ in 0..<2 {
      q = q.adding(gradient(of: { squaredLoss(net.batched(x, $0), y) }, at: q), scaledBy: -0.25)
    }
    let truth = concatenate([net.batched(x, q), net.batched(z, q)])
    func error(_ hierarchy: TruncatedHierarchy) throws -> Double {
      let course = try hierarchy.descent(after: [2], stepsOf: 0.25)
      return distance(concatenate([course.outputs[0], course.predictions[0]]), truth)
    }
    let (third, second) = (try error(hierarchy), try error(hierarchy.truncated(at: 2)))
    #expect(third < second / 3, "\(third), \(second)")
    // The distance to the flow halves with the step.
    let flow = try hierarchy.flow(at: [2], solver: Self.exact)
    let errors = try [32, 64].map { count in
      distance(try hierarchy.descent(after: [count], stepsOf: 2 / Double(count)).outputs[0], flow.outputs[0])
    }
    #expect((errors[0] / errors[1] - 2).magnitude < 0.2, "\(errors)")
  }

  // MARK: Errors

  @Test func infiniteInputsAreNamed() {
    #expect(
      throws: TrainingError.notFinite(
        input: "kernel K^(3) of the training examples", index: [0, 0, 0], value: .infinity)
    ) {
      _ = try TruncatedHierarchy(
        start: .init(outputs: Tensor([1]), kernels: [Tensor([[1]]), Tensor([[[Double.infinity]]])]),
        targets: Tensor([0]))
    }
    #expect(throws: TrainingError.notFiniteAfter(steps: 207)) {
      // r is multiplied by −31 with every step, and 31^207 > 1.8e308.
      _ = try TruncatedHierarchy(
        start: .init(outputs: Tensor([1]), kernels: [Tensor([[1]])]), targets: Tensor([0])
      ).descent(after: [1000], stepsOf: 32)
    }
  }

  @Test func shapesThatDoNotFitStop() async {
    let shape = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = TruncatedHierarchy.Start(outputs: Tensor.ones([2]), kernels: [.ones([2, 2]), .ones([2, 2])])
    }
    #expect(shape.message.contains("TruncatedHierarchy: K^(3) must have 2 axes of 2 after 2, but got [2, 2]."))
    let level = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let start = TruncatedHierarchy.Start(outputs: Tensor.ones([1]), kernels: [.ones([1, 1])])
      _ = try TruncatedHierarchy(start: start, targets: Tensor([0])).truncated(at: 3)
    }
    #expect(level.message.contains("TruncatedHierarchy.truncated: the level must lie in 2...2, but got 3."))
  }
}
