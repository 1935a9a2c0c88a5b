import AutoDiff
import Testing

@testable import Layers

@Suite struct OptimizerTests {
  @Test func stepsAreTheRecursion() {
    let descent = GradientDescent(learningRate: 0.1, momentum: 0.9)
    var state = descent.start(at: [Tensor([1, 2]), Tensor(3)])
    var (p, v) = ([1.0, 2, 3], [0.0, 0, 0])
    for step in 1...5 {
      let g = [Double(step), -1, 0.5]
      state = descent.step(state, along: [Tensor(Array(g[..<2])), Tensor(g[2])])
      for k in 0..<3 {
        v[k] = 0.9 * v[k] + g[k]
        p[k] -= 0.1 * v[k]
      }
    }
    expectClose(state.parameters, [Tensor(Array(p[..<2])), Tensor(p[2])])
    expectClose(state.velocity, [Tensor(Array(v[..<2])), Tensor(v[2])])
  }

  @Test func aStepLeavesItsStateAlone() {
    let descent = GradientDescent(learningRate: 1)
    let state = descent.start(at: Tensor([1, 2]))
    let next = descent.step(state, along: Tensor([1, 1]))
    #expect(state.parameters == Tensor([1, 2]))
    #expect(next.parameters == Tensor([0, 1]))
    #expect(descent.step(state, along: Tensor([1, 1])).parameters == next.parameters)
  }

  @Test func findsTheMinimumOfAQuadratic() {
    let matrix = Tensor([[2, 0.5], [0.5, 1]])
    let loss = { (x: Tensor) in dot(x, matmul(matrix, x)) / 2 - x.sum() }
    for descent in [GradientDescent(learningRate: 0.4), GradientDescent(learningRate: 0.2, momentum: 0.5)] {
      var state = descent.start(at: Tensor([5, -3]))
      for _ in 0..<200 { state = descent.step(state, along: gradient(of: loss, at: state.parameters)) }
      expectClose(matmul(matrix, state.parameters), .ones([2]))
    }
  }

  @Test func trainingCanBeDifferentiated() throws {
    // The value after three steps, as a function of where they begin.
    let descent = GradientDescent(learningRate: 0.1, momentum: 0.5)
    let loss = { (x: Tensor) in (sin(x) * x).sum() }
    let end = { (start: Tensor) in
      var state = descent.start(at: start)
      for _ in 0..<3 { state = descent.step(state, along: gradient(of: loss, at: state.parameters)) }
      return loss(state.parameters)
    }
    try checkDerivatives(of: end, at: Tensor([0.3, -1.2, 2])).requirePassed()
  }

  @Test func momentumMustBeAShare() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = GradientDescent(learningRate: 0.1, momentum: 1)
    }
    #expect(
      result.message.contains(
        "GradientDescent: the rate must be finite and the momentum lie in 0..<1, but got 0.1, 1.0."))
  }
}
